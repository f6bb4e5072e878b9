"""Recipes with what the caller said put in, and which kind of recipe data ask for."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from minnow.api.hubs import folder_of
from minnow.api.languages import languages_asked
from minnow.errors import InputError, UnknownNameError
from minnow.listeners import Note

LANGUAGE_MODELS = ("llama", "gpt2", "rnn_lm", "bert")


def training_asked(
    folder: Path | None, overrides: Sequence[str], *, resume: bool, note: Note, **said: Any
) -> tuple[str, Any]:
    """The kind and the recipe of a run of ``train``: as the caller says, or that of the unfinished run in the folder.

    Args:
        said: as ``resolve_training`` takes it.

    Raises:
        InputError: what was said cannot be, or there is no run to go on with.
    """
    if resume:
        return resolve_training(_run_to_go_on(folder, "train", [overrides, *said.values()], note))
    return resolve_training(said.pop("recipe"), overrides, **said)


def pretraining_asked(folder: Path | None, overrides: Sequence[str], *, resume: bool, note: Note, **said: Any) -> Any:
    """The recipe of a run of ``pretrain``, likewise; ``said`` as ``resolve_pretraining_recipe`` takes it."""
    if resume:
        return resolve_pretraining_recipe(_run_to_go_on(folder, "pretrain", [overrides, *said.values()], note))
    return resolve_pretraining_recipe(said.pop("recipe"), overrides, **said)


def _run_to_go_on(folder: Path | None, verb: str, said: Sequence[Any], note: Note) -> Path:
    written = run_to_resume(folder, verb)
    if any(one is not None and one not in ((), []) for one in said):
        note("--resume goes on with the recipe of the run; what else was said is not used")
    return written


def resolve_training(
    recipe: str | Path | None = None,
    overrides: Sequence[str] = (),
    *,
    data: str | Path | None = None,
    target_data: str | Path | None = None,
    task: str | None = None,
    source: str | None = None,
    target: str | None = None,
    languages: str | Sequence[str] | None = (),
    validation: str | Path | None = None,
    test: str | Path | None = None,
    model: str | None = None,
    start: str | Path | None = None,
    lora: int | None = None,
    text: str | None = None,
    label: str | None = None,
    seed: int | None = None,
) -> tuple[str, Any]:
    """What kind of run ``train`` is asked for, ``pairs``, ``conversations`` or ``labels``, and its recipe."""
    asked = languages_asked(source, target, languages)
    more: dict[str, Any] = {"start": start, "seed": seed}
    if translates(data, target_data, task, recipe):
        if lora is not None:
            raise InputError("lora is for language models; a model that translates learns without it")
        if validation is not None or test is not None:
            raise InputError(
                "pairs may be two files, so those to choose by and to measure on are named by recipe keys: "
                "pairs.validation and pairs.test (--set pairs.test=FILE)"
            )
        more |= {"data": data, "target_data": target_data, "languages": asked, "model": model}
        more |= {"source_column": text, "target_column": label}
        return "pairs", resolve_translation_recipe(recipe, overrides, **more)
    if target_data is not None or asked:
        raise InputError("two files and languages are for translation; add --task translation, or leave them out")
    parts: dict[str, Any] = {"data": data, "validation": validation, "test": test}
    if teaches(data, recipe, model, text, label, overrides, task):
        return "conversations", resolve_instruction_recipe(recipe, overrides, lora=lora, **parts, **more)
    if lora is not None:
        raise InputError("lora is for conversations and for minnow pretrain; a classifier learns without it")
    return "labels", resolve_recipe(recipe, overrides, model=model, text=text, label=label, **parts, **more)


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
    start: str | Path | None = None,
) -> Any:
    """A recipe file (or the defaults) with what the caller said put in."""
    from minnow.training.classification_recipe import recipe_from

    _check_classifier(model)
    said = {
        "data.train": data,
        "data.validation": validation,
        "data.test": test,
        "data.text": text,
        "data.label": label,
        "model.name": model,
        "fine_tuning.model": _start(start),
        "training.seed": seed,
    }
    return recipe_from(_tables(path), [*overrides, *_spoken(said)])


def translates(
    data: str | Path | None,
    target_data: str | Path | None = None,
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
    if task is not None or target_data is not None:
        return task in (None, "translation")
    known = data is not None and not Path(data).exists() and catalog.is_known(str(data))
    return known and catalog.find(str(data)).task == "translation"


def resolve_translation_recipe(
    path: str | Path | None = None,
    overrides: Sequence[str] = (),
    *,
    data: str | Path | None = None,
    target_data: str | Path | None = None,
    languages: Sequence[str] = (),
    model: str | None = None,
    start: str | Path | None = None,
    source_column: str | None = None,
    target_column: str | None = None,
    seed: int | None = None,
) -> Any:
    """A recipe for pairs (or the defaults) with what the caller said put in."""
    from minnow.training.translation_recipe import recipe_from

    _check_classifier(model)
    said = {
        "pairs.train": data,
        "pairs.train_target": target_data,
        "pairs.languages": list(languages) or None,
        "pairs.source_column": source_column,
        "pairs.target_column": target_column,
        "model.name": model,
        "model.start": _start(start),
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
    start: str | Path | None = None,
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
        "model.start": _start(start),
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
    start: str | Path | None = None,
    lora: int | None = None,
    seed: int | None = None,
) -> Any:
    """A recipe for conversations (or the defaults) with what the caller said put in."""
    from minnow.training.instruction_recipe import recipe_from

    said = {
        "data.train": data,
        "data.validation": validation,
        "data.test": test,
        "instruction.start": _start(start),
        "adapter.rank": lora,
        "training.seed": seed,
    }
    return recipe_from(_tables(path), [*overrides, *_spoken(said)])


def _check_classifier(model: str | None) -> None:
    """InputError where the kind of model is one that learns from raw text."""
    if model in LANGUAGE_MODELS:
        raise InputError(
            f"{model} is a language model, which learns from raw text: minnow pretrain DATA --model {model} (its "
            "recipe: minnow init --pretrain)"
        )


def _start(start: str | Path | None) -> str | Path | None:
    """A model to start from, on this disk."""
    return None if start is None else folder_of(start)


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
    """Recipe keys with their values, as they are written behind ``--set``; a string stays one to its last space.

    Args:
        settings: ``{"training.epochs": 3}``, or by sections: ``{"training": {"epochs": 3}}``.
    """
    from minnow.training.recipe_file import override

    return [
        override(f"{section}.{key}", value) if key else override(section, value)
        for section, table in settings.items()
        for key, value in (table.items() if isinstance(table, Mapping) else [("", table)])
    ]
