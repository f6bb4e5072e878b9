"""Tasks by name. A new one is a file in this folder and a line here, or an entry point ``minnow.tasks``."""

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from minnow.bundle.bundle import Bundle
from minnow.errors import UnknownNameError
from minnow.tasks.base import Task

TASKS = {
    "text_classification": ("minnow.tasks.text_classification", "TextClassification"),
    "text_generation": ("minnow.tasks.text_generation", "TextGeneration"),
    "translation": ("minnow.tasks.translation", "Translation"),
    "fill_mask": ("minnow.tasks.fill_mask", "FillMask"),
}


def task_of(bundle: Bundle) -> Task:
    """The task of a bundle, checked against its model and tokenizer.

    Raises:
        BundleError: they do not fit together.
        UnknownNameError: no task has this name.
    """
    task = task_from(bundle.task)
    task.check(bundle.model, bundle.tokenizer)
    return task


def task_from(values: Mapping[str, Any]) -> Task:
    """The task that a bundle was made for.

    Raises:
        UnknownNameError: no task has this name.
    """
    name = str(values.get("name"))
    if name in TASKS:
        module, attribute = TASKS[name]
        cls: type[Task] = getattr(import_module(module), attribute)
        return cls.from_dict(values)
    added = {point.name: point for point in entry_points(group="minnow.tasks")}
    if name not in added:
        raise UnknownNameError("task", name, [*TASKS, *added])
    task: Task = added[name].load().from_dict(values)
    return task
