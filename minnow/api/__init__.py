"""Minnow in Python, and what the commands call."""

from minnow.api.augmenting import augment
from minnow.api.evaluating import compare, evaluate
from minnow.api.hubs import folder_of, pull, push
from minnow.api.importing import import_folder
from minnow.api.model import Model, load
from minnow.api.recipes import (
    free_folder,
    resolve_instruction_recipe,
    resolve_pretraining_recipe,
    resolve_recipe,
    resolve_translation_recipe,
    run_to_resume,
    teaches,
    translates,
)
from minnow.api.training import pretrain, train

__all__ = [
    "Model",
    "augment",
    "compare",
    "evaluate",
    "folder_of",
    "free_folder",
    "import_folder",
    "load",
    "pretrain",
    "pull",
    "push",
    "resolve_instruction_recipe",
    "resolve_pretraining_recipe",
    "resolve_recipe",
    "resolve_translation_recipe",
    "run_to_resume",
    "teaches",
    "train",
    "translates",
]
