"""Dropout made for sequences: one mask a sequence, the same at every position.

Gal & Ghahramani (2016), "A Theoretically Grounded Application of Dropout in Recurrent Neural Networks".
B rows · S positions · D features · V vocabulary
"""

import torch
from torch import Tensor, nn


class Dropping(nn.Module):
    """What all dropouts share: a rate, and a random stream that whoever trains may hand in.

    Without ``generator`` torch's global stream is used, which several threads could not share and stay repeatable.
    """

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate
        self.generator: torch.Generator | None = None

    def keep(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """A mask of ``shape``: 0 with probability ``rate``, else 1 / (1 - rate)."""
        mask = torch.empty(shape, dtype=like.dtype, device=like.device)
        return mask.bernoulli_(1 - self.rate, generator=self.generator) / (1 - self.rate)

    @property
    def active(self) -> bool:
        return self.training and self.rate > 0


class FeatureDropout(Dropping):
    """Drops single features of any tensor (Srivastava et al. 2014)."""

    def forward(self, x: Tensor) -> Tensor:
        return x * self.keep(tuple(x.shape), x) if self.active else x


class VariationalDropout(Dropping):
    """Drops whole features of a sequence [B, S, D], the same ones at every position (section 4.1 of the paper)."""

    def forward(self, x_BSD: Tensor) -> Tensor:
        return x_BSD * self.keep((x_BSD.shape[0], 1, x_BSD.shape[2]), x_BSD) if self.active else x_BSD


class StateDropout(Dropping):
    """A mask [1, H] on the state of a recurrent layer, one for all rows and positions of a batch."""

    def mask(self, recurrent_weights: Tensor) -> Tensor:
        return self.keep((1, recurrent_weights.shape[1]), recurrent_weights)


class TokenDropout(Dropping):
    """Drops whole tokens: a type that is dropped is dropped wherever it occurs in the row (section 4.2, equation 9).

    The types are drawn a row: [B, V] would be large, so a row's draw is a hash of its tokens and a number of the row.
    """

    def forward(self, embedded_BSD: Tensor, token_ids_BS: Tensor) -> Tensor:
        if not self.active:
            return embedded_BSD
        rows = (token_ids_BS.shape[0], 1)
        salt_B1 = torch.randint(1, 2**31, rows, device=token_ids_BS.device, generator=self.generator)
        # Two rounds of mixing, or the draws of one type would hint at those of another; no product leaves 63 bits.
        mixed_BS = (token_ids_BS + 1) * 2654435761 % 2**32 ^ salt_B1
        mixed_BS = (mixed_BS ^ mixed_BS >> 16) * 0x21F0AAAD % 2**32
        mixed_BS = (mixed_BS ^ mixed_BS >> 15) * 0x7FEB352D % 2**32
        drawn_BS = (mixed_BS >> 8) / 2**24
        kept_BS = (drawn_BS >= self.rate).to(embedded_BSD.dtype) / (1 - self.rate)
        return embedded_BSD * kept_BS.unsqueeze(-1)
