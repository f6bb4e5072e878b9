"""From labelled texts to a measured classifier.

read → split → fit → calibrate → save → report → card
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minnow.bundle import layout, replacing
from minnow.bundle.bundle import Bundle, size_on_disk
from minnow.bundle.provenance import made_of
from minnow.data.examples import Examples, load_examples
from minnow.data.sources import parts
from minnow.data.split import hold_out, leakage
from minnow.errors import DataError, RecipeError
from minnow.evaluation.evaluate import report_for
from minnow.evaluation.measure import described, measure
from minnow.evaluation.report import Report
from minnow.files import folder_name, write_text
from minnow.listeners import Note, Show, unheard
from minnow.metrics.calibration import fit_temperature
from minnow.tasks.batching import logits_for
from minnow.tasks.text_classification import TextClassification
from minnow.training.classification_evidence import write_evidence
from minnow.training.classification_recipe import ClassificationRecipe
from minnow.training.journal import Journal
from minnow.training.recipe_file import to_toml
from minnow.training.run_folder import (
    attempt,
    check_place,
    check_same_data,
    check_same_source,
    drop_state,
    seconds_before,
)
from minnow.training.settings import unused

NEURAL_FROM_ROWS = 200_000
NEURAL_UP_TO_CHARACTERS = 200


@dataclass(frozen=True)
class Classifier:
    """A finished run: the folder, the report on held-out rows, and on the test part where there was one."""

    folder: Path
    bundle: Bundle
    validation: Report
    test: Report | None
    train_seconds: float
    summary: dict[str, Any]


@dataclass(frozen=True)
class _Read:
    """What the recipe names; without validation examples of their own, training rows are held out."""

    train: Examples
    validation: Examples | None
    test: Examples | None


@dataclass(frozen=True)
class _Rows:
    """Examples with label ids, and where they are from."""

    texts: list[str]
    label_ids: list[tuple[int, ...]]
    labels: list[tuple[str, ...]]
    examples: Examples


def train_classifier(
    recipe: ClassificationRecipe,
    folder: Path,
    *,
    overwrite: bool = False,
    resume: bool = False,
    note: Note = unheard,
    show: Show = unheard,
) -> Classifier:
    """Train a text classifier and write its folder.

    Args:
        recipe: with ``data.train`` set.
        folder: for the model; it must not hold one already unless ``overwrite``.
        resume: go on with the run that was cut off in ``folder``, to the same result.
        note: is told, in sentences, what was decided.
        show: is told how far the run is.

    Raises:
        InputError: data, recipe or folder cannot be used as they are; one line says what to do.
    """
    started = time.perf_counter()
    if not recipe.data.train:
        raise RecipeError("the recipe names no training data; give a file: minnow train DATA")
    check_place(folder, recipe.fine_tuning.model, overwrite, resume)
    read = _read(recipe, note)
    examples, test = read.train, read.test
    recipe = _with_model(recipe, examples, note)
    for line in unused(f"the model is {recipe.model.name}", recipe.unread()):
        note(line)
    _check(recipe, read)
    with attempt(folder, resume) as run:
        started -= seconds_before(run)
        check_same_data(run, examples, read.validation, resume)
        check_same_source(run, recipe.fine_tuning.model, resume)
        write_text(run / layout.RECIPE, to_toml(recipe))
        task = _task(examples, recipe)
        bundle, held = _fit(task, read, recipe, run, note, show)
        seconds = time.perf_counter() - started
        start = recipe.fine_tuning.model if recipe.model.name == "encoder_classifier" else ""
        columns = {"text": examples.roles.text, "label": examples.roles.label}
        made = made_of(recipe.model.name, described(examples, "train"), start, seconds, columns=columns)
        bundle = replace(bundle, provenance=made)
        bundle.save(folder)
        replacing.end(folder)
    seconds = time.perf_counter() - started
    drop_state(run)
    bundle = Bundle.load(folder)  # what is measured and handed on is what was saved, to the bit
    name = folder_name(folder)
    validation = _validation_report(name, bundle, held)
    tested = measure(bundle, test, name) if test is not None else None
    shown, of_data = (validation, held.examples) if tested is None or test is None else (tested, test)
    for line in shown.notes:
        if line not in of_data.notes:  # which were told when it was read
            note(line)
    summary = _summary(folder, bundle, validation, tested, seconds)
    write_evidence(folder, bundle, examples, validation, tested, recipe)
    return Classifier(folder, bundle, validation, tested, seconds, summary)


@dataclass(frozen=True)
class _Held:
    """Held-out rows with the model's logits on them, and which part of which examples they are."""

    texts: list[str]
    labels: list[tuple[str, ...]]
    logits: NDArray[np.float32]
    examples: Examples
    part: str


