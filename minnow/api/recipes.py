"""Recipes with what the caller said put in, and which kind of recipe data ask for."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from minnow.api.hubs import folder_of
from minnow.errors import InputError, UnknownNameError


def resolve_recipe(
    path: str | Path | None = None,
    overrides: Sequence[str] = (),
    *,
    data: str | Path | None = None,
    validation: str | Path | None = None,
    test: str | Path | None = None,
    model: str | None = None,
    seed: int | None = None,
    text: str | None = None,
    label: str | None = None,
    source: str | Path | None = None,
) -> Any:
    """A recipe file (or the defaults) with what the caller said put in."""
    from minnow.training.classification_recipe import recipe_from

    said = {
        "data.train": data,
        "data.validation": validation,
        "data.test": test,
        "data.text": text,
        "data.label": label,
        "model.name": model,
        "fine_tuning.model": _start(source),
        "training.seed": seed,
    }
    return recipe_from(_tables(path), [*overrides, *_spoken(said)])


def translates(
    data: str | Path | None,
    target: str | Path | None = None,
    task: str | None = None,
    recipe: str | Path | None = None,
) -> bool:
    """Whether ``train`` is to learn from pairs of texts: the caller or the recipe says so, or the public set does."""
    from minnow.data import catalog
    from minnow.training.recipe_file import parse
    from minnow.training.translation_recipe import KIND

    known_tasks = ("text_classification", "translation")
    if task is not None and task not in known_tasks:
        raise UnknownNameError("task", task, known_tasks)
    if recipe is not None and KIND in parse(Path(recipe)):
        return True
    if task is not None or target is not None:
        return task in (None, "translation")
    known = data is not None and not Path(data).exists() and catalog.is_known(str(data))
    return known and catalog.find(str(data)).task == "translation"


def resolve_translation_recipe(
    path: str | Path | None = None,
    overrides: Sequence[str] = (),
    *,
    data: str | Path | None = None,
    target: str | Path | None = None,
    languages: Sequence[str] = (),
    model: str | None = None,
    source: str | Path | None = None,
    source_column: str | None = None,
    target_column: str | None = None,
    seed: int | None = None,
) -> Any:
    """A recipe for pairs (or the defaults) with what the caller said put in."""
    from minnow.training.translation_recipe import recipe_from

    said = {
        "pairs.train": data,
        "pairs.train_target": target,
        "pairs.languages": list(languages) or None,
        "pairs.source_column": source_column,
        "pairs.target_column": target_column,
        "model.name": model,
        "model.start": _start(source),
        "training.seed": seed,
    }
    return recipe_from(_tables(path), [*overrides, *_spoken(said)])


def resolve_pretraining_recipe(
    path: str | Path | None = None,
    overrides: Sequence[str] = (),
    *,
    corpus: str | Path | None = None,
    validation: str | Path | None = None,
    model: str | None = None,
    size: str | None = None,
    source: str | Path | None = None,
    lora: int | None = None,
    tokenizer: str | None = None,
    vocab_size: int | None = None,
    budget: str | None = None,
    seed: int | None = None,
) -> Any:
    """A recipe file of ``minnow pretrain`` (or the defaults) with what the caller said put in."""
    from minnow.training.pretraining_recipe import recipe_from

    said = {
        "data.train": corpus,
        "data.validation": validation,
        "model.name": model,
        "model.size": size,
        "model.start": _start(source),
        "adapter.rank": lora,
        "tokenizer.kind": tokenizer,
        "tokenizer.vocab_size": vocab_size,
        "training.budget": budget,
        "training.seed": seed,
    }
    return recipe_from(_tables(path), [*overrides, *_spoken(said)])


def teaches(
    data: str | Path | None,
    recipe: str | Path | None = None,
    model: str | None = None,
    text: str | None = None,
    label: str | None = None,
    settings: Sequence[str] = (),
    task: str | None = None,
) -> bool:
    """Whether ``train`` is to teach a language model to answer, rather than to make a classifier.

    The recipe says so; or the data are conversations and nobody named a task, a column, or a kind of classifier.
    """
    from minnow.data.conversations import holds_conversations
    from minnow.training.instruction_recipe import KIND
    from minnow.training.recipe_file import parse

    if recipe is not None:
        return KIND in parse(Path(recipe))
    named = task or model or text or label or any(one.startswith(("data.label", "data.text")) for one in settings)
    return data is not None and not named and holds_conversations(data)


def resolve_instruction_recipe(
    path: str | Path | None = None,
    overrides: Sequence[str] = (),
    *,
    data: str | Path | None = None,
    validation: str | Path | None = None,
    test: str | Path | None = None,
    source: str | Path | None = None,
    lora: int | None = None,
    seed: int | None = None,
) -> Any:
    """A recipe for conversations (or the defaults) with what the caller said put in."""
    from minnow.training.instruction_recipe import recipe_from

    said = {
        "data.train": data,
        "data.validation": validation,
        "data.test": test,
        "instruction.start": _start(source),
        "adapter.rank": lora,
        "training.seed": seed,
    }
    return recipe_from(_tables(path), [*overrides, *_spoken(said)])


def _start(source: str | Path | None) -> str | Path | None:
    """A model to start from, on this disk."""
    return None if source is None else folder_of(source)


def _tables(path: str | Path | None) -> Mapping[str, Any]:
    from minnow.training.recipe_file import parse

    return parse(Path(path)) if path is not None else {}


def _spoken(said: Mapping[str, Any]) -> list[str]:
    """What was said, as overrides of the recipe's keys."""
    return overrides_of({key: value for key, value in said.items() if value is not None})


def run_to_resume(folder: Path | None, verb: str) -> Path:
    """The file with the recipe of the unfinished run in a folder, of ``train`` or of ``pretrain``.

    Raises:
        InputError: no folder, a finished run, one of the other verb, or none.
    """
    from minnow.bundle import layout

    if folder is None:
        raise InputError("--resume needs --out DIR, the folder of the run to go on with")
    if layout.is_bundle(folder):
        raise InputError(f"the run in {folder} is finished; there is nothing to resume")
    written = folder / layout.RUN / layout.RECIPE
    if not written.is_file():
        raise InputError(f"there is no run to resume in {folder}; start one without --resume")
    if layout.verb_of_run(folder) != verb:
        raise InputError(f"the run in {folder} is not one of minnow {verb}; go on with: {layout.resuming(folder)}")
    return written


def free_folder(data: str | Path) -> Path:
    """``runs/NAME`` for data of that name, numbered where it is taken."""
    stem = Path(data).name.split(".")[0] or "model"
    candidates = (Path("runs") / (stem if i == 1 else f"{stem}-{i}") for i in range(1, 10_000))
    return next(folder for folder in candidates if not folder.exists())


def overrides_of(settings: Mapping[str, Any]) -> list[str]:
    """Recipe keys with their values, as they are written behind ``--set``; a string stays one to its last space."""
    from minnow.training.recipe_file import override

    return [override(key, value) for key, value in settings.items()]
