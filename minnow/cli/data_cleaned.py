"""What ``minnow data clean`` writes and prints of texts and of pairs alike."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from minnow.cli.console import out

DROPPED, REPORT = "dropped.jsonl", "report.json"


def check_targets(targets: Sequence[Path], inputs: Iterable[Path], out_folder: Path) -> None:
    """Before the work begins, see that its results may be written and replace nothing that was read.

    Raises:
        StorageError: the folder is a file, or a target is an input or has the name of a report.
    """
    from minnow.errors import StorageError

    if out_folder.exists() and not out_folder.is_dir():
        raise StorageError(f"--out names a folder, but {out_folder} is a file; choose another --out")
    for path in inputs:
        if path.exists() and any(target.exists() and target.samefile(path) for target in targets):
            raise StorageError(
                f"--out {out_folder} is the folder of {path}, which would be overwritten; choose another --out"
            )
    for target in targets:
        if target.name in (DROPPED, REPORT):
            raise StorageError(f"{target.name} is the name of a report that cleaning writes; rename the input first")


def write_report(
    out_folder: Path,
    name: str,
    sha256: str,
    counts: Mapping[str, int],
    rules: Any,
    files: Mapping[str, Any],
    dropped: Any,
    **more: Any,
) -> dict[str, Any]:
    """Write the table of what was dropped, and last the report, which is returned."""
    from dataclasses import asdict

    import orjson

    from minnow.data.table import write_table
    from minnow.files import write_bytes

    report = {
        "name": name,
        "sha256": sha256,
        "counts": counts,
        "rules": asdict(rules),
        "files": {**files, "dropped": DROPPED},
        **more,
    }
    write_table(dropped, out_folder / DROPPED)
    write_bytes(out_folder / REPORT, orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")
    return report


def print_counts(counts: Mapping[str, int], unit: str) -> None:
    """A line a count."""
    from rich.table import Table

    table = Table("", unit, box=None)
    for name, count in counts.items():
        table.add_row(name.replace("_", " "), f"{count:,}")
    out.print(table)
