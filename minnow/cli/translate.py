"""``minnow translate``: texts, a file line by line, or standard input into another language."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from minnow.cli.console import exit_codes, note, print_json
from minnow.cli.display import progress_of
from minnow.cli.inputs import ModelName, SearchPrecision, Temperature, TopK, given, path_in

if TYPE_CHECKING:
    from minnow.api import Model
    from minnow.explain.attention import AttentionMap
    from minnow.tasks.signature import Text

ROWS_AT_ONCE = 4096
Answer = tuple[str, list["Text"], "AttentionMap | None"]


def translate(
    model: ModelName,
    texts: Annotated[
        list[str] | None, typer.Argument(metavar="TEXT", help="Texts; - reads lines from standard input.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="A text file, translated line by line.")
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="LANGUAGE", help="The language, where the model writes several.")
    ] = None,
    beam: Annotated[
        int | None,
        typer.Option("--beam", metavar="N", help="How many translations are followed at once; 4 by default."),
    ] = None,
    n_best: Annotated[
        int, typer.Option("--n-best", metavar="N", help="How many translations of each text, best first.")
    ] = 1,
    length_penalty: Annotated[
        float,
        typer.Option(
            "--length-penalty", metavar="F", help="Of a length in tokens to this power; 0 prefers short texts."
        ),
    ] = 1.0,
    max_ratio: Annotated[
        float | None,
        typer.Option("--max-ratio", metavar="F", help="The most tokens of a translation for one of its source; 2."),
    ] = None,
    max_extra: Annotated[
        int | None,
        typer.Option("--max-extra", metavar="N", help="Tokens that a translation may have beside those; 10."),
    ] = None,
    sample: Annotated[bool, typer.Option("--sample", help="Draw the translations instead.")] = False,
    temperature: Temperature = None,
    top_k: TopK = None,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", help="Of the draw; the same one gives the same text.")
    ] = None,
    glossary: Annotated[
        Path | None,
        typer.Option("--glossary", metavar="FILE", help="Terms and translations that must be written, a tab between."),
    ] = None,
    keep: Annotated[
        str | None,
        typer.Option(
            "--keep", metavar="KINDS", help="What stays as it is: numbers, codes, names, with commas between."
        ),
    ] = None,
    attention: Annotated[
        Path | None,
        typer.Option(
            "--attention", metavar="FILE", help="A picture (png or svg) of what each word looked at; one text."
        ),
    ] = None,
    alignment: Annotated[
        bool, typer.Option("--alignment", help="Below each translation the words that belong together, a pair a line.")
    ] = False,
    folder: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write translations.txt here instead.")
    ] = None,
    precision: SearchPrecision = "float32",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object with all translations.")] = False,
) -> None:
    """Translate texts, one line each."""
    with exit_codes():
        from minnow.api import load
        from minnow.data.glossary import read_glossary
        from minnow.data.table import iterate_lines
        from minnow.decoding.translating import TranslationSettings
        from minnow.errors import InputError
        from minnow.files import written_whole

        if (file is None) == (not texts):
            raise InputError("minnow translate takes texts, - for standard input, or --file FILE, one of the three")
        if alignment and n_best > 1:
            raise InputError("--alignment is of the best translation alone; leave --n-best out")
        if attention is not None:
            _check_picture(attention, file, texts)
        written = path_in(folder, "translations.txt")
        width = beam if sample else _wide(beam, n_best)
        settings: dict[str, Any] = {"beam": width, "n_best": n_best, "length_penalty": length_penalty}
        settings |= {"max_ratio": max_ratio, "max_extra": max_extra, "sample": sample}
        settings |= {"temperature": temperature, "top_k": top_k, "seed": seed}
        TranslationSettings.of(**settings)  # what cannot be is told before the model is read
        loaded = load(model, precision=precision)
        settings["glossary"] = read_glossary(glossary) if glossary is not None else None
        settings["keep"] = [kind.strip() for kind in (keep or "").split(",") if kind.strip()]
        sources = iterate_lines(file) if file is not None else given(texts or [])
        found = _answers(loaded, sources, to, settings, alignment or attention is not None)
        if attention is not None:
            found = _drawn(found, attention)
        answers: Iterable[Answer] = list(found) if as_json else found
        if written is not None:
            with written_whole(written) as stream:
                for _, best, looked in answers:
                    stream.write(_shown(best, looked, alignment, n_best > 1).encode())
            note(f"wrote {written}")
        if as_json:
            named = (*(["alignment"] if alignment else []), *(["weights_TS"] if attention is not None else []))
            print_json({"model": model, "translations": [_row(*answer, named, n_best > 1) for answer in answers]})
        elif written is None:
            for _, best, looked in answers:
                sys.stdout.buffer.write(_shown(best, looked, alignment, n_best > 1).encode())
                sys.stdout.buffer.flush()


def _wide(beam: int | None, n_best: int) -> int:
    """Beams enough for the translations that are asked for; what cannot be stays as it is, to be refused."""
    from minnow.decoding.batched import MOST_BEAMS
    from minnow.decoding.translating import TranslationSettings
    from minnow.errors import InputError

    if n_best > MOST_BEAMS:
        raise InputError(f"--n-best must lie between 1 and {MOST_BEAMS}, but got {n_best}")
    usual = TranslationSettings.beam
    return max(usual if beam is None else beam, n_best) if beam is None or beam > 0 else beam


def _check_picture(path: Path, file: Path | None, texts: list[str] | None) -> None:
    from minnow.errors import InputError
    from minnow.evaluation.plots import picture_path

    if file is not None or texts is None or len(texts) != 1 or texts == ["-"]:
        raise InputError("--attention draws the picture of one text; give one")
    if not texts[0].strip():
        raise InputError("there is nothing to look at in an empty text; give some words")
    picture_path(path)


def _answers(
    model: "Model", sources: Iterator[str], to: str | None, settings: dict[str, Any], looks: bool
) -> Iterator[Answer]:
    """Each source with its translations, best first, and what the words of the best looked at; in constant memory."""
    done = 0
    with progress_of("lines") as advance:
        while part := list(islice(sources, ROWS_AT_ONCE)):
            for source, found in zip(part, model.translate(part, to=to, first=done, **settings), strict=True):
                best = found if isinstance(found, list) else [found]
                looked = model.attention(source, to=to, target=best[0].text) if looks and source.strip() else None
                yield source, best, looked
            done += len(part)
            advance("translating", done, 0)


def _row(
    source: str, best: list["Text"], looked: "AttentionMap | None", named: Sequence[str], ranked: bool
) -> dict[str, Any]:
    more: dict[str, Any] = {"n_best": [one.to_dict() for one in best]} if ranked else {}
    if named:
        told = looked.to_dict() if looked is not None else {}
        more |= {name: told.get(name, []) for name in ("source_tokens", "target_tokens", *named)}
    return {"source": source, **best[0].to_dict(), **more}


def _shown(best: list["Text"], looked: "AttentionMap | None", alignment: bool, ranked: bool) -> str:
    """One line, and the pairs of words below it; where they are ranked a line each, with the score in front."""
    if alignment:
        pairs = looked.aligned_words if looked is not None else []
        return "".join([_line(best[0].text), *(f"{word}\t{written}\n" for word, written in pairs), "\n"])
    if not ranked:
        return _line(best[0].text)
    return "".join(_line(f"{one.score or 0:.4f}\t{one.text}") for one in best) + "\n"


def _line(text: str) -> str:
    return text.replace("\n", " ") + "\n"


def _drawn(answers: Iterator[Answer], path: Path) -> Iterator[Answer]:
    """The answers, and a picture of each, of which there is one."""
    from minnow.evaluation.fonts import missing_glyphs

    for source, best, looked in answers:
        if looked is not None:
            note(f"wrote {looked.save(path)}")
            if warning := missing_glyphs((looked.source, looked.target)):
                note(warning)
        yield source, best, looked
