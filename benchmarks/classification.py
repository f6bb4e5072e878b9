"""Text classifiers side by side on IMDB: fastText, scikit-learn, Keras, plain torch and Minnow, in interleaved rounds.

Each contender runs in a process of its own (two OpenMP runtimes in one process slow each other down) and reads the
same shuffled files: ``python benchmarks/classification.py --peers DIR`` with what ``peers/setup.sh DIR`` made.
"""

import argparse
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from record import HERE, stamp, stamp_lines, table, tell, write, write_part

from minnow.data.examples import load_examples

Report = dict[str, Any]


@dataclass(frozen=True)
class Contender:
    """A script in ``peers``; ``environment`` is the folder of its own, None where Minnow's serves."""

    title: str
    script: str
    environment: str | None = None


CONTENDERS = (
    Contender("fastText", "fasttext_ngrams", "fasttext"),
    Contender("scikit-learn", "sklearn_tfidf"),
    Contender("Minnow ngram", "minnow_ngram"),
    Contender("Keras LSTM", "keras_lstm", "keras"),
    Contender("torch LSTM", "torch_lstm"),
    Contender("Minnow LSTM", "minnow_lstm"),
)
PAIRS = (
    ("Minnow ngram", ("fastText", "scikit-learn")),
    ("Minnow LSTM", ("Keras LSTM", "torch LSTM")),
)
# name, heading, digits, whether more is better
COLUMNS = (
    ("fit_seconds", "training, s", 2, False),
    ("total_seconds", "file to saved model, s", 2, False),
    ("accuracy", "test accuracy", 4, True),
    ("documents_per_second", "documents/s", 0, True),
    ("megabytes", "on disk, MB", 2, False),
    ("epoch_seconds", "s/epoch", 2, False),
    ("seconds_to_target", "s to target", 2, False),
)
LIMITS = {
    "memory_gigabytes_per_second": "GB/s read from memory",
    "float32_gigaflops": "GFLOP/s of a float32 matrix product",
    "bfloat16_gigaflops": "GFLOP/s in bfloat16",
}
EXPLAINED = """\
Every figure is the median over the rounds, with the lowest and the highest in brackets where they differ.
**training**: from texts in memory to a trained model, all preparation of the texts included. **file to saved model**:
the same with reading the file and writing the model (imports are not counted). **documents/s**: from texts in memory to
labels. **s to target**: from texts in memory until the test accuracy with which {target} ended in the same round.

The linear models see whole texts, the LSTMs the last 100 words out of a vocabulary of 1,000: embedding of 50, 100
units, 32 texts a step, {epochs} epochs. Minnow's `ngram` includes the folds on which its confidence is calibrated, its
LSTM holds 2 % of the training texts out for the same purpose and reads marks as words of their own; peers do neither.
Every contender runs in a process of its own; its settings stand in its script in `peers/`.
"""


def main() -> None:
    given = arguments()
    stamped = stamp(given.seed)
    limits = run([sys.executable, str(HERE / "ceiling.py")]) or {}
    tell(spoken(limits))
    with TemporaryDirectory() as folder:
        sizes = write_data(Path(folder), given.rows, given.seed)
        content = {**stamped, "rows": sizes, "epochs": given.epochs, "ceiling": limits}
        for rounds in race(Path(folder), present(given.peers, given.only), given):
            keep(given.out, content, rounds)


