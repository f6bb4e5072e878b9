"""``minnow chat``: talk with a language model, line by line."""

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from minnow.cli.console import err, exit_codes, note, print_json
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

HELP = "/new begins anew, /exit or Ctrl-D ends"


def chat(
    model: ModelName,
    system: Annotated[
        str | None, typer.Option("--system", metavar="TEXT", help="What the model is told before the conversation.")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", metavar="N", help="The most tokens of one answer; 256.")
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
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", help="The same one gives the same answers.")
    ] = None,
    template: Annotated[
        Path | None, typer.Option("--template", metavar="FILE", help="A chat template instead of the model's.")
    ] = None,
    precision: Precision = "float32",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print all that was said at the end, in the form of chat data.")
    ] = False,
) -> None:
    """Talk with a model; each line of standard input is a message."""
    with exit_codes():
        from minnow.api import load

        loaded = load(model, precision=precision)
        loaded.writer()  # which says so where the model writes no text
        settings: dict[str, Any] = {"max_tokens": max_tokens, "temperature": temperature, "seed": seed}
        settings |= {"top_k": top_k, "top_p": top_p, "min_p": min_p, "repetition_penalty": repetition_penalty}
        settings |= {"frequency_penalty": frequency_penalty, "presence_penalty": presence_penalty}
        written = _template(template)
        _check(settings, written)
        if not written and (loaded.bundle.tokenizer is None or loaded.bundle.tokenizer.chat_template is None):
            note("the model has no chat template: it was taught to write on, not to answer; a plain dialogue is used")
        beginning = [{"role": "system", "content": system}] if system else []
        conversations = [list(beginning)]
        remembered = list(beginning)
        for line in _lines():
            if line == "/new":
                conversations.append(list(beginning))
                remembered = list(beginning)
                continue
            asked = {"role": "user", "content": line}
            said = _answer(loaded, [*remembered, asked], len(beginning), written, settings, not as_json)
            if said is None:
                continue
            text, seen = said
            answer = {"role": "assistant", "content": text}
            remembered = [*seen, answer]
            conversations[-1] += [asked, answer]
        if as_json:
            held = [{"messages": messages} for messages in conversations if len(messages) > len(beginning)]
            print_json({"model": model, "conversations": held})


def _answer(
    loaded: Any, messages: list[dict[str, str]], num_kept: int, template: str, settings: dict[str, Any], show: bool
) -> tuple[str, list[dict[str, str]]] | None:
    """The answer, and the messages that the model still saw: the oldest go where the context is full. None, and why is
    told, where the last one is too long by itself."""
    from minnow.errors import ContextError

    while True:
        pieces: list[str] = []
        try:
            written = loaded.chat(messages, template=template, **settings)
            for piece in written:
                shown = piece if pieces else piece.lstrip()
                pieces += [shown] if shown else []
                if show:
                    sys.stdout.write(shown)
                    sys.stdout.flush()
        except ContextError as error:
            if len(messages) <= num_kept + 1:
                note(f"{error}; this message is left out")
                return None
            note("the conversation is longer than the model's context; its oldest turn is forgotten")
            messages = messages[:num_kept] + messages[num_kept + 2 :]
            continue
        if show:
            sys.stdout.write("\n")
        return "".join(pieces).rstrip(), messages


def _check(settings: dict[str, Any], template: str) -> None:
    """What cannot be is told before the person says anything."""
    from minnow.decoding.chat import check_template
    from minnow.decoding.writing import GenerationSettings

    GenerationSettings.of(**settings)
    if template:
        check_template(template)


def _lines() -> Iterator[str]:
    """What the person says, until the end of the input or /exit; empty lines are nothing said."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    asks = sys.stdin.isatty()
    if asks:
        note(HELP)
    while True:
        if asks:
            err.print("> ", end="")
        line = sys.stdin.readline()
        if not line or line.strip() == "/exit":
            return
        if line.strip():
            yield line.strip()


def _template(path: Path | None) -> str:
    from minnow.errors import DataError

    if path is None:
        return ""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise DataError(f"--template takes a file with a Jinja template, but {path} cannot be read") from error
