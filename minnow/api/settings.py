"""Settings as keyword arguments."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, TypedDict, TypeVar

from minnow.errors import InputError, nearest

Settings = TypeVar("Settings")


class Writing(TypedDict, total=False):
    """What a request to a language model may say beside its seed; see ``GenerationSettings``."""

    temperature: float | None
    top_k: int | None
    top_p: float | None
    min_p: float | None
    repetition_penalty: float | None
    frequency_penalty: float | None
    presence_penalty: float | None
    max_tokens: int | None
    stop: str | Sequence[str] | None
    num_samples: int | None
    beam: int | None
    length_penalty: float | None
    schema: Mapping[str, Any] | str | None
    regex: str | None
    choices: Sequence[str] | None
    truncate: bool | None
    ignore_end: bool | None


class Translating(TypedDict, total=False):
    """How a translation is searched for, but for how many; see ``TranslationSettings``."""

    beam: int | None
    length_penalty: float | None
    max_ratio: float | None
    max_extra: int | None
    sample: bool | None
    temperature: float | None
    top_k: int | None
    seed: int | None
    first: int | None


def settings_of(cls: type[Settings], given: Mapping[str, Any]) -> Settings:
    """The settings with these values; what is None counts as not said.

    Raises:
        InputError: there is none of a name, which names the nearest.
    """
    known = [field.name for field in fields(cls)]  # type: ignore[arg-type]
    for name in given:
        if name not in known:
            raise InputError(f"there is no setting {name!r}; {nearest(name, known)}")
    return cls(**{name: value for name, value in given.items() if value is not None})
