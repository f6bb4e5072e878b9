"""A recipe as a file: TOML that reads itself aloud, over any dataclass whose fields are sections.

Defaults and what they mean are written once, in the dataclasses; the comments of a written recipe are the attribute
lines of their docstrings.
"""

import inspect
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import tomlkit

from minnow.errors import RecipeError, nearest
from minnow.strict import read_record, write_record

MAX_SEED = 2**32 - 1  # what numpy, numba and torch all take

AnyRecipe = TypeVar("AnyRecipe")


def parse(path: Path) -> dict[str, Any]:
    """The tables of a recipe file, not yet checked."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"cannot read the recipe {path} ({error.strerror}); write one with: minnow init") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"the recipe {path} is not valid TOML: {error}") from error


def read(cls: type[AnyRecipe], tables: Mapping[str, Any], overrides: Sequence[str] = ()) -> AnyRecipe:
    """A recipe of this class from tables and ``section.key=value`` overrides.

    Raises:
        RecipeError: an unknown key, which names the nearest, or an impossible value.
    """
    merged = {section: dict(table) if isinstance(table, Mapping) else table for section, table in tables.items()}
    for override in overrides:
        section, key, value = _override(cls, override)
        table = merged.setdefault(section, {})
        if not isinstance(table, dict):
            raise RecipeError(f"{section} in the recipe must be a table of keys and values, but got {table!r}")
        table[key] = value
    return read_record(cls, merged, "")


def to_toml(recipe: Any) -> str:
    """The recipe as plain TOML."""
    return tomlkit.dumps(write_record(recipe))


def render(recipe: Any, command: str) -> str:
    """The recipe as TOML with a comment above every key; ``command`` is how it is used."""
    document = tomlkit.document()
    document.add(tomlkit.comment(f"A Minnow recipe: {command}; every key may be left out."))
    for section in fields(recipe):
        value = getattr(recipe, section.name)
        table = tomlkit.table()
        free = isinstance(value, dict)  # a section whose keys somebody else knows is explained by the recipe itself
        about = "" if free else (inspect.getdoc(type(value)) or "").split("\n\n")[0]
        told = attribute_lines(type(recipe)).get(section.name, []) if free else [" ".join(about.split())]
        for line in told:
            table.add(tomlkit.comment(line))
        comments = {} if free else attribute_lines(type(value))
        for key, content in (value if free else write_record(value)).items():
            for line in comments.get(key, []):
                table.add(tomlkit.comment(line))
            table.add(key, content)
        document.add(tomlkit.nl())
        document.add(section.name, table)
    return tomlkit.dumps(document)


def attribute_lines(cls: type) -> dict[str, list[str]]:
    """What the docstrings say of each attribute, line by line: its own, and those of what the class inherits from."""
    found: dict[str, list[str]] = {}
    for base in reversed(cls.__mro__):
        found |= _listed(inspect.cleandoc(base.__doc__ or ""))
    return found


def _listed(docstring: str) -> dict[str, list[str]]:
    _, _, listed = docstring.partition("Attributes:\n")
    found: dict[str, list[str]] = {}
    for line in listed.split("\n\n")[0].splitlines():
        named = re.match(r"    (\w+(?:, \w+)*): (.*)", line)
        if named:
            lines = [named.group(2)]
            found |= dict.fromkeys(named.group(1).split(", "), lines)
        elif found and line.startswith("        "):
            lines.append(line.strip())
    return found


def at_least(section: str, key: str, value: float, least: float) -> None:
    """RecipeError unless the value is that large; not-a-number is not."""
    if not value >= least:
        raise RecipeError(f"{section}.{key} must be at least {least}, but got {value}")


def below(section: str, key: str, value: float, high: float) -> None:
    """RecipeError unless the value is at least 0 and less than ``high``; not-a-number is not."""
    if not 0 <= value < high:
        raise RecipeError(f"{section}.{key} must lie between 0 and {high}, but got {value}")


def above_zero(section: str, key: str, value: float) -> None:
    """RecipeError unless the value is above 0; not-a-number is not."""
    if not value > 0:
        raise RecipeError(f"{section}.{key} must be above 0, but got {value}")


def check_seed(seed: int) -> None:
    """RecipeError for a seed that not every stream takes."""
    if not 0 <= seed <= MAX_SEED:
        raise RecipeError(f"training.seed must lie between 0 and {MAX_SEED}, but got {seed}")


def held_out_share(key: str, said: str, usual: float) -> float | None:
    """The share of the training data to hold out, as a key says it; None where that names data of its own, or nothing.

    Raises:
        RecipeError: a number that leaves too little to learn from or to hold out.
    """
    try:
        share = float(said)
    except ValueError:
        return None
    if not 0 < share < 0.9:
        raise RecipeError(f"{key} must lie between 0 and 0.9, but got {share}; try {usual}")
    return share


def among(name: str, value: str, known: Sequence[str]) -> None:
    """RecipeError unless the value is one of the known ones."""
    if value not in known:
        raise RecipeError(f"{name} cannot be {value!r}; {nearest(value, known)}")


def override(key: str, value: Any) -> str:
    """``key=value`` as it is read back, the value in TOML: a string stays one to its last space.

    Raises:
        RecipeError: there is no such form of the value.
    """
    plain = str(value) if isinstance(value, Path) else list(value) if isinstance(value, tuple) else value
    try:
        written: str = tomlkit.item(plain.item() if isinstance(plain, np.generic) else plain).as_string()
        written.encode()
    except (ValueError, TypeError) as error:  # of None, say, or of a name whose bytes are no UTF-8
        raise RecipeError(f"{key} takes numbers, strings in UTF-8 or a list of them, but got {value!r}") from error
    return f"{key}={written}"


def _override(cls: type, override: str) -> tuple[str, str, Any]:
    """``training.epochs=3`` as its three parts; the value is read as TOML, a bare word as a string."""
    name, equals, written = override.partition("=")
    section, dot, key = name.strip().partition(".")
    if not equals or not dot or not key:
        raise RecipeError(f"--set takes section.key=value, but got {override!r}; for example --set training.epochs=3")
    sections = {f.name: f.default_factory for f in fields(cls)}
    if section not in sections:
        raise RecipeError(f"unknown section {section!r} in --set {override}; {nearest(section, sections)}")
    empty = sections[section]()  # type: ignore[misc, operator]
    hint = next((f.type for f in fields(empty) if f.name == key), None) if is_dataclass(empty) else None
    value = _value(written)
    if hint in (str, "str"):
        return section, key, value if isinstance(value, str) else written.strip()
    if hint is not None and isinstance(value, str):  # a number in quotes, say
        value = _value(value)
    return section, key, value


def _value(written: str) -> Any:
    """What is written as TOML, or the words as they are."""
    try:
        return tomllib.loads(f"value = {written.strip()}")["value"]
    except tomllib.TOMLDecodeError:
        return written.strip()
