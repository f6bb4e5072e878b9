"""``minnow pretrain``: from raw text to a language model."""

from pathlib import Path
from typing import Annotated, Any

import typer

from minnow.cli.console import err, exit_codes, note, out, print_json
from minnow.cli.display import PretrainingDisplay


def pretrain(
    corpus: Annotated[
        str | None, typer.Argument(metavar="CORPUS", help="A text file, a folder, a table, or a public set.")
    ] = None,
    validation: Annotated[
        str | None, typer.Option("--validation", metavar="FILE", help="Text to measure on, or the share to hold out.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="The model's folder; by default runs/NAME.")
    ] = None,
    recipe: Annotated[Path | None, typer.Option("--recipe", metavar="FILE", help="A TOML file.")] = None,
    model: Annotated[str | None, typer.Option("--model", metavar="NAME", help="llama, gpt2, rnn_lm or bert.")] = None,
    size: Annotated[
        str | None, typer.Option("--size", metavar="N", help="Parameters: 1M, 5M, 15M, 50M, 135M, 360M …")
    ] = None,
    budget: Annotated[
        str | None, typer.Option("--budget", metavar="TIME", help="Wall time of the run: 90s, 20m, 1.5h.")
    ] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option("--tokenizer", metavar="KIND", help="bpe, character, unigram, word, whitespace or wordpiece."),
    ] = None,
    vocab_size: Annotated[
        int | None, typer.Option("--vocab-size", metavar="N", help="Entries of the vocabulary.")
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="MODEL", help="A model to go on from: its folder, or team/name@v2.")
    ] = None,
    lora: Annotated[
        int | None,
        typer.Option(
            "--lora", metavar="RANK", help="With --from: train a low-rank adapter of this rank beside the model."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A recipe key: --set training.steps=300; may be given again."),
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", help="Of everything random.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that was cut off in --out.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what stands in --out.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Train a language model on raw text and measure it."""
    with exit_codes():
        from minnow.api import free_folder, pretraining_asked
        from minnow.training.pretrain import pretrain as run

        resolved = pretraining_asked(
            folder,
            settings or (),
            resume=resume,
            note=note,
            recipe=recipe,
            corpus=corpus,
            validation=validation,
            model=model,
            size=size,
            start=start,
            lora=lora,
            tokenizer=tokenizer,
            vocab_size=vocab_size,
            budget=budget,
            seed=seed,
        )
        target = folder or free_folder(resolved.data.train or "model")
        with PretrainingDisplay(err) as display:
            trained = run(resolved, target, overwrite=overwrite, resume=resume, note=note, show=display)
        if trained is None:  # a process of torchrun that does not lead
            return
        if as_json:
            print_json(trained.summary)
        else:
            _print_summary(trained.summary, target, trained.bundle.task["name"] == "fill_mask")


def _print_summary(summary: dict[str, Any], folder: Path, fills: bool) -> None:
    """``fills``: the model fills gaps in a text, instead of writing on."""
    from minnow.evaluation.tables import as_score

    for name in ("loss", "perplexity", "word_perplexity", "bits_per_byte"):
        if name in summary:
            out.print(f"{'validation ' + name.replace('_', ' '):<28}{as_score(summary[name])}")
    if summary["validation_tokens"] < 0.98 * summary["held_out_tokens"]:
        part = f"{summary['validation_tokens']:,} of {summary['held_out_tokens']:,} tokens, from all over the text"
        out.print(f"{'measured on':<28}{part}")
    out.print(f"{'parameters':<28}{summary['parameters']:,}")
    out.print(f"{'tokens read':<28}{summary['tokens']:,} in {summary['steps']:,} steps")
    out.print(f"{'train seconds':<28}{summary['train_seconds']:.1f}")
    out.print(f"{'model':<28}{folder}")
    if fills:
        note(f'next: minnow predict {folder} "a text with [MASK] in it"   ·   card: {folder}/README.md')
    else:
        note(f'next: minnow generate {folder} "a beginning"   ·   card: {folder}/README.md')
