"""``minnow generate``: a language model writes on from a prompt."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from minnow.cli.console import exit_codes, note, print_json
from minnow.cli.inputs import (
    FrequencyPenalty,
    MinP,
    ModelName,
    Precision,
    PresencePenalty,
    RepetitionPenalty,
    TopK,
    TopP,
)


def generate(
    model: ModelName,
    prompt: Annotated[
        str, typer.Argument(metavar="PROMPT", help="The beginning of the text; - reads standard input.")
    ] = "",
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", metavar="N", help="The most tokens to write; 256.")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option("--temperature", metavar="F", help="0 takes the likeliest token always; 0.8.")
    ] = None,
    top_k: TopK = None,
    top_p: TopP = None,
    min_p: MinP = None,
    repetition_penalty: RepetitionPenalty = None,
    frequency_penalty: FrequencyPenalty = None,
    presence_penalty: PresencePenalty = None,
    beam: Annotated[
        int | None, typer.Option("--beam", metavar="N", help="Follow this many texts at once, without chance.")
    ] = None,
    length_penalty: Annotated[
        float | None, typer.Option("--length-penalty", metavar="F", help="Of the beam: 0 prefers short texts; 1.")
    ] = None,
    stop: Annotated[
        list[str] | None, typer.Option("--stop", metavar="TEXT", help="A string that ends the text; again for more.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", help="The same one gives the same text.")] = None,
    num_samples: Annotated[int | None, typer.Option("--num-samples", metavar="N", help="How many texts.")] = None,
    schema: Annotated[
        str | None, typer.Option("--schema", metavar="JSON", help="A JSON schema, or a file that holds one.")
    ] = None,
    regex: Annotated[
        str | None, typer.Option("--regex", metavar="TEXT", help="What the whole text must match.")
    ] = None,
    choice: Annotated[
        list[str] | None, typer.Option("--choice", metavar="TEXT", help="The text is one of these; give several.")
    ] = None,
    truncate: Annotated[
        bool, typer.Option("--truncate", help="Cut the beginning of a prompt that is too long.")
    ] = False,
    ignore_end: Annotated[bool, typer.Option("--ignore-end", help="Write on where the model would end.")] = False,
    logprobs: Annotated[bool, typer.Option("--logprobs", help="Each token with its log-probability.")] = False,
    precision: Precision = "float32",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Write on from a prompt; the text appears as it is written."""
    with exit_codes():
        from minnow.api import load
        from minnow.text.portions import without_surrogates

        settings: dict[str, Any] = {
            "max_tokens": max_tokens,
            "temperature": temperature,
            "top_k": top_k,
            "top_p": top_p,
            "min_p": min_p,
            "repetition_penalty": repetition_penalty,
            "frequency_penalty": frequency_penalty,
            "presence_penalty": presence_penalty,
            "beam": beam,
            "length_penalty": length_penalty,
            "stop": stop or None,
            "num_samples": num_samples,
            "schema": _schema(schema),
            "regex": regex,
            "choices": choice or None,
            "truncate": truncate,
            "ignore_end": ignore_end,
        }
        given = _standard_input() if prompt == "-" else without_surrogates(prompt)
        written = load(model, precision=precision).generate(given, seed=seed, **settings)
        if as_json:
            print_json(_as_json(written, model, given, logprobs))
        elif logprobs:
            _print_log_probabilities(written)
        elif (num_samples or 1) > 1:
            _print_samples(written)
        else:
            _print_as_written(written)


def _standard_input() -> str:
    """All of it but the end of its last line, which is the shell's and not the prompt's."""
    from minnow.data.streams import STANDARD_INPUT, blocks, decode

    text = "".join(decode(STANDARD_INPUT, block) for block in blocks(STANDARD_INPUT, every_line=True))
    return text.removesuffix("\n").removesuffix("\r")


def _schema(given: str | None) -> str | None:
    """The schema itself; what does not begin like JSON is the name of a file."""
    from minnow.errors import DataError

    if given is None or given.lstrip().startswith("{"):
        return given
    try:
        return Path(given).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise DataError(f"--schema takes a JSON schema or a file with one, but {given!r} cannot be read") from error


def _as_json(written: Any, model: str, prompt: str, logprobs: bool) -> dict[str, Any]:
    samples = []
    for sample in written.samples:
        row = sample.to_dict()
        if logprobs:
            row["logprobs"] = [{"token": token, "logprob": found} for token, found in sample.log_probabilities]
        samples.append(row)
    about = {"model": model, "prompt": prompt, "seed": written.seed, **samples[0]}
    return about if len(samples) == 1 else {**about, "samples": samples}


def _print_as_written(written: Any) -> None:
    for piece in written:
        sys.stdout.write(piece)
        sys.stdout.flush()
    sys.stdout.write("\n")


def _print_samples(written: Any) -> None:
    for number, sample in enumerate(written.samples, start=1):
        note(f"{number}: {sample.tokens} tokens, {sample.finish_reason}, {sample.log_probability:.2f} nats")
        sys.stdout.write(f"{sample.text}\n")
        sys.stdout.flush()


def _print_log_probabilities(written: Any) -> None:
    for sample in written.samples:
        for token, found in sample.log_probabilities:
            sys.stdout.write(f"{found:9.4f}  {token!r}\n")
        note(f"{sample.tokens} tokens, {sample.log_probability:.2f} nats, {sample.finish_reason}")
