"""``minnow train``: from labelled texts to a measured model folder, or from conversations to a model that answers."""

from pathlib import Path
from typing import Annotated, Any

import typer

from minnow.cli.console import err, exit_codes, note, out, print_json
from minnow.cli.display import PretrainingDisplay, TrainingDisplay


def train(
    data: Annotated[str | None, typer.Argument(help="A file, a folder of class folders, or a public set.")] = None,
    test: Annotated[str | None, typer.Option("--test", help="Data to measure on; by default the set's own.")] = None,
    folder: Annotated[Path | None, typer.Option("--out", help="The model's folder; by default runs/NAME.")] = None,
    recipe: Annotated[Path | None, typer.Option("--recipe", help="A TOML file; write one with minnow init.")] = None,
    model: Annotated[str | None, typer.Option("--model", help="auto, ngram or text_classifier.")] = None,
    source: Annotated[
        str | None,
        typer.Option("--from", help="A language model's folder: fine-tune it to a classifier, or teach it to answer."),
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
    """Train a text classifier, or teach a language model from conversations, and measure it."""
    with exit_codes():
        from minnow.api import free_folder, resolve_instruction_recipe, resolve_recipe, teaches
        from minnow.bundle import layout
        from minnow.errors import InputError
        from minnow.training.train import train as run

        if resume:
            if folder is None:
                raise InputError("--resume needs --out DIR, the folder of the run to go on with")
            written = folder / layout.RUN / layout.RECIPE
            if layout.is_bundle(folder):
                raise InputError(f"the run in {folder} is finished; there is nothing to resume")
            if not written.is_file():
                raise InputError(f"there is no run to resume in {folder}; start one without --resume")
            if data or test or recipe or model or source or settings or seed is not None:
                note("--resume goes on with the recipe of the run; what else was said is not used")
            if teaches(None, written):
                _teach(resolve_instruction_recipe(written), folder, overwrite, resume, as_json)
                return
            resolved = resolve_recipe(written)
        elif teaches(data, recipe, model, text, label, settings or ()):
            taught = resolve_instruction_recipe(
                recipe, settings or (), data=data, test=test, source=source, lora=lora, seed=seed
            )
            _teach(taught, folder, overwrite, resume, as_json)
            return
        else:
            if lora is not None:
                raise InputError("--lora is for conversations and for minnow pretrain; a classifier learns without it")
            resolved = resolve_recipe(
                recipe,
                settings or (),
                data=data,
                test=test,
                model=model,
                seed=seed,
                text=text,
                label=label,
                source=source,
            )
        target = folder or free_folder(resolved.data.train or "model")
        with TrainingDisplay(err, resolved.training.epochs) as display:
            trained = run(resolved, target, overwrite=overwrite, resume=resume, note=note, show=display)
        if as_json:
            print_json(trained.summary)
        else:
            _print_summary(trained.summary, target)


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
    for name in ("loss", "perplexity"):
        out.print(f"{name + ' of held-out answers':<32}{summary[name]:,.4f}", markup=False)
    out.print(f"{'parameters':<32}{summary['parameters']:,}", markup=False)
    out.print(f"{'conversations':<32}{summary['conversations']:,} in {summary['steps']:,} steps", markup=False)
    out.print(f"{'train seconds':<32}{summary['train_seconds']:.1f}", markup=False)
    out.print(f"{'size':<32}{summary['size_bytes'] / 1e6:.1f} MB", markup=False)
    out.print(f"{'model':<32}{target}", markup=False)
    note(f"next: minnow chat {target}   ·   card: {target}/README.md")


def _print_summary(summary: dict[str, Any], folder: Path) -> None:
    for name in ("accuracy", "f1_macro", "roc_auc", "expected_calibration_error"):
        if name in summary:
            low, high = summary["intervals"].get(name, (None, None))
            spread = "" if low is None else f"  [{low:.4f}, {high:.4f}]"
            out.print(f"{name:<28}{summary[name]:.4f}{spread}", markup=False)
    out.print(f"{'measured on':<28}{summary['measured_on']}", markup=False)
    out.print(f"{'train seconds':<28}{summary['train_seconds']:.1f}", markup=False)
    out.print(f"{'size':<28}{summary['size_bytes'] / 1e6:.1f} MB", markup=False)
    out.print(f"{'model':<28}{folder}", markup=False)
    note(f'next: minnow predict {folder} "a text"   ·   card: {folder}/README.md')
