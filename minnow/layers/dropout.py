"""Dropout made for sequences: one mask a sequence, the same at every position.

Gal & Ghahramani (2016), "A Theoretically Grounded Application of Dropout in Recurrent Neural Networks".
B rows · S positions · D features · V vocabulary
"""

import torch
from torch import Tensor, nn


class VariationalDropout(nn.Module):
    """Drops whole features of a sequence [B, S, D], the same ones at every position (section 4.1 of the paper)."""

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def forward(self, x_BSD: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x_BSD
        return x_BSD * keep_mask((x_BSD.shape[0], 1, x_BSD.shape[2]), self.rate, x_BSD)


class TokenDropout(nn.Module):
    """Drops whole tokens: a type that is dropped is dropped wherever it occurs in the row (section 4.2, equation 9).

    The types are drawn a row: [B, V] would be large, so a row's draw is a hash of its tokens and a number of the row.
    """

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def forward(self, embedded_BSD: Tensor, token_ids_BS: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return embedded_BSD
        salt_B1 = torch.randint(1, 2**31, (token_ids_BS.shape[0], 1), device=token_ids_BS.device)
        mixed_BS = (token_ids_BS + 1) * 2654435761 % 2**32 * salt_B1
        drawn_BS = (mixed_BS // 2**16) % 2**24 / 2**24
        kept_BS = (drawn_BS >= self.rate).to(embedded_BSD.dtype) / (1 - self.rate)
        return embedded_BSD * kept_BS.unsqueeze(-1)


def keep_mask(shape: tuple[int, ...], rate: float, like: Tensor) -> Tensor:
    """0 with probability ``rate``, else 1 / (1 - rate)."""
    return torch.empty(shape, dtype=like.dtype, device=like.device).bernoulli_(1 - rate) / (1 - rate)
