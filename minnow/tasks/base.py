"""What a task is: what its model must be able to do, and the answers that are made of the model's numbers.

A task knows text and tensors; it knows no files, no HTTP, and no other task.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

from minnow.errors import BundleError, RecipeError
from minnow.strict import read_record, write_record
from minnow.tasks.signature import Output, Signature
from minnow.text.tokenizer import Tokenizer


class Task(ABC):
    """One use of a model. Subclasses are frozen dataclasses whose fields travel in ``minnow.json``."""

    name: ClassVar[str]
    version: ClassVar[int]
    signature: ClassVar[Signature]

    def to_dict(self) -> dict[str, Any]:
        """Name, version and settings, for the bundle."""
        return {"name": self.name, "version": self.version, **write_record(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what ``to_dict`` wrote.

        Raises:
            BundleError: it never wrote that, or in a version that this Minnow does not know.
        """
        written = values.get("version")
        if written != cls.version:
            raise BundleError(f"the model's task has version {written}, but this Minnow knows {cls.version}")
        settings = {key: value for key, value in values.items() if key not in ("name", "version")}
        try:
            return read_record(cls, settings, "the task in minnow.json")
        except RecipeError as error:
            raise BundleError(f"minnow.json: {error}") from error

    @abstractmethod
    def check(self, model: Any, tokenizer: Tokenizer | None) -> None:
        """Raise BundleError where model, tokenizer and task of a bundle do not fit together."""

    @abstractmethod
    def predict(self, model: Any, tokenizer: Tokenizer | None, inputs: Sequence[str]) -> Sequence[Output]:
        """Answers in the order of the inputs."""


def needed(tokenizer: Tokenizer | None) -> Tokenizer:
    """The tokenizer; a BundleError where there is none."""
    if tokenizer is None:
        raise BundleError("the model reads tokens, but its folder has no tokenizer.json; fetch it anew")
    return tokenizer


def check_vocabulary(model: Any, tokenizer: Tokenizer | None) -> None:
    """Raise BundleError where the tokenizer is missing or gives ids that the model has no row for."""
    if needed(tokenizer).vocab_size > model.config.vocab_size:
        raise BundleError(
            f"tokenizer.json has {needed(tokenizer).vocab_size} tokens, but the model knows {model.config.vocab_size}; "
            "the two are not of one model"
        )