def _read(recipe: ClassificationRecipe, note: Note) -> _Read:
    """All that is learnt from, chosen by and measured on; what was decided is told of each.

    The test part is the one that the recipe names, else the data set's own where it has one. Columns and labels are
    read as in the training part.
    """
    data = recipe.data
    columns = data.text or None, data.label or None
    train = load_examples(data.train, "train", *columns)
    outside = recipe.validation_share() is None
    alike: dict[str, Any] = {"learnt": train.roles, "multi_label": train.multi_label}
    validation = load_examples(data.validation, "valid", *columns, **alike) if outside else None
    source = data.test or (data.train if "test" in parts(data.train) else "")
    test = load_examples(source, "test", *columns, **alike, keep_empty=True) if source else None
    read = _Read(train, validation, test)
    for examples in (read.train, read.validation, read.test):
        if examples is not None:
            for line in (f"{examples.name}: {len(examples):,} rows", *examples.notes):
                note(line)
    for part, examples in (("validation", read.validation), ("test", read.test)):
        _note_leakage(train, examples, part, note)
    return read


def _check(recipe: ClassificationRecipe, read: _Read) -> None:
    """Find what a run would trip over at its end, before anything is written."""
    if recipe.model.name == "ngram":
        from minnow.training.ngram import check_ngram

        check_ngram(recipe.ngram)
    elif recipe.model.name == "encoder_classifier":
        from minnow.training.fine_tuning import check_fine_tuning

        check_fine_tuning(recipe)
    else:
        from minnow.training.neural import check_neural

        check_neural(recipe)
    for other in (read.validation, read.test):
        if other is not None:
            _check_labels(read.train, other)


def _check_labels(examples: Examples, other: Examples) -> None:
    if other.multi_label and not examples.multi_label:
        raise DataError(f"{other.name} has rows with several labels, but {examples.name} gives each text one label")
    if not set(other.label_names) & set(examples.label_names):
        shown = [", ".join(names[:5]) for names in (other.label_names, examples.label_names)]
        raise DataError(f"the labels of {other.name} ({shown[0]}) are none of those of {examples.name} ({shown[1]})")


def _note_leakage(train: Examples, examples: Examples | None, part: str, note: Note) -> None:
    if examples is None:
        return
    leaked = leakage(train.texts, examples.texts)
    if leaked.count:
        note(f"{leaked.count:,} {part} rows ({leaked.share:.1%}) have a text that also stands in the training part")


def _with_model(recipe: ClassificationRecipe, examples: Examples, note: Note) -> ClassificationRecipe:
    """The recipe with ``auto`` replaced by what suits the data."""
    if recipe.model.name != "auto":
        return recipe
    if recipe.fine_tuning.model:
        note(f"model: encoder_classifier, from {recipe.fine_tuning.model}")
        return replace(recipe, model=replace(recipe.model, name="encoder_classifier"))
    mean = sum(map(len, examples.texts)) / len(examples)
    neural = len(examples) >= NEURAL_FROM_ROWS and mean <= NEURAL_UP_TO_CHARACTERS
    name = "text_classifier" if neural else "ngram"
    note(f"model: {name} ({len(examples):,} rows, {mean:.0f} characters each on average); choose with --model")
    return replace(recipe, model=replace(recipe.model, name=name))


