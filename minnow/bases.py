"""What a model was made from, named as a hub has it: remembered by the hash of its weights, and written into cards."""

import hashlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from minnow.errors import InputError
from minnow.files import read_table, write_bytes

WEIGHTS = ("model.safetensors", "adapter_model.safetensors")
MANIFEST, CARD, MEMORY = "minnow.json", "README.md", "weights.json"
SHA256 = re.compile(r"[0-9a-f]{64}")


def remember(place: Path, folder: Path, name: str) -> None:
    """Keep under which name a hub has a folder's weights, so that what is made from them can name it.

    Args:
        place: the folder for what is kept of that hub.

    Raises:
        StorageError: the disk refuses.
    """
    known = read_table(place / MEMORY)
    hashed = weights_hash(folder)
    if not hashed or known.get(hashed) == name:
        return
    write_bytes(place / MEMORY, orjson.dumps(known | {hashed: name}))


def base_of(place: Path, folder: Path) -> str | None:
    """The name of the model that this one was made from, where that was pushed to the hub or pulled from it before."""
    hashed = source_hash(read_table(folder / MANIFEST).get("provenance"))
    name = read_table(place / MEMORY).get(hashed)
    return name if isinstance(name, str) else None


def source_hash(provenance: Any) -> str:
    """The hash of the weights that a model was made from, or its adapter beside; "" where its provenance tells none."""
    source = provenance.get("from") if isinstance(provenance, dict) else None
    hashed = source.get("weights_sha256") if isinstance(source, dict) else None
    return hashed if isinstance(hashed, str) else ""


def weights_hash(folder: Path) -> str:
    """sha256 of a folder's weights; of pulled ones the name that the client keeps them under. "" without weights."""
    path = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    if path is None:
        return ""
    if path.is_symlink() and SHA256.fullmatch(path.readlink().name):
        return path.readlink().name
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def naming(folder: Path, base: str | None) -> Iterator[Path]:
    """The folder, or another that links to its files and has a card that names the base.

    A card that names one already is left as it is.

    Raises:
        InputError: there is a base to be named, but what the card begins with cannot be read.
    """
    from huggingface_hub.repocard import metadata_save

    card = folder / CARD
    said = {} if base is None else _front_matter(card)
    if base is None or said.get("base_model"):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="minnow-push-") as made:
        shutil.copytree(folder, made, copy_function=_link, dirs_exist_ok=True)
        shown = Path(made) / CARD
        shown.unlink(missing_ok=True)
        if card.is_file():
            shutil.copyfile(card, shown)
        metadata_save(shown, said | {"base_model": base})
        yield Path(made)


def _front_matter(card: Path) -> dict[str, Any]:
    """What stands between the two ``---`` at a card's beginning; empty where there is none."""
    from huggingface_hub.repocard import metadata_load
    from yaml import YAMLError

    try:
        return (metadata_load(card) if card.is_file() else None) or {}
    except (OSError, ValueError, YAMLError) as error:
        said = " ".join(str(error).split())
        raise InputError(
            f"{card} begins with front matter that is no table of keys and values ({said}); mend it, or take it away"
        ) from error


def _link(source: str, target: str) -> None:
    Path(target).symlink_to(Path(source).resolve())
