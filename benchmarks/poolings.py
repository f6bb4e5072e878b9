"""RNN, LSTM, GRU under every pooling at one small setting on IMDB: test accuracy, parameters, seconds.

Each cell is one ``minnow train`` in a process of its own. Finished cells stand in ``poolings.jsonl`` and are not run
again, so a run that was cut off goes on where it was; ``--only lstm`` or ``--only mean max`` takes a part.
"""

import argparse
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

from record import HERE, Cells, minnow_train, stamp, stamp_lines, table, write, write_part

from minnow.data.examples import load_examples

ENCODERS = ("rnn", "lstm", "gru")
POOLINGS = ("last", "mean", "max", "additive", "dot", "general", "self_attention")
SETTING = {
    "tokenizer.vocab_size": 10_000,
    "text_classifier.embedding_size": 50,
    "text_classifier.hidden_size": 64,
    "text_classifier.bidirectional": "false",
    "text_classifier.max_tokens": 200,
    "text_classifier.keep": "last",
    "training.epochs": 3,
    "training.patience": 0,
}
KEPT = ("accuracy", "parameters", "train_seconds", "training_seconds", "documents_per_second", "rows", "test_rows")


def main() -> None:
    given = arguments()
    cells = Cells(given.out / "poolings.jsonl")
    wanted = [key for key in keys(given.seeds, given.rows) if chosen(key, given.only)]
    with TemporaryDirectory() as folder:
        data = imdb(Path(folder), given.rows)
        for key in wanted:
            cells.take(key, lambda key=key: measured(data, key))
    found = {name: cells_of(cells, name, given) for name in ENCODERS}
    write(given.out / "poolings.md", page(found, given.seeds))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=(*ENCODERS, *POOLINGS), help="encoders and poolings to run")
    parser.add_argument("--seeds", type=int, default=1, help="how many runs of each cell, from seed 0 on")
    parser.add_argument("--rows", type=int, default=0, help="of each part, to try the script out; 0 for all")
    parser.add_argument("--out", type=Path, default=HERE, help="folder for poolings.md and poolings.jsonl")
    return parser.parse_args()


def keys(num_seeds: int, rows: int) -> list[dict[str, Any]]:
    """Seed by seed, so that a whole table stands early."""
    return [
        {"encoder": encoder, "pooling": pooling, "seed": seed, "rows": rows, "setting": SETTING}
        for seed in range(num_seeds)
        for encoder in ENCODERS
        for pooling in POOLINGS
    ]


def chosen(key: dict[str, Any], only: list[str] | None) -> bool:
    """``lstm mean`` is one cell, ``lstm`` seven, ``mean`` three."""
    if not only:
        return True
    encoders, poolings = set(only) & set(ENCODERS), set(only) & set(POOLINGS)
    return (not encoders or key["encoder"] in encoders) and (not poolings or key["pooling"] in poolings)


def imdb(folder: Path, rows: int) -> list[str]:
    """What ``minnow train`` is pointed at: the catalog's set, or the first rows of it after a fixed shuffle."""
    if not rows:
        return ["imdb"]
    for part in ("train", "test"):
        examples = load_examples("imdb", part)
        step = max(1, len(examples) // rows)  # the set is sorted by label
        write_part(folder / f"{part}.jsonl", examples.texts[::step], examples.labels[::step])
    return [str(folder / "train.jsonl"), "--test", str(folder / "test.jsonl")]


def measured(data: list[str], key: dict[str, Any]) -> dict[str, Any] | None:
    """The numbers of one cell, with what they were measured on; None where it fails."""
    setting = {**SETTING, "text_classifier.encoder": key["encoder"], "text_classifier.pooling": key["pooling"]}
    options = [option for name, value in setting.items() for option in ("--set", f"{name}={value}")]
    summary = minnow_train(*data, "--model", "text_classifier", "--seed", str(key["seed"]), *options)
    if summary is None:
        return None
    return {**{name: summary[name] for name in KEPT}, "stamp": stamp(key["seed"])}


def cells_of(cells: Cells, encoder: str, given: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """The measured cells of an encoder, by pooling."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for key in keys(given.seeds, given.rows):
        cell = cells.get(key)
        if key["encoder"] == encoder and cell is not None:
            rows.setdefault(key["pooling"], []).append(cell)
    return rows


def page(found: dict[str, dict[str, list[dict[str, Any]]]], num_seeds: int) -> list[str]:
    """The tables as Markdown: accuracy at a glance, then every number."""
    measured_cells = [cell for rows in found.values() for cells in rows.values() for cell in cells]
    if not measured_cells:
        return ["# Encoders and poolings", "", "No cell has been measured."]
    first, last = measured_cells[0], max(measured_cells, key=lambda cell: cell["stamp"]["date"])
    setting = ", ".join(f"`{name}={value}`" for name, value in SETTING.items())
    overview = [[encoder, *(accuracy(rows.get(name)) for name in POOLINGS)] for encoder, rows in found.items()]
    every = [
        [f"{encoder} · {name}", accuracy(cells), *numbers(cells)]
        for encoder, rows in found.items()
        for name, cells in rows.items()
    ]
    head = ("", "test accuracy", "parameters", "seconds to a saved model", "of which in the loop", "documents/s")
    return [
        "# Encoders and poolings",
        "",
        f"IMDB, {first['rows']:,} training and {first['test_rows']:,} test texts, one-way, one layer, mean over "
        f"{num_seeds} seed{'' if num_seeds == 1 else 's'} (with more than one, the range in brackets). Everything but "
        f"this stands at its default: {setting}.",
        "",
        *stamp_lines(last["stamp"]),
        "",
        *table(("test accuracy", *POOLINGS), overview),
        "",
        *table(head, every),
    ]


def accuracy(cells: list[dict[str, Any]] | None) -> str:
    if not cells:
        return "–"
    values = [cell["accuracy"] for cell in cells]
    spread = f" [{min(values):.4f}, {max(values):.4f}]" if len(values) > 1 else ""
    return f"{mean(values):.4f}{spread}"


def numbers(cells: list[dict[str, Any]]) -> list[str]:
    """Parameters, seconds to a saved model, seconds in the training loop, documents a second."""
    names = ("train_seconds", "training_seconds", "documents_per_second")
    means = [mean(cell[name] for cell in cells) for name in names]
    return [f"{cells[0]['parameters']:,}", f"{means[0]:.1f}", f"{means[1]:.1f}", f"{means[2]:,.0f}"]


if __name__ == "__main__":
    main()
