"""All that a run needs to go on as if it had never stopped, as two files: tensors and numbers; no pickle.

The file of tensors carries the step in its name and the file of numbers names it, so a run that is killed between
the two still has the older pair.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson
import torch
from safetensors.torch import load_file, save
from torch import Tensor

from minnow.bundle.layout import STATE
from minnow.errors import BundleError
from minnow.files import write_bytes


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
    """Write both files and remove the older tensors."""
    name = f"tensors-{progress.step}.safetensors"
    write_bytes(folder / name, save({key: tensor.contiguous().clone() for key, tensor in tensors.items()}))
    write_bytes(folder / STATE, orjson.dumps({"tensors": name, **asdict(progress)}))
    for older in folder.glob("tensors-*.safetensors"):
        if older.name != name:
            older.unlink(missing_ok=True)


def load_checkpoint(folder: Path) -> tuple[Progress, dict[str, Tensor]] | None:
    """What ``save_checkpoint`` wrote, None where there is nothing yet.

    Raises:
        BundleError: the files are damaged.
    """
    path = folder / STATE
    if not path.is_file():
        return None
    try:
        state = orjson.loads(path.read_bytes())
        tensors = load_file(folder / state.pop("tensors"))
        return Progress(**state), tensors
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"the checkpoint in {folder} is damaged ({error}); start anew with --overwrite") from error
    except Exception as error:  # safetensors raises a class of its own for a damaged file
        raise BundleError(f"the checkpoint in {folder} is damaged ({error}); start anew with --overwrite") from error


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's state as named tensors."""
    return {
        f"optimizer.{index}.{name}": torch.as_tensor(value)
        for index, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
        if value is not None
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put back what ``optimizer_tensors`` took."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        if key.startswith("optimizer."):
            _, index, name = key.split(".", 2)
            state.setdefault(int(index), {})[name] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
