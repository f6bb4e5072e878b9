"""Optimisers by name, over torch's own and Muon; weight decay spares biases, norms and embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minnow.errors import UnknownNameError
from minnow.training.settings import OPTIMIZERS

if TYPE_CHECKING:
    import torch
    from torch import nn

    from minnow.training.pretraining_recipe import PretrainingSettings


def optimizer(
    name: str,
    modules: nn.Module,
    learning_rate: float,
    weight_decay: float,
    momentum: float = 0.9,
    groups: list[dict[str, Any]] | None = None,
) -> torch.optim.Optimizer:
    """An optimiser over all parameters of ``modules``, or over ``groups``.

    ``adam`` adds weight decay to the gradient (L2), ``adamw`` subtracts it from the weights (Loshchilov & Hutter 2019).

    Raises:
        UnknownNameError: there is none of this name.
    """
    import torch

    if name not in OPTIMIZERS:
        raise UnknownNameError("optimizer", name, OPTIMIZERS)
    if groups is None:
        groups = parameter_groups(modules, weight_decay)
    if name == "sgd":
        return torch.optim.SGD(groups, lr=learning_rate, momentum=momentum, nesterov=momentum > 0)
    if name == "rmsprop":
        return torch.optim.RMSprop(groups, lr=learning_rate, alpha=0.99)
    adaptive = torch.optim.AdamW if name == "adamw" else torch.optim.Adam
    return adaptive(groups, lr=learning_rate, betas=(0.9, 0.999), fused=True)


def parameter_groups(modules: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Two groups: matrices with weight decay; vectors and embeddings, which it would only shrink, without."""
    from torch import nn

    embeddings = {id(module.weight) for module in modules.modules() if isinstance(module, nn.Embedding)}
    decayed = [p for p in modules.parameters() if p.dim() > 1 and id(p) not in embeddings]
    spared = [p for p in modules.parameters() if p.dim() <= 1 or id(p) in embeddings]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": spared, "weight_decay": 0.0}]


def optimizers_for(
    model: Any, settings: PretrainingSettings, products: torch.dtype | None = None
) -> list[torch.optim.Optimizer]:
    """Of a language model: AdamW alone, or Muon for the matrices inside and AdamW for embeddings, output layer and
    vectors.

    Args:
        products: the arithmetic of Muon's own products.
    """
    import torch

    from minnow.training.distributed import is_sharded
    from minnow.training.muon import Muon

    groups = parameter_groups(model, settings.weight_decay)
    for group in groups:  # beside an adapter the model's own weights hold still
        group["params"] = [p for p in group["params"] if p.requires_grad]
    found: list[torch.optim.Optimizer] = []
    if settings.optimizer == "muon":
        output = model.output_weight_VD
        matrices = [p for p in groups[0]["params"] if p.dim() == 2 and p is not output]
        chosen = {id(p) for p in matrices}
        groups[0]["params"] = [p for p in groups[0]["params"] if id(p) not in chosen]
        if matrices:
            found.append(Muon(matrices, settings.learning_rate, weight_decay=settings.weight_decay, products=products))
    groups = [group for group in groups if group["params"]]
    fused = not any(is_sharded(p) for p in model.parameters())
    found.append(torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, settings.beta2), fused=fused))
    return found
