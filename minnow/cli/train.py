"""``minnow train``: from labelled texts to a measured model folder, from pairs to a model that translates, or from
conversations to one that answers."""

from pathlib import Path
from typing import Annotated, Any

import typer

from minnow.cli.console import err, exit_codes, note, out, print_json
from minnow.cli.display import PretrainingDisplay, TrainingDisplay
from minnow.cli.inputs import languages_of


def train(
    data: Annotated[str | None, typer.Argument(help="A file, a folder of class folders, or a public set.")] = None,
    target_data: Annotated[
        str | None, typer.Argument(metavar="[TARGET]", help="The file of translations beside a file of sources.")
    ] = None,
    task: Annotated[str | None, typer.Option("--task", help="text_classification or translation.")] = None,
    source_language: Annotated[
        str | None, typer.Option("--source", help="Translation: the language of the sources, such as en.")
    ] = None,
    target_language: Annotated[str | None, typer.Option("--target", help="Translation: that of the targets.")] = None,
    languages: Annotated[
        str | None, typer.Option("--langs", help="Translation: en,de,fr for one model from each into each other.")
    ] = None,
    validation: Annotated[
        str | None, typer.Option("--validation", help="Data to choose by, or the share to hold out.")
    ] = None,
    test: Annotated[str | None, typer.Option("--test", help="Data to measure on; by default the set's own.")] = None,
    folder: Annotated[Path | None, typer.Option("--out", help="The model's folder; by default runs/NAME.")] = None,
    recipe: Annotated[Path | None, typer.Option("--recipe", help="A TOML file; write one with minnow init.")] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="auto, ngram or text_classifier; transformer_seq2seq or rnn_seq2seq.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from", help="A model's folder: fine-tune it to a classifier, teach it to answer or to translate."
        ),
    ] = None,
    lora: Annotated[
        int | None, typer.Option("--lora", help="With conversations: an adapter of this rank learns beside the model.")
    ] = None,
    text: Annotated[str | None, typer.Option("--text", help="The column with the text.")] = None,
    label: Annotated[str | None, typer.Option("--label", help="The column with the label.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A recipe key: --set training.epochs=3; may be given again.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Of everything random.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that was cut off in --out.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what stands in --out.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Train a text classifier, learn to translate, or teach a language model from conversations, and measure it."""
    with exit_codes():
        from minnow import api
        from minnow.errors import InputError

        spoken = settings or ()
        if resume:
            said = (data, target_data, task, source_language, target_language, languages, recipe, model, source)
            more = (validation, test, lora, text, label, settings, seed)
            recipe = api.run_to_resume(folder, "train")
            if any(one is not None for one in (*said, *more)):
                note("--resume goes on with the recipe of the run; what else was said is not used")
            data = target_data = task = source_language = target_language = languages = test = model = source = None
            validation = lora = text = label = seed = None
            spoken = ()
        asked = languages_of(source_language, target_language, languages)
        resolved: Any
        if api.translates(data, target_data, task, recipe):
            if lora is not None:
                raise InputError("--lora is for language models; a model that translates learns without it")
            if validation is not None or test is not None:
                raise InputError(
                    "pairs may be two files, so they are named by recipe keys: --set pairs.validation=FILE, "
                    "--set pairs.test=FILE"
                )
            pairs: dict[str, Any] = {"data": data, "target": target_data, "languages": asked}
            pairs |= {"source_column": text, "target_column": label}
            resolved = api.resolve_translation_recipe(recipe, spoken, model=model, source=source, seed=seed, **pairs)
            work = _translate
        elif target_data is not None or asked:
            raise InputError("two files, --source, --target and --langs are for translation; add --task translation")
        elif api.teaches(data, recipe, model, text, label, spoken, task):
            chats: dict[str, Any] = {"data": data, "validation": validation, "test": test}
            resolved = api.resolve_instruction_recipe(recipe, spoken, source=source, lora=lora, seed=seed, **chats)
            work = _teach
        elif lora is not None:
            raise InputError("--lora is for conversations and for minnow pretrain; a classifier learns without it")
        else:
            labelled = {"data": data, "validation": validation, "test": test, "text": text, "label": label}
            resolved = api.resolve_recipe(recipe, spoken, model=model, source=source, seed=seed, **labelled)
            work = _classify
        work(resolved, folder, overwrite, resume, as_json)


def _classify(recipe: Any, folder: Path | None, overwrite: bool, resume: bool, as_json: bool) -> None:
    from minnow.api import free_folder
    from minnow.training.classification import train_classifier as run

    target = folder or free_folder(recipe.data.train or "model")
    with TrainingDisplay(err, recipe.training.epochs) as display:
        trained = run(recipe, target, overwrite=overwrite, resume=resume, note=note, show=display)
    if as_json:
        print_json(trained.summary)
    else:
        _print_summary(trained.summary, target)


def _translate(recipe: Any, folder: Path | None, overwrite: bool, resume: bool, as_json: bool) -> None:
    from minnow.api import free_folder
    from minnow.training.translation import train_translation

    target = folder or free_folder(recipe.pairs.train or "model")
    with TrainingDisplay(err, recipe.training.epochs) as display:
        trained = train_translation(recipe, target, overwrite=overwrite, resume=resume, note=note, show=display)
    if as_json:
        print_json(trained.summary)
        return
    summary = trained.summary
    for name, (low, high) in summary["intervals"].items():
        out.print(f"{name:<28}{summary[name]:.2f}  [{low:.2f}, {high:.2f}]")
    out.print(f"{'measured on':<28}{summary['measured_on']}, {summary['signatures']['bleu']}")
    out.print(f"{'parameters':<28}{summary['parameters']:,}")
    out.print(f"{'train seconds':<28}{summary['train_seconds']:.1f}")
    out.print(f"{'size':<28}{summary['size_bytes'] / 1e6:.1f} MB")
    out.print(f"{'model':<28}{target}")
    note(f'next: minnow translate {target} "a text"   ·   card: {target}/README.md')


def _teach(recipe: Any, folder: Path | None, overwrite: bool, resume: bool, as_json: bool) -> None:
    from minnow.api import free_folder
    from minnow.training.instruction import instruct

    target = folder or free_folder(recipe.data.train or "model")
    with PretrainingDisplay(err) as display:
        taught = instruct(recipe, target, overwrite=overwrite, resume=resume, note=note, show=display)
    if taught is None:  # a process of torchrun that does not lead
        return
    if as_json:
        print_json(taught.summary)
        return
    summary = taught.summary
    for key, what in (("", "held-out answers"), ("test_", "test answers")):
        for name in ("loss", "perplexity"):
            if key + name in summary:
                out.print(f"{f'{name} of {what}':<32}{summary[key + name]:,.4f}")
    out.print(f"{'parameters':<32}{summary['parameters']:,}")
    out.print(f"{'conversations':<32}{summary['conversations']:,} in {summary['steps']:,} steps")
    out.print(f"{'train seconds':<32}{summary['train_seconds']:.1f}")
    out.print(f"{'size':<32}{summary['size_bytes'] / 1e6:.1f} MB")
    out.print(f"{'model':<32}{target}")
    note(f"next: minnow chat {target}   ·   card: {target}/README.md")


def _print_summary(summary: dict[str, Any], folder: Path) -> None:
    for name in ("accuracy", "f1_macro", "roc_auc", "expected_calibration_error"):
        if name in summary:
            low, high = summary["intervals"].get(name, (None, None))
            spread = "" if low is None else f"  [{low:.4f}, {high:.4f}]"
            out.print(f"{name:<28}{summary[name]:.4f}{spread}")
    out.print(f"{'measured on':<28}{summary['measured_on']}")
    out.print(f"{'train seconds':<28}{summary['train_seconds']:.1f}")
    out.print(f"{'size':<28}{summary['size_bytes'] / 1e6:.1f} MB")
    out.print(f"{'model':<28}{folder}")
    note(f'next: minnow predict {folder} "a text"   ·   card: {folder}/README.md')
