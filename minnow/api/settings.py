"""What a request may say, as keyword arguments."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict


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
