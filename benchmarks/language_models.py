"""What language models reach in a given time, and what carrying one into a task brings.

Each experiment is a few commands that a person could type. Models are kept in ``--work``: one that is finished there
is not trained again, only read. Finished experiments stand in ``language_models.jsonl``; ``--only ptb`` takes some.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from record import HERE, Cells, stamp, stamp_lines, table, tell, write

from minnow.data.examples import load_examples

RECIPES = HERE.parent / "recipes"
FOX = "The quick brown fox"
CHINESE = ("online-shopping", "thucnews-titles", "chnsenticorp")
EXPLAINED = """\
One run each, seed 0. **minutes** are from the command's first line to the model on the disk, as the model's provenance
tells; reading and tokenising the text is part of them. Perplexities of the Penn Treebank and WikiText-2 are of the test
part, per word, ends of lines included, with the memory carried over the whole text. **from scratch** is the same
classifier with the same tokenizer and head, its encoder as it was before the language model's first step, trained for
as many epochs by the same recipe but for the rates by layer, which would hold back an encoder that knows nothing."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Experiment:
    """What is asked, and the function that takes a work folder and answers with what was reached."""

    asked: str
    run: Callable[[Path], Row]


def shakespeare(work: Path) -> Row:
    options = ("--tokenizer", "character", "--size", "1M", "--budget", "3m")
    model = pretrained(work / "shakespeare", "tinyshakespeare", *options)
    scores = evaluated(model, "tinyshakespeare")
    return {**told(model), "reached": f"validation loss {scores['loss']:.3f}", "scores": scores}


def words(name: str) -> Callable[[Path], Row]:
    """A word-level LSTM."""

    def run(work: Path) -> Row:
        recipe = RECIPES / f"{name.replace('-', '')}-lstm.toml"
        model = pretrained(work / name, name, "--recipe", str(recipe))
        scores = evaluated(model, name, "--part", "test")
        return {**told(model), "reached": f"test perplexity {scores['perplexity']:.1f}", "scores": scores}

    return run


def films(work: Path) -> Row:
    """IMDB: its unlabelled texts first, its labels second."""
    return carried(
        work,
        "imdb",
        pretrained(work / "imdb-lm", "imdb", "--recipe", str(RECIPES / "imdb-lm.toml")),
        pretrained(work / "imdb-untaught", "imdb", "--recipe", str(RECIPES / "imdb-lm.toml"), *UNTAUGHT),
        RECIPES / "imdb-from-lm.toml",
    )


def hotels(work: Path) -> Row:
    """ChnSentiCorp: Chinese reviews and titles first, its labels second."""
    corpus = str(chinese_corpus(work / "chinese"))
    recipe = ("--recipe", str(RECIPES / "chinese-lm.toml"))
    return carried(
        work,
        "chnsenticorp",
        pretrained(work / "chinese-lm", corpus, *recipe),
        pretrained(work / "chinese-untaught", corpus, *recipe, *UNTAUGHT),
        RECIPES / "chnsenticorp-from-lm.toml",
    )


def fairy_tales(work: Path) -> Row:
    model = pretrained(work / "fairytales", "fairytaleqa", "--size", "5M", "--budget", "10m")
    scores = evaluated(model, "fairytaleqa")
    said = json.loads(minnow("generate", str(model), FOX, "--max-tokens", "120", "--seed", "1", "--json"))
    return {**told(model), "reached": f"{scores['bits_per_byte']:.3f} bits per byte", "scores": scores} | {
        "text": FOX + said["text"]
    }


EXPERIMENTS = {
    "shakespeare": Experiment("validation loss ≤ 1.88 in 3 minutes, ≤ 1.60 in 20", shakespeare),
    "ptb": Experiment("test perplexity ≤ 100 in 40 minutes", words("ptb")),
    "wikitext-2": Experiment("the best in 40 minutes", words("wikitext-2")),
    "imdb": Experiment("≥ 93 % in 60 minutes, ahead of the same from scratch", films),
    "chnsenticorp": Experiment("ahead of the same from scratch", hotels),
    "fairy tales": Experiment("a continuation after 10 minutes", fairy_tales),
}
UNTAUGHT = ("--set", "training.steps=1", "--set", "training.learning_rate=1e-9", "--set", "training.validations=1")
FROM_SCRATCH = ("fine_tuning.encoder_rate=1", "fine_tuning.layer_decay=1", "fine_tuning.unfreeze_epochs=0")


def main() -> None:
    given = arguments()
    given.work.mkdir(parents=True, exist_ok=True)
    cells = Cells(given.out / "language_models.jsonl")
    for name in given.only or EXPERIMENTS:

        def run(name: str = name) -> Row:
            began, stamped = time.time(), stamp(0)
            return {**EXPERIMENTS[name].run(given.work), "stamp": stamped, "script_seconds": time.time() - began}

        cells.take({"experiment": name, "seed": 0}, run)
    found = {name: cell for name in EXPERIMENTS if (cell := cells.get({"experiment": name, "seed": 0}))}
    write(given.out / "language_models.md", page(found))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=EXPERIMENTS, help="experiments to run")
    parser.add_argument("--work", type=Path, required=True, help="folder for the models")
    parser.add_argument("--out", type=Path, default=HERE, help="folder for language_models.md and .jsonl")
    return parser.parse_args()


