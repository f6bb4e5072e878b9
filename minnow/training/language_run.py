"""What every run of a language model goes through, whether it reads text or conversations.

what is read → model → steps → bundle → card
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import torch

from minnow.allocator import keep_freed_memory
from minnow.bundle import layout, replacing
from minnow.bundle.bundle import Bundle, size_on_disk
from minnow.bundle.provenance import made_of
from minnow.errors import RecipeError
from minnow.files import write_text
from minnow.listeners import Note, Show, unheard
from minnow.models.registry import architecture
from minnow.text.tokenizer import Tokenizer
from minnow.training import distributed
from minnow.training.adapters import adapt, settle
from minnow.training.distributed import World
from minnow.training.journal import Journal
from minnow.training.language_trainer import LanguageTrainer
from minnow.training.outcome import Outcome
from minnow.training.pretraining_recipe import AdapterSettings, seconds_of
from minnow.training.recipe_file import to_toml
from minnow.training.run_folder import attempt, check_place, check_same_source, drop_state
from minnow.training.settings import keys_asked, unused
from minnow.training.trainer import choose_device

SAMPLES = "samples.md"
SCORES = ("loss", "perplexity", "word_perplexity", "bits_per_byte")


@dataclass(frozen=True)
class Pretrained:
    """A finished run."""

    folder: Path
    bundle: Bundle
    summary: dict[str, Any]


@dataclass(frozen=True)
class Material:
    """What the steps work on: the model, its tokenizer, and the data in the form that this kind of run reads."""

    model: Any
    tokenizer: Tokenizer
    train: Any
    validation: Any


def carry_out(
    kind: Callable[..., LanguageRun],
    recipe: Any,
    folder: Path,
    *,
    overwrite: bool,
    resume: bool,
    note: Note,
    show: Show,
) -> Pretrained | None:
    """Set the machine up and go through a run of this kind; under torchrun None for all but the leading process."""
    started = time.monotonic()
    device = choose_device(recipe.training.device)
    if device.type == "cpu":
        keep_freed_memory()
    with distributed.world(recipe.training.device) as world:
        if device.type == "cuda":
            device = torch.device("cuda", world.local_rank)
        heard = (note, show) if world.leads else (unheard, unheard)
        return kind(recipe, folder, world, device, *heard, started).whole(overwrite, resume)


@dataclass
class LanguageRun(ABC):
    """The stages of one run, each of which the next one needs; what differs is in the methods that are left open."""

    chats: ClassVar[bool] = False  # whether the model was taught to

    recipe: Any
    folder: Path
    world: World
    device: torch.device
    note: Note
    show: Show
    started: float

    @property
    def place(self) -> Path:
        return self.folder / layout.RUN

    @property
    def division(self) -> str:
        """How a step is shared out, in words."""
        said = self.recipe.training
        return said.parallel if self.world.size == 1 else f"{self.world.size} processes ({said.distributed})"

    def even(self, rows: int) -> int:
        """So many rows of a step or a few more, that every process has as many."""
        return -(-rows // self.world.size) * self.world.size

    def check_rows(self, rows: int) -> None:
        """RecipeError where the rows of a step cannot be shared out evenly."""
        if rows % self.world.size:
            raise RecipeError(
                f"training.batch_rows must be a multiple of the {self.world.size} processes, but got {rows}; try "
                f"{self.even(rows)}, or with {rows} a number of processes that divides it"
            )

    # What a kind of run says

    @abstractmethod
    def read(self) -> Any:
        """What the recipe names, opened and checked, before anything is written."""

    @abstractmethod
    def begin(self, read: Any, resume: bool) -> None:
        """Keep what a run that goes on must find again, or check that it is the same.

        Asked of the process that leads, and of all where a run goes on.

        Raises:
            DataError: the data have changed since the run began.
        """

    @abstractmethod
    def material(self, read: Any, resume: bool) -> Material:
        """Model, tokenizer and data."""

    @abstractmethod
    def filled(self, material: Material) -> Any:
        """The recipe with what was left open decided."""

    @abstractmethod
    def trainer(self, material: Material) -> LanguageTrainer:
        """The loop."""

    def tested(self, trainer: LanguageTrainer, material: Material) -> dict[str, float]:  # noqa: ARG002 - here is none
        """The scores of the kept weights on what nothing was chosen by, where the recipe names it."""
        return {}

    def unread(self, material: Material) -> Iterator[str]:  # noqa: ARG002 - this much every model has in common
        """Sentences on what the recipe says to no effect."""
        adapter = self.recipe.adapter
        if not adapter.rank:
            yield from unused("adapter.rank is 0", keys_asked("adapter", adapter, AdapterSettings()))

    @abstractmethod
    def plan(self, material: Material, steps: int, seconds_a_step: float, seconds_measuring: float) -> list[str]:
        """What is going to happen, in lines for people; the last ends with how long it will take."""

    @abstractmethod
    def task(self, model: Any) -> dict[str, Any]:
        """What the model is for."""

    @abstractmethod
    def data(self, material: Material) -> dict[str, Any]:
        """Where the model's knowledge comes from, for its card."""

    @abstractmethod
    def counts(self, material: Material) -> dict[str, Any]:
        """How much was read, for the summary."""

    @property
    @abstractmethod
    def start(self) -> str:
        """The model that the run goes on from; "" for none."""

    # The path

    def whole(self, overwrite: bool, resume: bool) -> Pretrained | None:
        check_place(self.folder, self.start, overwrite, resume)
        self.world.wait()  # until all have seen what stands there
        read = self.read()
        with attempt(self.folder, resume) if self.world.leads else nullcontext():
            if self.world.leads or resume:
                check_same_source(self.place, self.start, resume)
                self.begin(read, resume)
            if self.world.leads and not resume:
                write_text(self.place / layout.RECIPE, to_toml(self.recipe))
            return self._fit(read, resume)

    def _fit(self, read: Any, resume: bool) -> Pretrained | None:
        material = self.material(read, resume)
        if not resume:
            for line in self.unread(material):
                self.note(line)
        self.recipe = self.filled(material)
        if self.recipe.adapter.rank:
            learning = adapt(material.model, self.recipe.adapter, self.recipe.training.seed)
            self.note(f"adapter: rank {self.recipe.adapter.rank}, {learning:,} parameters learn")
        if self.world.leads:
            write_text(self.place / layout.RECIPE, to_toml(self.recipe))
        trainer = self.trainer(material)
        budget = seconds_of(self.recipe.training.budget)
        if not trainer.resume():
            self._plan(trainer, material, budget)
        outcome = trainer.fit(budget, time.monotonic() - self.started)
        tested = self.tested(trainer, material)
        ended = time.monotonic()
        scores = trainer.final_scores(outcome) | {f"test_{name}": tested[name] for name in SCORES if name in tested}
        finished = _finished(trainer, material.model)
        outcome = replace(outcome, seconds=outcome.seconds + time.monotonic() - ended)
        if not self.world.leads:
            self.world.wait()  # for the folder, which whoever asked may go on to read
            return None
        for line in outcome.notes:
            self.note(line)
        saved = self._save(replace(material, model=finished), scores, outcome)
        self.world.wait()
        return saved

    def _plan(self, trainer: LanguageTrainer, material: Material, budget: float) -> None:
        """Time a few steps, decide how many there will be, and tell the person before the first."""
        self.show({"stage": "rehearsal", "done": 0, "total": None})
        try:
            a_step, measuring = trainer.rehearse(), trainer.rehearse_validation(budget)
        except torch.OutOfMemoryError as error:  # a GPU's
            raise RecipeError(
                f"a step of {self.recipe.training.batch_rows} rows takes more memory than the GPU has; take "
                "training.accumulation=2 or more, fewer training.batch_rows or training.activation_checkpointing=true"
            ) from error
        if budget:
            spent = self.world.told(time.monotonic() - self.started)
            trainer.plan(a_step, budget, spent)
            if spent + a_step > budget:
                self.note(
                    f"reading and trying out have taken {duration(spent)} of the {duration(budget)}, so there is time "
                    "for a single step; give a longer --budget"
                )
        steps = trainer.pace.num_steps
        *lines, last = self.plan(material, steps, a_step, self.recipe.training.validations * measuring)
        for line in (*lines, f"{last}, {trainer.memory_mib():,.0f} MiB of memory"):
            self.note(line)

    def told(self, row: dict[str, Any]) -> None:
        """Journal rows to whoever watches; samples into their file as well."""
        if "sample" in row:
            rows = [one for one in Journal(self.place / "journal.jsonl").rows() if "sample" in one]
            write_text(self.place / SAMPLES, "".join(map(_sample_section, rows)))
        self.show(row)

    # What is left behind

    def _save(self, material: Material, scores: dict[str, float], outcome: Outcome) -> Pretrained:
        model, recipe = material.model, to_toml(self.recipe)
        counted = {"steps": outcome.num_steps, "tokens_seen": outcome.tokens}
        provenance = made_of(model.config.model_type, self.data(material), self.start, outcome.seconds, **counted)
        base = settle(model, self.recipe.adapter, self.start)
        bundle = Bundle(model, self.task(model), material.tokenizer, provenance, recipe, base)
        bundle.save(self.folder)
        replacing.end(self.folder)
        drop_state(self.place)
        summary = {
            "model": str(self.folder),
            "model_type": model.config.model_type,
            "parameters": model.num_parameters(),
            **scores,
            "step": outcome.step,
            "steps": outcome.num_steps,
            "tokens": outcome.tokens,
            **self.counts(material),
            "vocab_size": material.tokenizer.vocab_size,
            "size_bytes": size_on_disk(self.folder),
            "interrupted": outcome.interrupted,
            "train_seconds": round(outcome.seconds, 3),
        }
        self._write_card(bundle, summary, recipe)
        return Pretrained(self.folder, Bundle.load(self.folder), summary)

    def _write_card(self, bundle: Bundle, summary: dict[str, Any], recipe: str) -> None:
        """Curves and the card; the model itself stands already."""
        from minnow.bundle.card import LanguageCard, render_language_card
        from minnow.evaluation import plots
        from minnow.evaluation.tables import language_table

        journal = Journal(self.place / "journal.jsonl").rows()
        if plots.available() and len(journal) > 1:
            plots.save(plots.training_curves(journal), self.place / "curves")
        names = (*SCORES, *(f"test_{name}" for name in SCORES))
        card = LanguageCard(
            name=self.folder.name,
            model_type=summary["model_type"],
            parameters=summary["parameters"],
            size_bytes=summary["size_bytes"],
            writes=bundle.task["name"] == "text_generation",
            scores=language_table({name: summary[name] for name in names if name in summary}),
            tested="test_loss" in summary,
            sample=next((row["sample"] for row in reversed(journal) if "sample" in row), ""),
            data=bundle.provenance["data"],
            recipe=recipe,
            provenance=bundle.provenance,
            chats=self.chats,
            curves=(self.place / "curves.png").is_file(),
        )
        write_text(self.folder / layout.CARD, render_language_card(card))


def duration(seconds: float) -> str:
    """For people."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _finished(trainer: LanguageTrainer, model: Any) -> Any:
    """The model on the processor with plain weights; FSDP leaves each process a share of them."""
    if distributed.is_sharded(next(model.parameters())):
        weights = trainer.weights()
        model = architecture(model.config.model_type)[1](model.config)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.copy_(weights[name])
    model.gradient_checkpointing = False
    return model.to("cpu").eval()


def _sample_section(row: dict[str, Any]) -> str:
    """What was written at a validation, for the file of samples."""
    text = "\n".join("    " + line for line in row["sample"].splitlines())
    return f"## Step {row['step']:,}, validation loss {row['validation_loss']:.4f}\n\n{text}\n\n"
