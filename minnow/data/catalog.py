"""The catalog of public data sets: what each is, whose it is, where it is downloaded and where it lies on this machine.

Nothing of the sets themselves is in this package; the entries stand in ``public_sets``.
"""

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from minnow.data.entry import Entry, File
from minnow.data.public_sets import PUBLIC_SETS
from minnow.errors import DataError, UnknownNameError


@dataclass(frozen=True)
class Located:
    """A part found on this machine."""

    path: Path
    sha256: str | None
    note: str


def entries() -> tuple[Entry, ...]:
    """All sets, by name."""
    return PUBLIC_SETS


def names() -> tuple[str, ...]:
    """The names of all sets."""
    return tuple(entry.name for entry in entries())


def is_known(name: str) -> bool:
    """Whether the catalog has a set of this name; case, dashes and underscores do not count."""
    return any(_bare(entry.name) == _bare(name) for entry in entries())


def find(name: str) -> Entry:
    """The set of this name.

    Raises:
        UnknownNameError: there is none; the message has the nearest.
    """
    for entry in entries():
        if _bare(entry.name) == _bare(name):
            return entry
    raise UnknownNameError("data set", name, names())


def data_folders(environment: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Where sets are looked for, in this order; ``MINNOW_DATA`` comes first."""
    asked = environment.get("MINNOW_DATA")
    usual = [Path("../shared/data"), Path("data"), download_folder({})]
    return tuple([Path(asked).expanduser(), *usual] if asked else usual)


def download_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where sets are downloaded to: ``MINNOW_DATA``, else ``~/.cache/minnow/data``."""
    asked = environment.get("MINNOW_DATA")
    return Path(asked).expanduser() if asked else Path("~/.cache/minnow/data").expanduser()


def part_files(entry: Entry, part: str) -> Mapping[str, File]:
    """The files of a part by language, a file alone under ``""``; an unknown part is a DataError that lists the known.

    Other names of a part are as good as its own.
    """
    known = entry.aliases.get(part, part)
    if known not in entry.parts:
        made = f", or those made of it on reading: {', '.join(entry.made_parts)}" if entry.made_parts else ""
        raise DataError(f"data set {entry.name!r} has no part {part!r}; choose one of: {', '.join(entry.parts)}{made}")
    return entry.parts[known].files


def file_name(part: str, language: str) -> str:
    """What a person calls a file of a part: ``train``, or ``train.de`` of a part in a file a language."""
    return f"{part}.{language}" if language else part


def locate(entry: Entry, part: str, folders: Sequence[Path] | None = None, language: str = "") -> Located:
    """Find a part on this machine; of a part in a file a language, the file of that language.

    Raises:
        DataError: it is not here; the message has the command that fetches it and the place to put it.
    """
    files = part_files(entry, part)
    if language not in files:
        raise DataError(
            f"part {part!r} of data set {entry.name!r} has no file for the language {language!r}; "
            f"choose one of: {', '.join(files)}"
        )
    file = files[language]
    searched = data_folders() if folders is None else tuple(folders)
    for folder in searched:
        for place in file.places:
            if (folder / place.path).is_file():
                return Located(folder / place.path, place.sha256, place.note)
    raise DataError(
        f"data set {entry.name!r}, part {file_name(part, language)!r}, is not on this machine; "
        f"fetch it with: minnow data get {entry.name}, or put it at {download_folder() / file.target.path}"
    )


def present(entry: Entry, folders: Sequence[Path] | None = None) -> tuple[str, ...]:
    """The parts that are on this machine."""
    searched = data_folders() if folders is None else tuple(folders)
    return tuple(
        part
        for part, held in entry.parts.items()
        if all(
            any((folder / place.path).is_file() for folder in searched for place in file.places)
            for file in held.files.values()
        )
    )


def verify(located: Located) -> str:
    """Compare the file with the catalog: ``verified``, or ``unverified`` where the catalog has no hash.

    Raises:
        DataError: the file is not the one that the catalog knows.
    """
    if located.sha256 is None:
        return "unverified"
    other = another_file(located, file_sha256(located.path))
    if other:
        raise DataError(f"{other}; delete it and fetch it again, or pass the file by its path")
    return "verified"


def another_file(located: Located, sha256: str) -> str:
    """What to say of a file with this hash where the catalog knows another; nothing of one that it knows or cannot."""
    if located.sha256 in (None, sha256):
        return ""
    return (
        f"{located.path} is not the file that the catalog knows: sha256 {sha256[:12]}… where {located.sha256[:12]}… "
        "was expected"
    )


def file_sha256(path: Path) -> str:
    """The hash of a file's bytes as stored.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def files_sha256(files: Mapping[str, Path]) -> str:
    """One hash over the names and the bytes of several files, in their order."""
    digest = hashlib.sha256()
    for name, path in files.items():
        digest.update(f"{name}\0{file_sha256(path)}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _bare(name: str) -> str:
    return re.sub(r"[-_ ]", "", name.lower())
