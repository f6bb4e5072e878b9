"""What architectures over torch have in common: named weights in and out, with errors that a person understands."""

import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from minnow.errors import BundleError
from minnow.models.base import ModelConfig

# What torch says of sizes beyond memory, and beyond 64 bits.
_TOO_LARGE = re.compile(r"allocate memory|not enough memory|out of memory|overflow|negative dimension", re.IGNORECASE)
_DRAWING = (
    *(Tensor.normal_, Tensor.uniform_, Tensor.random_, Tensor.bernoulli_),
    *(nn.init.normal_, nn.init.uniform_, nn.init.kaiming_uniform_),
)


class _Undrawn(TorchFunctionMode):
    """Weights stay as they lie in memory where they would be drawn, which takes time and moves the random stream."""

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:  # the signature is torch's
        given = kwargs or {}
        if function in _DRAWING:
            return args[0] if args else given["tensor"]
        return function(*args, **given)


def too_large(error: Exception) -> bool:
    """Whether torch says that a tensor is larger than any memory."""
    return isinstance(error, RuntimeError | TypeError) and _TOO_LARGE.search(str(error)) is not None


class TorchModel(nn.Module):
    """A module that is built from its configuration alone."""

    config: ModelConfig
    head_names: ClassVar[tuple[str, ...]] = ()  # what only the output layer uses; an encoder does without

    def __init__(self, config: Any):
        super().__init__()
        self.config = config

    @property
    def output_matrix(self) -> Tensor | None:
        """Weights of the layer that answers, which some optimisers treat apart; None where there is none."""
        return None

    def num_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())

    def tensors(self) -> dict[str, Tensor]:
        return dict(self.state_dict())

    @classmethod
    def from_tensors(cls, config: Any, tensors: Mapping[str, Any]) -> Self:
        """The model with these weights.

        Raises:
            BundleError: a tensor is missing, surplus or of another shape, which the message names; or the configuration
                asks for more weights than there is memory.
        """
        try:
            with _Undrawn():
                model = cls(config)
        except (RuntimeError, TypeError) as error:
            if not too_large(error):
                raise
            raise BundleError(
                "config.json asks for more weights than there is memory; train the model again or fetch it anew"
            ) from error
        own = model.state_dict()
        odd = sorted(own.keys() ^ tensors.keys())
        if odd:
            side = "is missing from" if odd[0] in own else "is too much in"
            raise BundleError(f"model.safetensors does not fit config.json: {odd[0]!r} {side} the file")
        for name, tensor in tensors.items():
            if tuple(tensor.shape) != tuple(own[name].shape):
                raise BundleError(
                    f"model.safetensors does not fit config.json: {name!r} has shape {tuple(tensor.shape)}, "
                    f"but the configuration asks for {tuple(own[name].shape)}"
                )
        for name, tensor in tensors.items():
            own[name].copy_(torch.from_numpy(tensor.copy()))  # a file's arrays may not be written to
        return model.eval()
