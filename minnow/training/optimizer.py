"""Optimisers by name, over torch's own and Muon; weight decay spares biases, norms and embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minnow.errors import UnknownNameError
from minnow.training.settings import OPTIMIZERS

if TYPE_CHECKING:
    import torch
    from torch import nn

Groups = list[dict[str, Any]]  # as torch's optimisers take them


def optimizers(
    name: str,
    model: nn.Module,
    learning_rate: float,
    weight_decay: float,
    *,
    groups: Groups | None = None,
    momentum: float = 0.9,
    beta2: float = 0.999,
    products: torch.dtype | None = None,
) -> list[torch.optim.Optimizer]:
    """What moves the parameters of ``model`` that learn, or those of ``groups``; each of them belongs to one.

    ``adam`` adds weight decay to the gradient (L2), ``adamw`` subtracts it from the weights (Loshchilov & Hutter 2019).
    ``muon`` takes the matrices inside and leaves embeddings, output layer and vectors to AdamW.

    Args:
        momentum: of sgd.
        beta2: how slowly adam and adamw forget the size of gradients.
        products: the arithmetic of Muon's own products; None for that of the weights.

    Raises:
        UnknownNameError: there is none of this name.
    """
    import torch

    from minnow.training.distributed import is_sharded
    from minnow.training.muon import Muon

    if name not in OPTIMIZERS:
        raise UnknownNameError("optimizer", name, OPTIMIZERS)
    groups = _learning(parameter_groups(model, weight_decay) if groups is None else groups)
    if name == "sgd":
        return [torch.optim.SGD(groups, lr=learning_rate, momentum=momentum, nesterov=momentum > 0)]
    if name == "rmsprop":
        return [torch.optim.RMSprop(groups, lr=learning_rate, alpha=0.99)]
    found: list[torch.optim.Optimizer] = []
    if name == "muon":
        inside, groups = _matrices_inside(model, groups)
        if inside:
            found.append(Muon(inside, learning_rate, products=products))
    adaptive = torch.optim.Adam if name == "adam" else torch.optim.AdamW
    fused = not any(is_sharded(p) for p in model.parameters())
    if groups:
        found.append(adaptive(groups, lr=learning_rate, betas=(0.9, beta2), fused=fused))
    return found


def update(chosen: Sequence[torch.optim.Optimizer], learning_rate: float) -> None:
    """One step of each at this rate; a group learns at its ``factor`` of it, where it has one."""
    for one in chosen:
        for group in one.param_groups:
            group["lr"] = learning_rate * group.get("factor", 1.0)
        one.step()


def parameter_groups(model: nn.Module, weight_decay: float) -> Groups:
    """Two groups: matrices with weight decay; vectors and embeddings, which it would only shrink, without."""
    embeddings = _embeddings(model)
    decayed = [p for p in model.parameters() if p.dim() > 1 and id(p) not in embeddings]
    spared = [p for p in model.parameters() if p.dim() <= 1 or id(p) in embeddings]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": spared, "weight_decay": 0.0}]


def _embeddings(model: nn.Module) -> set[int]:
    from torch import nn

    return {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}


def _learning(groups: Groups) -> Groups:
    """Without what holds still, as a model's own weights do beside an adapter."""
    return [
        group | {"params": chosen} for group in groups if (chosen := [p for p in group["params"] if p.requires_grad])
    ]


def _matrices_inside(model: nn.Module, groups: Groups) -> tuple[Groups, Groups]:
    """Each group cut in two: matrices that turn features into features, and the rest."""
    outer = _embeddings(model) | {id(getattr(model, "output_matrix", None))}
    inside, rest = (
        [
            group | {"params": [p for p in group["params"] if (p.dim() == 2 and id(p) not in outer) is wanted]}
            for group in groups
        ]
        for wanted in (True, False)
    )
    return _learning(inside), _learning(rest)
