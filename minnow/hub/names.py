"""The one gate for names from outside: repositories, paths of files, branches, tags and revisions."""

import re
import unicodedata
from typing import Literal

from minnow.errors import HubNotFoundError, InputError

Kind = Literal["model", "dataset", "space"]
KINDS: tuple[Kind, ...] = ("model", "dataset", "space")
REPOSITORY_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_]|[-.](?=[A-Za-z0-9_])){0,95}")
COMMIT_ID = re.compile(r"[0-9a-f]{40}")
COMMIT_PREFIX = re.compile(r"[0-9a-f]{7,40}")
SHA256 = re.compile(r"[0-9a-f]{64}")
BRANCHES, TAGS, PULLS = "refs/heads/", "refs/tags/", "refs/pr/"
MAIN = BRANCHES + "main"
MOST_PATH_BYTES, MOST_NAME_BYTES, MOST_DEPTH = 1024, 255, 64
MOST_REF_LETTERS = 200


def kind_of(text: str) -> Kind:
    """A kind of repository; raises InputError where it is none."""
    for kind in KINDS:
        if text == kind:
            return kind
    raise InputError(f"a repository's type must be one of {', '.join(KINDS)}, but got {text!r}")


def repository_name(text: str) -> str:
    """The name of a repository that is to be made, without its owner.

    Raises:
        InputError: it is none that every client, git and a file system take.
    """
    if not REPOSITORY_NAME.fullmatch(text) or text.lower().endswith(".git") or "--" in text or ".." in text:
        raise InputError(
            "a repository's name must have 1 to 96 letters of ASCII, digits, single - . and _, "
            f"begin and end with none of - and ., and not end with .git, but got {text!r}"
        )
    return text


def repository_key(owner: str, name: str) -> str:
    """What two names have in common that differ in case only."""
    return f"{owner}/{name}".lower()


def file_path(text: str) -> str:
    """The path of a file or folder in a repository, as it is to be stored.

    Raises:
        InputError: it is absolute, climbs, names git's own folder, or no file system would take it.
    """
    parts = text.split("/")
    wrong = _fault_of_path(text) or next(filter(None, map(_fault_of_part, parts)), None)
    if wrong or len(parts) > MOST_DEPTH:
        raise InputError(f"the path {text[:200]!r} may not be used: {wrong or f'over {MOST_DEPTH} folders deep'}")
    return text


def twin_key(name: str) -> str:
    """What two names have in common that some file systems take for the same: case and Unicode form apart."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def branch_ref(name: str) -> str:
    """The full ref of a branch that is to be made or changed; ``refs/heads/x`` and ``refs/pr/1`` are full already.

    Raises:
        InputError: git would not take the name, or it could be mistaken for a commit.
    """
    if re.fullmatch(r"refs/pr/[1-9][0-9]{0,8}", name):
        return name
    return BRANCHES + _ref_name("branch", name.removeprefix(BRANCHES))


def tag_ref(name: str) -> str:
    """The full ref of a tag; raises InputError as ``branch_ref`` does."""
    return TAGS + _ref_name("tag", name.removeprefix(TAGS))


def sha256_of(text: str) -> str:
    """The SHA-256 of a large file, in hex; raises InputError where it is none."""
    if not SHA256.fullmatch(text):
        raise InputError(f"a large file is named by its SHA-256, 64 digits in hex, but got {text[:100]!r}")
    return text


def path_asked_for(text: str, revision: str) -> str:
    """A path that somebody looks for: one that cannot be is simply not there.

    Raises:
        HubNotFoundError: there can be no such entry.
    """
    try:
        return file_path(text)
    except InputError as error:
        raise HubNotFoundError("entry", text, revision) from error


def _fault_of_path(text: str) -> str | None:
    if text.startswith("/") or re.match(r"[A-Za-z]:", text):
        return "it is absolute"
    if "\\" in text:
        return "folders are separated by /"
    if any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in text):
        return "it holds a control character"
    if len(text.encode("utf-8", "surrogatepass")) > MOST_PATH_BYTES:
        return f"it is longer than {MOST_PATH_BYTES} bytes"
    return None


def _fault_of_part(part: str) -> str | None:
    if part == "":
        return "a part of it is empty"
    if part in {".", ".."}:
        return "it climbs"
    if len(part.encode("utf-8", "surrogatepass")) > MOST_NAME_BYTES:
        return f"a part of it is longer than {MOST_NAME_BYTES} bytes"
    # As Windows and macOS see it: without what they overlook, and without their short names.
    seen = "".join(letter for letter in part if unicodedata.category(letter) != "Cf").rstrip(". ")
    if twin_key(seen.partition(":")[0]) in {".git", "git~1"}:
        return "git's own folder"
    return None


def _ref_name(kind: str, name: str) -> str:
    from dulwich.refs import Ref, check_ref_format

    if (
        not check_ref_format(Ref(f"refs/heads/{name}".encode("utf-8", "replace")))
        or name.startswith(("-", "refs/"))
        or name == "HEAD"
        or len(name) > MOST_REF_LETTERS
        or not name.isprintable()
        or COMMIT_ID.fullmatch(name)
    ):
        raise InputError(f"a {kind} cannot be called {name[:MOST_REF_LETTERS]!r}; take letters, digits, - . _ and /")
    return name
