"""An adapter as a folder beside the model it belongs to, in the file format of PEFT."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import torch
from torch import Tensor, nn

from minnow.bases import source_hash, weights_hash
from minnow.bundle.adapter_config import AdapterConfig, read_config
from minnow.bundle.adapter_file import HEAD, PREFIX, Pair, check_pairs, is_shared, matrix_of, read_brought, unfit
from minnow.bundle.layout import ADAPTER_CONFIG as CONFIG
from minnow.bundle.layout import ADAPTER_WEIGHTS as WEIGHTS
from minnow.bundle.weights import packed_weights
from minnow.errors import BundleError
from minnow.files import write_bytes
from minnow.layers.lora import adapters, attach_to, is_transposed, linear_layers, merge
from minnow.models.registry import model_from


def save_adapter(folder: Path, model: nn.Module, base: Path, task_type: str | None = "CAUSAL_LM") -> None:
    """Write the adapters of ``model``, which must have some; ``base`` is the folder of the model without them.

    The path to ``base`` is kept relative to ``folder``, so that both may move together.
    """
    for name, content in adapter_files(folder, model, base, task_type).items():
        write_bytes(folder / name, content)


def adapter_files(folder: Path, model: nn.Module, base: Path, task_type: str | None) -> dict[str, bytes]:
    """What ``save_adapter`` writes, by the names of the files."""
    layers = adapters(model)
    tensors = {}
    for name, layer in layers.items():
        tensors[f"{PREFIX}{name}.lora_A.weight"] = layer.lora_A.weight
        tensors[f"{PREFIX}{name}.lora_B.weight"] = layer.lora_B.weight
    rank = Counter(layer.rank for layer in layers.values()).most_common(1)[0][0]
    alpha = Counter(layer.alpha for layer in layers.values()).most_common(1)[0][0]
    bare = {name.rpartition(".")[2] for name in linear_layers(model)}
    short = {name: name.rpartition(".")[2] for name in layers}
    config = {
        "peft_type": "LORA",
        "task_type": task_type,
        "base_model_name_or_path": os.path.relpath(base.resolve(), folder.resolve()),
        "r": rank,
        "lora_alpha": alpha,
        "rank_pattern": {name: layer.rank for name, layer in layers.items() if layer.rank != rank},
        "alpha_pattern": {name: layer.alpha for name, layer in layers.items() if layer.alpha != alpha},
        "lora_dropout": next(iter(layers.values())).dropout.rate,
        "target_modules": sorted({name if last in bare else last for name, last in short.items()}),
        "fan_in_fan_out": any(is_transposed(layer.base) for layer in layers.values()),
        "bias": "none",
        "inference_mode": True,
    }
    written = orjson.dumps(config, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    return {WEIGHTS: packed_weights(tensors), CONFIG: written}


def base_of(folder: Path) -> Path:
    """The folder of the model that an adapter belongs to.

    Raises:
        BundleError: the adapter does not say, or nothing is there.
    """
    named = read_config(folder).base
    if not named:
        raise BundleError(f"{folder / CONFIG} names no base_model_name_or_path; write the model's folder there")
    base = (folder / named).resolve()
    if not base.is_dir():
        raise BundleError(f"the adapter {folder} belongs to a model at {base}, but nothing is there; move it back")
    return base


def check_beneath(folder: Path, base: Path, provenance: Mapping[str, Any]) -> None:
    """Raise BundleError where the weights of ``base`` are others than those that the adapter in ``folder`` was made
    beside. One whose provenance does not tell is taken as it is."""
    wanted = source_hash(provenance)
    if wanted and weights_hash(base) != wanted:
        raise BundleError(
            f"the model at {base} has changed since the adapter {folder} was made beside it; put the old one back, or "
            "train the adapter again"
        )


def load_adapter(folder: Path, model: Any) -> Any:
    """``model`` with the adapter of ``folder``, which stands beside its layers; ``model`` itself is used up.

    Where the adapter brings whole weights (``modules_to_save``, biases), or changes an embedding or the output layer,
    no layer beside the others could say so: such an adapter is added to the weights.

    Raises:
        BundleError: it is damaged, asks for what is not made here, or was made for another model.
    """
    config = read_config(folder)
    brought = read_brought(folder / WEIGHTS, model)
    check_pairs(brought.pairs, config, model, folder / WEIGHTS)
    beside = {name: pair for name, pair in brought.pairs.items() if name in linear_layers(model)}
    outside = {name: pair for name, pair in brought.pairs.items() if name not in beside}
    if outside or brought.whole:
        model = _replaced(model, outside, brought.whole, config)
    attach_to(model, {name: config.settings_of(name) for name in beside})
    model.eval()  # the new layers as well
    with torch.no_grad():
        for name, layer in adapters(model).items():
            layer.lora_A.weight.copy_(matrix_of(beside[name].a))
            layer.lora_B.weight.copy_(matrix_of(beside[name].b))
    if outside or brought.whole:
        merge(model)
    return model


# Weights in place of others


def _replaced(model: Any, pairs: Mapping[str, Pair], whole: Mapping[str, Tensor], config: AdapterConfig) -> Any:
    """The model with other weights; input and output layer part where only one of them is another now."""
    path = config.path.parent / WEIGHTS
    tensors = {name: tensor.detach() for name, tensor in model.tensors().items()}
    embedding = next(name for name, module in model.named_modules() if isinstance(module, nn.Embedding)) + ".weight"
    shared = is_shared(model)
    if shared:
        tensors[f"{HEAD}.weight"] = tensors[embedding]
    whole = _grown(whole, len(tensors[embedding]), embedding) if shared else whole
    _check_whole(whole, tensors, (embedding, f"{HEAD}.weight"), path)
    tensors |= whole
    layer = embedding.removesuffix(".weight")
    together = shared and config.tied and layer in pairs  # the output layer's matrices are copies of the embedding's
    for name, pair in pairs.items():
        if together and name == HEAD:
            continue
        difference = config.settings_of(name).scale * (matrix_of(pair.b) @ matrix_of(pair.a))
        tensors[f"{name}.weight"] = tensors[f"{name}.weight"] + (difference.T if pair.of_embedding else difference)
    if together:
        tensors[f"{HEAD}.weight"] = tensors[embedding]
    settings = {**model.config.to_dict(), "model_type": model.config.model_type}
    settings["vocab_size"] = len(tensors[embedding])
    if shared:
        _part(tensors, settings, embedding, path)
    return model_from(settings, {name: tensor.numpy() for name, tensor in tensors.items()})


def _grown(whole: Mapping[str, Tensor], vocab_size: int, embedding: str) -> dict[str, Tensor]:
    """What is brought, with both names for a matrix that is input and output and has more rows than it had."""
    both = (embedding, f"{HEAD}.weight")
    found = next((whole[name] for name in both if name in whole and len(whole[name]) != vocab_size), None)
    return dict(whole) if found is None else dict.fromkeys(both, found) | dict(whole)


def _check_whole(whole: Mapping[str, Tensor], own: Mapping[str, Tensor], of_tokens: Sequence[str], path: Path) -> None:
    """Every whole weight has a place, and the shape that is there; a vocabulary may have grown, if all of it did."""
    together = len({len(whole.get(name, own[name])) for name in of_tokens if name in own}) == 1
    for name, tensor in whole.items():
        if name not in own:
            raise unfit(path, f"{name!r} has no layer there")
        wanted, found = tuple(own[name].shape), tuple(tensor.shape)
        if found != wanted and not (name in of_tokens and found[1:] == wanted[1:] and together):
            raise unfit(path, f"{name!r} has shape {found}, but the model asks for {wanted}")


def _part(tensors: dict[str, Tensor], settings: dict[str, Any], shared: str, path: Path) -> None:
    """Give a model whose input layer is its output layer one of each, unless both still say the same."""
    head_VD = tensors.pop(f"{HEAD}.weight")
    if torch.equal(tensors[shared], head_VD):
        return
    if "tie_word_embeddings" not in settings:
        raise unfit(path, f"it changes {shared!r}, which is the output layer too, as that alone")
    settings["tie_word_embeddings"] = False
    tensors[f"{HEAD}.weight"] = head_VD
