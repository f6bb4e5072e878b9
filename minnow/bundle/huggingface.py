"""Hugging Face's model folders as bundles: ``config.json``, safetensors in one file or several, a tokenizer.

Nothing is run and no pickle is opened. Names and shapes of all tensors are checked before a weight is read.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minnow.bundle import layout
from minnow.bundle.bundle import Bundle
from minnow.errors import BundleError, UnknownNameError
from minnow.listeners import Note
from minnow.models.foreign import ForeignConfig
from minnow.models.registry import ARCHITECTURES, architecture, model_from
from minnow.text.opening import open_foreign

INDEX = "model.safetensors.index.json"
PICKLED = ("pytorch_model.bin", "pytorch_model.bin.index.json", "model.pt", "model.pth")
MASKED = ("bert", "distilbert")  # models that fill gaps
SHOWN = 3  # names in an error message

# What other programs write beside the weights of a model and what follows from the rest of it.
DERIVED = (".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq", ".position_ids")
# The output layer where it is the embedding, by the last parts of the names of what it copies.
COPIES = {
    "lm_head.weight": (".embed_tokens.weight", ".wte.weight"),
    "cls.predictions.decoder.weight": (".word_embeddings.weight",),
    "cls.predictions.decoder.bias": ("cls.predictions.bias",),
    "vocab_projector.weight": (".word_embeddings.weight",),
}
OTHER_HEADS = (
    "pooler.",
    "bert.pooler.",
    "cls.seq_relationship.",
    "classifier.",
    "pre_classifier.",
    "score.",
    "qa_outputs.",
)
OLD_ENDINGS = {".gamma": ".weight", ".beta": ".bias"}  # of norms, before 2019

Array = NDArray[np.generic]
Shapes = dict[str, tuple[int, ...]]


def read_huggingface(folder: Path, tokenizer: Path | None = None, note: Note = lambda _: None) -> Bundle:
    """The model in ``folder``, all weights as float32; ``tokenizer`` stands for the folder's own.

    Raises:
        BundleError: something is missing, damaged, of another shape, or of an architecture that is not in the house.
    """
    config = _config(folder)
    found = {name: file for file in weight_files(folder) for name in _names_in(file)}
    config = _with_parts(config, found, note)
    expected = _shapes_of(config)
    sources = _matched(found, expected, config, note)
    config, sources, expected = _untied(config, sources, found, expected, note)
    found_tokenizer = open_foreign(tokenizer or folder)
    tensors = _read(sources, found, expected)
    model = model_from({**config.to_dict(), "model_type": config.model_type}, tensors)
    task = "text_generation" if hasattr(model, "prefill") else "fill_mask"
    return Bundle(model, {"name": task, "version": 1}, found_tokenizer)


def _config(folder: Path) -> ForeignConfig:
    path = folder / layout.CONFIG
    if layout.is_bundle(folder):
        raise BundleError(f"{folder} is a model folder of minnow already; use it as it is")
    if not path.is_file():
        raise BundleError(f"{folder} has no config.json, which every model of Hugging Face has; name its folder")
    values = _json(path)
    config_class = _config_class(values.get("model_type"), path)
    if "auto_map" in values:
        raise BundleError(
            f"{path} asks for code of its own (auto_map), which is never run; such a model cannot be read"
        )
    return config_class.from_dict(values)


def _config_class(name: Any, path: Path) -> type[ForeignConfig]:
    try:
        found = architecture(name)[0] if isinstance(name, str) else None
    except UnknownNameError:
        found = None
    if found is not None and issubclass(found, ForeignConfig):
        return found
    known = [other for other in ARCHITECTURES if issubclass(architecture(other)[0], ForeignConfig)]
    raise BundleError(f"{path}: {UnknownNameError('model_type', str(name), known)}")


def _with_parts(config: ForeignConfig, names: Iterable[str], note: Note) -> ForeignConfig:
    """The configuration with those parts of an encoder that the files have; ``config.json`` does not tell."""
    own = {f.name for f in fields(config)}
    has_head = any(name.startswith(("cls.predictions.", "vocab_transform.")) for name in names)
    has_pooler = any(name.startswith(("pooler.", "bert.pooler.")) for name in names)
    parts = {"masked_head": has_head, "pooler": has_pooler}
    if own.isdisjoint(parts):
        return config
    if not has_head:
        note("the folder has no masked-LM head: it can be fine-tuned with minnow train --from, but fills no gaps")
    return replace(config, **{name: there for name, there in parts.items() if name in own})


def _shapes_of(config: ForeignConfig) -> Shapes:
    """Names and shapes of the weights that the configuration asks for, without making them."""
    import torch

    from minnow.models.module import too_large

    try:
        with torch.device("meta"):
            model = architecture(config.model_type)[1](config)
    except (RuntimeError, TypeError) as error:
        if not too_large(error):
            raise
        said = str(error).partition("\n")[0]
        raise BundleError(f"config.json asks for weights that cannot be ({said}); fetch the folder anew") from error
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def weight_files(folder: Path) -> list[Path]:
    """The files that the weights of a folder lie in, as transformers looks for them."""
    if (folder / layout.WEIGHTS).is_file():
        return [folder / layout.WEIGHTS]
    if (folder / INDEX).is_file():
        table = _json(folder / INDEX).get("weight_map")
        if not isinstance(table, dict) or not table or not all(isinstance(name, str) for name in table.values()):
            raise BundleError(f"{folder / INDEX} names no files in weight_map; fetch it anew")
        names = sorted(set(table.values()))
        for name in names:
            if Path(name).name != name or not (folder / name).is_file():
                raise BundleError(f"{folder / INDEX} names {name!r}, which is not in the folder; fetch it anew")
        return [folder / name for name in names]
    whole = sorted(folder.glob("*.safetensors"))
    if len(whole) == 1:
        return whole
    pickled = [name for name in PICKLED if (folder / name).exists()]
    if pickled:
        masked = _json(folder / layout.CONFIG).get("model_type") in MASKED
        kind = "AutoModelForMaskedLM" if masked else "AutoModelForCausalLM"
        raise BundleError(
            f"{folder} has its weights only as {pickled[0]}, and a pickle could run code when it is opened; convert it "
            f"where you trust it: transformers.{kind}.from_pretrained(FOLDER).save_pretrained(OUT), and its tokenizer: "
            "transformers.AutoTokenizer.from_pretrained(FOLDER).save_pretrained(OUT)"
        )
    raise BundleError(f"{folder} has no {layout.WEIGHTS}; fetch the whole folder")


def _names_in(file: Path) -> list[str]:
    with _opened(file) as weights:
        return list(weights.keys())


def _matched(found: Mapping[str, Path], expected: Shapes, config: ForeignConfig, note: Note) -> dict[str, str]:
    """For each of our weights the name that it has in the files."""
    ours = {_our_name(name, expected): name for name in found}
    for copy, original in _copies(ours, expected):
        ours.setdefault(original, copy)  # a file may hold either of the two
    missing = sorted(expected.keys() - ours.keys())
    surplus = sorted(ours[name] for name in ours.keys() - expected.keys() if not _is_known_extra(name))
    for names, problem in ((missing, "missing from the files"), (surplus, "in the files, but not in the model")):
        if names:
            shown = ", ".join(map(repr, names[:SHOWN])) + (f" and {len(names) - SHOWN} more" if names[SHOWN:] else "")
            raise BundleError(
                f"the weights do not fit config.json (model_type {config.model_type}): {shown} {problem}; fetch the "
                "folder anew, or one of this architecture with its language-model head"
            )
    heads = sorted(name for name in ours.keys() - expected.keys() if name.startswith(OTHER_HEADS))
    if heads:
        note(f"left out, as no part of the language model: {', '.join(heads)}")
    return {name: ours[name] for name in expected}


def _copies(found: Iterable[str], expected: Shapes) -> list[tuple[str, str]]:
    """What the files hold of a layer that is another's copy, and what it copies."""
    pairs = [(copy, own) for copy in COPIES for own in expected if own.endswith(COPIES[copy])]
    return [(copy, own) for copy, own in pairs if copy in found and copy not in expected]