def _task(examples: Examples, recipe: ClassificationRecipe) -> TextClassification:
    max_tokens, keep = 0, recipe.text_classifier.keep
    if recipe.model.name == "text_classifier":
        max_tokens = recipe.text_classifier.max_tokens
    elif recipe.model.name == "encoder_classifier":
        from minnow.training.fine_tuning import most_tokens

        max_tokens, keep = most_tokens(recipe), recipe.fine_tuning.keep
    return TextClassification(
        tuple(examples.label_names),
        multi_label=examples.multi_label,
        strip_markup=recipe.data.strip_markup,
        max_tokens=max_tokens,
        keep=keep,
    )


def _fit(
    task: TextClassification, read: _Read, recipe: ClassificationRecipe, run: Path, note: Note, show: Show
) -> tuple[Bundle, _Held]:
    """A calibrated bundle with the recipe as it was followed, and the held-out rows it was calibrated on."""
    rows = _rows(task, read.train)
    outside = None if read.validation is None else _rows(task, read.validation)
    unknown = 0 if outside is None else len(outside.examples) - len(outside.texts)
    if outside is not None and unknown:
        counted = f"{unknown:,} row{'' if unknown == 1 else 's'}"
        note(f"{counted} of {outside.examples.name} left out: {read.train.name} does not have their labels")
    fit = _fit_ngram if recipe.model.name == "ngram" else _fit_neural
    bundle, held = fit(task, rows, outside, recipe, run, note, show)
    references = task.targets(task.label_ids(held.labels))
    temperature = fit_temperature(held.logits, references)
    return replace(bundle, task=task.calibrated(temperature).to_dict()), held


def _rows(task: TextClassification, examples: Examples) -> _Rows:
    """Prepared texts with label ids; rows whose labels the task does not have are left out."""
    label_ids = task.label_ids(examples.labels)
    known = [row for row, ids in enumerate(label_ids) if ids or task.multi_label]
    texts = task.prepare([examples.texts[row] for row in known])
    return _Rows(texts, [label_ids[row] for row in known], [examples.labels[row] for row in known], examples)


def _fit_ngram(
    task: TextClassification,
    rows: _Rows,
    outside: _Rows | None,
    recipe: ClassificationRecipe,
    run: Path,
    note: Note,
    show: Show,
) -> tuple[Bundle, _Held]:
    from minnow.training.ngram import fit_ngram

    journal = Journal(run / "journal.jsonl")
    model, held = fit_ngram(
        rows.texts,
        rows.label_ids,
        task,
        recipe.ngram,
        recipe.training.seed,
        show,
        _class_weights(task, rows.label_ids, recipe),
        outside.texts if outside else (),
        outside.label_ids if outside else (),
    )
    source = outside or rows
    answered = _Held(
        [source.texts[row] for row in held.rows],
        [source.labels[row] for row in held.rows],
        held.logits,
        source.examples,
        "validation" if outside else "held-out folds",
    )
    scores = task.score(held.logits, [source.label_ids[row] for row in held.rows])
    journal.append({"step": 1, "epoch": 1, "held_out_rows": len(held.rows), **scores})
    note(
        f"n-grams: {sum(len(view.vocabulary) for view in model.views):,} in {len(model.views)} "
        f"view{'' if len(model.views) == 1 else 's'}; held-out accuracy {scores['accuracy']:.2%}"
    )
    return Bundle(model, task.to_dict(), recipe=to_toml(recipe)), answered


def _fit_neural(
    task: TextClassification,
    rows: _Rows,
    outside: _Rows | None,
    recipe: ClassificationRecipe,
    run: Path,
    note: Note,
    show: Show,
) -> tuple[Bundle, _Held]:
    fit: Any
    if recipe.model.name == "encoder_classifier":
        from minnow.training.fine_tuning import fit_encoder_classifier as fit
    else:
        from minnow.training.neural import fit_text_classifier as fit

    kept = rows
    if outside is None:
        kept_rows, held_rows = hold_out(rows.texts, recipe.validation_share() or 0.1, recipe.training.seed, rows.labels)
        if not len(held_rows):
            raise DataError(f"{len(rows.texts)} rows are too few to hold out a validation part; add rows")
        kept, outside = _chosen(rows, kept_rows), _chosen(rows, held_rows)
    model, tokenizer, outcome, recipe = fit(
        task,
        kept.texts,
        kept.label_ids,
        outside.texts,
        outside.label_ids,
        recipe,
        run,
        show,
        _class_weights(task, kept.label_ids, recipe),
    )
    for line in outcome.notes:
        note(line)
    logits = logits_for(model, tokenizer, outside.texts, task.max_tokens, task.keep)  # the texts are prepared already
    if recipe.model.wide:
        model, logits = _with_wide(task, model, logits, kept, outside, recipe, note, show)
    bundle = Bundle(model, task.to_dict(), tokenizer, recipe=to_toml(recipe))
    return bundle, _Held(outside.texts, outside.labels, logits, outside.examples, "validation")


