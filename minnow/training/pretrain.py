"""From raw text to a language model's folder.

corpus → tokenizer → shards → model → steps → bundle → card
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from minnow.bundle import layout
from minnow.bundle.bundle import Bundle
from minnow.cores import available_cores, memory_bytes
from minnow.data.corpus import Corpus, Rows, corpus_parts, open_corpus, part_to_measure
from minnow.data.shards import TokenShards, write_shards
from minnow.data.windows import PackedWindows, StreamWindows
from minnow.errors import BundleError, DataError, RecipeError, UnknownNameError
from minnow.layers.bigrams import frequent_bigrams
from minnow.layers.precision import precision_for
from minnow.layers.sampled_cross_entropy import SampledCrossEntropy
from minnow.listeners import Note, Show, unheard
from minnow.models.registry import architecture
from minnow.text.opening import open_tokenizer
from minnow.text.roles import MASK_TOKEN
from minnow.text.tokenizer import Tokenizer
from minnow.training import adapters, sizes
from minnow.training.adapters import check_adapter
from minnow.training.held_out import HeldOutText
from minnow.training.language_run import (
    LanguageRun,
    Material,
    Pretrained,
    carry_out,
    duration,
)
from minnow.training.language_trainer import LanguageTrainer, num_replicas, parallel_for
from minnow.training.objectives import Masked, Objective, causal, is_causal, model_carries
from minnow.training.pretraining_recipe import (
    PretrainingRecipe,
    PretrainingSettings,
    parameters_of,
    seconds_of,
)
from minnow.training.run_folder import changed
from minnow.training.settings import has_its_own, unused

MOST_CHARACTERS = 500_000_000  # that a tokenizer is learnt from; more teaches it nothing
DEFAULT_BUDGET = "20m"
COUNTED_TOKENS = 10_000_000  # whose frequencies stand for those of the whole text
BIGRAM_TEXTS = 2  # in which a pair must stand to get a vector of its own
BIGRAM_TOKENS = 1000  # that count as one of these where the corpus is a single text
BYTES_PER_PARAMETER = 16  # weight, gradient and two numbers of the optimiser, in float32
BYTES_PER_REPLICA = 4  # a gradient of its own
BYTES_SAVED = 8  # the weights twice, while the model's file is put together
PROMPT_CHARACTERS = 30
FILLED_SHARE = 0.99  # of the vocabulary that was asked for
LEARNT_KINDS = ("bpe", "unigram", "wordpiece")  # whose vocabulary could always be larger, given text


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
    if not recipe.data.train:
        raise RecipeError("the recipe names no corpus; give a text: minnow pretrain CORPUS")
    return carry_out(Pretraining, recipe, folder, overwrite=overwrite, resume=resume, note=note, show=show)


@dataclass(frozen=True)
class _Read:
    """What the recipe names."""

    corpora: tuple[Corpus, Corpus]
    source: Bundle | None


@dataclass
class Pretraining(LanguageRun):
    """Text as token ids on the disk, and windows over it."""

    recipe: PretrainingRecipe

    @property
    def start(self) -> str:
        return self.recipe.model.start

    def read(self) -> _Read:
        corpora = _corpora(self.recipe)
        for corpus in corpora:
            for line in corpus.notes:
                self.note(f"{corpus.name}: {line}")
        column, files = self.recipe.data.text, corpora[0].files
        chosen = any(isinstance(file, Rows) and file.column == column for file in files)
        for line in unused(f"no column of {corpora[0].name} can be chosen", {"data.text": bool(column) and not chosen}):
            self.note(line)
        source = self._source()
        check_adapter(self.recipe.adapter, source, self.start)
        self._check(source)
        return _Read(corpora, source)

    def begin(self, read: _Read, resume: bool) -> None:
        """What must be the same stands in the shards."""

    def material(self, read: _Read, resume: bool) -> Material:
        if read.source is not None and not resume:
            for line in _unused(self.recipe, read.source):
                self.note(line)
        tokenizer = self._tokenizer(read.corpora[0], read.source)
        train, validation = self._shards(read.corpora, tokenizer, resume)
        return Material(self._model(tokenizer, train, read.source), tokenizer, train, validation)

    def unread(self, material: Material) -> Iterator[str]:
        yield from super().unread(material)
        said, usual = self.recipe.training, PretrainingSettings()
        asked = {
            "training.mask_share": said.mask_share != usual.mask_share,
            "training.activation_checkpointing": said.activation_checkpointing and model_carries(material.model),
        }
        if not is_causal(material.model):
            asked = {
                "training.sample_tokens": said.sample_tokens not in (0, usual.sample_tokens),
                "training.sample_prompt": bool(said.sample_prompt),
            }
        yield from unused(f"the model is {material.model.config.model_type}", asked)

    # Stages

    def _check(self, source: Bundle | None) -> None:
        """Fill the recipe in for a model without weights, so that what cannot be is told before a corpus is read.

        Raises:
            InputError: shape, size, objective, context or rows cannot be.
        """
        if source is not None:
            _ = source.model.output_weight_VD  # refuses an encoder without its head
            self._filled(source.model)
            return
        said = self.recipe.tokenizer.vocab_size
        usual = sizes.dial_for(parameters_of(self.recipe.model.size)).vocab_size
        self._filled(self._draft(self._shape(said or usual)))

    def _source(self) -> Bundle | None:
        """The model to go on from."""
        if not self.start:
            return None
        bundle = Bundle.load(self.start)
        if bundle.tokenizer is None or not _foretells(type(bundle.model)):
            raise BundleError(
                f"{self.start} is no language model but a {bundle.model.config.model_type}; pre-training goes on from "
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
        return open_tokenizer(path)

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
                kept = resume and (place / "index.json").is_file()
                if kept and TokenShards.open(place).index.data_sha256 != corpus.sha256():
                    raise changed(corpus.name)
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

    def _model(self, tokenizer: Tokenizer, train: TokenShards, source: Bundle | None) -> Any:
        """The model to train; its shape goes into the recipe."""
        if source is not None:
            kind = replace(self.recipe.model, name=source.model.config.model_type)
            self.recipe = replace(self.recipe, model=kind, shape={})
            return source.model
        shape = self._shape(tokenizer.vocab_size)
        if isinstance(shape["vocab_size"], int) and shape["vocab_size"] < tokenizer.vocab_size:
            raise RecipeError(
                f"shape.vocab_size must hold the tokenizer's {tokenizer.vocab_size:,} entries, "
                f"but got {shape['vocab_size']}"
            )
        pairs_P = _bigrams(train, tokenizer, shape.get("bigrams"))
        if pairs_P is not None:
            shape["bigrams"] = len(pairs_P)
        self.recipe = replace(self.recipe, shape={key: value for key, value in shape.items() if value is not None})
        draft = self._draft(shape)
        torch.manual_seed(self.recipe.training.seed)
        try:
            model = type(draft)(draft.config)
        except RuntimeError as error:  # torch's for a size beyond memory
            raise _too_large(self.recipe) from error
        if pairs_P is not None:
            model.bigrams.pairs_P.copy_(torch.from_numpy(pairs_P))
        return model

    def _shape(self, vocab_size: int) -> dict[str, Any]:
        """Of a new model with such a vocabulary: what its size says, and what the recipe says."""
        recipe, parameters = self.recipe, parameters_of(self.recipe.model.size)
        _language_architecture(recipe.model.name)
        context = recipe.training.context or sizes.dial_for(parameters).context
        return sizes.shape_for(recipe.model.name, parameters, vocab_size, context) | recipe.shape

    def _draft(self, shape: dict[str, Any]) -> Any:
        """A new model without weights, refused where this machine could not train it."""
        config_class, model_class = _language_architecture(self.recipe.model.name)
        try:
            config = config_class.from_dict(shape)
        except BundleError as error:
            raise RecipeError(str(error).replace("config.json", "shape")) from error
        copies = num_replicas(self.recipe.training, self.device, self.world)
        try:
            with torch.device("meta"):
                draft = model_class(config)
        except (RuntimeError, TypeError) as error:  # torch's for a size beyond 64 bits
            raise _too_large(self.recipe) from error
        needed = (BYTES_PER_PARAMETER + BYTES_PER_REPLICA * (copies - 1) + BYTES_SAVED) * draft.num_parameters()
        # Every process of this machine begins with the whole model, also where each trains a share of it.
        if needed > memory_bytes() / self.world.local_size:
            raise _too_large(self.recipe)
        return draft

    def filled(self, material: Material) -> PretrainingRecipe:
        return self._filled(material.model)

    def _filled(self, model: Any) -> PretrainingRecipe:
        """The recipe with what was left open decided."""
        said = self.recipe.training
        recurrent = model_carries(model)
        # Its library takes the weights as they were before they are gathered.
        if recurrent and said.distributed == "fsdp":
            raise RecipeError("a recurrent model is trained with training.distributed=ddp, but got fsdp")
        parameters = model.num_parameters()
        bound = None if recurrent else _positions(model)
        usual_context = sizes.RECURRENT_CONTEXT if recurrent else sizes.dial_for(parameters).context
        if bound is not None:
            # A new model has as many positions as its rows, or some would never be trained.
            usual_context = min(usual_context, bound) if self.start else bound
            if said.context > bound:
                raise RecipeError(
                    f"training.context must be at most the model's {bound} positions, but got {said.context}"
                )
        context = said.context or usual_context
        budget = said.budget or ("" if said.steps else DEFAULT_BUDGET)
        gpus = self.world.size if self.device.type == "cuda" else 0
        usual_rows = sizes.rows_for(parameters, context, recurrent, seconds_of(budget), available_cores(), gpus)
        rows = said.batch_rows or self.even(usual_rows)
        self.check_rows(rows)
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
            parallel=said.parallel if said.parallel != "auto" else parallel_for(said.compile),
        )
        return replace(self.recipe, training=settings)

    def trainer(self, material: Material) -> LanguageTrainer:
        model, tokenizer, train = material.model, material.tokenizer, material.train
        settings, world = self.recipe.training, self.world
        rows = settings.batch_rows // world.size
        kind = StreamWindows if model_carries(model) else PackedWindows
        more: dict[str, Any] = {"vary": False} if kind is StreamWindows else {}
        windows = kind(train, settings.context, rows, seed=settings.seed, rank=world.rank, world=world.size, **more)
        objective = _objective(tokenizer, settings)
        return LanguageTrainer(
            model,
            objective,
            windows,
            HeldOutText(material.validation, objective, settings, world, model_carries(model)),
            settings,
            self.place,
            self.told,
            self.device,
            settings.precision == "bfloat16",
            world,
            _writer(tokenizer, material.validation, settings) if is_causal(model) and settings.sample_tokens else None,
            _sampled(train, tokenizer.vocab_size, settings),
        )

    def plan(self, material: Material, steps: int, seconds_a_step: float, seconds_measuring: float) -> list[str]:
        settings = self.recipe.training
        a_batch = settings.batch_rows * settings.context
        times = steps * a_batch / material.train.num_tokens
        length = duration(steps * seconds_a_step + seconds_measuring)
        return [
            f"model: {self.recipe.model.name}, {material.model.num_parameters():,} parameters, "
            + _described(self.recipe),
            f"step: {settings.batch_rows} rows of {settings.context} tokens, {settings.optimizer}, learning rate "
            f"{settings.learning_rate:g}, {settings.precision}, {self.division}",
            f"plan: {steps:,} steps, {steps * a_batch:,} tokens ({times:.1f} times the corpus), about {length} at "
            f"{a_batch / seconds_a_step:,.0f} tokens a second",
        ]

    def task(self, model: Any) -> dict[str, Any]:
        if is_causal(model):
            from minnow.tasks.text_generation import TextGeneration

            return TextGeneration().to_dict()
        from minnow.tasks.fill_mask import FillMask

        return FillMask().to_dict()

    def data(self, material: Material) -> dict[str, Any]:
        train = material.train
        return {
            "name": train.index.name,
            "sha256": train.index.data_sha256,
            "tokens": train.counts.tokens,
            "bytes": train.counts.bytes,
            "words": train.counts.words,
            "documents": train.counts.documents,
        }

    def counts(self, material: Material) -> dict[str, Any]:
        return {"corpus_tokens": material.train.num_tokens, "held_out_tokens": material.validation.num_tokens}


def _unused(recipe: PretrainingRecipe, source: Bundle) -> Iterator[str]:
    """What the recipe asks of a model that is there already, which has its own."""
    usual = PretrainingRecipe()
    asked = {
        "model.name": recipe.model.name not in (usual.model.name, source.model.config.model_type),
        "model.size": recipe.model.size != usual.model.size,
        "tokenizer": recipe.tokenizer != usual.tokenizer,
        "shape": bool(recipe.shape),
    }
    return unused(has_its_own(recipe.model.start, source.model.config.model_type), asked)


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
    part = "valid" if "valid" in corpus_parts(data.validation) else part_to_measure(data.validation)
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
        total += len(text.encode())
        if total > 64_000_000:
            break
    return total


def _language_architecture(name: str) -> tuple[Any, Any]:
    known = ("llama", "gpt2", "rnn_lm", "bert")
    try:
        config_class, model_class = architecture(name)
    except UnknownNameError as error:
        raise UnknownNameError("language model", name, known) from error
    if not _foretells(model_class):
        raise RecipeError(f"a {name} is no language model; choose one of: {', '.join(known)}")
    return config_class, model_class


def _foretells(model_class: type) -> bool:
    """Whether its output is tokens of the text that it reads, and not of another beside it, as a translator's is."""
    return hasattr(model_class, "output_weight_VD") and getattr(model_class, "reads", "") == "tokens"


