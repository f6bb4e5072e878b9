"""What a benchmark writes beside its numbers: when, on what machine, with which versions; and cells measured once."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from minnow.bundle.provenance import machine, versions

HERE = Path(__file__).parent
BUSY_LOAD_PER_CORE = 0.5


def stamp(seed: int) -> dict[str, Any]:
    """Date, machine, load before the run, versions and seed."""
    load = os.getloadavg()[0]
    if load > BUSY_LOAD_PER_CORE * len(os.sched_getaffinity(0)):
        tell(f"the machine is busy (load {load:.1f}): seconds will be too long and uneven")
    date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return {"date": date, "machine": machine(), "load_before": round(load, 2), "versions": versions(), "seed": seed}


def stamp_lines(stamped: dict[str, Any]) -> list[str]:
    """The stamp as Markdown."""
    on = stamped["machine"]
    packages = ", ".join(f"{name} {number}" for name, number in stamped["versions"].items())
    return [
        f"{stamped['date']} · {on['processor']}, {on['cores']} cores, {on['system']} · load before "
        f"{stamped['load_before']} · seed {stamped['seed']}",
        "",
        f"Versions: {packages}.",
    ]


def circumstances(stamped: dict[str, Any]) -> str:
    """When, on what, and how busy that was, of one row; its versions stand in the data beside the page."""
    on = stamped["machine"]
    day = stamped["date"].split()[0]
    return f"{day}, {on['processor']}, {on['cores']} cores, load before {stamped['load_before']}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table; the first column stands left, the others right."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return ["| " + " | ".join(row) + " |" for row in (head, rule, *rows)]


def write(path: Path, lines: Sequence[str]) -> None:
    """Write a Markdown file and print it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))
    tell(f"written: {path}")


class Cells:
    """Measurements that take long, one JSON line each: those in the file are not taken again.

    A cell is known by its ``key``, which should name all that decides it.
    """

    def __init__(self, path: Path):
        self.path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        self._found = {json.dumps(row["key"]): row for row in map(json.loads, lines)}

    def take(self, key: dict[str, Any], measure: Callable[[], dict[str, Any] | None]) -> None:
        """Measure the cell unless it is there; one that cannot be measured gives None and is left out."""
        if json.dumps(key) in self._found:
            tell(f"{_spoken(key)}: done before")
            return
        tell(f"{_spoken(key)} …")
        measured = measure()
        if measured is None:
            return
        row = {"key": key, **measured}
        self._found[json.dumps(key)] = row
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as out:
            out.write(json.dumps(row) + "\n")

    def get(self, key: dict[str, Any]) -> dict[str, Any] | None:
        return self._found.get(json.dumps(key))

    def rows(self) -> list[dict[str, Any]]:
        """All that were ever measured, in that order."""
        return list(self._found.values())


def minnow_train(data: str, *options: str, keep: Path | None = None) -> dict[str, Any] | None:
    """What ``minnow train DATA --json`` prints, with ``training_seconds`` and ``journal`` of the loop; None where it
    fails.

    ``keep`` is where the model goes; it is thrown away otherwise.
    """
    minnow = Path(sys.executable).with_name("minnow")
    with TemporaryDirectory() as folder:
        out = keep or Path(folder) / "model"
        done = subprocess.run(
            [str(minnow), "train", data, "--out", str(out), "--json", *options],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            tell(f"minnow train {data} failed: {done.stderr.strip().splitlines()[-1:]}")
            return None
        rows = journal(out)
        return {**json.loads(done.stdout), "training_seconds": rows[-1].get("seconds"), "journal": rows}


def journal(model: Path) -> list[dict[str, Any]]:
    """The rows that the training loop wrote into a model's folder, in order."""
    lines = (model / "run" / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def write_part(path: Path, texts: Sequence[str], labels: Sequence[tuple[str, ...]]) -> None:
    """Texts with one label each as jsonl."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as out:
        for text, names in zip(texts, labels, strict=True):
            out.write(json.dumps({"text": text, "label": names[0]}, ensure_ascii=False) + "\n")


def tell(message: str) -> None:
    """For the person who watches."""
    print(message, file=sys.stderr, flush=True)


def _spoken(key: dict[str, Any]) -> str:
    return " ".join(f"{name} {value}" for name, value in key.items() if not isinstance(value, dict))
