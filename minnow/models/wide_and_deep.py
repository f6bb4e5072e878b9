"""Two classifiers that answer together: ``wide`` remembers n-grams, ``deep`` has learnt what words mean.

After Cheng et al. (2016), "Wide & Deep Learning for Recommender Systems"; the two are fitted apart, each as it learns
best, and what each says counts by a factor:

    z(x) = f_wide z_wide(x) + f_deep z_deep(x)

N texts · K labels · z logits [N, K]
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from torch import nn

from minnow.errors import BundleError, RecipeError
from minnow.models.base import ModelConfig
from minnow.models.ngram import NgramModel
from minnow.models.registry import model_from

PARTS = ("wide", "deep")


@dataclass(frozen=True)
class WideAndDeepConfig(ModelConfig):
    """``wide`` and ``deep`` are the ``config.json`` of an ``ngram`` and of a classifier over tokens, with their
    model_type; the factors weigh their logits.

    Raises:
        RecipeError: a part that cannot be, or a factor below zero.
    """

    model_type: ClassVar[str] = "wide_and_deep"

    num_labels: int
    wide: Any
    deep: Any
    wide_factor: float = 0.5
    deep_factor: float = 0.5

    def __post_init__(self) -> None:
        for part in PARTS:
            values = getattr(self, part)
            if not isinstance(values, dict) or not isinstance(values.get("model_type"), str):
                raise RecipeError(f"{part} must be a table with a model_type, but got {part}={values!r}")
            if values.get("num_labels") != self.num_labels:
                raise RecipeError(
                    f"{part} has num_labels={values.get('num_labels')!r}, but the whole num_labels={self.num_labels}; "
                    "both must answer with the same labels"
                )
            if not getattr(self, f"{part}_factor") >= 0:
                raise RecipeError(f"{part}_factor must be at least 0, but got {getattr(self, f'{part}_factor')}")
        if self.wide["model_type"] != "ngram" or self.deep["model_type"] in ("ngram", self.model_type):
            raise RecipeError(
                "wide must be an ngram and deep a classifier over tokens, but got "
                f"{self.wide['model_type']} and {self.deep['model_type']}"
            )


class WideAndDeep:
    """Both parts and how they add up; what runs on a device or in a precision is the deep one."""

    reads = "both"

    def __init__(self, config: WideAndDeepConfig, wide: NgramModel, deep: Any):
        self.config, self.wide, self.deep = config, wide, deep

    @classmethod
    def of(cls, wide: NgramModel, deep: Any, wide_factor: float, deep_factor: float) -> Self:
        """The two as one model."""
        parts = wide.config.to_dict(), deep.config.to_dict()
        return cls(WideAndDeepConfig(wide.config.num_labels, *parts, wide_factor, deep_factor), wide, deep)

    def together(self, wide_NK: NDArray[np.float32], deep_NK: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits [N, K] from those of the parts."""
        return np.asarray(self.config.wide_factor * wide_NK + self.config.deep_factor * deep_NK, np.float32)

    def num_parameters(self) -> int:
        return int(self.wide.num_parameters() + self.deep.num_parameters())

    def parameters(self) -> Iterator[nn.Parameter]:
        """Of the deep part."""
        return iter(self.deep.parameters())

    def to(self, *where: Any) -> Self:
        self.deep.to(*where)
        return self

    def tensors(self) -> dict[str, Any]:
        """The weights of both, behind ``wide.`` and ``deep.``."""
        return {f"{part}.{name}": one for part in PARTS for name, one in getattr(self, part).tensors().items()}

    @classmethod
    def from_tensors(cls, config: WideAndDeepConfig, tensors: Mapping[str, Any]) -> Self:
        """The model with these weights.

        Raises:
            BundleError: a tensor is missing, surplus or of another shape.
        """
        odd = [name for name in tensors if not name.startswith(tuple(f"{part}." for part in PARTS))]
        if odd:
            raise BundleError(f"model.safetensors does not fit config.json: {odd[0]!r} is too much in the file")
        wide, deep = (
            model_from(getattr(config, part), {k[len(part) + 1 :]: v for k, v in tensors.items() if k.startswith(part)})
            for part in PARTS
        )
        return cls(config, wide, deep)