def _too_large(recipe: PretrainingRecipe) -> RecipeError:
    return RecipeError(
        f"a {recipe.model.name} of {recipe.model.size} takes more memory to train than there is; make it smaller"
    )


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


def _counted(train: TokenShards) -> NDArray[np.int64]:
    """The token ids whose frequencies stand for those of the whole text."""
    return train.read(0, min(train.num_tokens, COUNTED_TOKENS))


def _sampled(train: TokenShards, vocab_size: int, settings: PretrainingSettings) -> SampledCrossEntropy | None:
    """The loss against a part of the vocabulary, None where the recipe asks for all of it."""
    if not settings.sampled_tokens:
        return None
    ids = _counted(train)
    return SampledCrossEntropy(torch.from_numpy(np.bincount(ids, minlength=vocab_size)), settings.sampled_tokens)


def _bigrams(train: TokenShards, tokenizer: Tokenizer, most: Any) -> NDArray[np.int64] | None:
    """The pairs of tokens that get vectors of their own, None where the model reads none."""
    if not isinstance(most, int) or most < 1:
        return None
    ids = _counted(train)
    starts = np.unique([0, *(np.flatnonzero(ids == tokenizer.eos_id) + 1), len(ids)])
    if len(starts) <= BIGRAM_TEXTS:  # a running text
        starts = np.unique([*range(0, len(ids), BIGRAM_TOKENS), len(ids)])
    found = frequent_bigrams(ids, starts, most, BIGRAM_TEXTS)
    if not len(found):
        raise DataError(f"no pair of tokens stands in {BIGRAM_TEXTS} texts; give more text or leave shape.bigrams out")
    return found


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


def _described(recipe: PretrainingRecipe) -> str:
    shown = [f"{key} {value}" for key, value in recipe.shape.items() if isinstance(value, int) and value is not True]
    return ", ".join(shown) or f"from {recipe.model.start}"
