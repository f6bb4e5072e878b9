"""``minnow train``: from labelled texts to a measured model folder, from pairs to a model that translates, or from
conversations to one that answers."""

from pathlib import Path
from typing import Annotated, Any

import typer

from minnow.cli.console import err, exit_codes, note, out, print_json
from minnow.cli.display import PretrainingDisplay, TrainingDisplay
from minnow.cli.inputs import LabelColumn, Languages, SourceLanguage, TargetLanguage, TextColumn


def train(
    data: Annotated[
        str | None, typer.Argument(metavar="DATA", help="A file, a folder of class folders, or a public set.")
    ] = None,
    target_data: Annotated[
        str | None, typer.Argument(metavar="TARGET", help="The file of translations beside a file of sources.")
    ] = None,
    task: Annotated[
        str | None, typer.Option("--task", metavar="NAME", help="text_classification or translation.")
    ] = None,
    source: SourceLanguage = None,
    target: TargetLanguage = None,
    languages: Languages = None,
    validation: Annotated[
        str | None, typer.Option("--validation", metavar="DATA", help="Data to choose by, or the share to hold out.")
    ] = None,
    test: Annotated[
        str | None, typer.Option("--test", metavar="DATA", help="Data to measure on; by default the set's own.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="The model's folder; by default runs/NAME.")
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option("--recipe", metavar="FILE", help="A TOML file; write one with minnow init.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="NAME",
            help="auto, ngram, text_classifier, with --from encoder_classifier; transformer_seq2seq or rnn_seq2seq.",
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="MODEL",
            help="A model to go on from, its folder or team/name@v2: fine-tuned to a classifier, taught to answer or "
            "to translate.",
        ),
    ] = None,
    lora: Annotated[
        int | None,
        typer.Option(
            "--lora", metavar="RANK", help="With conversations: an adapter of this rank learns beside the model."
        ),
    ] = None,
    text: TextColumn = None,
    label: LabelColumn = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A recipe key: --set training.epochs=3; may be given again."),
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", help="Of everything random.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that was cut off in --out.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what stands in --out.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Train a text classifier, learn to translate, or teach a language model from conversations, and measure it."""
    with exit_codes():
        from minnow.api import training_asked

        kind, resolved = training_asked(
            folder,
            settings or (),
            resume=resume,
            note=note,
            recipe=recipe,
            data=data,
            target_data=target_data,
            task=task,
            source=source,
            target=target,
            languages=languages,
            validation=validation,
            test=test,
            model=model,
            start=start,
            lora=lora,
            text=text,
            label=label,
            seed=seed,
        )
        work = {"pairs": _translate, "conversations": _teach, "labels": _classify}[kind]
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
