"""What architectures over torch have in common: named weights in and out, with errors that a person understands."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from minnow.errors import BundleError
from minnow.models.base import ModelConfig


class TorchModel(nn.Module):
    """A module that is built from its configuration alone."""

    config: ModelConfig
    head_names: ClassVar[tuple[str, ...]] = ()  # what only the output layer uses; an encoder does without

    def __init__(self, config: Any):
        super().__init__()
        self.config = config

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
            model = cls(config)
        except (RuntimeError, TypeError) as error:  # torch's for a size beyond memory, and for one beyond 64 bits
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
        model.load_state_dict({name: torch.from_numpy(tensor.copy()) for name, tensor in tensors.items()})
        return model.eval()
