"""Dropout made for sequences: one mask a sequence, the same at every position.

Gal & Ghahramani (2016), "A Theoretically Grounded Application of Dropout in Recurrent Neural Networks".
B rows · S positions · D features · V vocabulary
"""

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from minnow.layers.vector_math import FAST, array_of, put, suits_kernels, wide


class Drawing(nn.Module):
    """A module that draws numbers, from a random stream that whoever trains may hand in.

    Without ``generator`` torch's global stream is used, which several threads could not share and stay repeatable.
    """

    def __init__(self) -> None:
        super().__init__()
        self.generator: torch.Generator | None = None


class Dropping(Drawing):
    """What all dropouts share: a rate, and the masks of that rate."""

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def keep(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """A mask of ``shape``: 0 with probability ``rate``, else 1 / (1 - rate)."""
        mask = torch.empty(shape, dtype=like.dtype, device=like.device)
        return mask.bernoulli_(1 - self.rate, generator=self.generator) / (1 - self.rate)

    @property
    def active(self) -> bool:
        return self.training and self.rate > 0


class FeatureDropout(Dropping):
    """Drops single features of any tensor (Srivastava et al. 2014).

    In a training step of one thread on a processor a kernel draws each feature's fate from its number and one random
    number of the whole, once on the way forward and again on the way back: no mask is kept, and drawing costs next to
    nothing, where the library's random numbers would be a tenth of a small transformer's step.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.active:
            return x
        if suits_kernels(x):
            salt = int(torch.randint(2**31, (), generator=self.generator))
            dropped: Tensor = _Dropped.apply(x, self.rate, salt)  # type: ignore[no-untyped-call]
            return dropped
        return x * self.keep(tuple(x.shape), x)


class _Dropped(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor, rate: float, salt: int) -> Tensor:
        context.rate, context.salt = rate, salt
        return _thinned(x, rate, salt)

    @staticmethod
    @once_differentiable
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return _thinned(gradients[0], context.rate, context.salt), None, None


def _thinned(x: Tensor, rate: float, salt: int) -> Tensor:
    x = x.contiguous()
    thinned = torch.empty_like(x)
    _thin(
        array_of(x.view(-1)),
        np.uint32(round(rate * 2**32)),
        np.uint32(salt),
        1 / (1 - rate),
        array_of(thinned.view(-1)),
    )
    return thinned


@njit(**FAST)  # type: ignore[untyped-decorator]
def _thin(x: Any, threshold: Any, salt: Any, scale: float, thinned: Any) -> None:
    """A number's fate is a hash of its place: the last mixing of MurmurHash3, all in 32 bits."""
    factor = np.float32(scale)
    for i in range(x.size):
        h = np.uint32(np.uint32(i) * np.uint32(0x9E3779B1)) ^ salt
        h = np.uint32((h ^ (h >> np.uint32(16))) * np.uint32(0x85EBCA6B))
        h = np.uint32((h ^ (h >> np.uint32(13))) * np.uint32(0xC2B2AE35))
        h = h ^ (h >> np.uint32(16))
        put(thinned, i, wide(x[i]) * factor if h >= threshold else np.float32(0))


class VariationalDropout(Dropping):
    """Drops whole features of a sequence [B, S, D], the same ones at every position (section 4.1 of the paper)."""

    def forward(self, x_BSD: Tensor) -> Tensor:
        return x_BSD * self.keep((x_BSD.shape[0], 1, x_BSD.shape[2]), x_BSD) if self.active else x_BSD


class RecurrentDropout(Dropping):
    """A mask on the recurrent weights [G, H] of a layer, one for all rows and positions of a batch."""

    @abstractmethod
    def mask(self, recurrent_weights: Tensor) -> Tensor: ...


class StateDropout(RecurrentDropout):
    """Drops units of the previous state, [1, H]: whole columns of the weights."""

    def mask(self, recurrent_weights: Tensor) -> Tensor:
        return self.keep((1, recurrent_weights.shape[1]), recurrent_weights)


class WeightDropout(RecurrentDropout):
    """Drops single weights, [G, H]: DropConnect on the recurrence, Merity et al. (2018), "Regularizing and Optimizing
    LSTM Language Models", section 2."""

    def mask(self, recurrent_weights: Tensor) -> Tensor:
        """Four draws of 16 bits to one random number of 64: drawing each by itself would take eight times as long."""
        num, device = recurrent_weights.numel(), recurrent_weights.device
        drawn = torch.empty(-(-num // 4), dtype=torch.int64, device=device)
        drawn = drawn.random_(-(2**63), None, generator=self.generator).view(torch.int16)[:num]
        kept = drawn >= round(self.rate * 2**16) - 2**15
        return (kept.to(recurrent_weights.dtype) / (1 - self.rate)).view_as(recurrent_weights)


class TokenDropout(Dropping):
    """Drops whole tokens: a type that is dropped is dropped wherever it occurs in the row (section 4.2, equation 9).

    The types are drawn a row: [B, V] would be large, so a row's draw is a hash of its tokens and a number of the row.
    """

    def forward(self, embedded_BSD: Tensor, token_ids_BS: Tensor) -> Tensor:
        if not self.active:
            return embedded_BSD
        kept_BS = self.kept(token_ids_BS).to(embedded_BSD.dtype) / (1 - self.rate)
        return embedded_BSD * kept_BS.unsqueeze(-1)

    def kept(self, token_ids_BS: Tensor) -> Tensor:
        """Whether each token stays, [B, S]."""
        rows = (token_ids_BS.shape[0], 1)
        salt_B1 = torch.randint(1, 2**31, rows, device=token_ids_BS.device, generator=self.generator)
        # Two rounds of mixing, or the draws of one type would hint at those of another; no product leaves 63 bits.
        mixed_BS = (token_ids_BS + 1) * 2654435761 % 2**32 ^ salt_B1
        mixed_BS = (mixed_BS ^ mixed_BS >> 16) * 0x21F0AAAD % 2**32
        mixed_BS = (mixed_BS ^ mixed_BS >> 15) * 0x7FEB352D % 2**32
        drawn_BS = (mixed_BS >> 8) / 2**24
        return drawn_BS >= self.rate
