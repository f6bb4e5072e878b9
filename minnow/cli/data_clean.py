"""``minnow data clean``: texts with labels, or sentence pairs, without what is no use; the texts' side of it."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from minnow.cli.console import exit_codes, note, print_json
from minnow.cli.data_clean_pairs import clean_pair_files, means_pairs
from minnow.cli.data_cleaned import check_targets, print_counts, write_report
from minnow.cli.display import progress_of
from minnow.cli.inputs import LabelColumn, Languages, SourceLanguage, TargetLanguage, TextColumn


def clean(
    source: Annotated[str, typer.Argument(metavar="DATA", help="A file, a folder or the name of a public set.")],
    target_data: Annotated[
        str | None, typer.Argument(metavar="TARGET", help="The file of translations beside a file of sources.")
    ] = None,
    *,
    out_folder: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where the cleaned file, dropped.jsonl and report.json go.")
    ],
    task: Annotated[
        str | None, typer.Option("--task", metavar="NAME", help="text_classification or translation.")
    ] = None,
    source_language: SourceLanguage = None,
    target_language: TargetLanguage = None,
    languages: Languages = None,
    text: TextColumn = None,
    label: LabelColumn = None,
    max_characters: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="Longer texts are dropped: 100000; of pairs 2000 a side, 0 for off."),
    ] = None,
    language: Annotated[
        str | None, typer.Option(metavar="CODES", help="Texts: keep these languages only, such as en,zh.")
    ] = None,
    near_duplicates: Annotated[
        str | None, typer.Option(metavar="SHARE", help="Texts: similarity from which two count as one, or off; 0.85.")
    ] = None,
    max_length_ratio: Annotated[
        float | None,
        typer.Option(metavar="F", help="Pairs: so many times longer or shorter than usual goes; 3, or 0 for off."),
    ] = None,
    language_confidence: Annotated[
        float | None,
        typer.Option(metavar="P", help="Pairs: so sure that a side is in another language; 0.8, or 0 for off."),
    ] = None,
    keep_copies: Annotated[bool, typer.Option("--keep-copies", help="Pairs: both sides may be the same.")] = False,
    keep_duplicates: Annotated[
        bool, typer.Option("--keep-duplicates", help="Pairs: the same one may stand there several times.")
    ] = False,
    encoding: Annotated[
        str | None, typer.Option(metavar="NAME", help="The file's encoding, where it is not UTF-8.")
    ] = None,
    part: Annotated[str, typer.Option(metavar="NAME", help="The part of a folder or public set.")] = "train",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on standard output and nothing else.")
    ] = False,
) -> None:
    """Repair texts, drop the useless and the repeated ones, or pairs that are no translations; and write down why."""
    with exit_codes():
        direction = (source_language, target_language, languages)
        for_texts = {"--language": language, "--near-duplicates": near_duplicates}
        for_pairs: dict[str, Any] = {
            "--max-length-ratio": max_length_ratio,
            "--language-confidence": language_confidence,
            "--keep-copies": keep_copies or None,
            "--keep-duplicates": keep_duplicates or None,
        }
        if means_pairs(source, target_data, task, direction):
            _refuse(for_texts, "texts", "sentence pairs", "; the languages of pairs are named with --langs")
            asked = {
                "max_characters": max_characters,
                "max_length_ratio": max_length_ratio,
                "language_confidence": language_confidence,
                "copies": not keep_copies,
                "duplicates": not keep_duplicates,
            }
            read = {"part": part, "source_column": text, "target_column": label, "encoding": encoding}
            report = clean_pair_files(source, target_data, out_folder, direction, asked, as_json=as_json, **read)
        else:
            _refuse(for_pairs, "sentence pairs", "texts", "; if these are pairs, add --task translation")
            rules = _rules(language, near_duplicates, max_characters)
            report = _clean_texts(source, out_folder, rules, text, label, part, encoding, as_json)
        if as_json:
            print_json(report)


def _clean_texts(
    source: str,
    out_folder: Path,
    rules: Any,
    text: str | None,
    label: str | None,
    part: str,
    encoding: str | None,
    as_json: bool,
) -> dict[str, Any]:
    """Clean texts with labels into a folder and return the report."""
    from minnow.data.cleaning import clean as clean_table
    from minnow.data.examples import source_roles
    from minnow.data.sources import read_source
    from minnow.data.table import write_table

    read = read_source(source, part, encoding)
    target = out_folder / _file_name(read.path, read.name)
    check_targets([target], [read.path], out_folder)
    rules = replace(rules, keep_line_breaks=not target.name.removesuffix(".gz").endswith((".tsv", ".tab", ".txt")))
    roles = source_roles(read, text, label, need_label=False)
    for line in (*read.notes, *roles.reasons):
        note(line)
    with progress_of("rows") as advance:
        cleaned = clean_table(read.frame, roles, rules, advance)
    write_table(cleaned.frame, target)
    report = write_report(
        out_folder, read.name, read.sha256, cleaned.counts, rules, {"cleaned": target.name}, cleaned.dropped
    )
    if not as_json:
        print_counts(cleaned.counts, "rows")
        note(f"written: {target}, dropped.jsonl and report.json beside it")
    return report


def _rules(language: str | None, near_duplicates: str | None, max_characters: int | None) -> Any:
    from minnow.errors import InputError
    from minnow.text.clean import CleaningRules
    from minnow.text.language import known_code

    if max_characters == 0:
        raise InputError("--max-characters of texts must be 1 or more, but got 0; leave it out for 100000")
    return CleaningRules(
        max_characters=max_characters or CleaningRules.max_characters,
        languages=tuple(known_code(code.strip()) for code in language.split(",")) if language else (),
        near_duplicates=CleaningRules.near_duplicates if near_duplicates is None else _similarity(near_duplicates),
    )


def _refuse(options: dict[str, Any], theirs: str, these: str, hint: str) -> None:
    """InputError where an option was given that means nothing for the kind of data at hand."""
    from minnow.errors import InputError

    given = [name for name, value in options.items() if value is not None]
    if given:
        verb = "is" if len(given) == 1 else "are"
        raise InputError(f"{' and '.join(given)} {verb} for {theirs}, but this cleans {these}{hint}")


def _similarity(asked: str) -> float | None:
    from minnow.errors import InputError

    if asked.lower() in ("off", "none", "no"):
        return None
    try:
        value = float(asked)
    except ValueError:
        value = -1.0
    if not 0 < value <= 1:
        raise InputError(f"--near-duplicates must be a number between 0 and 1, or off, but got {asked!r}; try 0.85")
    return value


def _file_name(path: Path, name: str) -> str:
    """The cleaned file keeps the name and the format of the input; folders and public sets become jsonl."""
    from minnow.data.folders import is_table_name

    if path.is_file() and name == path.name:
        return path.name if is_table_name(path) else f"{path.name}.txt"
    return name.replace("/", "-") + ".jsonl"
