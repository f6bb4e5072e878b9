"""Where a token stands, turned into the angle of its queries and keys.

Su et al. (2021), "RoFormer: Enhanced Transformer with Rotary Position Embedding".
B rows · S positions · H heads · D features of a head
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from numba import njit
from torch import Tensor, nn

from minnow.errors import RecipeError, UnknownNameError
from minnow.layers.vector_math import FAST, array_of, put, suits_kernels, wide

SCALINGS = ("linear", "llama3")


@dataclass(frozen=True, kw_only=True)
class RopeScaling:
    """How a model's rotation was slowed down for texts longer than it had learnt from; the names of ``config.json``.

    Attributes:
        rope_type: linear, which divides all frequencies by ``factor`` (Chen et al. 2023, "Extending Context Window of
            Large Language Models via Positional Interpolation"), or llama3, which leaves the fast ones as they are.
        factor: how many times longer the texts are.
        low_freq_factor: waves longer than ``original_max_position_embeddings`` over this are slowed by ``factor``.
        high_freq_factor: waves shorter than ``original_max_position_embeddings`` over this are left alone.
        original_max_position_embeddings: context that the model had learnt with.
    """

    rope_type: str
    factor: float
    low_freq_factor: float | None = None
    high_freq_factor: float | None = None
    original_max_position_embeddings: int | None = None

    def __post_init__(self) -> None:
        if self.rope_type not in SCALINGS:
            raise UnknownNameError("rope_type", self.rope_type, ("default", *SCALINGS))
        if not self.factor >= 1:
            raise RecipeError(f"factor of rope_scaling must be at least 1, but got factor={self.factor}")
        if self.rope_type == "llama3":
            self._check_waves()

    def _check_waves(self) -> None:
        for name in ("low_freq_factor", "high_freq_factor", "original_max_position_embeddings"):
            if not (getattr(self, name) or 0) > 0:
                raise RecipeError(f"rope_scaling llama3 needs a positive {name}, but got {getattr(self, name)}")
        if not (self.low_freq_factor or 0) < (self.high_freq_factor or 0):
            raise RecipeError(
                "low_freq_factor must be below high_freq_factor, but got "
                f"low_freq_factor={self.low_freq_factor}, high_freq_factor={self.high_freq_factor}; try 1.0 and 4.0"
            )


class Rotary(nn.Module):
    """Cosines and sines of the angle by which each pair of features is turned, position times frequency.

    The pairs are feature d and d + D/2, as in Hugging Face's weights.
    """

    def __init__(self, head_dim: int, theta: float, scaling: RopeScaling | None = None):
        super().__init__()
        # No buffer, which a model turned to bfloat16 would take along: angles need all their bits.
        self.frequencies = rotary_frequencies(head_dim, theta, scaling)

    def forward(self, positions: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Positions [S] or [B, S] to cosines and sines [1 or B, 1, S, D/2], to be shared by all layers and heads."""
        if self.frequencies.device != positions.device:
            self.frequencies = self.frequencies.to(positions.device)
        angles = positions.reshape(-1, 1, positions.shape[-1], 1) * self.frequencies
        return angles.cos().to(dtype), angles.sin().to(dtype)


def rotate(x_BHSD: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Every pair of features turned by its angle; cosines and sines [1 or B, 1, S, D/2]."""
    if suits_kernels(x_BHSD) and len(cosines) == 1:
        turned: Tensor = _Rotated.apply(x_BHSD, cosines.float(), sines.float())  # type: ignore[no-untyped-call]
        return turned
    first, second = x_BHSD.chunk(2, dim=-1)
    return torch.cat([first * cosines - second * sines, second * cosines + first * sines], dim=-1)


class _Rotated(torch.autograd.Function):
    """The same for training on processors; the gradient is turned back by the same angle."""

    @staticmethod
    def forward(context: Any, x_BHSD: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
        context.save_for_backward(cosines, sines)
        return _turned(x_BHSD, cosines, sines)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        cosines, sines = context.saved_tensors
        return _turned(gradients[0], cosines, -sines), None, None


def _turned(x_BHSD: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    x_BSHD = x_BHSD.transpose(1, 2).contiguous()
    turned_BSHD = torch.empty_like(x_BSHD)
    angles = (array_of(part[0, 0].contiguous()) for part in (cosines, sines))
    _rotate(array_of(x_BSHD.flatten()), *angles, x_BSHD.shape[2], array_of(turned_BSHD.view(-1)))
    return turned_BSHD.transpose(1, 2)


@njit(**FAST)  # type: ignore[untyped-decorator]
def _rotate(x: Any, cosines: Any, sines: Any, num_heads: int, turned: Any) -> None:
    num_positions, half = cosines.shape
    for i in range(x.size // (2 * half)):
        position = i // num_heads % num_positions
        at = i * 2 * half
        for d in range(half):
            first, second = wide(x[at + d]), wide(x[at + half + d])
            cosine, sine = cosines[position, d], sines[position, d]
            put(turned, at + d, first * cosine - second * sine)
            put(turned, at + half + d, second * cosine + first * sine)


def rotary_frequencies(head_dim: int, theta: float, scaling: RopeScaling | None = None) -> Tensor:
    """Radians a position for each pair of features, fast to slow [D/2]; on the processor even under another default."""
    exponents = torch.arange(0, head_dim, 2, dtype=torch.float32, device="cpu") / head_dim
    frequencies = 1.0 / theta**exponents
    if scaling is None:
        return frequencies
    if scaling.rope_type == "linear":
        return frequencies / scaling.factor
    return _llama3(frequencies, scaling)


def _llama3(frequencies: Tensor, scaling: RopeScaling) -> Tensor:
    """Slow waves are slowed further, fast ones left alone, those between blended by how often they turn in a text."""
    low, high = scaling.low_freq_factor or 1.0, scaling.high_freq_factor or 4.0
    turns = (scaling.original_max_position_embeddings or 1) * frequencies / (2 * math.pi)
    kept = ((turns - low) / (high - low)).clamp(0, 1)
    return kept * frequencies + (1 - kept) * frequencies / scaling.factor
