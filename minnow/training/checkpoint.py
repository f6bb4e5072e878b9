"""All that a run needs to go on as if it had never stopped, as two files: tensors and numbers; no pickle.

The file of tensors carries the step in its name and the file of numbers names it, so a run that is killed between
the two still has the older pair.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from minnow.bundle.layout import STATE
from minnow.errors import BundleError
from minnow.files import replaced_whole, write_bytes


@dataclass
class Progress:
    """Where a run stands, in plain numbers."""

    step: int = 0
    epoch: int = 0
    batch: int = 0
    seconds: float = 0.0
    tokens: int = 0
    best: float | None = None
    best_step: int = 0
    worse_for: int = 0
    reductions: int = 0
    stopped: bool = False
    loss_sum: float = 0.0
    loss_steps: int = 0
    extra: dict[str, Any] = field(default_factory=dict)


def save_checkpoint(folder: Path, progress: Progress, tensors: dict[str, Tensor]) -> None:
    """Write both files and remove the older tensors, and before that what a run left that was killed as it wrote."""
    for left in (*folder.glob(".*.part"), *folder.glob(".tmp*")):
        left.unlink(missing_ok=True)
    name = f"tensors-{progress.step}.safetensors"
    write_tensors(folder / name, tensors)
    write_bytes(folder / STATE, orjson.dumps({"tensors": name, **asdict(progress)}))
    for older in folder.glob("tensors-*.safetensors"):
        if older.name != name:
            older.unlink(missing_ok=True)


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """As safetensors, whole or not at all, and from where they lie: a copy would take as much memory once more.

    Raises:
        StorageError: the disk refuses.
    """
    with replaced_whole(path) as part:
        try:
            save_file({name: tensor.cpu().contiguous() for name, tensor in tensors.items()}, part)
        except SafetensorError as error:  # which tells the number of the system's error in its text alone
            number = re.search(r"os error (\d+)", str(error))
            raise OSError(int(number[1]) if number else errno.EIO, str(error)) from error


def load_checkpoint(folder: Path) -> tuple[Progress, dict[str, Tensor]] | None:
    """What ``save_checkpoint`` wrote, None where there is nothing yet.

    Raises:
        BundleError: the files are damaged.
        OSError: they cannot be read.
    """
    path = folder / STATE
    if not path.is_file():
        return None
    try:
        state = orjson.loads(path.read_bytes())
        tensors = load_file(folder / state.pop("tensors"))
        return Progress(**state), tensors
    except (MemoryError, PermissionError):
        raise
    except Exception as error:  # safetensors raises a class of its own for a damaged file
        raise BundleError(f"the checkpoint in {folder} is damaged ({error}); start anew with --overwrite") from error


def optimizer_tensors(optimizers: Sequence[torch.optim.Optimizer]) -> dict[str, Tensor]:
    """What they remember, as named tensors."""
    return {
        f"optimizer.{number}.{index}.{name}": torch.as_tensor(value)
        for number, one in enumerate(optimizers)
        for index, state in one.state_dict()["state"].items()
        for name, value in state.items()
        if value is not None
    }


def restore_optimizers(
    optimizers: Sequence[torch.optim.Optimizer],
    tensors: Mapping[str, Tensor],
    share: Callable[[Tensor, Tensor], Tensor] = lambda whole, _: whole,
) -> None:
    """Put back what ``optimizer_tensors`` took.

    Args:
        share: what this process holds of a tensor that belongs to a parameter.
    """
    states: list[dict[int, dict[str, Tensor]]] = [{} for _ in optimizers]
    parameters = [[p for group in one.param_groups for p in group["params"]] for one in optimizers]
    for key, tensor in tensors.items():
        if key.startswith("optimizer."):
            _, number, index, name = key.split(".", 3)
            own = share(tensor, parameters[int(number)][int(index)])
            states[int(number)].setdefault(int(index), {})[name] = own
    for one, state in zip(optimizers, states, strict=True):
        one.load_state_dict({"state": state, "param_groups": one.state_dict()["param_groups"]})
