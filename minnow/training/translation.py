"""From pairs of texts to a measured model that turns one into the other.

pairs → clean → vocabulary → rows → steps → bundle → report → card
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from minnow.bundle import layout, replacing
from minnow.bundle.bundle import Bundle, size_on_disk
from minnow.bundle.provenance import made_of
from minnow.data.columns import SIDES
from minnow.data.joined_pairs import Joiner
from minnow.data.other_names import add_other_names
from minnow.data.pair_cleaning import REASONS, PairCleaningSettings, clean_pairs, nothing_left
from minnow.data.pairs import Pairs, load_pairs, pair_parts
from minnow.data.split import hold_out_pairs, leakage
from minnow.errors import BundleError, DataError, RecipeError
from minnow.evaluation.measure import measure_translation
from minnow.evaluation.translation import TranslationReport
from minnow.files import folder_name, write_text
from minnow.listeners import Note, Show, unheard
from minnow.metrics.translation import check_scores
from minnow.models.base import ModelConfig
from minnow.models.registry import architecture
from minnow.models.seq2seq import Seq2Seq
from minnow.tasks.registry import task_of
from minnow.tasks.translation import Direction, Translation, tags
from minnow.text import chinese
from minnow.text.language import CHINESE, primary
from minnow.text.opening import open_tokenizer
from minnow.text.tokenizer import Tokenizer
from minnow.training.outcome import Outcome
from minnow.training.recipe_file import to_toml
from minnow.training.run_folder import (
    attempt,
    check_place,
    check_same_data,
    check_same_source,
    drop_state,
    seconds_before,
)
from minnow.training.settings import has_its_own, keys_asked, unused
from minnow.training.trainer import Trainer, choose_device, settled
from minnow.training.translating import MOST_TOKENS, DrawPairs, Translating, pair_rows
from minnow.training.translation_evidence import write_evidence
from minnow.training.translation_recipe import TranslationRecipe

HELD_OUT = 0.02
SPLIT_SEED = 0
MIXED = 0.05  # share of the Chinese texts from which a script counts
LOOKED_AT = 10_000  # texts, of which scripts are told


@dataclass(frozen=True)
class Translator:
    """A finished run: the folder, the report on held-out pairs, and on the test part where there was one."""

    folder: Path
    bundle: Bundle
    validation: TranslationReport
    test: TranslationReport | None
    summary: dict[str, Any]


@dataclass(frozen=True)
class _Read:
    """What the recipe names."""

    train: Pairs
    validation: Pairs
    test: Pairs | None


def train_translation(
    recipe: TranslationRecipe,
    folder: Path,
    *,
    overwrite: bool = False,
    resume: bool = False,
    note: Note = unheard,
    show: Show = unheard,
) -> Translator:
    """Learn to translate and write the model's folder; arguments as of ``train``.

    Raises:
        InputError: pairs, recipe or folder cannot be used as they are; one line says what to do.
    """
    started = time.perf_counter()
    if not recipe.pairs.train:
        raise RecipeError("the recipe names no pairs; give two files: minnow train SOURCE TARGET --task translation")
    choose_device(recipe.training.device)
    check_scores()
    check_place(folder, recipe.model.start, overwrite, resume)
    source = _source(recipe)
    read = _read(recipe, source, note)
    task = _task(read.train, source)
    _check_targets(task, read)
    if source is None:
        _config(recipe, recipe.tokenizer.vocab_size)
        for line in _scripts(read.train, recipe):
            note(line)
    else:  # which has its shape
        for line in _unused(recipe, source):
            note(line)
        recipe = replace(recipe, model=replace(recipe.model, name=source.model.config.model_type), shape={})
    with attempt(folder, resume) as run:
        started -= seconds_before(run)
        check_same_data(run, read.train, read.validation, resume)
        check_same_source(run, recipe.model.start, resume)
        write_text(run / layout.RECIPE, to_toml(recipe))
        tokenizer = _tokenizer(read.train, recipe, task, source, run)
        lessons = replace(read, train=_with_other_names(read.train, recipe, note))
        model, task, outcome, recipe = _fit(task, tokenizer, lessons, recipe, source, run, note, show)
        seconds = time.perf_counter() - started
        made = made_of(recipe.model.name, _described(read.train), recipe.model.start, seconds)
        bundle = Bundle(model, task.to_dict(), tokenizer, made, to_toml(recipe))
        bundle.save(folder)
        replacing.end(folder)
    for line in outcome.notes:
        note(line)
    drop_state(run)
    bundle = Bundle.load(folder)  # what is measured and handed on is what was saved, to the bit
    name = folder_name(folder)
    validation = measure_translation(bundle, read.validation, name, "validation")
    test = None if read.test is None else measure_translation(bundle, read.test, name, "test")
    for line in (test or validation).notes:
        if line not in (read.test or read.validation).notes:  # which were told when they were read
            note(line)
    write_evidence(folder, bundle, validation, test, recipe)
    return Translator(folder, bundle, validation, test, _summary(folder, bundle, validation, test, seconds, outcome))


def _source(recipe: TranslationRecipe) -> Bundle | None:
    """The model that the run goes on from."""
    if not recipe.model.start:
        return None
    bundle = Bundle.load(recipe.model.start)
    if not isinstance(task_of(bundle), Translation):
        raise BundleError(f"{recipe.model.start} does not translate, so a translation cannot go on from it")
    return bundle


def _unused(recipe: TranslationRecipe, source: Bundle) -> Iterator[str]:
    """What the recipe asks of a model that is there already; only how words are cut anew is left to ask."""
    usual, own = TranslationRecipe(), source.model.config.model_type
    asked = {
        "model.name": recipe.model.name not in (usual.model.name, own),
        "tokenizer": replace(recipe.tokenizer, bpe_dropout=usual.tokenizer.bpe_dropout) != usual.tokenizer,
        "shape": bool(recipe.shape),
    }
    return unused(has_its_own(recipe.model.start, own), asked)


def _scripts(train: Pairs, recipe: TranslationRecipe) -> Iterator[str]:
    """What is to be known of Chinese in two scripts, which a model would learn as two languages and mix."""
    codes = {code for direction in set(train.directions) for code in direction if primary(code) in CHINESE}
    if recipe.tokenizer.simplified or not codes or not chinese.available():
        return
    sides = zip(train.sources, train.targets, train.directions, strict=True)
    texts = [text for *both, direction in sides for text, code in zip(both, direction, strict=True) if code in codes]
    shares = chinese.script_shares(texts[:: -(-len(texts) // LOOKED_AT)])
    if min(shares) >= MIXED:
        old, new = (round(100 * share) for share in shares)
        yield (
            f"of the Chinese texts {old} % are in traditional characters and {new} % in simplified ones; "
            "--set tokenizer.simplified=true reads, and writes, both as simplified"
        )


def _read(recipe: TranslationRecipe, source: Bundle | None, note: Note) -> _Read:
    """All that is learnt from, chosen by and measured on; what was decided is told of each."""
    said = recipe.pairs
    train, *others = _parts(recipe)
    known = _known((train, *others), source)
    train = train.named(known)
    validation, test = (None if pairs is None else pairs.named(known) for pairs in others)
    for pairs in (train, validation, test):
        if pairs is not None:
            directions = dict.fromkeys(pairs.directions)
            spelt = ", ".join(pairs.languages) if len(directions) > 1 else " to ".join(*directions)
            for line in (f"{pairs.name}: {len(pairs):,} pairs of {spelt}", *pairs.notes):
                note(line)
    if said.clean:
        train = _cleaned(train, recipe, note)
    else:
        for line in unused("pairs.clean is off", keys_asked("cleaning", recipe.cleaning, PairCleaningSettings())):
            note(line)
    if validation is None:
        train, validation = _held_out(train, said.share() or HELD_OUT)
    if not len(train) or not len(validation):
        raise DataError(f"{train.name} has too few pairs to learn from and to hold some out; add pairs")
    for other in (validation, test):
        if other is None:
            continue
        for side in ("sources", "targets"):
            if leaked := leakage(getattr(train, side), getattr(other, side)).count:
                note(f"{leaked:,} of {len(other):,} {side} of {other.name} stand in the training part too")
    return _Read(train, validation, test)


def _parts(recipe: TranslationRecipe) -> tuple[Pairs, Pairs | None, Pairs | None]:
    """What is learnt from, and what is chosen by and measured on where that is named or the set has it."""
    said = recipe.pairs
    train = _load(recipe, said.train, said.train_target, "train")
    own_parts = () if said.train_target else pair_parts(said.train)
    outside = said.share() is None
    validation = test = None
    if said.validation and outside:
        validation = _load(recipe, said.validation, said.validation_target, "valid")
    elif outside and "valid" in own_parts:
        validation = _load(recipe, said.train, "", "valid")
    if said.test:
        test = _load(recipe, said.test, said.test_target, "test", keep_empty=True)
    elif "test" in own_parts:
        test = _load(recipe, said.train, "", "test", keep_empty=True)
    return train, validation, test


def _known(parts: Sequence[Pairs | None], source: Bundle | None) -> Sequence[Direction]:
    """The directions that parts tell of, for those that do not; else those of the model that is gone on from."""
    told = [direction for pairs in parts if pairs is not None for direction in pairs.directions if direction != SIDES]
    return told or (() if source is None else Translation.from_dict(source.task).directions)


def _check_targets(task: Translation, read: _Read) -> None:
    """DataError where the model will not write what it is to be measured on."""
    for pairs in (read.validation, read.test):
        strange = set(pairs.into) - set(task.targets) if pairs is not None else set()
        if pairs is not None and strange:
            raise DataError(
                f"{pairs.name} is to be translated into {', '.join(sorted(strange))}, but the model learns to write "
                f"{', '.join(task.targets)}; give other pairs, or name the languages with --langs"
            )


def _cleaned(train: Pairs, recipe: TranslationRecipe, note: Note) -> Pairs:
    """The pairs that are translations; what is left out is told.

    Raises:
        DataError: that are all of them.
    """
    cleaned, counts = clean_pairs(train, recipe.cleaning)
    for name, reason in REASONS.items():
        if counts.get(name):
            note(f"left out {counts[name]:,} pairs {reason}")
    if not len(cleaned):
        raise nothing_left(train.name, counts, dict.fromkeys(REASONS, "--set pairs.clean=false"))
    return cleaned


def _load(recipe: TranslationRecipe, source: str, target: str, part: str, keep_empty: bool = False) -> Pairs:
    said = recipe.pairs
    return load_pairs(
        source,
        target or None,
        part,
        languages=said.languages,
        source_column=said.source_column or None,
        target_column=said.target_column or None,
        keep_empty=keep_empty,
    )


def _held_out(pairs: Pairs, share: float) -> tuple[Pairs, Pairs]:
    kept, held = hold_out_pairs(pairs.sources, pairs.targets, share, SPLIT_SEED)
    return pairs.chosen(kept), pairs.chosen(held)


def _with_other_names(train: Pairs, recipe: TranslationRecipe, note: Note) -> Pairs:
    """What is learnt from; the vocabulary is that of the pairs as they came."""
    if not recipe.pairs.other_names:
        return train
    more, count = add_other_names(train, recipe.pairs.other_names, recipe.training.seed)
    note(
        f"added {count:,} pairs with another name"
        if count
        else "no pair has a name that both sides spell alike, or that one renders as it always does"
    )
    return more


def _joined(train: Pairs, recipe: TranslationRecipe, note: Note) -> DrawPairs | None:
    """What each epoch reads besides: pairs of two, drawn anew."""
    count = round(recipe.pairs.joined * len(train))
    if not count:
        return None
    joiner = Joiner(train)
    note(f"each epoch reads up to {count:,} joined pairs besides")
    return lambda random: joiner.drawn(count, random)


def _task(train: Pairs, source: Bundle | None) -> Translation:
    directions = tuple(dict.fromkeys(train.directions))
    if source is None:
        return Translation(directions, tagged=len({target for _, target in directions}) > 1)
    task = task_of(source)
    assert isinstance(task, Translation)
    task = task.named(directions)
    for _, target in directions:
        task.into(target)
    return replace(task, directions=tuple(dict.fromkeys((*task.directions, *directions))))


def _tokenizer(
    train: Pairs, recipe: TranslationRecipe, task: Translation, source: Bundle | None, run: Path
) -> Tokenizer:
    """The run's tokenizer: the source's, or read where the run has one already, else learnt from the pairs."""
    if source is not None and source.tokenizer is not None:
        return source.tokenizer
    path, target_path = run / layout.TOKENIZER, run / layout.TARGET_TOKENIZER
    if path.is_file():
        tokenizer = open_tokenizer(path)
        tokenizer.target = open_tokenizer(target_path) if target_path.is_file() else None
        return tokenizer
    said = recipe.tokenizer.settings
    sides = (train.sources, train.targets)
    if recipe.tokenizer.joint:
        tokenizer = Tokenizer.train((text for side in sides for text in side), said)
    else:
        tokenizer, target = (Tokenizer.train(side, said) for side in sides)
        tokenizer.target = target
        target.save(target_path)
    if task.tagged:
        tokenizer = tokenizer.with_special_tokens(tags(task.targets))
    tokenizer.save(path)
    return tokenizer


def _fit(
    task: Translation,
    tokenizer: Tokenizer,
    read: _Read,
    recipe: TranslationRecipe,
    source: Bundle | None,
    run: Path,
    note: Note,
    show: Show,
) -> tuple[Seq2Seq, Translation, Outcome, TranslationRecipe]:
    """The model with its task, how the run ended, and the recipe with what was left open decided."""
    rows = pair_rows(task, tokenizer, read.train).within(MOST_TOKENS)
    if len(rows) < len(read.train):
        note(f"left out {len(read.train) - len(rows):,} pairs of more than {MOST_TOKENS} tokens on a side")
    if not len(rows):
        raise DataError(f"every pair of {read.train.name} has more than {MOST_TOKENS} tokens on a side; cut the texts")
    longest = int(rows.sources.lengths.max())
    task = replace(task, max_tokens=longest if source is None else max(task.max_tokens, longest))
    torch.manual_seed(recipe.training.seed)
    model = _model(tokenizer, recipe, source)
    show({"num_parameters": model.num_parameters(), "vocab_size": tokenizer.vocab_size})
    note(f"{recipe.model.name}: {model.num_parameters():,} parameters, {tokenizer.vocab_size:,} tokens")
    lesson = Translating(
        task,
        tokenizer,
        rows,
        read.validation,
        recipe.training.label_smoothing,
        bpe_dropout=recipe.tokenizer.bpe_dropout,
        r_drop=recipe.training.r_drop,
        draw_more=_joined(read.train, recipe, note),
    )
    recipe = settled(recipe, model, run)
    outcome = Trainer(model, lesson, recipe.training, run, show).fit()
    return model.to("cpu").eval(), task, outcome, recipe


def _model(tokenizer: Tokenizer, recipe: TranslationRecipe, source: Bundle | None) -> Seq2Seq:
    if source is not None:
        model: Seq2Seq = source.model
        return model
    target = tokenizer.target
    config = _config(recipe, tokenizer.vocab_size, target.vocab_size if target else 0, tokenizer.writing.bos_id)
    try:
        made: Seq2Seq = architecture(recipe.model.name)[1](config)
    except (RuntimeError, TypeError) as error:  # torch's for a size beyond memory, and for one beyond 64 bits
        raise RecipeError("a model of this [shape] takes more memory than there is; make it smaller") from error
    return made


def _config(recipe: TranslationRecipe, vocab_size: int, target_vocab_size: int = 0, start_id: int = 0) -> ModelConfig:
    """The configuration of a new model.

    Raises:
        RecipeError: ``[shape]`` asks for what cannot be.
    """
    sizes = {"vocab_size": vocab_size, "target_vocab_size": target_vocab_size, "start_id": start_id}
    for key in sizes.keys() & recipe.shape.keys():
        raise RecipeError(f"shape.{key} follows from the tokenizer; leave it out")
    try:
        return architecture(recipe.model.name)[0].from_dict({**recipe.shape, **sizes})
    except BundleError as error:
        raise RecipeError(str(error).replace("config.json", "shape")) from error


def _described(train: Pairs) -> dict[str, Any]:
    return {
        "name": train.name,
        "rows": len(train),
        "directions": {f"{a}-{b}": count for (a, b), count in Counter(train.directions).items()},
        "sha256": train.sha256,
        "licence": train.licence,
    }


def _summary(
    folder: Path,
    bundle: Bundle,
    validation: TranslationReport,
    test: TranslationReport | None,
    seconds: float,
    outcome: Outcome,
) -> dict[str, Any]:
    """What ``minnow train --json`` prints: the scores of the test part, else those of the held-out pairs."""
    shown = test or validation
    return {
        "model": str(folder),
        "model_type": bundle.model.config.model_type,
        "directions": ["-".join(direction) for direction in bundle.task["directions"]],
        "measured_on": shown.data["part"],
        **shown.scores,
        "intervals": shown.intervals,
        "signatures": shown.signatures,
        "validation": {**validation.scores, "loss": outcome.scores["loss"]},
        "rows": bundle.provenance["data"]["rows"],
        "test_rows": test.data["rows"] if test else None,
        "step": outcome.step,
        "steps": outcome.num_steps,
        "parameters": bundle.model.num_parameters(),
        "size_bytes": size_on_disk(folder),
        "train_seconds": round(seconds, 3),
        "sentences_per_second": shown.sentences_per_second,
    }
