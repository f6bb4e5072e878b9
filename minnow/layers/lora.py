"""Low-rank adapters: W x + scale · B A x with W held still; Hu et al. (2022), "LoRA: Low-Rank Adaptation of Large
Language Models", equation 3.

I inputs · O outputs · R rank
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from minnow.errors import RecipeError
from minnow.layers.dropout import FeatureDropout


@dataclass(frozen=True)
class LoraSettings:
    """How an adapter is made.

    Attributes:
        rank: R, columns of B and rows of A.
        alpha: the scale is alpha / rank.
        dropout: of what goes into A.
        targets: last names of the layers that get one, such as q_proj; none for every linear layer of the blocks.
    """

    rank: int = 8
    alpha: float = 16.0
    dropout: float = 0.0
    targets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise RecipeError(f"the rank of an adapter must be at least 1, but got {self.rank}; try 8")
        if not self.alpha > 0:
            raise RecipeError(f"alpha of an adapter must be above 0, but got {self.alpha}; try {2 * self.rank}")
        if not 0 <= self.dropout < 1:
            raise RecipeError(f"dropout of an adapter must lie in [0, 1), but got {self.dropout}; try 0.05")

    @property
    def scale(self) -> float:
        return self.alpha / self.rank


class LoraLinear(nn.Module):
    """A linear layer with an adapter beside it; B starts at zero, so at first nothing changes."""

    def __init__(self, base: nn.Module, settings: LoraSettings):
        super().__init__()
        self.base = base
        weight_OI = _weight_OI(base)
        num_outputs, num_inputs = weight_OI.shape
        self.scale = settings.scale
        self.dropout = FeatureDropout(settings.dropout)
        self.lora_A = nn.Linear(num_inputs, settings.rank, bias=False, device=weight_OI.device, dtype=weight_OI.dtype)
        self.lora_B = nn.Linear(settings.rank, num_outputs, bias=False, device=weight_OI.device, dtype=weight_OI.dtype)
        nn.init.kaiming_uniform_(self.lora_A.weight, a=math.sqrt(5))
        nn.init.zeros_(self.lora_B.weight)

    @property
    def rank(self) -> int:
        return self.lora_A.out_features

    @property
    def alpha(self) -> float:
        return self.scale * self.rank

    def forward(self, x: Tensor) -> Tensor:
        adapted = F.linear(self.lora_A(self.dropout(x)), self.lora_B.weight)
        output: Tensor = self.base(x) + self.scale * adapted
        return output

    @torch.no_grad()
    def merged(self) -> nn.Module:
        """The base layer with the adapter added to its weights."""
        difference_OI = self.scale * (self.lora_B.weight @ self.lora_A.weight)
        _weight_OI(self.base).add_(difference_OI.to(_weight_OI(self.base).dtype))
        return self.base


def attach(model: nn.Module, settings: LoraSettings) -> list[str]:
    """Put an adapter beside every layer that ``settings`` name, hold everything else still; the layers' names.

    Raises:
        RecipeError: see ``chosen_layers``.
    """
    chosen = chosen_layers(model, settings.targets)
    attach_to(model, dict.fromkeys(chosen, settings))
    return chosen


def chosen_layers(model: nn.Module, targets: Sequence[str]) -> list[str]:
    """The names of all layers in the blocks that end so; of all that there are without ``targets``.

    Raises:
        RecipeError: the model has no such layer; the message lists those it has.
    """
    found = linear_layers(model)
    last_names = {name.rpartition(".")[2] for name in found}
    if not found:
        raise RecipeError(
            "the model has no linear layer in its blocks, so no adapter can learn beside it; leave it out"
        )
    unknown = [target for target in targets if target not in last_names]
    if unknown:
        raise RecipeError(f"the model has no layer {unknown[0]!r}; it has: {', '.join(sorted(last_names))}")
    return [name for name in found if not targets or name.rpartition(".")[2] in targets]


def attach_to(model: nn.Module, settings: Mapping[str, LoraSettings]) -> None:
    """Put an adapter beside each of these layers, and hold everything else still."""
    model.requires_grad_(False)
    for name, of_layer in settings.items():
        _replace(model, name, LoraLinear(model.get_submodule(name), of_layer))


def adapters(model: nn.Module) -> dict[str, LoraLinear]:
    """The adapted layers by name."""
    return {name: module for name, module in model.named_modules() if isinstance(module, LoraLinear)}


def merge(model: nn.Module) -> None:
    """Add every adapter to the weights beside it; the model is then one without adapters."""
    for name, layer in adapters(model).items():
        _replace(model, name, layer.merged())
    model.requires_grad_(True)


def detach(model: nn.Module) -> None:
    """Take every adapter away; the model is then what it was."""
    for name, layer in adapters(model).items():
        _replace(model, name, layer.base)
    model.requires_grad_(True)


def linear_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Linear layers in the blocks that have no adapter yet; embeddings and output layers stand outside the blocks."""
    inside = tuple(f"{name}." for name, module in model.named_modules() if isinstance(module, nn.ModuleList))
    adapted = tuple(f"{name}." for name in adapters(model))
    return {
        name: module
        for name, module in model.named_modules()
        if name.startswith(inside)
        and not name.startswith(adapted)
        and (isinstance(module, nn.Linear) or is_transposed(module))
    }


def is_transposed(layer: nn.Module) -> bool:
    """Whether the layer keeps its weights [I, O], as GPT-2's do."""
    return bool(getattr(layer, "transposed", False))


def _weight_OI(layer: nn.Module) -> Tensor:
    weight: Tensor = layer.weight  # type: ignore[assignment]
    return weight.T if is_transposed(layer) else weight


def _replace(model: nn.Module, name: str, layer: nn.Module) -> None:
    parent, _, last = name.rpartition(".")
    setattr(model.get_submodule(parent), last, layer)