def keep(out: Path, content: dict[str, Any], rounds: dict[str, list[Report]]) -> None:
    """Write what there is so far: a run that is cut off keeps its rounds."""
    target_of = next((title for title in ("Keras LSTM", "torch LSTM") if title in rounds), None)
    most = max(map(len, rounds.values()))
    targets = [report["accuracy"] for report in rounds[target_of]] if target_of else [None] * most
    derived = {title: list(map(with_derived, reports, targets)) for title, reports in rounds.items()}
    content = {**content, "target": target_of, "rounds": derived}
    out.mkdir(parents=True, exist_ok=True)
    (out / "classification.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    write(out / "classification.md", page(content))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", type=Path, default=HERE.parent / ".venv" / "peers", help="where setup.sh put them")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=3, help="of the LSTMs")
    parser.add_argument("--only", nargs="+", help="scripts to run, such as minnow_ngram")
    parser.add_argument("--rows", type=int, default=0, help="of each part, to try the script out; 0 for all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=HERE, help="folder for classification.md and .json")
    return parser.parse_args()


def write_data(folder: Path, rows: int, seed: int) -> dict[str, int]:
    """Both parts as jsonl, shuffled: IMDB is sorted by label and fastText learns in the order of its file."""
    sizes = {}
    for part in ("train", "test"):
        examples = load_examples("imdb", part)
        order = random.Random(seed).sample(range(len(examples)), min(rows or len(examples), len(examples)))
        labels = [examples.labels[row] for row in order]
        write_part(folder / f"{part}.jsonl", [examples.texts[row] for row in order], labels)
        sizes[part] = len(order)
    return sizes


def present(peers: Path, only: list[str] | None) -> list[tuple[Contender, str]]:
    """The contenders that can run here with their Python; who is missing is told."""
    found = []
    for contender in CONTENDERS:
        if only and contender.script not in only:
            continue
        own = peers / (contender.environment or "") / "bin" / "python"
        if contender.environment and not own.is_file():
            tell(f"{contender.title} is left out: no {own}; make it with: sh benchmarks/peers/setup.sh {peers}")
            continue
        found.append((contender, str(own) if contender.environment else sys.executable))
    return found


def race(
    folder: Path, contenders: list[tuple[Contender, str]], given: argparse.Namespace
) -> Iterator[dict[str, list[Report]]]:
    """A B C A B C …: what slows the machine for a while slows all. A contender that fails is told and left out.

    After each round what all rounds so far have found.
    """
    rounds: dict[str, list[Report]] = {}
    for number in range(given.rounds):
        for contender, python in list(contenders):
            tell(f"round {number + 1} of {given.rounds}: {contender.title}")
            script = HERE / "peers" / f"{contender.script}.py"
            model = folder / f"{contender.script}-{number}"
            settings = ["--seed", str(given.seed + number), "--epochs", str(given.epochs)]
            report = run([python, str(script), str(folder), str(model), *settings])
            if report is None:
                contenders.remove((contender, python))
                rounds.pop(contender.title, None)
                continue
            rounds.setdefault(contender.title, []).append(report)
            shown = {name: round(report[name], 4) for name in ("fit_seconds", "accuracy", "documents_per_second")}
            tell(f"  {shown}")
        yield rounds


def run(command: list[str]) -> Report | None:
    """The JSON that a script prints last; None, and its last words told, where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        tell(f"{Path(command[1]).name} failed and is left out: {last[0]}")
        return None
    report: Report = json.loads(done.stdout.strip().splitlines()[-1])
    return report


def with_derived(report: Report, target: float | None) -> Report:
    """Megabytes, seconds an epoch, and the seconds after which the test accuracy first reached ``target``."""
    derived: Report = {**report, "megabytes": report["size_bytes"] / 1e6}
    if report["curve"]:
        derived["epoch_seconds"] = median(report["epoch_seconds"])
        reached = [seconds for seconds, accuracy in report["curve"] if target is not None and accuracy >= target]
        derived["seconds_to_target"] = min(reached, default=None)
    return derived


def page(content: dict[str, Any]) -> list[str]:
    """The whole result as Markdown."""
    rounds, limits = content["rounds"], content["ceiling"]
    versions = {name: number for reports in rounds.values() for name, number in reports[0]["versions"].items()}
    sizes = content["rows"]
    head = ["", *(heading for _, heading, _, _ in COLUMNS)]
    return [
        "# Text classification side by side",
        "",
        f"IMDB, {sizes['train']:,} training and {sizes['test']:,} test texts, "
        f"{max(map(len, rounds.values()), default=0)} interleaved rounds with a seed each.",
        "",
        *stamp_lines({**content, "versions": {**versions, **content["versions"]}}),
        "",
        spoken(limits),
        "",
        *table(head, [median_row(title, reports) for title, reports in rounds.items()]),
        "",
        EXPLAINED.format(target=content["target"] or "Keras (which did not run)", epochs=content["epochs"]),
        *prepared_note(rounds),
        "## Ratios",
        "",
        "How many times better Minnow is than the peer in the same run, median against median; below 1 it is behind. "
        "Accuracy is the difference in percentage points.",
        "",
        *table(head, [row for ours, peers in PAIRS for peer in peers for row in ratios(rounds, ours, peer)]),
        "",
        *behind(rounds),
    ]


def spoken(limits: dict[str, float]) -> str:
    named = ", ".join(f"{limits[name]:,.0f} {unit}" for name, unit in LIMITS.items() if name in limits)
    return f"Ceiling of the machine: {named or 'not measured'}."


def median_row(title: str, reports: list[Report]) -> list[str]:
    return [title, *(cell(reports, name, digits) for name, _, digits, _ in COLUMNS)]


def cell(reports: list[Report], name: str, digits: int) -> str:
    """Median with its range; a dash where there is none, and ``not reached`` where some round did not get there."""
    if name not in reports[0]:
        return "–"
    values = [report[name] for report in reports]
    if None in values:
        return "not reached"
    low, middle, high = (f"{value:,.{digits}f}" for value in (min(values), median(values), max(values)))
    return middle if low == high else f"{middle} [{low}, {high}]"


def ratios(rounds: dict[str, list[Report]], ours: str, peer: str) -> list[list[str]]:
    """The row of one pair, none where one of them did not run."""
    if ours not in rounds or peer not in rounds:
        return []
    row = [f"{ours} : {peer}"]
    for name, _, _, more_is_better in COLUMNS:
        mine, theirs = ([report.get(name) for report in rounds[title]] for title in (ours, peer))
        if None in theirs:
            row.append("–")
        elif None in mine:
            row.append("not reached")
        elif name == "accuracy":
            row.append(f"{100 * (median(mine) - median(theirs)):+.2f}")
        else:
            ratio = median(mine) / median(theirs)
            row.append(f"{ratio if more_is_better else 1 / ratio:.2f}")
    return [row]


def behind(rounds: dict[str, list[Report]]) -> list[str]:
    """Where Minnow is not ahead, in words."""
    rows = [row for ours, peers in PAIRS for peer in peers for row in ratios(rounds, ours, peer)]
    found = [
        f"- {heading}: {row[0].replace(' : ', ' is behind ')} ({value})."
        for row in rows
        for (name, heading, _, _), value in zip(COLUMNS, row[1:], strict=True)
        if value == "not reached" or (value != "–" and float(value) < (0 if name == "accuracy" else 1))
    ]
    return ["## Where Minnow is behind", "", *(found or ["Nowhere in this run."])]


def prepared_note(rounds: dict[str, list[Report]]) -> list[str]:
    """fastText expects words between spaces; how fast it is where somebody else has seen to that."""
    reports = rounds.get("fastText")
    if not reports:
        return []
    seconds = cell(reports, "fit_prepared_seconds", 2)
    rate = cell(reports, "prepared_documents_per_second", 0)
    return [
        f"fastText on texts that were lower-cased and split beforehand: training {seconds} s, {rate} documents/s.",
        "",
    ]


if __name__ == "__main__":
    main()
