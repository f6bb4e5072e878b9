"""``minnow data clean`` of sentence pairs: those that are translations, in files that ``minnow train`` reads again."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from minnow.cli.console import note
from minnow.cli.data_cleaned import check_targets, print_counts, write_report
from minnow.cli.display import progress_of

Asked = tuple[str | None, str | None, str | None]  # of --source, --target and --langs
# How to keep what a filter would leave out.
_WAYS = {
    "copy": "--keep-copies",
    "too_long": "--max-characters 0",
    "length_ratio": "--max-length-ratio 0",
    "language": "--language-confidence 0",
    "duplicate": "--keep-duplicates",
}


def means_pairs(source: str, target_data: str | None, task: str | None, asked: Asked) -> bool:
    """Whether to clean pairs: the caller says so, or a public set or files of which line i belongs to line i do.

    Raises:
        InputError: an unknown task, or one of texts with two files or languages.
    """
    from minnow.data import catalog
    from minnow.data.pairs import are_parallel
    from minnow.errors import InputError, UnknownNameError

    known_tasks = ("text_classification", "translation")
    if task is not None and task not in known_tasks:
        raise UnknownNameError("task", task, known_tasks)
    told = target_data is not None or any(code is not None for code in asked)
    if task == "text_classification" and told:
        raise InputError("two files and languages are for translation; say --task translation, or leave them out")
    if task is not None or told:
        return task != "text_classification"
    if are_parallel(source):
        return True
    return not Path(source).exists() and catalog.is_known(source) and bool(catalog.find(source).languages)


def clean_pair_files(
    source: str,
    target_data: str | None,
    out_folder: Path,
    asked: Asked,
    settings: Mapping[str, Any],
    *,
    as_json: bool,
    **reading: Any,
) -> dict[str, Any]:
    """Clean pairs into a folder and return the report.

    Args:
        settings: of ``PairCleaningSettings``; None where nothing was said.
        reading: what else ``read_pairs`` takes.

    Raises:
        InputError: the pairs cannot be read or judged as asked, or none is left; nothing is written then.
    """
    from minnow.data.pair_cleaning import PairCleaningSettings, judge_pairs, nothing_left
    from minnow.data.pairs import pairs_from, read_pairs

    rules = PairCleaningSettings(**{key: value for key, value in settings.items() if value is not None})
    read, sides = read_pairs(source, target_data, languages=_two_languages(asked), **reading)
    languages = tuple(sides.columns)
    targets = [out_folder / name for name in _file_names(read, languages)]
    check_targets(targets, [*read.files.values(), read.path], out_folder)
    pairs = pairs_from(read, sides, keep_empty=True)
    for line in (*pairs.notes, *_unjudged(languages, rules)):
        note(line)
    with progress_of("pairs") as advance:
        judged = judge_pairs(pairs, rules, advance)
    if not judged.counts["kept"]:
        raise nothing_left(pairs.name, judged.counts, _WAYS)
    _write(read.frame, languages if read.languages else (), judged.kept, targets)
    names = [path.name for path in targets]
    report = write_report(
        out_folder,
        pairs.name,
        pairs.sha256,
        judged.counts,
        rules,
        {"cleaned": names},
        judged.dropped(pairs),
        languages=list(languages),
        licence=pairs.licence,
    )
    if not as_json:
        print_counts(judged.counts, "pairs")
        note(f"written: {' and '.join(map(str, targets))}, dropped.jsonl and report.json beside")
        note(f"next: {_training(targets, languages, reading)}")
    return report


def _two_languages(asked: Asked) -> tuple[str, ...]:
    """Those asked for, or none."""
    if not any(code is not None for code in asked):
        return ()
    from minnow.api.languages import languages_asked
    from minnow.errors import InputError

    languages = languages_asked(*asked)
    if len(languages) > 2:
        raise InputError(
            f"pairs are cleaned of two languages at a time, but got {len(languages)}: {', '.join(languages)}; clean "
            f"each two into a folder of their own, such as --langs {','.join(languages[:2])}"
        )
    return languages


def _file_names(read: Any, languages: Sequence[str]) -> list[str]:
    """A table keeps its name and format, files of a language each their names; a public set becomes NAME.en, NAME.de.

    Two files of one name are called after their languages.
    """
    from minnow.data.folders import is_table_name

    if not read.languages:
        return [read.path.name if is_table_name(read.path) else f"{read.path.name}.txt"]
    names = [path.name for path in read.files.values()]
    if len(set(names)) == len(languages):
        return names
    stem = read.path.stem if read.files else read.name.replace("/", "-")
    return [f"{stem}.{language}" for language in languages]


def _write(frame: Any, languages: Sequence[str], kept: Any, targets: Sequence[Path]) -> None:
    """The rows kept: of a table in its one file, with all its columns; else in a file a language."""
    from polars import Series

    from minnow.data.parallel import write_parallel
    from minnow.data.table import write_table

    left = frame.filter(Series(kept))
    if not languages:
        write_table(left, targets[0])
        return
    write_parallel({path: left[language].to_list() for path, language in zip(targets, languages, strict=True)})


def _unjudged(languages: Sequence[str], rules: Any) -> list[str]:
    from minnow.data.pair_cleaning import unjudged

    strange = unjudged(languages) if rules.language_confidence else []
    if not strange:
        return []
    return [
        f"{' and '.join(map(repr, strange))}: whether a side is in another language is not judged, for the detector "
        "knows languages by codes such as en,de (--langs)"
    ]


def _training(targets: Sequence[Path], languages: Sequence[str], reading: Mapping[str, Any]) -> str:
    """The command that learns from what was written."""
    from minnow.data.columns import SIDES

    words = ["minnow train", *map(str, targets), "--task translation"]
    if tuple(languages) != SIDES:
        words.append(f"--langs {','.join(languages)}")
    if reading["source_column"] is not None:
        words.append(f"--text {reading['source_column']} --label {reading['target_column']}")
    return " ".join(words)
