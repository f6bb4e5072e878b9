"""``minnow predict``: answers for texts, one JSON object a line, in constant memory."""

import itertools
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from minnow.cli.console import exit_codes, note
from minnow.cli.inputs import ModelName, Precision, given, path_in

if TYPE_CHECKING:
    from minnow.data.columns import Roles

ROWS_AT_ONCE = 4096


def predict(
    model: ModelName,
    texts: Annotated[
        list[str] | None, typer.Argument(metavar="TEXT", help="Texts; - reads lines from standard input.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="A file of texts, of any size and format.")
    ] = None,
    text: Annotated[
        str | None, typer.Option("--text", metavar="NAME", help="The column of --file with the text.")
    ] = None,
    scores: Annotated[bool, typer.Option("--scores/--no-scores", help="The probability of every label too.")] = True,
    folder: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write predictions.jsonl here instead.")
    ] = None,
    precision: Precision = "float32",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object with all predictions.")] = False,
) -> None:
    """Answer each text with a label and how sure the model is, one JSON object a line."""
    with exit_codes():
        from minnow.api import load
        from minnow.errors import InputError
        from minnow.files import written_whole

        if (file is None) == (not texts):
            raise InputError("minnow predict takes texts, - for standard input, or --file FILE, one of the three")
        if text is not None and file is None:
            raise InputError("--text names a column of --file FILE; leave it out, or give the file")
        written = path_in(folder, "predictions.jsonl")
        loaded = load(model, precision=precision)
        if loaded.task.name == "translation":
            raise InputError(f"{model} is a model for translation; use minnow translate")
        source = _texts_of(file, text, loaded.columns()) if file is not None else given(texts or [])
        found = _answers(loaded, source, scores)
        lines: Iterable[bytes] = list(found) if as_json else found
        if written is not None:
            with written_whole(written) as stream:
                stream.writelines(lines)
            note(f"wrote {written}")
        if as_json:
            rows = [orjson.loads(line) for line in lines]
            sys.stdout.write(orjson.dumps({"model": model, "predictions": rows}, option=orjson.OPT_INDENT_2).decode())
            sys.stdout.write("\n")
        elif written is None:
            for line in lines:
                sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()


def _answers(model, source: Iterator[str], scores: bool) -> Iterator[bytes]:  # type: ignore[no-untyped-def]
    """One line of JSON for each text."""
    while part := list(itertools.islice(source, ROWS_AT_ONCE)):
        for text, output in zip(part, model.batch(part), strict=True):
            answer = output.to_dict()
            if not scores:
                answer.pop("scores", None)
            asked = "prompt" if "text" in answer else "text"  # a model that writes answers with a text of its own
            yield orjson.dumps({asked: text, **answer}, option=orjson.OPT_APPEND_NEWLINE)


def _texts_of(file: Path, column: str | None, learnt: "Roles | None") -> Iterator[str]:
    """The texts of a file, a bounded number of rows at a time; how it is read is told. Where no column is asked for it
    is the one that the model learnt from, if the file has it."""
    from minnow.data.columns import find_roles
    from minnow.data.table import iterate_rows

    for frame in iterate_rows(file, ROWS_AT_ONCE, note=note):
        if column is None:
            known = learnt.text if learnt is not None and learnt.text in frame.columns else None
            roles = find_roles(frame, known, need_label=False)
            column = roles.text
            if len(frame.columns) > 1:
                note(roles.reasons[0].replace("as asked", "as in training"))
        if column not in frame.columns:
            find_roles(frame, column, need_label=False)
        yield from map(_as_text, frame[column].to_list())


def _as_text(value: object) -> str:
    """A cell as training reads it: nothing is an empty text, a list of words is joined without those missing."""
    if value is None:
        return ""
    if isinstance(value, list):
        return " ".join(str(word) for word in value if word is not None)
    return str(value)