def _untied(
    config: ForeignConfig, sources: dict[str, str], found: Mapping[str, Path], expected: Shapes, note: Note
) -> tuple[ForeignConfig, dict[str, str], Shapes]:
    """The three with an output layer of its own, where the files hold one that is not the embedding that it should
    be; transformers goes by the files there too."""
    for copy, original in _copies(found, expected):
        if sources[original] == copy or _equal(copy, sources[original], found, expected[original]):
            continue
        if not hasattr(config, "tie_word_embeddings"):
            raise BundleError(
                f"{copy!r} of the files is not {sources[original]!r}, but in {config.model_type} of this house the "
                "two are one; take a model where they are"
            )
        note(f"{copy} is not the embedding, whatever config.json says: tie_word_embeddings is false here")
        config = replace(config, **{"tie_word_embeddings": False})
        sources, expected = sources | {copy: copy}, expected | {copy: expected[original]}
    return config, sources, expected


def _equal(one: str, other: str, found: Mapping[str, Path], shape: tuple[int, ...]) -> bool:
    """Whether two tensors of the files, which must have this shape, hold the same numbers."""
    read = []
    for name in (one, other):
        with _opened(found[name]) as weights:
            _check(weights.get_slice(name), name, shape)
            read.append(weights.get_tensor(name).float())
    return bool((read[0] == read[1]).all())


