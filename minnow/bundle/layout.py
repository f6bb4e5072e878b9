"""Which files a model folder holds and what they are called: Hugging Face's names where it has one."""

import tomllib
from pathlib import Path

from minnow.errors import BundleError, StorageError

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"
TARGET_TOKENIZER = "target_tokenizer.json"  # of a model that writes in another vocabulary than it reads
TOKENIZER_CONFIG = "tokenizer_config.json"  # these two are for transformers, of models it knows
GENERATION_CONFIG = "generation_config.json"
ADAPTER_CONFIG = "adapter_config.json"  # these two are PEFT's, of an adapter that is kept apart from its model
ADAPTER_WEIGHTS = "adapter_model.safetensors"
MANIFEST = "minnow.json"  # written last: a folder that has it is complete
RECIPE = "recipe.toml"
CARD = "README.md"
EVALUATION = "evaluation"
RUN = "run"  # what training leaves behind: journal, curves, checkpoint
CHECKPOINT = "checkpoint"  # in the folder of the run, while a model trains
STATE = "state.json"  # in the checkpoint, written last
PAPERS = ("LICENSE", "LICENSE.md", "LICENSE.txt", "NOTICE")  # that came with a model of others
PREVIOUS = ".previous"  # the model that stood here, until the one that replaces it is complete
SHARDS = "shards"  # in the folder of the run, while a language model trains: the text as token ids


def is_bundle(folder: Path) -> bool:
    return (folder / MANIFEST).is_file()


def is_foreign_adapter(folder: Path) -> bool:
    """Whether ``folder`` holds an adapter alone, as PEFT writes it."""
    return not is_bundle(folder) and (folder / ADAPTER_CONFIG).is_file() and not (folder / WEIGHTS).is_file()


def verb_of_run(folder: Path) -> str:
    """``train`` or ``pretrain``: which of them began the unfinished run in ``folder``, as its recipe tells."""
    try:
        sections = tomllib.loads((folder / RUN / RECIPE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "train"
    return "pretrain" if "adapter" in sections and "instruction" not in sections else "train"


def resuming(folder: Path) -> str:
    """The command that goes on with the unfinished run in ``folder``."""
    return f"minnow {verb_of_run(folder)} --resume --out {folder}"


def check_bundle(folder: Path) -> None:
    """Raise BundleError unless ``folder`` holds a finished model, and say what it is instead."""
    if is_bundle(folder):
        return
    if (folder / RUN).is_dir():
        older = f"; the model that stood here is in {folder / PREVIOUS}" if is_bundle(folder / PREVIOUS) else ""
        raise BundleError(f"{folder} holds an unfinished training run; finish it with: {resuming(folder)}{older}")
    if is_foreign_adapter(folder):
        raise BundleError(
            f"{folder} holds an adapter of PEFT; take it over with: minnow import {folder} --base MODEL --out DIR"
        )
    if folder.exists():
        raise BundleError(f"{folder} is not a model folder: it has no {MANIFEST}; train one with: minnow train DATA")
    raise BundleError(f"there is no model at {folder}; train one with: minnow train DATA --out {folder}")


def check_free(folder: Path, overwrite: bool) -> None:
    """Raise StorageError where writing a model to ``folder`` would destroy something."""
    if folder.is_file():
        raise StorageError(f"{folder} is a file, but a model is a folder; choose another --out")
    ours = is_bundle(folder) or (folder / RUN).is_dir()
    if not folder.exists() or not any(folder.iterdir()) or (overwrite and ours):
        return
    if is_bundle(folder):
        raise StorageError(f"{folder} already holds a model; choose another --out or add --overwrite")
    if (folder / RUN).is_dir():
        raise StorageError(
            f"{folder} holds an unfinished run; continue it with --resume, start anew with --overwrite, "
            "or choose another --out"
        )
    raise StorageError(f"{folder} is not empty and holds no model, so nothing there is replaced; choose another --out")
