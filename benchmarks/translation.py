"""Translation side by side: learning to translate, and translating, with Minnow and with what people use instead.

Every contender runs in a process of its own, in interleaved rounds: ``python benchmarks/translation.py [--rounds 5]
[--only training]``, with the environments that ``peers/setup.sh DIR`` made and ``--joey`` and ``--ctranslate2`` name.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory
from typing import Any

from classification import run, spoken
from peers import captions, marian
from record import HERE, stamp, stamp_lines, table, tell, write

from minnow.data.pairs import load_pairs

Report = dict[str, Any]
Rounds = dict[str, list[Report]]

OURS = "Minnow"
PEERS = HERE.parent / ".venv" / "peers"
HELD_OUT = 64  # pairs; JoeyNMT wants some, though it is not given the time to look at them
REFERENCE, SAME = "transformers float32", "CTranslate2 float32"  # one model in two programs


@dataclass(frozen=True)
class Contender:
    """A script in ``peers``; ``python`` is its environment's, ``facts`` is known of it beforehand."""

    script: str
    options: Sequence[str] = ()
    python: Path = Path(sys.executable)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def run(self, *more: str) -> Report | None:
        """What it reports; None, and why is told, where it cannot run here."""
        if not self.python.is_file():
            tell(f"no {self.python}; make it with: sh benchmarks/peers/setup.sh {PEERS}")
            return None
        report = run([str(self.python), str(HERE / "peers" / f"{self.script}.py"), *self.options, *more])
        return None if report is None else {**self.facts, **report}


@dataclass(frozen=True)
class Part:
    """One of the two tables.

    Attributes:
        unit: of its rates.
        seconds: that a contender is timed for.
        contenders: by title, given the command line and a folder for their data.
        columns: of a report, by their headings.
    """

    title: str
    unit: str
    seconds: float
    contenders: Callable[[argparse.Namespace, Path], dict[str, Contender]]
    columns: Mapping[str, Callable[[Report], str]]
    explained: str


