"""Weights on disk: safetensors, never pickle."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from minnow.errors import BundleError
from minnow.files import write_bytes

Arrays = dict[str, NDArray[np.generic]]


def save_weights(path: Path, tensors: Mapping[str, Any]) -> None:
    """Write arrays (or torch tensors on any device) under their names, whole or not at all."""
    write_bytes(path, packed_weights(tensors))


def packed_weights(tensors: Mapping[str, Any]) -> bytes:
    """What ``save_weights`` writes. Of bfloat16, which numpy lacks, every number is one of float32 too."""
    content: bytes = save({name: _array(tensor) for name, tensor in tensors.items()}, {"format": "pt"})
    return content


def load_weights(path: Path) -> Arrays:
    """Read all arrays.

    Raises:
        BundleError: the file is missing or damaged.
    """
    try:
        return dict(load(path.read_bytes()))
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise BundleError(f"{path} is missing or damaged ({error}); train the model again or fetch it anew") from error


def _array(tensor: Any) -> NDArray[np.generic]:
    if isinstance(tensor, np.ndarray):
        return np.asarray(tensor, order="C")  # np.ascontiguousarray would make a list of a single number
    tensor = tensor.detach().cpu()
    array: NDArray[np.generic] = (
        (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).contiguous().numpy()
    )
    return array
