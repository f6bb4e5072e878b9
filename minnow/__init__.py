"""Minnow: small language models from your own text, on your own machine.

The names below are loaded when they are first used, so that ``import minnow`` costs nothing.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minnow.api import Model, augment, compare, evaluate, import_folder, load, pretrain, pull, push, train
    from minnow.evaluation.report import Report
    from minnow.tasks.signature import Filled, Label, Labels, Text

__all__ = [
    "Filled",
    "Label",
    "Labels",
    "Model",
    "Report",
    "Text",
    "augment",
    "compare",
    "evaluate",
    "import_folder",
    "load",
    "pretrain",
    "pull",
    "push",
    "train",
]

_HOMES = {
    "Label": "minnow.tasks.signature",
    "Labels": "minnow.tasks.signature",
    "Report": "minnow.evaluation.report",
    "Filled": "minnow.tasks.signature",
    "Text": "minnow.tasks.signature",
}

try:
    __version__ = version("minnow-lm")
except PackageNotFoundError:  # run from a source tree that is not installed
    __version__ = "0"


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'minnow' has no attribute {name!r}")
    return getattr(import_module(_HOMES.get(name, "minnow.api")), name)
