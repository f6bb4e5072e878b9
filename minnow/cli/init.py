"""``minnow init``: write a full recipe, every key explained."""

from pathlib import Path
from typing import Annotated

import typer

from minnow.cli.console import exit_codes, note, print_json


def init(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The recipe to write.")] = Path("recipe.toml"),
    data: Annotated[str | None, typer.Option("--data", metavar="DATA", help="The training data to name in it.")] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="NAME",
            help="auto, ngram or text_classifier; transformer_seq2seq or rnn_seq2seq; of --pretrain llama, gpt2, "
            "rnn_lm or bert.",
        ),
    ] = None,
    task: Annotated[
        str | None, typer.Option("--task", metavar="NAME", help="text_classification or translation.")
    ] = None,
    language: Annotated[
        bool, typer.Option("--pretrain", help="A recipe of minnow pretrain, for a language model.")
    ] = False,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A recipe key; may be given again.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that stands there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Write a recipe with all keys at their defaults and a comment on each."""
    with exit_codes():
        from minnow import api
        from minnow.errors import InputError, StorageError
        from minnow.files import write_text
        from minnow.training import classification_recipe, instruction_recipe, pretraining_recipe, translation_recipe

        if language and task is not None:
            raise InputError(f"--pretrain is for a language model, which has no --task, but got {task}; leave one out")
        if path.exists() and not overwrite:
            raise StorageError(f"{path} exists already; choose another name or add --overwrite")
        if language:
            resolved = api.resolve_pretraining_recipe(None, settings or (), corpus=data, model=model)
            text = pretraining_recipe.render(resolved)
        elif api.translates(data, task=task):
            resolved = api.resolve_translation_recipe(None, settings or (), data=data, model=model)
            text = translation_recipe.render(resolved)
        elif api.teaches(data, model=model, settings=settings or (), task=task):
            text = instruction_recipe.render(api.resolve_instruction_recipe(None, settings or (), data=data))
        else:
            text = classification_recipe.render(api.resolve_recipe(None, settings or (), data=data, model=model))
        write_text(path, text)
        if as_json:
            print_json({"recipe": str(path)})
        else:
            verb = "pretrain" if language else "train"
            note(f"wrote {path}; train with it: minnow {verb} {data or 'DATA'} --recipe {path}")
