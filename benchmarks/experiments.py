"""Experiments that take long: what was asked, what was reached, and one page for all that are finished.

Models are kept in ``--work``: one that is finished there is not trained again, only read. Finished experiments stand in
a ``.jsonl`` beside the page; ``--only NAME`` takes some.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from record import HERE, Cells, circumstances, journal, stamp, table, tell, write

RECIPES = HERE.parent / "recipes"

Row = dict[str, Any]


@dataclass(frozen=True)
class Experiment:
    """What is asked, and the function that takes a work folder and answers with what was reached.

    The answer has ``reached`` in words, ``seconds``, and whatever ``Series.details`` reads.
    """

    asked: str
    run: Callable[[Path], Row]


@dataclass(frozen=True)
class Series:
    """Experiments that stand on one page.

    Attributes:
        name: of the page and of its data.
        explained: below the table.
        details: the lines below an experiment's own heading.
        columns: of an answer, by their headings, behind those that every series has.
    """

    name: str
    title: str
    experiments: Mapping[str, Experiment]
    explained: str
    details: Callable[[Row], Sequence[str]]
    columns: Mapping[str, Callable[[Row], str]] = field(default_factory=dict)


def parser_of(series: Series, description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--only", nargs="+", choices=series.experiments, help="experiments to run")
    parser.add_argument("--work", type=Path, required=True, help="folder for the models")
    parser.add_argument("--out", type=Path, default=HERE, help=f"folder for {series.name}.md and .jsonl")
    return parser


def answer(series: Series, given: argparse.Namespace, setting: Mapping[str, Any] | None = None) -> None:
    """Run what is asked for and not finished, and write the page.

    Args:
        setting: what else decides the answers, so that those to another one do not count as finished.
    """
    given.work.mkdir(parents=True, exist_ok=True)
    cells = Cells(given.out / f"{series.name}.jsonl")
    keys = {name: {"experiment": name, "seed": 0, **(setting or {})} for name in series.experiments}
    for name in given.only or series.experiments:

        def run(name: str = name) -> Row:
            began, stamped = time.time(), stamp(0)
            found = series.experiments[name].run(given.work)
            return {**found, "stamp": stamped, "script_seconds": time.time() - began}

        cells.take(keys[name], run)
    found = {name: cell for name, key in keys.items() if (cell := cells.get(key))}
    write(given.out / f"{series.name}.md", page(series, found))


def page(series: Series, found: dict[str, Row]) -> list[str]:
    """The results as Markdown."""
    if not found:
        return [f"# {series.title}", "", "Nothing has been measured."]
    rows = [
        [
            name,
            series.experiments[name].asked,
            cell["reached"],
            f"{cell['seconds'] / 60:.1f}",
            *(column(cell) for column in series.columns.values()),
            circumstances(cell["stamp"]),
        ]
        for name, cell in found.items()
    ]
    lines = [
        f"# {series.title}",
        "",
        *table(("", "asked", "reached", "minutes", *series.columns, "measured"), rows),
        "",
        *series.explained.splitlines(),
    ]
    for name, cell in found.items():
        lines += ["", f"## {name}", "", *series.details(cell)]
    return lines


# Steps


def trained(folder: Path, *command: str) -> Path:
    """The folder of a model: what ``command`` makes, unless it stands there finished."""
    if not (folder / "minnow.json").is_file():
        minnow(*command, "--out", str(folder), "--overwrite", "--json")
    return folder


def told(model: Path) -> Row:
    """What a finished model says of its training: seconds, settings, the curve of its validation loss."""
    made = json.loads((model / "minnow.json").read_text(encoding="utf-8"))["provenance"]
    curve = [(round(row["seconds"]), row["validation_loss"]) for row in journal(model) if "validation_loss" in row]
    return {
        "seconds": made["train_seconds"],
        "steps": made.get("steps"),
        "tokens": made.get("tokens_seen"),
        "machine": made["machine"],
        "recipe": (model / "recipe.toml").read_text(encoding="utf-8").replace(f"{model.parent}/", ""),
        "curve": curve,
    }


def minnow(*words: str) -> str:
    """Standard output of a command; its progress goes to whoever watches."""
    tell("minnow " + " ".join(words))
    command = [sys.executable, "-c", "from minnow.cli.main import main; main()", *words]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def by_minute(curve: Sequence[tuple[float, float]], digits: int = 3) -> str:
    """Points of a curve over seconds, in words."""
    return ", ".join(f"{seconds / 60:.1f}: {value:.{digits}f}" for seconds, value in curve)