def _with_wide(
    task: TextClassification,
    deep: Any,
    logits: NDArray[np.float32],
    rows: _Rows,
    outside: _Rows,
    recipe: ClassificationRecipe,
    note: Note,
    show: Show,
) -> tuple[Any, NDArray[np.float32]]:
    """The neural model with an ngram beside it, or as it is where that brings nothing."""
    from minnow.training.wide import DEEP_ALONE, with_wide

    model, together, share = with_wide(
        task,
        deep,
        logits,
        rows.texts,
        rows.label_ids,
        outside.texts,
        outside.label_ids,
        recipe,
        show,
        _class_weights(task, rows.label_ids, recipe),
    )
    if share == DEEP_ALONE:
        note("the n-grams beside the neural model bring nothing on the validation part, so they are left out")
    else:
        before, after = (task.score(one, outside.label_ids)["accuracy"] for one in (logits, together))
        gain = f"validation accuracy {after:.2%} instead of {before:.2%}"
        note(f"n-grams beside it, with {1 - share:.0%} of the say: {gain}")
    return model, together


def _chosen(rows: _Rows, places: NDArray[np.int64]) -> _Rows:
    texts, label_ids, labels = ([side[i] for i in places] for side in (rows.texts, rows.label_ids, rows.labels))
    return _Rows(texts, label_ids, labels, rows.examples)


def _class_weights(
    task: TextClassification, label_ids: Sequence[tuple[int, ...]], recipe: ClassificationRecipe
) -> NDArray[np.float32] | None:
    """Balanced: N / (K n_k) for one label a text; for several the ratio of texts without to texts with the label."""
    if recipe.data.class_weights == "none":
        return None
    counts = np.bincount([i for ids in label_ids for i in ids], minlength=len(task.labels)).clip(1)
    weights = (
        (len(label_ids) - counts).clip(1) / counts if task.multi_label else len(label_ids) / (len(counts) * counts)
    )
    return np.asarray(weights, np.float32)


def _validation_report(name: str, bundle: Bundle, held: _Held) -> Report:
    task = TextClassification.from_dict(bundle.task)
    report = report_for(
        name,
        held.texts,
        held.labels,
        task.probabilities(held.logits),
        list(task.labels),
        multi_label=task.multi_label,
        thresholds=task.threshold,
        temperature=task.temperature,
        data=described(held.examples, held.part),
    )
    return replace(report, notes=[*held.examples.notes, *report.notes])


def _summary(folder: Path, bundle: Bundle, validation: Report, test: Report | None, seconds: float) -> dict[str, Any]:
    """What ``minnow train --json`` prints: the scores of the test part, else those of the held-out rows."""
    shown = test or validation
    return {
        "model": str(folder),
        "model_type": bundle.model.config.model_type,
        "labels": list(bundle.task["labels"]),
        "measured_on": shown.data["part"],
        **shown.scores,
        "intervals": {name: list(ends) for name, ends in shown.intervals.items()},
        "validation": dict(validation.scores),
        "rows": bundle.provenance["data"]["rows"],
        "test_rows": test.data["rows"] if test else None,
        "parameters": bundle.model.num_parameters(),
        "size_bytes": size_on_disk(folder),
        "train_seconds": round(seconds, 3),
        "documents_per_second": test.documents_per_second if test else None,
    }