# Steps


def pretrained(folder: Path, corpus: str, *options: str) -> Path:
    """The folder of a language model, trained unless it stands there finished."""
    if not (folder / "minnow.json").is_file():
        minnow("pretrain", corpus, *options, "--out", str(folder), "--overwrite", "--json")
    return folder


def carried(work: Path, data: str, taught: Path, untaught: Path, recipe: Path) -> Row:
    """A classifier from a language model, the same from scratch, and both side by side."""
    models = []
    for name, source, changes in (("from-lm", taught, ()), ("from-scratch", untaught, FROM_SCRATCH)):
        folder = work / f"{data}-{name}"
        if not (folder / "minnow.json").is_file():
            options = [part for change in changes for part in ("--set", change)]
            minnow(
                "train", data, "--recipe", str(recipe), "--from", str(source), *options, "--out", str(folder),
                "--overwrite", "--json",
            )  # fmt: skip
        models.append(folder)
    compared = json.loads(minnow("compare", *map(str, models), "--data", data, "--json"))
    accuracy = compared["differences"]["accuracy"]
    seconds = [told(model)["seconds"] for model in (taught, *models)]
    return {
        **told(models[0]),
        "seconds": seconds[0] + seconds[1],
        "parts": {"language model": seconds[0], "classifier": seconds[1], "from scratch": seconds[2]},
        "curve": told(taught)["curve"],
        "compared": accuracy,
        "reached": f"{100 * accuracy['a']:.2f} %, from scratch {100 * accuracy['b']:.2f} % "
        f"(+{100 * accuracy['difference']:.2f}, 95 % interval {100 * accuracy['low']:.2f} to "
        f"{100 * accuracy['high']:.2f})",
    }


def chinese_corpus(folder: Path) -> Path:
    """Training parts of Chinese sets as text files, a line a text. The shop reviews are partly the hotel reviews again,
    so those that are measured on are left out."""
    folder.mkdir(exist_ok=True)
    measured = {bare(text) for text in load_examples("chnsenticorp", "test").texts}
    for name in CHINESE:
        texts = load_examples(name, "train").texts
        kept = [" ".join(text.split()) for text in texts if bare(text) not in measured]
        tell(f"{name}: {len(kept):,} of {len(texts):,} texts")
        (folder / f"{name}.txt").write_text("\n".join(kept) + "\n", encoding="utf-8")
    return folder


def bare(text: str) -> str:
    """Letters and digits alone, to find a text again however it was cleaned."""
    return "".join(character for character in text.lower() if character.isalnum())


def evaluated(model: Path, data: str, *options: str) -> dict[str, float]:
    found = json.loads(minnow("evaluate", str(model), data, "--json", *options))
    return {name: value for name, value in found.items() if isinstance(value, int | float)}


def told(model: Path) -> Row:
    """What a finished model says of its training: seconds, settings, the curve of its validation loss."""
    made = json.loads((model / "minnow.json").read_text(encoding="utf-8"))["provenance"]
    journal = [json.loads(line) for line in (model / "run" / "journal.jsonl").read_text(encoding="utf-8").splitlines()]
    curve = [(round(row["seconds"]), row["validation_loss"]) for row in journal if "validation_loss" in row]
    return {
        "seconds": made["train_seconds"],
        "steps": made.get("steps"),
        "tokens": made.get("tokens_seen"),
        "machine": made["machine"],
        "recipe": (model / "recipe.toml").read_text(encoding="utf-8"),
        "curve": curve,
    }


def minnow(*words: str) -> str:
    """Standard output of a command; its progress goes to whoever watches."""
    tell("minnow " + " ".join(words))
    command = [sys.executable, "-c", "from minnow.cli.main import main; main()", *words]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


# The page


def page(found: dict[str, Row]) -> list[str]:
    """The results as Markdown."""
    if not found:
        return ["# Language models in a given time", "", "Nothing has been measured."]
    last = max(found.values(), key=lambda cell: cell["stamp"]["date"])
    rows = [
        [name, EXPERIMENTS[name].asked, cell["reached"], f"{cell['seconds'] / 60:.1f}"] for name, cell in found.items()
    ]
    lines = [
        "# Language models in a given time",
        "",
        *stamp_lines(last["stamp"]),
        "",
        *table(("", "asked", "reached", "minutes"), rows),
        "",
        *EXPLAINED.splitlines(),
    ]
    for name, cell in found.items():
        lines += ["", f"## {name}", "", *details(cell)]
    return lines


def details(cell: Row) -> Sequence[str]:
    lines = []
    if "parts" in cell:
        lines.append(", ".join(f"{name} {seconds / 60:.1f} minutes" for name, seconds in cell["parts"].items()) + ".")
    if "scores" in cell:
        lines.append(", ".join(f"{name} {value:,.4g}" for name, value in cell["scores"].items()) + ".")
    if cell.get("curve"):
        points = ", ".join(f"{seconds / 60:.1f}: {loss:.3f}" for seconds, loss in cell["curve"])
        lines.append(f"Validation loss by minute: {points}.")
    if "text" in cell:
        lines += ["", *(f"> {line}" for line in cell["text"].splitlines())]
    return lines


if __name__ == "__main__":
    main()
