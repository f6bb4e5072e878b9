"""From a language model and conversations to a model that answers.

conversations → template → rows of ids → steps → bundle → card

Only what the assistant says is learnt; what it is asked is read. R rows · S positions
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from minnow.allocator import keep_freed_memory
from minnow.bundle import layout, replacing
from minnow.bundle.bundle import Bundle, size_on_disk
from minnow.bundle.provenance import machine, versions
from minnow.data.conversations import Conversations, read_conversations
from minnow.data.folders import folder_parts
from minnow.data.shards import TokenShards
from minnow.data.windows import RowWindows, padded
from minnow.decoding.chat import ROLE_TOKENS, house_template, taught_ids
from minnow.errors import BundleError, DataError, InputError, RecipeError
from minnow.files import write_text
from minnow.models.vocabulary import grown
from minnow.text.messages import Message
from minnow.text.tokenizer import Tokenizer
from minnow.training import adapters, distributed
from minnow.training.adapters import adapt, check_adapter, settle
from minnow.training.distributed import World
from minnow.training.instruction_recipe import InstructionRecipe
from minnow.training.journal import Journal
from minnow.training.language_trainer import LanguageTrainer, Outcome
from minnow.training.objectives import Asked, answers, is_causal
from minnow.training.precision import precision_for
from minnow.training.pretrain import (
    SAMPLES,
    Note,
    Pretrained,
    Show,
    drop_state,
    duration,
    parallel_for,
    sample_section,
    unheard,
    write_evidence,
)
from minnow.training.pretraining_recipe import seconds_of
from minnow.training.recipe_file import to_toml
from minnow.training.trainer import choose_device

DATA_HASH = "data.sha256"
LONGEST = 1024  # tokens of a conversation, unless more is asked for
SPLIT_SEED = 0
LEARNING_RATE, AT_PARAMETERS = 5e-4, 5e6  # larger models want smaller steps
HIGHEST_LEARNING_RATE = 1e-3

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class AnswerRows:
    """Conversations as ids: those of an answer as they are, all others as complements, see ``objectives.answers``."""

    rows: list[Ints]
    filler: int

    @property
    def num_tokens(self) -> int:
        return sum(map(len, self.rows))

    @property
    def num_asked(self) -> int:
        """Tokens that are learnt."""
        return sum(int((row >= 0).sum()) for row in self.rows)


class AnswerTrainer(LanguageTrainer):
    """The loop over conversations: what is measured is held-out answers, each row by itself."""

    @property
    def held(self) -> AnswerRows:
        return cast(AnswerRows, self.validation)

    def _questions(self, tokens: int) -> Iterator[tuple[Asked, dict[str, Any], float]]:
        """Rows in their order until ``tokens`` are read; every process asks equally often, as in the other loop."""
        starts = np.cumsum([0, *map(len, self.held.rows)])[:-1]
        rows = [row for row, start in zip(self.held.rows, starts, strict=True) if start < tokens]
        size = self.settings.batch_rows
        groups = [rows[first : first + size] for first in range(0, len(rows), size)]
        for first in range(0, len(groups), self.world.size):
            number = first + self.world.rank
            ids = padded(groups[number if number < len(groups) else 0], self.held.filler)
            yield self.objective(ids, (), 0), {}, float(number < len(groups))


def instruct(
    recipe: InstructionRecipe,
    folder: Path,
    *,
    overwrite: bool = False,
    resume: bool = False,
    note: Note = unheard,
    show: Show = unheard,
) -> Pretrained | None:
    """Teach a language model to answer and write the new model's folder; arguments as of ``pretrain``.

    Raises:
        InputError: conversations, model, recipe or folder cannot be used as they are; one line says what to do.
    """
    started = time.monotonic()
    if not recipe.data.train:
        raise RecipeError("the recipe names no conversations; give a file: minnow train FILE --from MODEL")
    if not recipe.instruction.start:
        raise RecipeError(
            f"{recipe.data.train} holds conversations; name the language model that shall learn from them: --from MODEL"
        )
    device = choose_device(recipe.training.device)
    if device.type == "cpu":
        keep_freed_memory()
    with distributed.world(recipe.training.device) as world:
        if device.type == "cuda":
            device = torch.device("cuda", world.local_rank)
        heard = (note, show) if world.leads else (unheard, unheard)
        return _Run(recipe, folder, world, device, *heard, started).whole(overwrite, resume)


@dataclass
class _Run:
    """The stages of one run, each of which the next one needs."""

    recipe: InstructionRecipe
    folder: Path
    world: World
    device: torch.device
    note: Note
    show: Show
    started: float

    @property
    def place(self) -> Path:
        return self.folder / layout.RUN

    def whole(self, overwrite: bool, resume: bool) -> Pretrained | None:
        if not resume:
            layout.check_free(self.folder, overwrite)
        self.world.wait()  # until all have seen what stands there
        parts = _parts(self.recipe)
        for line in parts[0].notes:
            self.note(f"{parts[0].name}: {line}")
        source = self._source()
        tokenizer = self._tokenizer(source)
        rows = [self._rows(part, tokenizer, source.model) for part in parts]
        if resume:
            _check_same(self.place, parts[0])
        elif self.world.leads:
            replacing.begin(self.folder)
            write_text(self.place / layout.RECIPE, to_toml(self.recipe))
            write_text(self.place / DATA_HASH, parts[0].sha256 + "\n")
        try:
            return self._fit(parts, rows, source, tokenizer)
        except (InputError, KeyboardInterrupt):
            if not resume and self.world.leads:
                replacing.end(self.folder)
            raise

    def _fit(
        self, parts: Sequence[Conversations], rows: Sequence[AnswerRows], source: Bundle, tokenizer: Tokenizer
    ) -> Pretrained | None:
        torch.manual_seed(self.recipe.training.seed)
        model = grown(source.model, tokenizer.vocab_size)
        if self.recipe.adapter.rank:
            learning = adapt(model, self.recipe.adapter, self.recipe.training.seed)
            self.note(f"adapter: rank {self.recipe.adapter.rank}, {learning:,} parameters learn")
        self.recipe = self._filled(model, len(rows[0].rows))
        if self.world.leads:
            write_text(self.place / layout.RECIPE, to_toml(self.recipe))
        trainer = self._trainer(model, tokenizer, rows, parts[1])
        if not trainer.resume():
            self._plan(trainer, model, rows[0])
        outcome = trainer.fit(seconds_of(self.recipe.training.budget), time.monotonic() - self.started)
        scores = trainer.final_scores(outcome)
        model.gradient_checkpointing = False
        if not self.world.leads:
            return None
        if outcome.interrupted:
            self.note(f"interrupted: the best weights so far, of step {outcome.step:,}, are kept")
        return self._save(model.to("cpu").eval(), tokenizer, (parts[0], rows[0]), scores, outcome)

    # Stages

    def _source(self) -> Bundle:
        """The model to teach."""
        start = self.recipe.instruction.start
        bundle = Bundle.load(start)
        if bundle.tokenizer is None or not is_causal(bundle.model):
            raise BundleError(
                f"{start} is a {bundle.model.config.model_type}, which writes no text, so it cannot learn to answer; "
                "give a model of minnow pretrain (llama, gpt2, rnn_lm), or --label for a classifier"
            )
        check_adapter(self.recipe.adapter, bundle, start, self.folder)
        return bundle if self.recipe.adapter.apart else bundle.merged()

    def _tokenizer(self, source: Bundle) -> Tokenizer:
        """The model's own, with a template, and where the house's is used, with a token for each role."""
        assert source.tokenizer is not None
        path = self.recipe.instruction.template
        template = _read_template(Path(path)) if path else source.tokenizer.chat_template
        # Beside an adapter the embedding holds still, so a new token would never learn what it means.
        marks = ROLE_TOKENS if template is None and not self.recipe.adapter.rank else ()
        tokenizer = source.tokenizer.with_special_tokens(marks)
        tokenizer.chat_template = template or house_template(tokenizer)
        kind = "given" if path else "the model's own" if template else "the house's"
        added = tokenizer.vocab_size - source.tokenizer.vocab_size
        self.note(f"chat template: {kind}" + (f", with {added} new tokens for the roles" if added else ""))
        return tokenizer

    def _rows(self, part: Conversations, tokenizer: Tokenizer, model: Any) -> AnswerRows:
        most = self._most_tokens(model)
        rows, cut, lost = [], 0, 0
        for number, dialogue in enumerate(part.dialogues):
            if number % 256 == 0:
                self.show({"stage": "reading", "done": number, "total": len(part)})
            token_ids, own = taught_ids(tokenizer, tokenizer.chat_template or "", dialogue)
            cut += len(token_ids) > most + 1
            row = np.where(own, token_ids, np.invert(token_ids))[: most + 1].astype(np.int64)
            if len(row) > 1 and (row[1:] >= 0).any():
                rows.append(row)
            else:
                lost += 1
        if cut:
            self.note(f"{part.name}: {cut:,} of {len(part):,} conversations are cut off after {most:,} tokens")
        if lost:
            self.note(f"{part.name}: {lost:,} are left out, because no answer begins before that")
        if not rows:
            raise DataError(
                f"in {part.name} no answer begins within {most:,} tokens; raise instruction.max_tokens or shorten them"
            )
        return AnswerRows(rows, ~tokenizer.pad_id)

    def _most_tokens(self, model: Any) -> int:
        """Positions of a conversation that the model reads."""
        asked, bound = self.recipe.instruction.max_tokens, model.context_size
        if bound is not None and asked > bound:
            raise RecipeError(f"instruction.max_tokens must be at most the model's {bound} positions, but got {asked}")
        return asked or min(LONGEST, bound or LONGEST)

    def _filled(self, model: Any, num_rows: int) -> InstructionRecipe:
        """The recipe with what was left open decided."""
        said = self.recipe.training
        rows = min(said.batch_rows, -(-num_rows // self.world.size) * self.world.size)
        if rows % self.world.size:
            raise RecipeError(
                f"training.batch_rows must be a multiple of the {self.world.size} processes, but got {rows}"
            )
        rate = LEARNING_RATE * (AT_PARAMETERS / model.num_parameters()) ** 0.4
        if self.recipe.adapter.rank:
            rate = adapters.LEARNING_RATE
        training = replace(
            said,
            batch_rows=rows,
            learning_rate=said.learning_rate or float(f"{min(rate, HIGHEST_LEARNING_RATE):.3g}"),
            precision=self.world.told(precision_for(said.precision, model, self.device)),
            parallel=said.parallel if said.parallel != "auto" else parallel_for(model),
        )
        instruction = replace(self.recipe.instruction, max_tokens=self._most_tokens(model))
        return replace(self.recipe, instruction=instruction, training=training)

    def _trainer(
        self, model: Any, tokenizer: Tokenizer, rows: Sequence[AnswerRows], validation: Conversations
    ) -> AnswerTrainer:
        said, world = self.recipe.training, self.world
        train, held = rows
        windows = RowWindows(train.rows, train.filler, said.batch_rows // world.size, said.seed, world.rank, world.size)
        settings = said.for_loop(said.epochs * windows.steps_per_epoch, self.recipe.instruction.max_tokens)
        return AnswerTrainer(
            model,
            answers,
            windows,
            cast(TokenShards, held),  # of which this loop asks no more than the number of tokens
            settings,
            self.place,
            self._told,
            self.device,
            settings.precision == "bfloat16",
            world,
            _writer(tokenizer, validation, said.sample_tokens) if said.sample_tokens else None,
        )

    def _told(self, row: dict[str, Any]) -> None:
        """Journal rows to whoever watches; samples into their file as well."""
        if "sample" in row:
            rows = [one for one in Journal(self.place / "journal.jsonl").rows() if "sample" in one]
            write_text(self.place / SAMPLES, "".join(map(sample_section, rows)))
        self.show(row)

    def _plan(self, trainer: AnswerTrainer, model: Any, train: AnswerRows) -> None:
        """Time a few steps, decide how many there will be, and tell the person before the first."""
        said = self.recipe.training
        budget = seconds_of(said.budget)
        self.show({"stage": "rehearsal", "done": 0, "total": None})
        a_step = trainer.rehearse()
        measuring = trainer.rehearse_validation(budget)
        if budget:
            trainer.plan(a_step, budget, self.world.told(time.monotonic() - self.started))
        steps = trainer.pace.num_steps
        epochs = steps / -(-len(train.rows) // said.batch_rows)
        for line in (
            f"model: {model.config.model_type} from {self.recipe.instruction.start}, "
            f"{model.num_parameters():,} parameters",
            f"train: {len(train.rows):,} conversations, {train.num_tokens:,} tokens, {train.num_asked:,} of answers",
            f"step: {said.batch_rows} conversations of up to {self.recipe.instruction.max_tokens} tokens, "
            f"{said.optimizer}, learning rate {said.learning_rate:g}, {said.precision}, {said.parallel}",
            f"plan: {steps:,} steps ({epochs:.1f} epochs), about "
            f"{duration(steps * a_step + said.validations * measuring)}, {trainer.memory_mib():,.0f} MiB of memory",
        ):
            self.note(line)

    # What is left behind

    def _save(
        self,
        model: Any,
        tokenizer: Tokenizer,
        taught: tuple[Conversations, AnswerRows],
        scores: dict[str, float],
        outcome: Outcome,
    ) -> Pretrained:
        from minnow.tasks.text_generation import TextGeneration

        conversations, rows = taught
        start = self.recipe.instruction.start
        data = {
            "name": conversations.name,
            "sha256": conversations.sha256,
            "conversations": len(rows.rows),
            "tokens": rows.num_tokens,
            "answer_tokens": rows.num_asked,
            "start": Path(start).name,
        }
        provenance = {
            "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            "train_seconds": round(outcome.seconds, 3),
            "data": data,
            "model": model.config.model_type,
            "steps": outcome.num_steps,
            "tokens_seen": outcome.tokens,
            "machine": machine(),
            "versions": versions(),
        }
        base = settle(model, self.recipe.adapter, start)
        written = to_toml(self.recipe)
        bundle = Bundle(model, TextGeneration().to_dict(), tokenizer, provenance, written, base)
        bundle.save(self.folder)
        replacing.end(self.folder)
        drop_state(self.place)
        (self.place / DATA_HASH).unlink(missing_ok=True)
        summary = {
            "model": str(self.folder),
            "model_type": model.config.model_type,
            "parameters": model.num_parameters(),
            **scores,
            "step": outcome.step,
            "steps": outcome.num_steps,
            "tokens": outcome.tokens,
            "conversations": len(rows.rows),
            "answer_tokens": rows.num_asked,
            "vocab_size": tokenizer.vocab_size,
            "size_bytes": size_on_disk(self.folder),
            "interrupted": outcome.interrupted,
            "train_seconds": round(outcome.seconds, 3),
        }
        write_evidence(self.folder, bundle, summary, written, chats=True)
        return Pretrained(self.folder, Bundle.load(self.folder), summary)


def _parts(recipe: InstructionRecipe) -> tuple[Conversations, Conversations]:
    """What to learn from and what to measure on."""
    train = read_conversations(recipe.data.train)
    share = recipe.validation_share()
    if not recipe.data.validation and _has_valid(Path(recipe.data.train)):
        return train, read_conversations(recipe.data.train, "valid")
    if share is not None:
        return train.held_out(share, SPLIT_SEED)
    return train, read_conversations(recipe.data.validation, "test")


def _has_valid(source: Path) -> bool:
    return source.is_dir() and "valid" in folder_parts(source)


def _check_same(place: Path, train: Conversations) -> None:
    """A run that goes on must read what it began with."""
    kept = place / DATA_HASH
    if kept.is_file() and kept.read_text(encoding="utf-8").strip() != train.sha256:
        raise DataError(f"{train.name} has changed since the run began; put the old file back or use --overwrite")


def _read_template(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise DataError(
            f"instruction.template names a file with a Jinja template, but {path} cannot be read"
        ) from error


def _writer(tokenizer: Tokenizer, validation: Conversations, max_tokens: int) -> Callable[[Any, int], str]:
    """Answers the first question that was held out, so that a person sees what the model has learnt."""
    from minnow.decoding.writing import GenerationSettings
    from minnow.tasks.text_generation import TextGeneration

    dialogue = validation.dialogues[0]
    first = next(number for number, message in enumerate(dialogue) if message.role == "assistant")
    asked = dialogue[:first] or (Message("user", ""),)
    settings = GenerationSettings(max_tokens=max_tokens, temperature=0.0, truncate=True)

    def write(model: Any, step: int) -> str:  # noqa: ARG001 - the same question each time, so that answers compare
        training = model.training
        model.eval()
        try:
            answer = TextGeneration().chat(model, tokenizer, asked, settings, tokenizer.chat_template or "")
            return f"{asked[-1].content.strip()} → {str(answer).strip()}"
        finally:
            model.train(training)

    return write
