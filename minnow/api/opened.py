"""A model's folder, opened, and what may be asked of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from minnow.bundle.bundle import Bundle
from minnow.errors import InputError
from minnow.files import folder_name
from minnow.tasks.base import Task
from minnow.tasks.registry import task_of

if TYPE_CHECKING:
    from minnow.data.columns import Roles
    from minnow.tasks.text_generation import TextGeneration
    from minnow.tasks.translation import Translation
    from minnow.text.tokenizer import Tokenizer


class Opened:
    """A bundle with the folder that it came from, the task that it is for, and what a reader knows it by: the name on a
    hub that it was asked for by, else that of the folder."""

    def __init__(self, bundle: Bundle, folder: Path, name: str = ""):
        self.bundle = bundle
        self.folder = folder
        self.name = name or folder_name(folder)
        self.task: Task = task_of(bundle)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, task={self.task.name!r})"

    def translator(self) -> "Translation":
        """Its task; InputError where the model does not translate."""
        from minnow.tasks.translation import Translation

        if not isinstance(self.task, Translation):
            raise InputError(
                f"{self.folder} is a model for {self.task.name.replace('_', ' ')} and does not translate; make "
                "one with: minnow train SOURCE TARGET --task translation"
            )
        return self.task

    def writer(self) -> "TextGeneration":
        """Its task; InputError where the model writes no text of its own."""
        from minnow.tasks.text_generation import TextGeneration

        if not isinstance(self.task, TextGeneration):
            verb = "translate" if self.task.name == "translation" else "predict"
            raise InputError(
                f"{self.folder} is a model for {self.task.name.replace('_', ' ')} and writes no text of its own; "
                f"use minnow {verb}, or make a language model with minnow pretrain"
            )
        return self.task

    def columns(self) -> "Roles | None":
        """The columns that a classifier learnt from, None where its folder does not tell them."""
        from minnow.data.columns import Roles

        told = self.bundle.provenance.get("columns")
        text, label = (told.get("text"), told.get("label")) if isinstance(told, Mapping) else (None, None)
        return Roles(text, label) if isinstance(text, str) and isinstance(label, str) else None

    @property
    def multi_label(self) -> bool:
        """Whether it may give a text several labels, or none."""
        return bool(self.bundle.task.get("multi_label"))

    def tokenizer(self) -> "Tokenizer":
        """Its tokenizer, which every model but the linear one has."""
        from minnow.tasks.base import needed

        return needed(self.bundle.tokenizer)
