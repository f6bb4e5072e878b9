"""Models of other programs into folders of ours: which reader a path asks for, and where the model comes from."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from minnow.bundle import layout, replacing
from minnow.bundle.bundle import Bundle
from minnow.bundle.foreign_adapter import Beside, read_foreign_adapter
from minnow.bundle.huggingface import read_huggingface, weight_files
from minnow.bundle.llama2c import read_llama2c
from minnow.bundle.provenance import came_from, versions
from minnow.errors import BundleError
from minnow.files import write_bytes
from minnow.listeners import Note

LARGEST_PAPER = 5_000_000  # bytes


def read_foreign(source: Path, tokenizer: Path | None, note: Note, beside: Beside = Beside()) -> Bundle:  # noqa: B008
    """The model in a Hugging Face folder or a llama2.c file, or in a folder with one such file; or PEFT's adapter.

    Args:
        beside: of an adapter, the model that it belongs to, and whether the two become one.

    Raises:
        BundleError: there is none, or it cannot be used; the message says what to do.
    """
    if not source.exists():
        raise BundleError(f"there is nothing at {source}; name a Hugging Face folder or a .bin file of llama2.c")
    if tokenizer is not None and not tokenizer.exists():
        raise BundleError(f"there is no tokenizer at {tokenizer}; name a file or a folder that is there")
    if layout.is_foreign_adapter(source):
        bundle = read_foreign_adapter(source, beside, tokenizer, note)
        beneath = came_from(str(bundle.base)) if bundle.base is not None else {}
        return replace(bundle, provenance=_provenance(source, "PEFT", [source / layout.ADAPTER_WEIGHTS]) | beneath)
    if beside != Beside():
        raise BundleError(f"{source} is no adapter, which --base and --merge are for; leave them out")
    single = source if source.is_file() else _llama2c_in(source)
    if single is None:
        bundle, files = read_huggingface(source, tokenizer, note), weight_files(source)
    elif single.suffix == ".safetensors":
        raise BundleError(f"{single} is weights alone; name its folder, {single.parent}, which has config.json too")
    else:
        bundle, files = read_llama2c(single, tokenizer), [single]
    return replace(bundle, provenance=_provenance(source, "Hugging Face" if single is None else "llama2.c", files))


def _provenance(source: Path, form: str, files: list[Path]) -> dict[str, Any]:
    return {
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "imported": {
            "name": source.resolve().name,
            "format": form,
            "sha256": {file.name: _sha256(file) for file in files},
        },
        "versions": versions(),
    }


def save_foreign(bundle: Bundle, source: Path, folder: Path) -> None:
    """Write the folder, with the papers that came with the model; after an error what stood there is back.

    Raises:
        StorageError: the disk refuses.
    """
    with replacing.alone(folder):
        replacing.begin(folder)
        try:
            for name in (layout.CARD, *layout.PAPERS):  # who made it and on which terms
                paper = (source if source.is_dir() else source.parent) / name
                if paper.is_file() and paper.stat().st_size <= LARGEST_PAPER:
                    write_bytes(folder / name, paper.read_bytes())
            bundle.save(folder)
        finally:
            replacing.end(folder)


def _llama2c_in(folder: Path) -> Path | None:
    """The one llama2.c model of a folder that is not Hugging Face's; a BundleError names them where there are more."""
    if (folder / layout.CONFIG).exists():
        return None
    found = [path for path in sorted(folder.glob("*.bin")) if not path.name.startswith(("tok", "pytorch_model"))]
    if len(found) > 1:
        names = ", ".join(path.name for path in found[:10])
        raise BundleError(f"{folder} holds several models of llama2.c; name one of: {names}")
    return found[0] if found else None


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
