"""Frozen dataclasses from tables that people write: an unknown key names the nearest, a wrong type what is wanted."""

import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, TypeVar

from minnow.errors import RecipeError, nearest

Record = TypeVar("Record")


def read_record(cls: type[Record], values: Mapping[str, Any], where: str) -> Record:
    """Build ``cls`` from a table; nested dataclasses and tuples of them are read the same way.

    Args:
        cls: a dataclass whose fields are bool, int, float, str, tuples, dataclasses or unions of these with None.
        values: what was written; a missing key takes the field's default.
        where: how the table is called in error messages, such as ``training``; nothing for a whole recipe.

    Raises:
        RecipeError: an unknown key, a missing one without a default, or a value of the wrong type.
    """
    if not isinstance(values, Mapping):
        raise RecipeError(f"{where or 'the recipe'} must be a table of keys and values, but got {values!r}")
    known = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            raise RecipeError(f"unknown key {key!r} in {where or 'the recipe'}; {nearest(str(key), known)}")
    hints = typing.get_type_hints(cls)
    for name, f in known.items():
        if name not in values and f.default is MISSING and f.default_factory is MISSING:
            raise RecipeError(f"{where or 'the recipe'} needs the key {name!r}")
    return cls(**{key: _read(hints[key], value, f"{where}.{key}" if where else key) for key, value in values.items()})


def write_record(record: Any) -> dict[str, Any]:
    """The table that ``read_record`` turns into an equal record; None is left out."""
    table = {}
    for f in fields(record):
        value = getattr(record, f.name)
        if value is not None:
            table[f.name] = _write(value)
    return table


def _write(value: Any) -> Any:
    if is_dataclass(value):
        return write_record(value)
    return [_write(part) for part in value] if isinstance(value, tuple) else value


def _read(hint: Any, value: Any, where: str) -> Any:  # noqa: PLR0911 - a return for each kind of field
    origin = typing.get_origin(hint)
    if hint is Any:
        return value
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        return _read(next(part for part in typing.get_args(hint) if part is not type(None)), value, where)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise RecipeError(f"{where} must be a list, but got {value!r}")
        return tuple(_read(typing.get_args(hint)[0], part, where) for part in value)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise RecipeError(f"{where} must be a table, but got {value!r}")
        inner = typing.get_args(hint)[1]
        return {str(key): _read(inner, part, f"{where}.{key}") for key, part in value.items()}
    if is_dataclass(hint):
        return read_record(typing.cast(type, hint), value, where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**1023:
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        wanted = {bool: "true or false", int: "a whole number", float: "a number", str: "a string"}.get(hint, str(hint))
        raise RecipeError(f"{where} must be {wanted}, but got {value!r}")
    return value
