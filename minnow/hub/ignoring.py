"""Which paths a ``.gitignore`` leaves out, as git reads it, in a time that no pattern and no path can make long."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import translate

from minnow.errors import InputError

MOST_LETTERS = 1 << 16
MOST_PATTERNS = 2000
MOST_COMPARISONS = 5_000_000
_ANY_FOLDERS = "**"
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ODD_CLASS = re.compile(r"\[\^(?=.)", re.DOTALL)


@dataclass(frozen=True)
class _Pattern:
    """A line of the file.

    Attributes:
        ignores: false takes a path in again.
        folders_only: it means no file.
        parts: what the names on the way to a path must be; None is any number of them.
    """

    ignores: bool
    folders_only: bool
    parts: tuple[re.Pattern[str] | None, ...]

    def matches(self, names: Sequence[str], *, is_folder: bool) -> bool:
        """Whether it means a path, given as its names; each name is compared with each part at most once."""
        if self.folders_only and not is_folder:
            return False
        places = {0}  # how many names may have been used up so far
        for number, part in enumerate(self.parts):
            if part is None:
                # At the end it stands for what is in a folder and not for the folder.
                behind = 1 if number == len(self.parts) - 1 else 0
                places = set(range(min(places) + behind, len(names) + 1))
            else:
                places = {place + 1 for place in places if place < len(names) and part.match(names[place])}
            if not places:
                return False
        return len(names) in places


def ignored(paths: Iterable[str], text: str) -> set[str]:
    """Those of these files that are left out: of the patterns that mean a path the last one counts.

    What is in a folder that is left out is so too. The first ``MOST_PATTERNS`` patterns count.

    Raises:
        InputError: there are more files and patterns than are compared.
    """
    files = [tuple(path.split("/")) for path in paths]
    folders = {names[:depth] for names in files for depth in range(1, len(names))}
    patterns = _patterns(text)
    comparisons = sum(len(pattern.parts) for pattern in patterns) * sum(map(len, (*files, *folders)))
    if comparisons > MOST_COMPARISONS:
        raise InputError(
            f"{len(files)} files and {len(patterns)} patterns of a .gitignore are {comparisons} comparisons, and at "
            f"most {MOST_COMPARISONS} are made; announce fewer files at once, or shorten the .gitignore"
        )
    left_out: set[tuple[str, ...]] = set()
    for folder in sorted(folders, key=len):
        if folder[:-1] in left_out or _last(patterns, folder, is_folder=True):
            left_out.add(folder)
    return {"/".join(names) for names in files if names[:-1] in left_out or _last(patterns, names, is_folder=False)}


def _last(patterns: Sequence[_Pattern], names: Sequence[str], *, is_folder: bool) -> bool:
    """What the last pattern that means a path says of it."""
    found = (pattern.ignores for pattern in reversed(patterns) if pattern.matches(names, is_folder=is_folder))
    return next(found, False)


def _patterns(text: str) -> list[_Pattern]:
    lines = [line for line in text[:MOST_LETTERS].splitlines() if line.strip() and not line.startswith("#")]
    return [made for line in lines[:MOST_PATTERNS] if (made := _pattern(line)) is not None]


def _pattern(line: str) -> _Pattern | None:
    """A line as a pattern; None where it means nothing."""
    while line.endswith(" ") and not line.endswith("\\ "):
        line = line[:-1]
    ignores = not line.startswith("!")
    line = line if ignores else line[1:]
    bare = line.rstrip("/")
    if not bare:
        return None
    parts = bare.split("/")
    if len(parts) == 1:
        parts = [_ANY_FOLDERS, *parts]  # one name is meant at any depth
    elif not parts[0]:
        parts = parts[1:]  # from the top
    return _Pattern(ignores, line.endswith("/"), tuple(None if part == _ANY_FOLDERS else _name(part) for part in parts))


def _name(part: str) -> re.Pattern[str]:
    """What a name must be. The library's translation goes back to no star but the last, which keeps it short."""
    plain = _ESCAPED.sub(lambda found: f"[{found[1]}]" if found[1] in "*?[" else found[1], part)
    return re.compile(translate(_ODD_CLASS.sub("[!", plain)))