def main() -> None:
    given = arguments()
    content: dict[str, Any] = {**stamp(0), "ceiling": run([sys.executable, str(HERE / "ceiling.py")]) or {}}
    content |= {"rounds": {}, "left_out": {}}
    tell(spoken(content["ceiling"]))
    for name in given.only:
        with TemporaryDirectory() as folder:
            contenders = PARTS[name].contenders(given, Path(folder))
            rounds: Rounds = {}
            for number in range(given.rounds):
                tell(f"{name}, round {number + 1} of {given.rounds}")
                one_round(contenders, rounds, str(given.seconds or PARTS[name].seconds))
                content["rounds"][name] = rounds
                content["left_out"][name] = [title for title in contenders if title not in rounds]
                keep(given.out, content)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--joey", type=Path, default=python_of("joeynmt"), help="a Python with JoeyNMT")
    parser.add_argument(
        "--ctranslate2", type=Path, default=python_of("ctranslate2"), help="a Python with CTranslate2 and transformers"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--seconds", type=float, default=0, help="of timing, to try the script out; 0 for the usual")
    parser.add_argument("--out", type=Path, default=HERE, help="folder for translation.md and .json")
    return parser.parse_args()


def python_of(environment: str) -> Path:
    return PEERS / environment / "bin" / "python"


def one_round(contenders: Mapping[str, Contender], rounds: Rounds, seconds: str) -> None:
    """Each contender once, its report behind those of the rounds before."""
    written: dict[str, marian.Written] = {}
    for title, contender in contenders.items():
        tell(title)
        report = contender.run("--seconds", seconds)
        if report is None:
            continue
        written[title] = report.pop("written", {})
        if title == SAME and REFERENCE in written:
            report["as_reference"] = alike(written[SAME], written[REFERENCE])
        tell("  " + ", ".join(f"{name} {rate:,.0f}" for name, rate in report["rates"].items()))
        rounds.setdefault(title, []).append(report)


def alike(some: marian.Written, others: marian.Written) -> float:
    """The share of the sentences of all beams that both wrote in the same way."""
    return mean(a == b for beam in some for a, b in zip(some[beam], others[beam], strict=True))


# What runs


def learners(given: argparse.Namespace, folder: Path) -> dict[str, Contender]:
    for part, name in (("train", "train"), ("valid", "dev")):
        pairs = load_pairs("multi30k", part=part, languages=(captions.SOURCE, captions.TARGET))
        rows = slice(None if part == "train" else HELD_OUT)
        for language, lines in ((captions.SOURCE, pairs.sources[rows]), (captions.TARGET, pairs.targets[rows])):
            text = "".join(f"{' '.join(line.lower().split())}\n" for line in lines)
            (folder / f"{name}.{language}").write_text(text, encoding="utf-8")
    data = str(folder)
    return {
        "JoeyNMT": Contender("joey_translation", (data,), given.joey),
        "torch, shuffled, float32": Contender("torch_translation", (data,)),
        "torch, shuffled, bfloat16": Contender("torch_translation", (data, "--precision", "bfloat16")),
        "torch, buckets, float32": Contender("torch_translation", (data, "--buckets")),
        "torch, buckets, bfloat16": Contender("torch_translation", (data, "--buckets", "--precision", "bfloat16")),
        OURS: Contender("minnow_translation", (data,)),
    }


def translators(given: argparse.Namespace, folder: Path) -> dict[str, Contender]:
    model = str(folder / "marian")
    converted = Contender("ctranslate2_marian", (model, "--convert"), given.ctranslate2).run() or {}
    return {
        REFERENCE: Contender("transformers_marian"),
        SAME: Contender("ctranslate2_marian", (model,), given.ctranslate2, converted),
        "CTranslate2 int8": Contender("ctranslate2_marian", (model, "--int8"), given.ctranslate2, converted),
        OURS: Contender("minnow_decoding"),
        f"{OURS} bfloat16": Contender("minnow_decoding", ("--precision", "bfloat16")),
        f"{OURS} int8": Contender("minnow_decoding", ("--precision", "int8")),
    }


PARTS = {
    "training": Part(
        "Learning to translate: Multi30k, German into English",
        "target tokens/s",
        20.0,
        learners,
        {
            "arithmetic": lambda report: report["arithmetic"],
            "parameters": lambda report: f"{report['parameters']:,}",
            "sentences a step": lambda report: f"{report['rows_per_batch']:.1f}",
        },
        f"""\
Tokens of the targets a second, each sentence's end counted and padding not, over whole steps of the loop: batches made,
forward, backward, clipping, AdamW, under dropout and label smoothing of {captions.DROPOUT}. All learn the same pairs,
lower-cased words between spaces, out of a vocabulary of {captions.VOCAB_SIZE:,} a side, with {captions.LAYERS} layers
on each side, {captions.WIDTH} wide, {captions.HEADS} heads. The feed-forward layers of JoeyNMT and torch have two
matrices and {captions.INNER:,} features inside, Minnow's three and {captions.GATED_INNER}: as many weights.
**JoeyNMT** 2.3 tells its own rate; it counts the same tokens (those it is to write, without padding), and what stands
here is the median of its log's lines after the first. **torch** is `nn.Transformer`, in batches of {captions.ROWS}
sentences out of a shuffled order or out of length buckets. **Minnow** is the loop of `minnow train` with its averaged
weights, in batches of as many padded tokens as make {captions.ROWS} sentences on the average; it chooses the arithmetic
by itself. Nothing is measured on held-out pairs within the time.""",
    ),
    "translating": Part(
        "Translating",
        "sentences/s",
        4.0,
        translators,
        {
            "arithmetic": lambda report: report["arithmetic"],
            "parameters": lambda report: f"{report['parameters']:,}",
        },
        f"""\
{marian.SENTENCES} sentences of {marian.TOKENS} random tokens, {marian.ROWS} at once, of which exactly {marian.TOKENS}
are written each, in {marian.ENCODER_LAYERS} layers of an encoder and {marian.DECODER_LAYERS} of a decoder,
{marian.WIDTH} wide, {marian.HEADS} heads, over a vocabulary of {marian.VOCAB_SIZE:,}, with random weights: speed alone.
The median of several passes after one that is not counted. **transformers** is Marian on all cores at once, two
matrices and {marian.INNER:,} features in its feed-forward layers; **CTranslate2** the same model, a translator a core
with one thread each, which is its faster way; **Minnow** the search of `minnow translate` in
`transformer_seq2seq` with three matrices and {marian.GATED_INNER:,} features, a batch a core, in each `--precision`.
In eight bits both round weights once and states as they come, and embeddings, norms and attention stay in float32.""",
    ),
}


# The page


def keep(out: Path, content: dict[str, Any]) -> None:
    """Write what there is so far: a run that is cut off keeps its rounds."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "translation.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    write(out / "translation.md", page(content))


def page(content: dict[str, Any]) -> list[str]:
    """The whole result as Markdown."""
    reports = [report for rounds in content["rounds"].values() for every in rounds.values() for report in every]
    versions = {name: number for report in reports for name, number in report["versions"].items()}
    lines = [
        "# Translation side by side",
        "",
        *stamp_lines({**content, "versions": {**versions, **content["versions"]}}),
        "",
        spoken(content["ceiling"]),
        "",
        "The median over the rounds, with the lowest and the highest in brackets, and behind it how many times as fast "
        "Minnow is in the same run; below 1 it is behind.",
    ]
    for name, rounds in content["rounds"].items():
        lines += ["", *section(PARTS[name], rounds, content["left_out"][name])]
    return lines


def section(part: Part, rounds: Rounds, left_out: Sequence[str]) -> list[str]:
    lines = [f"## {part.title}", ""]
    if rounds:
        rates = list(next(iter(rounds.values()))[0]["rates"])
        head = ["", *part.columns, *(heading for rate in rates for heading in (f"{rate}, {part.unit}", f"{OURS} : it"))]
        lines += [f"{max(map(len, rounds.values()))} interleaved rounds.", ""]
        lines += [*table(head, [row(part, title, rounds, rates) for title in rounds]), ""]
    lines += part.explained.splitlines()
    if SAME in rounds and "as_reference" in rounds[SAME][0]:
        share = median(report["as_reference"] for report in rounds[SAME] if "as_reference" in report)
        lines += ["", f"{SAME} wrote {share:.1%} of the sentences as {REFERENCE} did."]
    if left_out:
        lines += ["", f"Left out, as not to be had or failing: {', '.join(left_out)}."]
    return lines


def row(part: Part, title: str, rounds: Rounds, rates: Sequence[str]) -> list[str]:
    """A contender's facts; and each rate, with how many times as fast Minnow is."""
    cells = [title, *(column(rounds[title][0]) for column in part.columns.values())]
    for rate in rates:
        every = [report["rates"][rate] for report in rounds[title]]
        ours = [report["rates"][rate] for report in rounds.get(OURS, [])]
        cells.append(f"{median(every):,.0f} [{min(every):,.0f}, {max(every):,.0f}]")
        cells.append(f"{median(ours) / median(every):.2f}" if ours else "–")
    return cells


if __name__ == "__main__":
    main()
