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
from torch.autograd.function import once_differentiable

from minnow.errors import RecipeError, UnknownNameError
from minnow.layers.vector_math import FAST, array_of, put, suits_kernels, wide

SCALINGS = ("linear", "llama3", "yarn", "longrope", "dynamic")
BETA_FAST, BETA_SLOW = 32.0, 1.0  # of YaRN, where a model names none


@dataclass(frozen=True, kw_only=True)
class RopeScaling:
    """How a model's rotation was slowed down for texts longer than it had learnt from; the names of ``config.json``.

    Attributes:
        rope_type: linear, which divides all frequencies by ``factor`` (Chen et al. 2023, "Extending Context Window of
            Large Language Models via Positional Interpolation"), llama3, which leaves the fast ones as they are, or
            yarn, which also makes attention sharper (Peng et al. 2023, "YaRN: Efficient Context Window Extension of
            Large Language Models"); longrope, which has a divisor for each frequency, others for texts that are longer
            than ``original_max_position_embeddings`` (Ding et al. 2024, "LongRoPE: Extending LLM Context Window Beyond
            2 Million Tokens"); or dynamic, which slows the rotation the further a text goes beyond that length.
        factor: how many times longer the texts are.
        low_freq_factor: waves longer than ``original_max_position_embeddings`` over this are slowed by ``factor``.
        high_freq_factor: waves shorter than ``original_max_position_embeddings`` over this are left alone.
        original_max_position_embeddings: context that the model had learnt with.
        beta_fast: of yarn: features that turn more often than this in that context are left alone; 32 if None.
        beta_slow: features that turn less often than this are slowed by ``factor``; 1 if None.
        attention_factor: by which yarn and longrope make queries and keys longer; if None 0.1 ln(factor) + 1, and of
            longrope √(1 + ln(factor) / ln(original_max_position_embeddings)).
        mscale, mscale_all_dim: where both are given, the quotient of two such factors instead.
        short_factor, long_factor: of longrope: the divisors of each frequency, within the original length and beyond.
        truncate: whether the first and the last feature between the two are rounded to whole ones; true if None.
    """

    rope_type: str
    factor: float
    low_freq_factor: float | None = None
    high_freq_factor: float | None = None
    original_max_position_embeddings: int | None = None
    beta_fast: float | None = None
    beta_slow: float | None = None
    attention_factor: float | None = None
    mscale: float | None = None
    mscale_all_dim: float | None = None
    truncate: bool | None = None
    short_factor: tuple[float, ...] | None = None
    long_factor: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.rope_type not in SCALINGS:
            raise UnknownNameError("rope_type", self.rope_type, ("default", *SCALINGS))
        if not self.factor >= 1:
            raise RecipeError(f"factor of rope_scaling must be at least 1, but got factor={self.factor}")
        if self.rope_type == "llama3":
            self._check_waves()
        if self.rope_type == "yarn":
            self._check_yarn()
        if self.by_length:
            self._check_length()

    @property
    def by_length(self) -> bool:
        """Whether the rotation depends on how long the text is."""
        return self.rope_type in ("longrope", "dynamic")

    @property
    def amplitude(self) -> float:
        """By which cosines and sines are multiplied; section 3.4 of the paper on YaRN, with t as its root."""
        if self.rope_type not in ("yarn", "longrope"):
            return 1.0
        if self.attention_factor is not None:
            return self.attention_factor
        if self.rope_type == "longrope":
            return math.sqrt(1 + math.log(self.factor) / math.log(self.original_max_position_embeddings or 2))
        if self.mscale and self.mscale_all_dim:
            return _sharpened(self.factor, self.mscale) / _sharpened(self.factor, self.mscale_all_dim)
        return _sharpened(self.factor, 1.0)

    def _check_yarn(self) -> None:
        if not (self.original_max_position_embeddings or 0) > 0:
            raise RecipeError(
                "rope_scaling yarn needs a positive original_max_position_embeddings, but got "
                f"{self.original_max_position_embeddings}"
            )
        fast, slow = self.beta_fast or BETA_FAST, self.beta_slow or BETA_SLOW
        if not 0 < slow < fast:
            raise RecipeError(
                f"beta_slow must be above 0 and below beta_fast, but got beta_slow={slow}, beta_fast={fast}; "
                "try 1 and 32"
            )
        if not self.amplitude > 0:
            raise RecipeError(f"attention_factor must be positive, but got attention_factor={self.attention_factor}")

    def _check_length(self) -> None:
        if not (self.original_max_position_embeddings or 0) > 1:
            raise RecipeError(
                f"rope_scaling {self.rope_type} needs original_max_position_embeddings of at least 2, but got "
                f"{self.original_max_position_embeddings}"
            )
        if self.rope_type != "longrope":
            return
        if not self.amplitude > 0:
            raise RecipeError(f"attention_factor must be positive, but got attention_factor={self.attention_factor}")
        for name in ("short_factor", "long_factor"):
            divisors = getattr(self, name) or ()
            if not divisors or not all(0 < divisor < math.inf for divisor in divisors):
                raise RecipeError(
                    f"rope_scaling longrope needs positive numbers in {name}, but got {getattr(self, name)}"
                )

    def check_head(self, head_dim: int) -> None:
        """Raise RecipeError unless longrope has a divisor for each pair of features."""
        for name in ("short_factor", "long_factor"):
            found = getattr(self, name)
            if found is not None and len(found) != head_dim // 2:
                raise RecipeError(
                    f"{name} of rope_scaling must have one number for each pair of a head's features, but got "
                    f"{len(found)} for head_dim={head_dim}; give {head_dim // 2}"
                )

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
        self.amplitude = 1.0 if scaling is None else scaling.amplitude
        self.scaling, self.theta = scaling, theta

    def forward(self, positions: Tensor, dtype: torch.dtype, lengths_B: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Positions [S] or [B, S] to cosines and sines [1 or B, 1, S, D/2], to be shared by all layers and heads.

        ``lengths_B`` are those of the texts, where a rotation depends on them; None for up to their last positions.
        """
        if self.frequencies.device != positions.device:
            self.frequencies = self.frequencies.to(positions.device)
        frequencies = self.frequencies
        if self.scaling is not None and self.scaling.by_length:
            lengths = positions.amax(-1) + 1 if lengths_B is None else lengths_B.to(positions.device)
            frequencies = self._of_length(self.scaling, lengths.reshape(-1, 1, 1, 1))
        angles = positions.reshape(-1, 1, positions.shape[-1], 1) * frequencies
        cosines, sines = angles.cos(), angles.sin()
        if self.amplitude != 1:
            cosines, sines = cosines * self.amplitude, sines * self.amplitude
        return cosines.to(dtype), sines.to(dtype)

    def _of_length(self, scaling: RopeScaling, lengths: Tensor) -> Tensor:
        """The frequencies for texts of these lengths."""
        original = scaling.original_max_position_embeddings or 2
        if scaling.rope_type == "longrope":
            divisors = torch.tensor([scaling.short_factor, scaling.long_factor], device=lengths.device)
            return self.frequencies / divisors[(lengths > original).long().squeeze(-1)]
        size = 2 * len(self.frequencies)
        beyond = scaling.factor * lengths.clamp(min=original) / original - (scaling.factor - 1)
        places = torch.arange(0, size, 2, dtype=torch.float32, device=lengths.device) / size
        return self.frequencies / (beyond ** (size / max(size - 2, 1))) ** places


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
    @once_differentiable
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
    if scaling is None or scaling.by_length:
        return frequencies
    if scaling.rope_type == "linear":
        return frequencies / scaling.factor
    if scaling.rope_type == "yarn":
        return _yarn(frequencies, head_dim, theta, scaling)
    return _llama3(frequencies, scaling)


def _llama3(frequencies: Tensor, scaling: RopeScaling) -> Tensor:
    """Slow waves are slowed further, fast ones left alone, those between blended by how often they turn in a text."""
    low, high = scaling.low_freq_factor or 1.0, scaling.high_freq_factor or 4.0
    turns = (scaling.original_max_position_embeddings or 1) * frequencies / (2 * math.pi)
    kept = ((turns - low) / (high - low)).clamp(0, 1)
    return kept * frequencies + (1 - kept) * frequencies / scaling.factor


def _yarn(frequencies: Tensor, head_dim: int, theta: float, scaling: RopeScaling) -> Tensor:
    """As for llama3, but what lies between is blended by the number of the feature; section 3.2 of the paper."""
    context = scaling.original_max_position_embeddings or 1

    def feature(turns: float) -> float:
        """The one, of a head's D, that turns so often in the context."""
        return head_dim * math.log(context / (2 * math.pi * turns)) / (2 * math.log(theta))

    first, last = feature(scaling.beta_fast or BETA_FAST), feature(scaling.beta_slow or BETA_SLOW)
    if scaling.truncate is not False:
        first, last = math.floor(first), math.ceil(last)
    first, last = max(first, 0), min(last, head_dim - 1)
    places = torch.arange(len(frequencies), dtype=torch.float32, device="cpu")
    slowed = ((places - first) / ((last - first) or 0.001)).clamp(0, 1)
    return (1 - slowed) * frequencies + slowed * frequencies / scaling.factor


def _sharpened(factor: float, scale: float) -> float:
    return 0.1 * scale * math.log(factor) + 1.0