def _our_name(name: str, expected: Shapes) -> str:
    for old, new in OLD_ENDINGS.items():
        if name.endswith(old):
            name = name.removesuffix(old) + new
    if name in expected:
        return name
    # A model that was saved without its head lacks the first part of the names.
    bodies = dict.fromkeys(own.split(".", 1)[0] for own in expected)
    return next((f"{body}.{name}" for body in bodies if f"{body}.{name}" in expected), name)


def _is_known_extra(name: str) -> bool:
    return name.endswith(DERIVED) or name in COPIES or name.startswith(OTHER_HEADS)


def _read(sources: Mapping[str, str], found: Mapping[str, Path], expected: Shapes) -> dict[str, Array]:
    """The weights under our names, after a look at all their shapes."""
    by_file: dict[Path, list[str]] = {}
    for name, source in sources.items():
        by_file.setdefault(found[source], []).append(name)
    for file, names in by_file.items():
        with _opened(file) as weights:
            for name in names:
                _check(weights.get_slice(sources[name]), sources[name], expected[name])
    tensors: dict[str, Array] = {}
    for file, names in by_file.items():
        with _opened(file) as weights:
            tensors |= {name: weights.get_tensor(sources[name]).float().numpy() for name in names}
    return tensors


def _check(stored: Any, name: str, wanted: tuple[int, ...]) -> None:
    shape, kind = tuple(stored.get_shape()), stored.get_dtype()
    if kind not in ("F64", "F32", "F16", "BF16"):
        raise BundleError(f"{name!r} is stored as {kind}, but weights must be floats; fetch the model unquantised")
    if shape != wanted:
        raise BundleError(
            f"the weights do not fit config.json: {name!r} has shape {shape}, but the configuration asks for {wanted}"
        )


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A safetensors file; opening compares its header with its length."""
    from safetensors import SafetensorError, safe_open

    try:
        weights = safe_open(str(path), framework="pt")
    except (SafetensorError, OSError, ValueError) as error:
        raise BundleError(f"{path} is cut off or damaged ({error}); fetch it anew") from error
    with weights:
        yield weights


def _json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{path} is damaged ({error}); fetch it anew") from error
    if not isinstance(values, dict):
        raise BundleError(f"{path} should hold one JSON object; fetch it anew")
    return values
