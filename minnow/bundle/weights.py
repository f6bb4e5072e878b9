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
    write_bytes(path, save({name: _array(tensor) for name, tensor in tensors.items()}, {"format": "pt"}))


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
    array: NDArray[np.generic] = tensor.detach().cpu().contiguous().numpy()
    return array
