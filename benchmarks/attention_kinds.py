"""Every kind of attention at equal widths and time: recurrent models that learn English captions into German.

Each is one ``minnow train`` of ``recipes/multi30k-rnn.toml`` with a time limit. What is finished stands in
``attention_kinds.jsonl`` and is not run again; ``--only dot`` takes some kinds, ``--cells rnn lstm`` other recurrent
cells. Of each kind a picture shows what a model looked at, in ``--pictures``.
"""

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from experiments import RECIPES, by_minute, minnow
from record import HERE, Cells, minnow_train, stamp, stamp_lines, table, write

PICTURES = HERE.parent / "docs" / "images"
RECIPE = RECIPES / "multi30k-rnn.toml"
ATTENTIONS = ("additive", "dot", "general")
CELLS = ("rnn", "lstm", "gru")
DRAWN_CELL = "gru"
CAPTION = "A brown dog runs through the deep snow."  # of nobody's data
MANY = 1000  # epochs, so that the time is what ends a run, and its schedule
SCORES = ("bleu", "chrf", "tokenised_bleu")
KEPT = ("parameters", "rows", "test_rows", "train_seconds", "training_seconds", "sentences_per_second", "signatures")
EXPLAINED = """\
One run each, of the same recipe but for what stands in front, {minutes:g} minutes in the loop (validation after each
epoch, by which the best weights are chosen, included), the schedule ending with them. BLEU and chrF are sacreBLEU's
with 95 % intervals, tokenised BLEU is of lower-cased Moses words as older papers count it; all of `test_2016_flickr`,
four beams. The widths are the same; what a kind adds to them stands under parameters. Additive attention looks before
the decoder steps (Bahdanau), the others look after it and feed what came of it into the next step (Luong)."""


def main() -> None:
    given = arguments()
    cells = Cells(given.out / "attention_kinds.jsonl")
    for key in keys(given.cells, given.only, given.minutes):
        cells.take(key, partial(measured, key, given.pictures))
    found = [(key, cell) for key in keys(CELLS, ATTENTIONS, given.minutes) if (cell := cells.get(key))]
    write(given.out / "attention_kinds.md", page(found, given.minutes))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=ATTENTIONS, default=ATTENTIONS, help="kinds to run")
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=["gru"], help="recurrent cells to run")
    parser.add_argument("--minutes", type=float, default=6.0, help="of each run")
    parser.add_argument("--pictures", type=Path, default=PICTURES, help="folder for attention-KIND.png")
    parser.add_argument("--out", type=Path, default=HERE, help="folder for attention_kinds.md and .jsonl")
    return parser.parse_args()


def keys(cells: Sequence[str], attentions: Sequence[str], minutes: float) -> list[dict[str, Any]]:
    return [
        {"cell": cell, "attention": attention, "minutes": minutes, "seed": 0}
        for cell in cells
        for attention in attentions
    ]


def measured(key: Mapping[str, Any], pictures: Path) -> dict[str, Any] | None:
    """The numbers of one cell, and its picture; None where it fails."""
    setting = {
        "shape.cell": key["cell"],
        "shape.attention": key["attention"],
        "training.max_minutes": key["minutes"],
        "training.epochs": MANY,
    }
    options = [option for name, value in setting.items() for option in ("--set", f"{name}={value}")]
    with TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        summary = minnow_train("multi30k", "--recipe", str(RECIPE), "--seed", str(key["seed"]), *options, keep=model)
        if summary is None:
            return None
        if key["cell"] == DRAWN_CELL:
            picture = pictures / f"attention-{key['attention']}.png"
            minnow("translate", str(model), CAPTION, "--attention", str(picture))
    rows = summary["journal"]
    return {
        **{name: summary[name] for name in (*SCORES, "intervals", *KEPT)},
        "epochs": rows[-1]["step"] / rows[0]["step"] if len(rows) > 1 else None,  # the last one is cut off
        "curve": [(row["seconds"], row["bleu"]) for row in rows],
        "recipe": RECIPE.read_text(encoding="utf-8"),
        "stamp": stamp(key["seed"]),
    }


def page(found: list[tuple[dict[str, Any], dict[str, Any]]], minutes: float) -> list[str]:
    """The results as Markdown."""
    if not found:
        return ["# Kinds of attention", "", "No cell has been measured."]
    head = ("", "BLEU", "chrF", "tokenised BLEU", "parameters", "epochs", "sentences/s translated")
    rows = [[name_of(key), *(score(cell, name) for name in SCORES), *numbers(cell)] for key, cell in found]
    last = max((cell for _, cell in found), key=lambda cell: cell["stamp"]["date"])
    return [
        "# Kinds of attention at equal widths and time",
        "",
        f"Multi30k, English into German, {last['rows']:,} pairs, {last['test_rows']:,} to measure on.",
        "",
        *stamp_lines(last["stamp"]),
        "",
        *table(head, rows),
        "",
        *EXPLAINED.format(minutes=minutes).splitlines(),
        "",
        "BLEU of greedy translations of validation pairs by minute:",
        "",
        *(f"- {name_of(key)}: {by_minute(cell['curve'], digits=1)}." for key, cell in found),
    ]


def name_of(key: Mapping[str, Any]) -> str:
    return f"{key['cell']} · {key['attention']}"


def score(cell: Mapping[str, Any], name: str) -> str:
    """With its 95 % interval."""
    low, high = cell["intervals"][name]
    return f"{cell[name]:.1f} [{low:.1f}, {high:.1f}]"


def numbers(cell: Mapping[str, Any]) -> list[str]:
    epochs = "less than one" if cell["epochs"] is None else f"{cell['epochs']:.1f}"
    return [f"{cell['parameters']:,}", epochs, f"{cell['sentences_per_second']:,.0f}"]


if __name__ == "__main__":
    main()
