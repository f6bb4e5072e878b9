"""Which positions of a padded batch are text.

B rows · S positions · N keys
"""

from typing import Any

import torch
from torch import Tensor


def padding_mask(lengths_B: Tensor, num_positions: int) -> Tensor:
    """True [B, S] where a row has a token; rows are padded on the right."""
    return torch.arange(num_positions, device=lengths_B.device)[None, :] < lengths_B[:, None]


def causal_mask(positions: Tensor, num_keys: int, window: int | None = None) -> Tensor:
    """True [1 or B, 1, S, N] where a query at positions [S] or [B, S] may look at the key at a column: at itself and
    what stands before, within a ``window`` that counts itself."""
    queries = positions.reshape(-1, 1, positions.shape[-1], 1)
    keys = torch.arange(num_keys, device=positions.device)
    visible: Tensor = keys <= queries
    return visible if window is None else visible & (keys > queries - window)


def reverse_rows(x_BS: Tensor, lengths_B: Tensor) -> Tensor:
    """Each row's first ``lengths`` positions in reverse order, the padding where it was; [B, S, …] to the same."""
    num_rows, num_positions = x_BS.shape[:2]
    positions = torch.arange(num_positions, device=x_BS.device)[None, :]
    places_BS = torch.where(positions < lengths_B[:, None], lengths_B[:, None] - 1 - positions, positions)
    first_B1 = num_positions * torch.arange(num_rows, device=x_BS.device)[:, None]
    reversed_BS: Tensor = _Permuted.apply(x_BS, (first_B1 + places_BS).flatten())  # type: ignore[no-untyped-call]
    return reversed_BS


class _Permuted(torch.autograd.Function):
    """Positions [B, S, …] in another order that undoes itself when applied twice, and so is its own gradient.

    Whole positions are copied, forwards and backwards; the library's gather would look up every single number.
    """

    @staticmethod
    def forward(context: Any, x_BS: Tensor, places: Tensor) -> Tensor:
        context.save_for_backward(places)
        return x_BS.flatten(0, 1).index_select(0, places).view_as(x_BS)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (places,) = context.saved_tensors
        return gradients[0].flatten(0, 1).index_select(0, places).view_as(gradients[0]), None
