"""Settings from keyword arguments."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from minnow.errors import InputError, nearest

Settings = TypeVar("Settings")


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
