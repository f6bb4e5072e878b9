"""Adapters as PEFT leaves them: its two files, perhaps a tokenizer, and the name of a model that lies elsewhere."""

from dataclasses import dataclass
from pathlib import Path

from minnow.bundle import layout
from minnow.bundle.bundle import Bundle
from minnow.bundle.huggingface import read_huggingface
from minnow.errors import BundleError
from minnow.listeners import Note
from minnow.text.opening import open_foreign
from minnow.text.tokenizer import Tokenizer

OWN_TOKENIZER = (layout.TOKENIZER, "vocab.txt", "vocab.json")  # any of which says that the adapter brings one


@dataclass(frozen=True)
class Beside:
    """What an adapter stands beside.

    Attributes:
        base: the folder of the model, of this house or of Hugging Face; None for what the adapter names.
        merge: add the adapter to the model's weights.
    """

    base: Path | None = None
    merge: bool = False


def read_foreign_adapter(folder: Path, beside: Beside, tokenizer: Path | None, note: Note) -> Bundle:
    """The adapter in ``folder`` with its model; the bundle's base is None where the two became one.

    Raises:
        BundleError: the adapter or its model is missing or cannot be used, or they do not fit each other.
    """
    from minnow.bundle.adapter import load_adapter  # which needs torch
    from minnow.layers.lora import adapters, merge

    base = beside.base or _named_base(folder)
    if not base.is_dir():
        raise BundleError(f"there is no model folder at {base}; name that of the adapter's model with --base")
    ours = layout.is_bundle(base)
    beneath = Bundle.load(base) if ours else read_huggingface(base, None, note)
    if beneath.base is not None:
        raise BundleError(f"the adapter {folder} belongs to {base}, which is itself an adapter; give a whole model")
    model = load_adapter(folder, beneath.model)
    if not adapters(model):
        note("the adapter brings whole weights with it, so the new folder holds the whole model")
    elif not ours and not beside.merge:
        note(f"{base} is no model folder of minnow, so the two become one; import it first to keep them apart")
    apart = ours and not beside.merge and bool(adapters(model))
    if not apart:
        merge(model)
    return Bundle(model, beneath.task, _tokenizer(folder, tokenizer, beneath), base=base.resolve() if apart else None)


def _named_base(folder: Path) -> Path:
    """The folder that the adapter names, seen from itself or from here."""
    from minnow.bundle.adapter_config import read_config

    named = read_config(folder).base
    found = [path for path in (folder / named, Path(named)) if named and path.is_dir()]
    if not found:
        raise BundleError(
            f"the adapter {folder} belongs to the model {named or '(no name)'!r}, which is no folder here; "
            "fetch it and name its folder with --base"
        )
    return found[0]


def _tokenizer(folder: Path, chosen: Path | None, beneath: Bundle) -> Tokenizer | None:
    if chosen is not None:
        return open_foreign(chosen)
    if any((folder / name).is_file() for name in OWN_TOKENIZER):
        return open_foreign(folder)
    return beneath.tokenizer
