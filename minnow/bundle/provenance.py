"""Where a model comes from: which data, which code, which machine, how long."""

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

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


def _processor() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
