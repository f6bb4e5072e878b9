"""From raw text to a language model's folder.

corpus → tokenizer → shards → model → steps → bundle → card
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from minnow.allocator import keep_freed_memory
from minnow.bundle import layout, replacing
from minnow.bundle.bundle import Bundle, size_on_disk
from minnow.bundle.provenance import machine, versions
from minnow.cores import available_cores, memory_bytes
from minnow.data.corpus import Corpus, corpus_parts, open_corpus
from minnow.data.shards import TokenShards, write_shards
from minnow.data.windows import PackedWindows, StreamWindows
from minnow.errors import BundleError, DataError, InputError, RecipeError, UnknownNameError
from minnow.files import write_text
from minnow.layers.sampled_cross_entropy import SampledCrossEntropy
from minnow.models.registry import architecture
from minnow.text.tokenizer import MASK_TOKEN, Tokenizer
from minnow.training import adapters, distributed, sizes
from minnow.training.adapters import adapt, check_adapter, settle
from minnow.training.distributed import World
from minnow.training.journal import Journal
from minnow.training.language_trainer import LanguageTrainer, Outcome
from minnow.training.objectives import Masked, Objective, causal, is_causal, model_carries
from minnow.training.precision import precision_for
from minnow.training.pretraining_recipe import (
    PretrainingRecipe,
    PretrainingSettings,
    parameters_of,
    seconds_of,
    to_toml,
)
from minnow.training.trainer import choose_device

SAMPLES = "samples.md"
MOST_CHARACTERS = 500_000_000  # that a tokenizer is learnt from; more teaches it nothing
DEFAULT_BUDGET = "20m"
COUNTED_TOKENS = 10_000_000  # whose frequencies stand for those of the whole text
BYTES_PER_PARAMETER = 16  # weight, gradient and two numbers of the optimiser, in float32
PROMPT_CHARACTERS = 30
FILLED_SHARE = 0.99  # of the vocabulary that was asked for
LEARNT_KINDS = ("bpe", "unigram", "wordpiece")  # whose vocabulary could always be larger, given text

Note = Callable[[str], None]
Show = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Pretrained:
    """A finished run."""

    folder: Path
    bundle: Bundle
    summary: dict[str, Any]


def unheard(_: object) -> None:
    """For callers who want to hear nothing."""


def pretrain(
    recipe: PretrainingRecipe,
    folder: Path,
    *,
    overwrite: bool = False,
    resume: bool = False,
    note: Note = unheard,
    show: Show = unheard,
) -> Pretrained | None:
    """Learn a language from text and write the model's folder.

    Under ``torchrun`` every process calls this; the one that leads writes and returns, the others return None.

    Args:
        recipe: with ``data.train`` set.
        folder: for the model; it must not hold one already unless ``overwrite``.
        resume: go on with the run that was cut off in ``folder``, to the same result.
        note: is told, in sentences, what was decided.
        show: is told how far the run is.

    Raises:
        InputError: corpus, recipe or folder cannot be used as they are; one line says what to do.
    """
    started = time.monotonic()
    if not recipe.data.train:
        raise RecipeError("the recipe names no corpus; give a text: minnow pretrain CORPUS")
    device = choose_device(recipe.training.device)
    if device.type == "cpu":
        keep_freed_memory()
    with distributed.world(recipe.training.device) as world:
        if device.type == "cuda":
            device = torch.device("cuda", world.local_rank)
        heard = (note, show) if world.leads else (unheard, unheard)
        run = _Run(recipe, folder, world, device, *heard, started)
        return run.whole(overwrite, resume)


@dataclass
class _Run:
    """The stages of one run, each of which the next one needs."""

    recipe: PretrainingRecipe
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
        corpora = _corpora(self.recipe)
        for corpus in corpora:
            for line in corpus.notes:
                self.note(f"{corpus.name}: {line}")
        source = self._source()
        check_adapter(self.recipe.adapter, source, self.recipe.model.start, self.folder)
        if not resume and self.world.leads:
            replacing.begin(self.folder)
            write_text(self.place / layout.RECIPE, to_toml(self.recipe))
        try:
            return self._fit(corpora, source, resume)
        except (InputError, KeyboardInterrupt):
            if not resume and self.world.leads:
                replacing.end(self.folder)
            raise

    def _fit(self, corpora: tuple[Corpus, Corpus], source: Bundle | None, resume: bool) -> Pretrained | None:
        tokenizer = self._tokenizer(corpora[0], source)
        train, validation = self._shards(corpora, tokenizer, resume)
        model, self.recipe = self._model(tokenizer, source)
        if self.recipe.adapter.rank:
            learning = adapt(model, self.recipe.adapter, self.recipe.training.seed)
            self.note(f"adapter: rank {self.recipe.adapter.rank}, {learning:,} parameters learn")
        if self.world.leads:
            write_text(self.place / layout.RECIPE, to_toml(self.recipe))
        trainer = self._trainer(model, tokenizer, train, validation)
        budget = seconds_of(self.recipe.training.budget)
        if not trainer.resume():
            self._plan(trainer, model, train, budget)
        outcome = trainer.fit(budget, time.monotonic() - self.started)
        ended = time.monotonic()
        final = trainer.final_scores(outcome)
        finished = self._finished(trainer, model)
        outcome = replace(outcome, seconds=outcome.seconds + time.monotonic() - ended)
        if not self.world.leads:
            return None
        if outcome.interrupted:
            self.note(f"interrupted: the best weights so far, of step {outcome.step:,}, are kept")
        return self._save(finished, tokenizer, train, final, outcome)

    # Stages

    def _source(self) -> Bundle | None:
        """The model to go on from."""
        start = self.recipe.model.start
        if not start:
            return None
        bundle = Bundle.load(start)
        if bundle.tokenizer is None or not hasattr(bundle.model, "output_weight_VD"):
            raise BundleError(
                f"{start} is no language model but a {bundle.model.config.model_type}; pre-training goes on from "
                "llama, gpt2, rnn_lm or bert"
            )
        return bundle if self.recipe.adapter.apart else bundle.merged()

    def _tokenizer(self, corpus: Corpus, source: Bundle | None) -> Tokenizer:
        """The source's, else the run's own where it has one already, else learnt from the corpus."""
        if source is not None and source.tokenizer is not None:
            return source.tokenizer
        path = self.place / layout.TOKENIZER
        if self.world.leads and not path.is_file():
            self._learn(corpus).save(path)
        self.world.wait()
        return Tokenizer.load(path)

    def _learn(self, corpus: Corpus) -> Tokenizer:
        said = self.recipe.tokenizer
        parameters = parameters_of(self.recipe.model.size)
        self.show({"stage": "tokenizer", "done": 0, "total": None})
        wanted = said.vocab_size or sizes.vocab_size_for(said.kind, parameters, _bytes_of(corpus))
        tokenizer = Tokenizer.train(_bounded(corpus.texts()), said.settings(wanted))
        if said.vocab_size and said.kind in LEARNT_KINDS and tokenizer.vocab_size < FILLED_SHARE * said.vocab_size:
            raise DataError(
                f"{corpus.name} can fill {tokenizer.vocab_size:,} entries of a vocabulary, but "
                f"tokenizer.vocab_size={said.vocab_size}; give more text or take --vocab-size {tokenizer.vocab_size}"
            )
        if _reads_masks(self.recipe):
            tokenizer = tokenizer.with_special_tokens([MASK_TOKEN])
        self.note(f"tokenizer: {said.kind}, {tokenizer.vocab_size:,} entries")
        return tokenizer

    def _shards(
        self, corpora: tuple[Corpus, Corpus], tokenizer: Tokenizer, resume: bool
    ) -> tuple[TokenShards, TokenShards]:
        """Both texts as token ids on the disk; the others wait for the process that leads to write them."""

        def told(stage: str, done: int, total: int) -> None:
            self.show({"stage": stage, "done": done, "total": total or None})

        found = []
        for name, corpus in zip(("train", "validation"), corpora, strict=True):
            place = self.place / layout.SHARDS / name
            if self.world.leads:
                if resume and (place / "index.json").is_file():
                    _check_same(TokenShards.open(place), corpus)
                write_shards(corpus, tokenizer, place, told)
            self.world.wait()
            found.append(TokenShards.open(place))
        train, validation = found
        for shards, name in ((train, "train"), (validation, "validation")):
            counts = shards.counts
            unknown = f", {counts.unknown / counts.tokens:.2%} unknown" if counts.unknown else ""
            self.note(f"{name}: {counts.tokens:,} tokens of {counts.bytes:,} bytes{unknown}")
        if validation.num_tokens < 2:
            raise DataError(
                "the validation text has fewer than 2 tokens; give --validation FILE or a larger data.validation"
            )
        return train, validation

    def _model(self, tokenizer: Tokenizer, source: Bundle | None) -> tuple[Any, PretrainingRecipe]:
        """The model to train and the recipe with every value filled in."""
        if source is not None:
            return source.model, self._filled(source.model, {})
        recipe = self.recipe
        parameters = parameters_of(recipe.model.size)
        config_class, model_class = _language_architecture(recipe.model.name)
        context = recipe.training.context or sizes.dial_for(parameters).context
        shape = sizes.shape_for(recipe.model.name, parameters, tokenizer.vocab_size, context)
        shape |= recipe.shape
        if shape["vocab_size"] < tokenizer.vocab_size:
            raise RecipeError(
                f"shape.vocab_size must hold the tokenizer's {tokenizer.vocab_size:,} entries, "
                f"but got {shape['vocab_size']}"
            )
        model = _built(recipe, config_class, model_class, shape, self.world.local_size)
        return model, self._filled(model, {key: value for key, value in shape.items() if value is not None})

    def _filled(self, model: Any, shape: dict[str, Any]) -> PretrainingRecipe:
        """The recipe with what was left open decided."""
        said = self.recipe.training
        recurrent = model_carries(model)
        parameters = model.num_parameters()
        bound = None if recurrent else _positions(model)
        context = said.context or (sizes.RECURRENT_CONTEXT if recurrent else sizes.dial_for(parameters).context)
        if bound is not None and context > bound:
            if said.context:
                raise RecipeError(f"training.context must be at most the model's {bound} positions, but got {context}")
            context = bound
        budget = said.budget or ("" if said.steps else DEFAULT_BUDGET)
        gpus = self.world.size if self.device.type == "cuda" else 0
        rows = said.batch_rows or sizes.rows_for(
            parameters, context, recurrent, seconds_of(budget), available_cores(), gpus
        )
        if rows % self.world.size:
            raise RecipeError(
                f"training.batch_rows must be a multiple of the {self.world.size} processes, but got {rows}; "
                f"try {-(-rows // self.world.size) * self.world.size}"
            )
        rate = sizes.RECURRENT_LEARNING_RATE if recurrent else sizes.dial_for(parameters).learning_rate
        usual = "adamw" if recurrent else "muon"
        if self.recipe.adapter.rank:
            rate, usual = adapters.LEARNING_RATE, "adamw"
        settings = replace(
            said,
            objective=_objective_name(said.objective, model),
            budget=budget,
            context=context,
            batch_rows=rows,
            optimizer=said.optimizer if said.optimizer != "auto" else usual,
            learning_rate=said.learning_rate or rate,
            precision=self.world.told(precision_for(said.precision, model, self.device)),
            parallel=said.parallel if said.parallel != "auto" else parallel_for(model, said.compile),
        )
        return replace(self.recipe, shape=shape, training=settings)

    def _trainer(
        self, model: Any, tokenizer: Tokenizer, train: TokenShards, validation: TokenShards
    ) -> LanguageTrainer:
        settings, world = self.recipe.training, self.world
        rows = settings.batch_rows // world.size
        kind = StreamWindows if model_carries(model) else PackedWindows
        more: dict[str, Any] = {"vary": False} if kind is StreamWindows else {}
        windows = kind(train, settings.context, rows, seed=settings.seed, rank=world.rank, world=world.size, **more)
        return LanguageTrainer(
            model,
            _objective(tokenizer, settings),
            windows,
            validation,
            settings,
            self.place,
            self._told,
            self.device,
            settings.precision == "bfloat16",
            world,
            _writer(tokenizer, validation, settings) if is_causal(model) and settings.sample_tokens else None,
            _sampled(train, tokenizer.vocab_size, settings),
        )

    def _told(self, row: dict[str, Any]) -> None:
        """Journal rows to whoever watches; samples into their file as well."""
        if "sample" in row:
            rows = [one for one in Journal(self.place / "journal.jsonl").rows() if "sample" in one]
            write_text(self.place / SAMPLES, "".join(map(sample_section, rows)))
        self.show(row)

    def _plan(self, trainer: LanguageTrainer, model: Any, train: TokenShards, budget: float) -> None:
        """Time a few steps, decide how many there will be, and tell the person before the first."""
        settings = self.recipe.training
        self.show({"stage": "rehearsal", "done": 0, "total": None})
        a_step = trainer.rehearse()
        measuring = trainer.rehearse_validation(budget)
        if budget:
            trainer.plan(a_step, budget, self.world.told(time.monotonic() - self.started))
        steps = trainer.pace.num_steps
        a_batch = settings.batch_rows * settings.context
        seconds = steps * a_step + settings.validations * measuring
        for line in (
            f"model: {self.recipe.model.name}, {model.num_parameters():,} parameters, {_described(self.recipe)}",
            f"step: {settings.batch_rows} rows of {settings.context} tokens, {settings.optimizer}, learning rate "
            f"{settings.learning_rate:g}, {settings.precision}, {settings.parallel}",
            f"plan: {steps:,} steps, {steps * a_batch:,} tokens ({steps * a_batch / train.num_tokens:.1f} times the "
            f"corpus), about {duration(seconds)} at {a_batch / a_step:,.0f} tokens a second, "
            f"{trainer.memory_mib():,.0f} MiB of memory",
        ):
            self.note(line)

    def _finished(self, trainer: LanguageTrainer, model: Any) -> Any:
        """The model on the processor with plain weights; FSDP leaves each process a share of them."""
        if distributed.is_sharded(next(model.parameters())):
            weights = trainer.weights()
            model = architecture(model.config.model_type)[1](model.config)
            with torch.no_grad():
                for name, parameter in model.named_parameters():
                    parameter.copy_(weights[name])
        model.gradient_checkpointing = False
        return model.to("cpu").eval()

    # What is left behind

    def _save(
        self, model: Any, tokenizer: Tokenizer, train: TokenShards, scores: dict[str, float], outcome: Outcome
    ) -> Pretrained:
        task = _task(model)
        provenance = {
            "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            "train_seconds": round(outcome.seconds, 3),
            "data": _data(train),
            "model": model.config.model_type,
            "steps": outcome.num_steps,
            "tokens_seen": outcome.tokens,
            "machine": machine(),
            "versions": versions(),
        }
        base = settle(model, self.recipe.adapter, self.recipe.model.start)
        bundle = Bundle(model, task, tokenizer, provenance, to_toml(self.recipe), base)
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
            "corpus_tokens": train.num_tokens,
            "vocab_size": tokenizer.vocab_size,
            "size_bytes": size_on_disk(self.folder),
            "interrupted": outcome.interrupted,
            "train_seconds": round(outcome.seconds, 3),
        }
        write_evidence(self.folder, bundle, summary, to_toml(self.recipe))
        return Pretrained(self.folder, Bundle.load(self.folder), summary)


def parallel_for(model: Any, compiled: bool = False) -> str:
    """A copy of the model a core for what reads from left to right: nearly twice as fast as sharing every product, and
    the attention of ``layers/causal_attention.py`` runs on one thread. What is compiled is compiled for all cores."""
    return "replicas" if is_causal(model) and not compiled else "threads"


def _corpora(recipe: PretrainingRecipe) -> tuple[Corpus, Corpus]:
    """What to learn from and what to measure on."""
    data = recipe.data
    column = data.text or None
    train = open_corpus(data.train, "train", text=column)
    if not data.validation and "valid" in corpus_parts(data.train):
        return train, open_corpus(data.train, "valid", text=column)
    share = recipe.validation_share()
    if share is not None:
        kept, held = train.held_out(share)
        return kept, held
    part = "valid" if "valid" in corpus_parts(data.validation) else "test"
    return train, open_corpus(data.validation, part, text=column)


def _bounded(texts: Iterator[str]) -> Iterator[str]:
    left = MOST_CHARACTERS
    for text in texts:
        yield text[:left]
        left -= len(text)
        if left <= 0:
            return


def _bytes_of(corpus: Corpus) -> int:
    """How much text there is, as far as it matters to the size of a vocabulary."""
    total = 0
    for text in corpus.texts():
        total += len(text)
        if total > 64_000_000:
            break
    return total


def _language_architecture(name: str) -> tuple[Any, Any]:
    known = ("llama", "gpt2", "rnn_lm", "bert")
    try:
        config_class, model_class = architecture(name)
    except UnknownNameError as error:
        raise UnknownNameError("language model", name, known) from error
    if not hasattr(model_class, "output_weight_VD"):
        raise RecipeError(f"a {name} is no language model; choose one of: {', '.join(known)}")
    return config_class, model_class


def _built(recipe: PretrainingRecipe, config_class: Any, model_class: Any, shape: dict[str, Any], shares: int) -> Any:
    """A new model; refused before it is made where this machine could not train it."""
    try:
        config = config_class.from_dict(shape)
    except BundleError as error:
        raise RecipeError(str(error).replace("config.json", "shape")) from error
    too_large = RecipeError(
        f"a {recipe.model.name} of {recipe.model.size} takes more memory to train than there is; make it smaller"
    )
    try:
        with torch.device("meta"):
            needed = BYTES_PER_PARAMETER * model_class(config).num_parameters()
        # Every process of this machine begins with the whole model, also where each trains a share of it.
        if needed > memory_bytes() / shares:
            raise too_large
        torch.manual_seed(recipe.training.seed)
        return model_class(config)
    except (RuntimeError, TypeError) as error:  # torch's for a size beyond memory, and for one beyond 64 bits
        raise too_large from error


def _reads_masks(recipe: PretrainingRecipe) -> bool:
    _, model_class = _language_architecture(recipe.model.name)
    return not hasattr(model_class, "prefill")


def _objective_name(said: str, model: Any) -> str:
    name = "causal" if is_causal(model) else "masked"
    if said not in ("auto", name):
        raise RecipeError(
            f"training.objective of a {model.config.model_type} is {name}, but got {said}; leave it at auto"
        )
    return name


def _objective(tokenizer: Tokenizer, settings: PretrainingSettings) -> Objective:
    if settings.objective == "causal":
        return causal
    if tokenizer.mask_id is None:
        raise BundleError("the tokenizer has no mask token, so nothing can be hidden; begin anew without --from")
    special = (tokenizer.pad_id, tokenizer.bos_id, tokenizer.eos_id, tokenizer.mask_id)
    return Masked(tokenizer.vocab_size, tokenizer.mask_id, tuple(sorted(set(special))), settings.mask_share)


def _positions(model: Any) -> int | None:
    bound = getattr(model, "context_size", None)
    return bound if isinstance(bound, int) else None


def _task(model: Any) -> dict[str, Any]:
    if is_causal(model):
        from minnow.tasks.text_generation import TextGeneration

        return TextGeneration().to_dict()
    from minnow.tasks.fill_mask import FillMask

    return FillMask().to_dict()


def _sampled(train: TokenShards, vocab_size: int, settings: PretrainingSettings) -> SampledCrossEntropy | None:
    """The loss against a part of the vocabulary, None where the recipe asks for all of it."""
    if not settings.sampled_tokens:
        return None
    ids = train.read(0, min(train.num_tokens, COUNTED_TOKENS))
    return SampledCrossEntropy(torch.from_numpy(np.bincount(ids, minlength=vocab_size)), settings.sampled_tokens)


def _writer(tokenizer: Tokenizer, validation: TokenShards, settings: PretrainingSettings) -> Callable[[Any, int], str]:
    """Writes on from a prompt, so that a person sees what the model has learnt."""
    from minnow.decoding.writing import GenerationSettings
    from minnow.tasks.text_generation import TextGeneration

    prompt = settings.sample_prompt or _beginning(tokenizer, validation)
    asked = GenerationSettings(
        max_tokens=settings.sample_tokens, temperature=0.8, seed=settings.seed, truncate=True, ignore_end=True
    )

    def write(model: Any, step: int) -> str:  # noqa: ARG001 - every sample is of the same draw, so that they compare
        training = model.training
        model.eval()
        try:
            return prompt + str(TextGeneration().generate(model, tokenizer, prompt, asked))
        finally:
            model.train(training)

    return write


def _beginning(tokenizer: Tokenizer, validation: TokenShards) -> str:
    """The first words of the validation text."""
    text = tokenizer.decode(validation.read(0, min(validation.num_tokens, 80)).tolist())
    words = text[:PROMPT_CHARACTERS].rsplit(maxsplit=1)
    return words[0] if len(text) > PROMPT_CHARACTERS and len(words) > 1 else text[:PROMPT_CHARACTERS]


def sample_section(row: dict[str, Any]) -> str:
    """What was written at a validation, for the file of samples."""
    text = "\n".join("    " + line for line in row["sample"].splitlines())
    return f"## Step {row['step']:,}, validation loss {row['validation_loss']:.4f}\n\n{text}\n\n"


def _check_same(shards: TokenShards, corpus: Corpus) -> None:
    """A run that goes on must read the text it began with."""
    if shards.index.data_sha256 != corpus.sha256():
        raise DataError(f"{corpus.name} has changed since the run began; put the old text back or use --overwrite")


def _described(recipe: PretrainingRecipe) -> str:
    shown = [f"{key} {value}" for key, value in recipe.shape.items() if isinstance(value, int) and value is not True]
    return ", ".join(shown) or f"from {recipe.model.start}"


def duration(seconds: float) -> str:
    """For people."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _data(train: TokenShards) -> dict[str, Any]:
    counts = train.counts
    return {
        "name": train.index.name,
        "sha256": train.index.data_sha256,
        "tokens": counts.tokens,
        "bytes": counts.bytes,
        "words": counts.words,
        "documents": counts.documents,
    }


