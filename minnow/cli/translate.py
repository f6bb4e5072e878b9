"""``minnow translate``: texts, a file line by line, or standard input into another language."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from minnow.cli.console import exit_codes, note, print_json
from minnow.cli.display import progress_of
from minnow.cli.inputs import given

if TYPE_CHECKING:
    from minnow.api import Model

ROWS_AT_ONCE = 4096


def translate(
    model: Annotated[str, typer.Argument(help="The folder of a model that translates.")],
    texts: Annotated[list[str] | None, typer.Argument(help="Texts; - reads lines from standard input.")] = None,
    file: Annotated[Path | None, typer.Option("--file", help="A text file, translated line by line.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="The language, where the model writes several.")] = None,
    beam: Annotated[int, typer.Option("--beam", help="How many translations are followed at once.")] = 4,
    n_best: Annotated[int, typer.Option("--n-best", help="How many translations of each text, best first.")] = 1,
    length_penalty: Annotated[
        float, typer.Option("--length-penalty", help="Of a length in tokens to this power; 0 prefers short texts.")
    ] = 1.0,
    glossary: Annotated[
        Path | None, typer.Option("--glossary", help="Terms and translations that must be written, a tab between.")
    ] = None,
    keep: Annotated[
        str | None, typer.Option("--keep", help="What stays as it is: numbers, codes, or both with a comma between.")
    ] = None,
    attention: Annotated[
        Path | None, typer.Option("--attention", help="A picture (png or svg) of what each word looked at; one text.")
    ] = None,
    folder: Annotated[Path | None, typer.Option("--out", help="Write translations.txt here instead.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object with all translations.")] = False,
) -> None:
    """Translate texts, one line each."""
    with exit_codes():
        from minnow.api import load
        from minnow.data.glossary import read_glossary
        from minnow.data.table import read_lines
        from minnow.errors import InputError
        from minnow.files import written_whole

        if (file is None) == (not texts):
            raise InputError("minnow translate takes texts, - for standard input, or --file FILE, one of the three")
        loaded = load(model)
        wide = max(beam, n_best) if beam > 0 else beam  # which is refused
        settings: dict[str, Any] = {"beam": wide, "n_best": n_best, "length_penalty": length_penalty}
        settings["glossary"] = read_glossary(glossary) if glossary is not None else None
        settings["keep"] = [kind.strip() for kind in (keep or "").split(",") if kind.strip()]
        if attention is not None:
            if file is not None or texts is None or len(texts) != 1 or texts == ["-"]:
                raise InputError("--attention draws the picture of one text; give one")
            note(f"wrote {_draw(loaded, texts[0], to, attention)}")
        sources = iter(read_lines(file)) if file is not None else given(texts or [])
        answers = _answers(loaded, sources, to, settings)
        if as_json:
            print_json({"model": model, "translations": [_row(source, best) for source, best in answers]})
        elif folder is not None:
            with written_whole(folder / "translations.txt") as stream:
                for _, best in answers:
                    stream.write(_shown(best).encode())
        else:
            for _, best in answers:
                sys.stdout.buffer.write(_shown(best).encode())
                sys.stdout.buffer.flush()


def _answers(model: "Model", sources: Iterator[str], to: str | None, settings: dict[str, Any]) -> Iterator[Any]:
    """Each source with its translations, best first, in constant memory."""
    from itertools import islice

    done = 0
    with progress_of("lines") as advance:
        while part := list(islice(sources, ROWS_AT_ONCE)):
            for source, best in zip(part, model.translate(part, to=to, **settings), strict=True):
                yield source, best if isinstance(best, list) else [best]
            done += len(part)
            advance("translating", done, 0)


def _row(source: str, best: list[Any]) -> dict[str, Any]:
    more = {"n_best": [one.to_dict() for one in best]} if len(best) > 1 else {}
    return {"source": source, **best[0].to_dict(), **more}


def _shown(best: list[Any]) -> str:
    """One line; of several translations one line each, with the score in front."""
    if len(best) == 1:
        return f"{best[0].text}".replace("\n", " ") + "\n"
    lines: list[str] = [f"{one.log_probability:.4f}\t{one.text}".replace("\n", " ") for one in best]
    return "\n".join(lines) + "\n\n"


def _draw(model: "Model", text: str, to: str | None, path: Path) -> Path:
    from minnow.evaluation.plots import attention_picture, save

    found = model.attention(text, to=to)
    picture = attention_picture(found.source_tokens, found.target_tokens, found.weights_TS)
    return save(picture, path.with_suffix(""))[0]
