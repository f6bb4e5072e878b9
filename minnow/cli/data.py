"""``minnow data``: list, get and show data sets; ``data_clean.py`` cleans them."""

from pathlib import Path
from typing import Annotated, Any

import typer

from minnow.cli import data_clean
from minnow.cli.console import exit_codes, note, out, print_json
from minnow.cli.display import progress_of

app = typer.Typer(no_args_is_help=True, help="Public and own data: list, get, show, clean.")
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output and nothing else.")]
Text = Annotated[str | None, typer.Option("--text", metavar="NAME", help="The column with the text.")]
Label = Annotated[str | None, typer.Option("--label", metavar="NAME", help="The column with the label.")]


@app.command("list")
def list_sets(as_json: Json = False) -> None:
    """The public data sets that Minnow knows, and which of them are on this machine."""
    from rich.table import Table

    from minnow.data.catalog import entries, present

    with exit_codes():
        rows = [_listed(entry, present(entry)) for entry in entries()]
        if as_json:
            print_json({"sets": rows})
            return
        table = Table("name", "task", "language", "rows", "here", "licence", box=None)
        for row in rows:
            sizes = " + ".join(f"{size:,}" for size in row["rows"].values() if size)
            table.add_row(
                row["name"], row["task"], row["language"], sizes, ", ".join(row["here"]) or "-", row["licence"]
            )
        out.print(table)
        note("fetch one with: minnow data get NAME")


@app.command("get")
def get_set(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name of `minnow data list`.")],
    part: Annotated[
        list[str] | None, typer.Option("--part", metavar="NAME", help="Only this part; may be given again.")
    ] = None,
    out_folder: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="The data folder; MINNOW_DATA, else ~/.cache/minnow/data."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Download a public data set and check its hash."""
    from minnow.data.catalog import data_folders, download_folder, find
    from minnow.data.download import get

    with exit_codes():
        entry = find(name)
        if entry.research_only:
            note(f"licence: {entry.licence}; for research, do not pass its text on")
        folder = out_folder or download_folder()
        with progress_of("bytes") as advance:
            paths = get(entry, folder, tuple(part or ()), () if out_folder else data_folders(), advance)
        if as_json:
            print_json({"name": entry.name, "files": {name: str(path) for name, path in paths.items()}})
            return
        for name_of_part, path in paths.items():
            out.print(f"{name_of_part}: {path}")
        note(f"look at it with: minnow data show {entry.name}")


@app.command("show")
def show(
    source: Annotated[str, typer.Argument(metavar="DATA", help="A file, a folder or the name of a public set.")],
    text: Text = None,
    label: Label = None,
    as_json: Json = False,
) -> None:
    """What is in a data set: rows, roles, labels, lengths, languages, duplicates, leakage between parts."""
    from minnow.data.summary import summarise

    with exit_codes():
        about = summarise(source, text, label)
        if as_json:
            print_json(about)
        else:
            _print_summary(about)


app.command("clean")(data_clean.clean)


def _listed(entry: Any, here: tuple[str, ...]) -> dict[str, Any]:
    return {
        "name": entry.name,
        "title": entry.title,
        "task": entry.task,
        "language": entry.language,
        "licence": entry.licence,
        "research_only": entry.research_only,
        "rows": {part: file.rows for part, file in entry.parts.items()},
        "here": list(here),
        "homepage": entry.homepage,
    }


def _print_summary(about: dict[str, Any]) -> None:
    for key in ("title", "task", "language", "licence", "homepage", "citation"):
        if key in about:
            out.print(f"{key}: {about[key]}")
    if about.get("research_only"):
        out.print("for research only: do not pass its text on")
    for url in about.get("urls", ()):
        out.print(f"source: {url}")
    for part, state in about.get("sha256", {}).items():
        out.print(f"sha256 of {part}: {state}")
    for part, description in about["parts"].items():
        _print_part(part, description)
    for part, leak in about.get("leakage", {}).items():
        out.print(f"leakage: {leak['count']:,} texts of {part} ({leak['share']:.2%}) stand in train too")


def _print_part(part: str, about: dict[str, Any]) -> None:
    from rich.table import Table

    characters, roles = about["characters"], about["roles"]
    table = Table(part, f"{about['rows']:,} rows", box=None)
    table.add_row("columns", ", ".join(f"{name} ({kind})" for name, kind in about["columns"].items()))
    table.add_row("roles", f"text: {roles['text']}, label: {roles['label'] or '-'}")
    labels = [f"{name} {count:,}" for name, count in about["labels"].items()]
    table.add_row(f"labels ({len(labels)})", ", ".join(labels[:20]) + (" …" if len(labels) > 20 else ""))
    table.add_row(
        "characters",
        f"median {characters['median']:,}, mean {characters['mean']:,}, 95 % up to {characters['p95']:,}, "
        f"longest {characters['max']:,}",
    )
    if about["languages"]:
        table.add_row("languages", ", ".join(f"{code} {share:.0%}" for code, share in about["languages"].items()))
    table.add_row("duplicates", f"{about['duplicates']:,}; without text {about['without_text']:,}")
    for line in about["notes"]:
        table.add_row("note", line)
    out.print(table)
