"""Run a model over labelled examples, or over pairs of texts, and report on it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from minnow.bundle.bundle import Bundle
from minnow.data.examples import Examples
from minnow.data.pairs import Pairs
from minnow.errors import DataError
from minnow.evaluation.evaluate import report_for
from minnow.evaluation.report import Report
from minnow.evaluation.translation import SIMPLIFIED, TranslationReport, translation_report
from minnow.metrics.retrieval import retrieval
from minnow.tasks.base import needed
from minnow.tasks.registry import task_of
from minnow.tasks.text_classification import TextClassification
from minnow.tasks.translation import Translation

if TYPE_CHECKING:
    from minnow.decoding.translating import TranslationSettings


def classification_task(bundle: Bundle) -> TextClassification:
    """The bundle's task.

    Raises:
        DataError: it is a task that labelled texts cannot measure.
    """
    task = task_of(bundle)
    if not isinstance(task, TextClassification):
        raise DataError(f"this model's task is {task.name}; labelled texts measure text_classification only")
    return task


def measure(bundle: Bundle, examples: Examples, name: str, part: str = "test") -> Report:
    """The report of ``bundle`` on ``examples``, with what was decided while they were read among its notes; the seconds
    are those of prediction alone."""
    task = classification_task(bundle)
    if examples.multi_label and not task.multi_label:
        raise DataError(f"{examples.name} has rows with several labels, but {name} gives each text one label")
    started = time.perf_counter()
    probabilities = task.probabilities(task.logits(bundle.model, bundle.tokenizer, examples.texts))
    seconds = time.perf_counter() - started
    report = report_for(
        name,
        examples.texts,
        examples.labels,
        probabilities,
        list(task.labels),
        multi_label=task.multi_label,
        thresholds=task.threshold,
        temperature=task.temperature,
        data=described(examples, part),
        seconds=seconds,
    )
    return replace(report, notes=[*examples.notes, *report.notes])


def measure_translation(
    bundle: Bundle,
    pairs: Pairs,
    name: str,
    part: str = "test",
    settings: TranslationSettings | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> TranslationReport:
    """The report of ``bundle`` on ``pairs``, with what was decided while they were read among its notes; the seconds
    are those of translating alone.

    Raises:
        DataError: its task is another, or it does not write a language of the pairs.
    """
    from minnow.decoding.translating import TranslationSettings

    task = task_of(bundle)
    if not isinstance(task, Translation):
        raise DataError(f"this model's task is {task.name.replace('_', ' ')}; pairs of texts measure translation only")
    task = task.named(pairs.directions)
    for target in set(pairs.into):
        task.into(target)
    tokenizer = needed(bundle.tokenizer)
    references = tokenizer.writing.in_its_script(pairs.targets)
    started = time.perf_counter()
    found = task.translate(
        bundle.model, tokenizer, pairs.sources, settings or TranslationSettings(), pairs.into, advance
    )
    seconds = time.perf_counter() - started
    zero_shot = sorted(set(pairs.directions) - set(task.directions))
    report = translation_report(
        name,
        pairs.sources,
        references,
        [best[0].text for best in found],
        pairs.directions,
        data={"name": pairs.name, "part": part, "sha256": pairs.sha256, "licence": pairs.licence},
        seconds=seconds,
    )
    reads = {source for source, _ in task.directions}
    told = [
        f"{source}-{target} was never learnt: the model pairs languages by itself"
        if source in reads
        else f"the model has never read {source}; it reads {', '.join(sorted(reads))}"
        for source, target in zero_shot
    ]
    if references != pairs.targets:
        told.append(SIMPLIFIED)
    return replace(report, notes=[*pairs.notes, *report.notes, *told], retrieval=_retrieval(task, bundle, pairs))


def _retrieval(task: Translation, bundle: Bundle, pairs: Pairs) -> list[dict[str, Any]]:
    """Of each two languages that the model reads; there and back is the same question, so it is asked once."""
    reads = {source for source, _ in task.directions}
    found: dict[frozenset[str], dict[str, Any]] = {}
    for direction in dict.fromkeys(pairs.directions):
        if reads.issuperset(direction) and frozenset(direction) not in found:
            sides = pairs.of(direction)
            sources_ND = task.vectors(bundle.model, needed(bundle.tokenizer), sides.sources)
            targets_ND = task.vectors(bundle.model, needed(bundle.tokenizer), sides.targets)
            found[frozenset(direction)] = {
                "direction": "-".join(direction),
                **asdict(retrieval(sources_ND, targets_ND)),
            }
    return list(found.values())


def described(examples: Examples, part: str) -> dict[str, Any]:
    """What a report says of its data."""
    return {
        "name": examples.name,
        "part": part,
        "rows": len(examples),
        "sha256": examples.sha256,
        "licence": examples.licence,
        "language": examples.language,
    }