def drop_state(place: Path) -> None:
    """What only a run that goes on would need."""
    for name in ("checkpoint", layout.SHARDS):
        shutil.rmtree(place / name, ignore_errors=True)
    (place / layout.TOKENIZER).unlink(missing_ok=True)


def write_evidence(folder: Path, bundle: Bundle, summary: dict[str, Any], recipe: str, chats: bool = False) -> None:
    """Curves and the card; the model itself stands already. ``recipe`` is its text; ``chats``: it was taught to."""
    from minnow.bundle.card import LanguageCard, render_language_card
    from minnow.evaluation import plots

    journal = Journal(folder / layout.RUN / "journal.jsonl").rows()
    if plots.available() and len(journal) > 1:
        plots.save(plots.training_curves(journal), folder / layout.RUN / "curves")
    sample = next((row["sample"] for row in reversed(journal) if "sample" in row), "")
    card = LanguageCard(
        name=folder.name,
        model_type=summary["model_type"],
        parameters=summary["parameters"],
        size_bytes=summary["size_bytes"],
        writes=bundle.task["name"] == "text_generation",
        scores={name: summary[name] for name in SCORES if name in summary},
        sample=sample,
        data=bundle.provenance["data"],
        recipe=recipe,
        provenance=bundle.provenance,
        chats=chats,
        curves=(folder / layout.RUN / "curves.png").is_file(),
    )
    write_text(folder / layout.CARD, render_language_card(card))


SCORES = ("loss", "perplexity", "word_perplexity", "bits_per_byte")
