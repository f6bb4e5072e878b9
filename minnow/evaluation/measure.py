"""Run a model over labelled examples and report on it."""

import time
from typing import Any

from minnow.bundle.bundle import Bundle
from minnow.data.examples import Examples
from minnow.errors import DataError
from minnow.evaluation.evaluate import report_for
from minnow.evaluation.report import Report
from minnow.tasks.registry import task_of
from minnow.tasks.text_classification import TextClassification


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
    """The report of ``bundle`` on ``examples``; the seconds are those of prediction alone."""
    task = classification_task(bundle)
    if examples.multi_label and not task.multi_label:
        raise DataError(f"{examples.name} has rows with several labels, but {name} gives each text one label")
    started = time.perf_counter()
    probabilities = task.probabilities(task.logits(bundle.model, bundle.tokenizer, examples.texts))
    seconds = time.perf_counter() - started
    return report_for(
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
