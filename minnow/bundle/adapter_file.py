"""What lies in ``adapter_model.safetensors``: pairs of small matrices and whole weights, sorted by the model's names.

O outputs · I inputs · R rank · V vocabulary · D features
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from minnow.bundle.adapter_config import AdapterConfig
from minnow.errors import BundleError
from minnow.layers.lora import is_transposed, linear_layers

PREFIX = "base_model.model."  # PEFT wraps a model twice; the names say so
HEAD = "lm_head"  # of a model with the same matrix for input and output, until one of them is changed


@dataclass
class Pair:
    """The two matrices beside one layer: A [R, I] and B [O, R]; beside an embedding A [R, V] and B [D, R]."""

    a: Tensor | None = None
    b: Tensor | None = None
    of_embedding: bool = False


@dataclass(frozen=True)
class Brought:
    """What an adapter's file holds, under the names of the model's layers and weights."""

    pairs: dict[str, Pair] = field(default_factory=dict)
    whole: dict[str, Tensor] = field(default_factory=dict)


def read_brought(path: Path, model: Any) -> Brought:
    """The tensors, in full precision, sorted by what they are."""
    if not path.is_file() and path.with_suffix(".bin").is_file():
        raise BundleError(
            f"{path.parent} has its weights only as {path.stem}.bin, and a pickle could run code when it is opened; "
            "convert it where you trust it: load it with peft and call save_pretrained"
        )
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = load(path.read_bytes())
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise BundleError(
            f"{path} is missing or damaged ({error}); train the adapter again or fetch it anew"
        ) from error
    brought = Brought()
    for full, tensor in tensors.items():
        if not full.startswith(PREFIX) or not tensor.is_floating_point():
            raise unfit(path, f"{full!r} has no layer there")
        _sort(brought, full.removeprefix(PREFIX), tensor.float(), model)
    return brought


def _sort(brought: Brought, name: str, tensor: Tensor, model: Any) -> None:
    for part in ("lora_A", "lora_B", "lora_embedding_A", "lora_embedding_B"):
        layer = name.removesuffix(".weight").removesuffix(f".{part}")
        if layer == name.removesuffix(".weight"):
            continue
        pair = brought.pairs.setdefault(_our_name(layer, model), Pair(of_embedding="embedding" in part))
        setattr(pair, part[-1].lower(), tensor)
        return
    brought.whole[_our_name(name.replace(".base_layer.", "."), model)] = tensor


def _our_name(name: str, model: Any) -> str:
    """A model that was opened without its head lacks the first part of the names."""
    known = {name for name, _ in model.named_modules()} | model.state_dict().keys()
    bodies = [body for body, _ in model.named_children()]
    return next((full for full in (name, *(f"{body}.{name}" for body in bodies)) if full in known), name)


def check_pairs(pairs: Mapping[str, Pair], config: AdapterConfig, model: Any, path: Path) -> None:
    """Every pair has a layer and every layer its pair, and the shapes are those of the layer."""
    for name in linear_layers(model):
        if config.targets and config.names(name) and name not in pairs and not config.sparing:
            raise unfit(path, f"'{name}.lora_A.weight' is missing from the file")
    for name, pair in pairs.items():
        if not config.names(name) and not (config.tied and name == HEAD):
            raise unfit(path, f"{name!r} is none of target_modules, {list(config.targets or ())}")
        num_outputs, num_inputs = _size(model, name, pair.of_embedding, path)
        rank = config.settings_of(name).rank
        for part, tensor, wanted in (("A", pair.a, (rank, num_inputs)), ("B", pair.b, (num_outputs, rank))):
            if tensor is None:
                raise unfit(path, f"'{name}.lora_{part}' is missing from the file")
            if tuple(tensor.shape) != wanted:
                raise unfit(
                    path, f"'{name}.lora_{part}' has shape {tuple(tensor.shape)}, but the model asks for {wanted}"
                )


def _size(model: Any, name: str, of_embedding: bool, path: Path) -> tuple[int, int]:
    """Outputs and inputs of a layer, as an adapter counts them."""
    layer: nn.Module | None = dict(model.named_modules()).get(name)
    if name == HEAD and layer is None and is_shared(model):
        num_outputs, num_inputs = model.output_weight_VD.shape
        return num_outputs, num_inputs
    weight = getattr(layer, "weight", None)
    if not isinstance(weight, Tensor) or weight.dim() != 2 or of_embedding != isinstance(layer, nn.Embedding):
        raise unfit(path, f"{name!r} has no layer there")
    first, second = weight.shape
    assert layer is not None
    return (second, first) if of_embedding or is_transposed(layer) else (first, second)


def matrix_of(tensor: Tensor | None) -> Tensor:
    assert tensor is not None  # every pair was looked at
    return tensor


def unfit(path: Path, what: str) -> BundleError:
    return BundleError(f"{path} does not fit the model: {what}; take the model that the adapter was trained beside")


def is_shared(model: Any) -> bool:
    """Whether the embedding is the output layer too."""
    output_VD = getattr(model, "output_weight_VD", None)
    return any(module.weight is output_VD for module in model.modules() if isinstance(module, nn.Embedding))
