"""What language models reach in a given time, and what carrying one into a task brings.

Each experiment is a few commands that a person could type. Models are kept in ``--work``: one that is finished there
is not trained again, only read. Finished experiments stand in ``language_models.jsonl``; ``--only ptb`` takes some.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from experiments import RECIPES, Experiment, Row, Series, answer, by_minute, minnow, parser_of, told, trained
from record import tell

from minnow.bundle.bundle import Bundle
from minnow.data.examples import load_examples
from minnow.models.wide_and_deep import WideAndDeep

FOX = "The quick brown fox"
CHINESE = ("online-shopping", "thucnews-titles", "chnsenticorp")
EXPLAINED = """\
One run each, seed 0. **minutes** are from the command's first line to the model on the disk, as the model's provenance
tells; reading and tokenising the text is part of them. Perplexities of the Penn Treebank and WikiText-2 are of the test
part, per word, ends of lines included, with the memory carried over the whole text. **from scratch** is the same
classifier with the same tokenizer and head, its encoder as it was before the language model's first step, trained for
as many epochs by the same recipe but for the rates by layer, which would hold back an encoder that knows nothing. It is
compared with the classifier **alone**; where the recipe puts n-grams beside that, what the two reach is told as well.
WikiText-2, ChnSentiCorp and IMDB had the machine not to themselves: tests ran beside them, so their minutes did less.
The 50 % of IMDB are of a head that stopped learning, for want of a batch norm: with one, which **from scratch** has
since then, it has 90.1 % after the same three epochs (docs/decisions.md). The best recurrent model from scratch,
recipes/imdb-rnn.toml, has 91.3 %, and `ngram` alone 92.2 %."""


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
        UNDISTURBED,
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
FROM_SCRATCH = (
    "model.wide=false",
    "fine_tuning.batch_norm=true",
    "fine_tuning.encoder_rate=1",
    "fine_tuning.layer_decay=1",
    "fine_tuning.unfreeze_epochs=0",
)
UNDISTURBED = "fine_tuning.dropout_factor=0"  # under dropouts an untaught LSTM learns nothing of long texts


def main() -> None:
    answer(SERIES, parser_of(SERIES, __doc__).parse_args())


# Steps


def pretrained(folder: Path, corpus: str, *options: str) -> Path:
    """The folder of a language model, trained unless it stands there finished."""
    return trained(folder, "pretrain", corpus, *options)


def carried(work: Path, data: str, taught: Path, untaught: Path, recipe: Path, *scratch: str) -> Row:
    """A classifier from a language model, the same from scratch with ``scratch`` set besides, and both side by side."""
    models = []
    for name, source, changes in (("from-lm", taught, ()), ("from-scratch", untaught, (*FROM_SCRATCH, *scratch))):
        options = [part for change in changes for part in ("--set", change)]
        command = ("train", data, "--recipe", str(recipe), "--from", str(source), *options)
        models.append(trained(work / f"{data}-{name}", *command))
    sides = (alone(models[0]), models[1])
    compared = json.loads(minnow("compare", *map(str, sides), "--data", data, "--json"))
    accuracy = compared["differences"]["accuracy"]
    seconds = [told(model)["seconds"] for model in (taught, *models)]
    beside = {}
    if sides[0] != models[0]:
        beside = {"with n-grams": evaluated(models[0], data)["accuracy"]}
    return {
        **told(models[0]),
        "seconds": seconds[0] + seconds[1],
        "parts": {"language model": seconds[0], "classifier": seconds[1], "from scratch": seconds[2]},
        "curve": told(taught)["curve"],
        "compared": accuracy,
        **beside,
        "reached": "".join(f"{name} {100 * share:.2f} %; alone " for name, share in beside.items())
        + f"{100 * accuracy['a']:.2f} %, from scratch {100 * accuracy['b']:.2f} % "
        f"(+{100 * accuracy['difference']:.2f}, 95 % interval {100 * accuracy['low']:.2f} to "
        f"{100 * accuracy['high']:.2f})",
    }


def alone(model: Path) -> Path:
    """The neural part of a model that has n-grams beside it, in a folder of its own; another model as it is."""
    bundle = Bundle.load(model)
    if not isinstance(bundle.model, WideAndDeep):
        return model
    folder = model.with_name(f"{model.name}-alone")
    folder.mkdir(exist_ok=True)
    replace(bundle, model=bundle.model.deep).save(folder)
    return folder


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


def details(cell: Row) -> Sequence[str]:
    lines = []
    if "parts" in cell:
        lines.append(", ".join(f"{name} {seconds / 60:.1f} minutes" for name, seconds in cell["parts"].items()) + ".")
    if "scores" in cell:
        shown = {name: value for name, value in cell["scores"].items() if name not in ("format", "seconds")}
        lines.append(", ".join(f"{name} {value:,.4g}" for name, value in shown.items()) + ".")
    if cell.get("curve"):
        lines.append(f"Validation loss by minute: {by_minute(cell['curve'])}.")
    if "text" in cell:
        lines += ["", *(f"> {line}" for line in cell["text"].splitlines())]
    return lines


SERIES = Series("language_models", "Language models in a given time", EXPERIMENTS, EXPLAINED, details)

if __name__ == "__main__":
    main()
