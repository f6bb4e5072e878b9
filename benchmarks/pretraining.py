"""How fast language models train here: Minnow beside plain torch on the same shapes, in interleaved rounds.

Every contender runs in a process of its own: ``python benchmarks/pretraining.py [--rounds 5] [--only gpt]``. A model
that is not run keeps what stands there of it.
"""

import argparse
import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

from classification import LIMITS, run
from record import HERE, stamp, stamp_lines, table, tell, write

from minnow.layers.precision import GAIN, bfloat16_gain

Report = dict[str, Any]

TITLES = {
    "gpt": "GPT: 6 layers, 384 wide, 16 rows of 256 characters (vocabulary 65)",
    "lstm": "LSTM: two layers of 650, tied, 20 rows of 70 words (vocabulary 10,000)",
    "bert": "BERT: 4 layers, 512 wide, 32 rows of 128 pieces (vocabulary 30,522), a seventh of them hidden",
}
UNASKED = 0.85 * 30_522 * 512  # BERT: weights of the output layer, at the positions that are not hidden
POSITIONS = {"gpt": (6, 384, 256), "lstm": (0, 0, 0), "bert": (4, 512, 128)}
TORCH, OURS = "torch_language.py", "minnow_language.py"
CONTENDERS = {
    "torch float32": (TORCH, ["--precision", "float32"]),
    "torch bfloat16": (TORCH, ["--precision", "bfloat16"]),
    "torch float32, compiled": (TORCH, ["--precision", "float32", "--compile"]),
    "torch bfloat16, compiled": (TORCH, ["--precision", "bfloat16", "--compile"]),
    "Minnow": (OURS, []),
}
FASTER = "bfloat16" if bfloat16_gain() > GAIN else "float32"
EXPLAINED = """\
Tokens a second of whole training steps (forward, backward, clipping, AdamW) on random ids: the median over the rounds
of each process's median step, with the lowest and the highest round in brackets. No dropout, no reading of text. **of
the ceiling**: six operations a parameter and token and those of attention, as a share of the machine's matrix product
in its faster arithmetic, the best that was measured before the rounds and after each. Minnow chooses the arithmetic by
itself, as `minnow pretrain` does; torch is compiled in the one that is faster here. The columns behind say how many
times as fast each row is as each peer."""


def main() -> None:
    given = arguments()
    for model in given.only:
        stamped, most = stamp(0), ceiling()
        found: dict[str, list[Report]] = {}
        for number in range(given.rounds):
            for title, (script, options) in contenders(model).items():
                tell(f"{model}, round {number + 1} of {given.rounds}: {title}")
                report = run([sys.executable, str(HERE / "peers" / script), model, *options])
                if report is not None:
                    tell(f"  {report['tokens_per_second']:,.0f} tokens/s")
                    found.setdefault(title, []).append(report)
            most = highest(most, ceiling())
            keep(given.out, model, {**stamped, "ceiling": most, "rounds": found})


def keep(out: Path, model: str, content: Report) -> None:
    """Write what there is so far of a model: a run that is cut off keeps its rounds."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / "pretraining.json"
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    kept[model] = content
    path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    write(out / "pretraining.md", page(kept))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=TITLES, default=list(TITLES))
    parser.add_argument("--out", type=Path, default=HERE, help="folder for pretraining.md and .json")
    return parser.parse_args()


def contenders(model: str) -> dict[str, tuple[str, list[str]]]:
    """Those of a model. Compiling an LSTM changes nothing, as its steps are one call of the library."""

    def runs(title: str) -> bool:
        return "compiled" not in title or (model != "lstm" and FASTER in title)

    return {title: one for title, one in CONTENDERS.items() if runs(title)}


def ceiling() -> dict[str, float]:
    """What the machine reaches at most, or nothing where that cannot be measured."""
    return run([sys.executable, str(HERE / "ceiling.py")]) or {}


def highest(*measured: dict[str, float]) -> dict[str, float]:
    """Of each limit the highest that was seen: a neighbour can only lower it."""
    return {name: max(one.get(name, 0.0) for one in measured) for name in measured[0]}


def page(kept: dict[str, Report]) -> list[str]:
    """The whole result as Markdown."""
    lines = ["# Training language models, side by side", "", EXPLAINED, ""]
    for model, content in ((model, kept[model]) for model in TITLES if model in kept):
        found, ceiling = content["rounds"], content["ceiling"]
        rates = {title: [report["tokens_per_second"] for report in reports] for title, reports in found.items()}
        parameters = next(iter(found.values()))[0]["parameters"]
        limits = ", ".join(f"{ceiling[name]:,.0f} {unit}" for name, unit in LIMITS.items() if name in ceiling)
        lines += [f"## {TITLES[model]}", "", f"{parameters / 1e6:.1f} M parameters.", ""]
        lines += [*table(head(rates), [row(model, title, rates, found, ceiling) for title in rates]), ""]
        rounds = f"{max(map(len, found.values()))} interleaved rounds"
        lines += [f"{rounds}. Ceiling of the machine: {limits or 'not measured'}.", "", *stamp_lines(content), ""]
    return lines[:-1]


def head(rates: dict[str, list[float]]) -> list[str]:
    peers = [title for title in rates if title.startswith("torch")]
    return ["", "tokens/s", "of the ceiling", *(f": {title}" for title in peers)]


def row(
    model: str,
    title: str,
    rates: dict[str, list[float]],
    found: dict[str, list[Report]],
    limits: dict[str, float],
) -> list[str]:
    """Rate, share of the ceiling, and how many times each peer's rate this one is."""
    mine = rates[title]
    gigaflops = median(mine) * operations(model, found[title][0]["parameters"]) / 1e9
    share = gigaflops / max(limits["bfloat16_gigaflops"], limits["float32_gigaflops"]) if limits else 0.0
    spread = f"{median(mine):,.0f} [{min(mine):,.0f}, {max(mine):,.0f}]"
    peers = [median(rates[peer]) for peer in rates if peer.startswith("torch")]
    return [title, spread, f"{share:.0%}", *(f"{median(mine) / peer:.2f}" for peer in peers)]


def operations(model: str, parameters: int) -> float:
    """Of a training step, a token; BERT's output layer looks at the hidden tokens alone."""
    layers, width, positions = POSITIONS[model]
    asked = parameters - (UNASKED if model == "bert" else 0.0)
    return 6 * asked + 6 * layers * width * positions


if __name__ == "__main__":
    main()
