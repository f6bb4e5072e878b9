"""Minnow in Python, and what the commands call."""

from minnow.api.augmenting import augment
from minnow.api.evaluating import compare, evaluate
from minnow.api.hubs import folder_of, pull, push, search
from minnow.api.importing import import_folder
from minnow.api.model import Model, load
from minnow.api.recipes import (
    free_folder,
    pretraining_asked,
    resolve_instruction_recipe,
    resolve_pretraining_recipe,
    resolve_recipe,
    resolve_translation_recipe,
    run_to_resume,
    teaches,
    training_asked,
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
    "pretraining_asked",
    "pull",
    "push",
    "resolve_instruction_recipe",
    "resolve_pretraining_recipe",
    "resolve_recipe",
    "resolve_translation_recipe",
    "run_to_resume",
    "search",
    "teaches",
    "train",
    "training_asked",
    "translates",
]
