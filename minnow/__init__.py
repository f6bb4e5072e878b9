"""Minnow: small language models from your own text, on your own machine.

The names below are loaded when they are first used, so that ``import minnow`` costs nothing.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minnow import errors
    from minnow.api import Model, augment, compare, evaluate, import_folder, load, pretrain, pull, push, search, train
    from minnow.evaluation.perplexity import LanguageReport
    from minnow.evaluation.report import Report
    from minnow.evaluation.translation import TranslationReport
    from minnow.explain.attention import AttentionMap
    from minnow.tasks.signature import Filled, Label, Labels, Neighbour, Text

__all__ = [
    "AttentionMap",
    "Filled",
    "Label",
    "Labels",
    "LanguageReport",
    "Model",
    "Neighbour",
    "Report",
    "Text",
    "TranslationReport",
    "augment",
    "compare",
    "errors",
    "evaluate",
    "import_folder",
    "load",
    "pretrain",
    "pull",
    "push",
    "search",
    "train",
]

_HOMES = {
    "AttentionMap": "minnow.explain.attention",
    "Filled": "minnow.tasks.signature",
    "Label": "minnow.tasks.signature",
    "Labels": "minnow.tasks.signature",
    "LanguageReport": "minnow.evaluation.perplexity",
    "Neighbour": "minnow.tasks.signature",
    "Report": "minnow.evaluation.report",
    "Text": "minnow.tasks.signature",
    "TranslationReport": "minnow.evaluation.translation",
}

try:
    __version__ = version("minnow-lm")
except PackageNotFoundError:  # run from a source tree that is not installed
    __version__ = "0"


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'minnow' has no attribute {name!r}")
    if name == "errors":
        return import_module("minnow.errors")
    return getattr(import_module(_HOMES.get(name, "minnow.api")), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
