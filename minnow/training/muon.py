"""Muon: momentum whose matrices are made orthogonal before they are added to the weights.

Jordan et al. (2024), "Muon: An optimizer for hidden layers in neural networks". Weight decay and the scale of an
update, by which it is as large as one of AdamW and one learning rate serves both, are those of Liu et al. (2025),
"Muon is Scalable for LLM Training", section 2.2.
N matrices of one shape · R rows · C columns
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

# The quintic of the paper: steep at zero, so that five rounds bring every singular value near one.
QUINTIC = (3.4445, -4.7750, 2.0315)
ROUNDS = 5
UPDATE_SIZE = 0.2  # the usual root mean square of an update of AdamW


class Muon(torch.optim.Optimizer):
    """For the matrices inside a network; embeddings, output layer and vectors belong to AdamW."""

    def __init__(
        self,
        parameters: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.95,
        weight_decay: float = 0.1,
        products: torch.dtype | None = None,
    ):
        """``products``: the type that matrices are multiplied in; None for their own."""
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.products = products

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update of all matrices that have a gradient."""
        loss = None if closure is None else closure()
        for group in self.param_groups:
            for same in _by_shape([p for p in group["params"] if p.grad is not None]):
                self._update(same, group)
        return loss

    def _update(self, matrices: list[Tensor], group: dict[str, Any]) -> None:
        """Matrices of one shape go through the rounds together: few large products instead of many small ones."""
        ahead = []
        for matrix in matrices:
            state = self.state[matrix]
            if "momentum" not in state:
                state["momentum"] = torch.zeros_like(matrix)
            momentum = state["momentum"].lerp_(matrix.grad, 1 - group["momentum"])
            ahead.append(_whole(torch.lerp(matrix.grad, momentum, group["momentum"])))  # type: ignore[arg-type]
        num_rows, num_columns = ahead[0].shape
        size = group["lr"] * UPDATE_SIZE * max(num_rows, num_columns) ** 0.5
        for matrix, update in zip(matrices, orthogonal(torch.stack(ahead), self.products), strict=True):
            matrix.mul_(1 - group["lr"] * group["weight_decay"])
            matrix.sub_(_like(matrix, update.to(matrix.dtype)), alpha=size)


def orthogonal(matrices_NRC: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """The nearest orthogonal matrix of each, roughly: singular values end between 0.7 and 1.2.

    ``dtype`` is that of the products, None for the matrices' own; bfloat16 loses nothing that counts.
    """
    x = matrices_NRC.to(dtype or matrices_NRC.dtype)
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x  # the square in the middle is taken over the shorter side
    x = (x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)).contiguous()
    a, b, c = QUINTIC
    for _ in range(ROUNDS):
        square = x @ x.mT
        # Sums inside the products are rounded once, and no pass over memory is theirs.
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    found: Tensor = x.mT if tall else x
    return found


def _by_shape(matrices: list[Tensor]) -> list[list[Tensor]]:
    groups: dict[torch.Size, list[Tensor]] = {}
    for matrix in matrices:
        groups.setdefault(matrix.shape, []).append(matrix)
    return list(groups.values())


def _whole(tensor: Tensor) -> Tensor:
    """The full matrix where a process holds only its share of it (FSDP)."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor  # type: ignore[no-any-return]


def _like(matrix: Tensor, update: Tensor) -> Tensor:
    """The share of ``update`` that belongs to this process's share of ``matrix``."""
    if not hasattr(matrix, "full_tensor"):
        return update
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(update, matrix.device_mesh, matrix.placements)  # type: ignore[attr-defined]
