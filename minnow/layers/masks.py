"""Which positions of a padded batch are text.

B rows · S positions
"""

import torch
from torch import Tensor


def padding_mask(lengths_B: Tensor, num_positions: int) -> Tensor:
    """True [B, S] where a row has a token; rows are padded on the right."""
    return torch.arange(num_positions, device=lengths_B.device)[None, :] < lengths_B[:, None]


def reverse_rows(x_BS: Tensor, lengths_B: Tensor) -> Tensor:
    """Each row's first ``lengths`` positions in reverse order, the padding where it was; [B, S, …] to the same."""
    positions = torch.arange(x_BS.shape[1], device=x_BS.device)[None, :]
    places = torch.where(positions < lengths_B[:, None], lengths_B[:, None] - 1 - positions, positions)
    for _ in range(x_BS.dim() - 2):
        places = places.unsqueeze(-1)
    return x_BS.gather(1, places.expand_as(x_BS))
