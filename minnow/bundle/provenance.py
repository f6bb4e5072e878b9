"""Where a model comes from: which data, which code, which machine, how long."""

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from minnow.bases import weights_hash
from minnow.cores import available_cores

PACKAGES = ("minnow-lm", "torch", "numpy", "numba", "tokenizers", "safetensors", "polars")


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that decide what a model does."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """The processor and how many cores; no host name, for a card is made to be shared."""
    return {"processor": _processor(), "cores": available_cores(), "system": platform.system()}


def made_of(model: str, data: Mapping[str, Any], start: str, seconds: float, **more: Any) -> dict[str, Any]:
    """What a folder tells of the run that made it.

    Args:
        model: its type.
        data: what was learnt from.
        start: the folder of the model that the run started from, "" for none.
        seconds: that it trained.
        more: what runs of its kind count.
    """
    return {
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "train_seconds": round(seconds, 3),
        "data": data,
        "model": model,
        **came_from(start),
        **more,
        "machine": machine(),
        "versions": versions(),
    }


def came_from(folder: str) -> dict[str, Any]:
    """What provenance says of the model that a run started from; nothing where it began anew."""
    return {"from": {"name": Path(folder).name, "weights_sha256": weights_hash(Path(folder))}} if folder else {}


def _processor() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
