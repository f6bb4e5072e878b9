"""One default command a data set, ``minnow train NAME``, against a tuned TF-IDF words-and-characters linear SVM.

Both see the same rows. Finished sets stand in ``defaults.jsonl`` and are not run again; ``--only trec mr`` takes some.
"""

import argparse
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from record import HERE, Cells, circumstances, minnow_train, stamp, table, tell, write, write_part
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_union
from sklearn.svm import LinearSVC

import minnow
from minnow.data.examples import Examples, load_examples
from minnow.data.sources import parts

SETS = (
    "trec",
    "banking77",
    "sms-spam",
    "mr",
    "sst2",
    "chnsenticorp",
    "waimai",
    "thucnews-titles",
    "ag-news",
    "20newsgroups",
    "online-shopping",
    "imdb",
)
# Two ways of counting, as arguments of the word and of the letter vectorizer. The usual one passes over words of one
# letter and sees no single Chinese characters, which makes it weaker on questions and on Chinese.
VIEWS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "usual": ({}, {"analyzer": "char_wb", "ngram_range": (2, 5)}),
    "wide": ({"token_pattern": r"(?u)\b\w+\b"}, {"analyzer": "char", "ngram_range": (1, 5)}),
}
COSTS = (0.1, 0.3, 1.0, 3.0)
FOLDS = 5
ROWS_TO_CHOOSE_BY = 20_000
EXPLAINED = f"""\
**Minnow**: one command without any flag, `minnow train NAME`. **SVM**: scikit-learn's TF-IDF of words (1 to 2) and of
letters within words (2 to 5), sublinear, under a LinearSVC whose C is the best of {", ".join(map(str, COSTS))} by
{FOLDS}-fold cross-validation on the training part (on {ROWS_TO_CHOOSE_BY:,} rows where it has more). **SVM, view chosen
too**: the same cross-validation also chooses between those views and wider ones, with words of one letter and letters
across words (1 to 5); the name of the winner stands behind the score. Brackets hold 95 % intervals; those of
differences are paired, row by row. Seconds are from reading the data to a saved model for Minnow, and from texts in
memory to a fitted model for the SVM with, in brackets, the choice of C. Sets that were published in one piece are split
80 to 20 by the hash of the text."""


def main() -> None:
    given = arguments()
    cells = Cells(given.out / "defaults.jsonl")
    for name in given.only or SETS:
        if {"train", "test"} <= set(parts(name)):
            cells.take(key(name, given), lambda name=name: measured(name, given))
        else:
            tell(f"{name} is left out: not on this machine; fetch it with: minnow data get {name}")
    found = [cell for name in SETS if (cell := cells.get(key(name, given)))]
    write(given.out / "defaults.md", page(found))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=SETS, help="sets to run")
    parser.add_argument("--rows", type=int, default=0, help="of each part, to try the script out; 0 for all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=HERE, help="folder for defaults.md and defaults.jsonl")
    return parser.parse_args()


def key(name: str, given: argparse.Namespace) -> dict[str, Any]:
    return {"set": name, "seed": given.seed, "rows": given.rows}


def measured(name: str, given: argparse.Namespace) -> dict[str, Any] | None:
    """Both contenders on one set; None where Minnow fails."""
    train, test = load_examples(name, "train"), load_examples(name, "test", keep_empty=True)
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        data = [name]
        if given.rows:
            train, test = (thinned(part, given.rows) for part in (train, test))
            for part, examples in (("train", train), ("test", test)):
                write_part(folder / f"{part}.jsonl", examples.texts, examples.labels)
            data = [str(folder / "train.jsonl"), "--test", str(folder / "test.jsonl")]
        summary = minnow_train(*data, "--seed", str(given.seed), keep=folder / "model")
        if summary is None:
            return None
        answers = [output.label for output in minnow.load(folder / "model").batch(test.texts)]
    references = first_labels(test)
    right_N = np.array(answers) == references
    machines = {view: svm(view, train, test, given.seed) for view in VIEWS}
    for one in machines.values():
        svm_right_N = one.pop("answers") == references
        one |= {"accuracy": float(svm_right_N.mean()), "interval": interval(svm_right_N)}
        one["difference"] = float(right_N.mean()) - one["accuracy"]
        one["difference_interval"] = interval(right_N.astype(float) - svm_right_N)
    return {
        "rows": len(train),
        "test_rows": len(test),
        "labels": len(train.label_names),
        "minnow": {
            "model_type": summary["model_type"],
            "accuracy": float(right_N.mean()),
            "interval": summary["intervals"]["accuracy"],
            "seconds": summary["train_seconds"],
            "size_bytes": summary["size_bytes"],
        },
        "svm": machines,
        "chosen": max(VIEWS, key=lambda view: machines[view]["validation_accuracy"]),
        "notes": [note for note in train.notes if "10,000" in note or "published in one piece" in note],
        "stamp": stamp(given.seed),
    }


def svm(view: str, train: Examples, test: Examples, seed: int) -> dict[str, Any]:
    """Answers for the test texts, the C chosen and its score, the seconds of the fit and of the choice."""
    labels_N = first_labels(train)
    words, letters = VIEWS[view]
    began = time.perf_counter()
    vectorizer = make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, **words), TfidfVectorizer(sublinear_tf=True, **letters)
    )
    features_NF = vectorizer.fit_transform(train.texts).tocsr()
    counted = time.perf_counter()
    scores = cross_validated(features_NF, labels_N, seed)
    cost = max(scores, key=scores.__getitem__)
    chosen = time.perf_counter()
    classifier = LinearSVC(C=cost, random_state=seed).fit(features_NF, labels_N)
    fitted = time.perf_counter()
    return {
        "answers": classifier.predict(vectorizer.transform(test.texts)),
        "C": cost,
        "validation_accuracy": scores[cost],
        "num_features": features_NF.shape[1],
        "seconds": fitted - chosen + counted - began,
        "seconds_to_choose": chosen - counted,
    }


def cross_validated(features_NF: Any, labels_N: NDArray[np.str_], seed: int) -> dict[float, float]:
    """The mean accuracy over the folds of each C."""
    rows = np.random.default_rng(seed).permutation(len(labels_N))[:ROWS_TO_CHOOSE_BY]
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    cores = len(os.sched_getaffinity(0))

    def score(cost: float) -> float:
        model = LinearSVC(C=cost, random_state=seed)
        return float(cross_val_score(model, features_NF[rows], labels_N[rows], cv=folds, n_jobs=cores).mean())

    return {cost: score(cost) for cost in COSTS}


def first_labels(examples: Examples) -> NDArray[np.str_]:
    """[N]; a test row without a label counts as a mistake of both."""
    return np.array([names[0] if names else "" for names in examples.labels])


def interval(values_N: NDArray[Any]) -> tuple[float, float]:
    """The 95 % interval of a mean."""
    half = 1.96 * float(np.std(values_N)) / len(values_N) ** 0.5
    return float(values_N.mean()) - half, float(values_N.mean()) + half


def thinned(examples: Examples, rows: int) -> Examples:
    """Rows at even distances: the sets may be sorted by label."""
    step = max(1, len(examples) // rows)
    return Examples(examples.texts[::step], examples.labels[::step], examples.roles, examples.name, examples.sha256)


def page(found: list[dict[str, Any]]) -> list[str]:
    """The results as Markdown."""
    if not found:
        return ["# One default command a data set", "", "No set has been measured."]
    scores = ("Minnow", "SVM", "Minnow ahead by", "SVM, view chosen too", "Minnow ahead by")
    head = ("", "labels", "train", "test", *scores, "Minnow, s", "SVM, s", "measured")
    usual = sum(cell["svm"]["usual"]["difference"] >= 0 for cell in found)
    chosen = sum(cell["svm"][cell["chosen"]]["difference"] >= 0 for cell in found)
    notes = [f"- {cell['key']['set']}: {note}" for cell in found for note in cell["notes"]]
    return [
        "# One default command a data set",
        "",
        f"At or above the tuned SVM on {usual} of {len(found)} sets, and on {chosen} where its view is chosen as well.",
        "",
        *table(head, map(row, found)),
        "",
        *EXPLAINED.splitlines(),
        *(["", *notes] if notes else []),
    ]


def row(cell: dict[str, Any]) -> list[str]:
    ours, usual, chosen = cell["minnow"], cell["svm"]["usual"], cell["svm"][cell["chosen"]]
    return [
        cell["key"]["set"],
        *(f"{cell[name]:,}" for name in ("labels", "rows", "test_rows")),
        percent(ours["accuracy"], ours["interval"]),
        percent(usual["accuracy"], usual["interval"]),
        percent(usual["difference"], usual["difference_interval"], "+"),
        f"{percent(chosen['accuracy'], chosen['interval'])} {cell['chosen']}",
        percent(chosen["difference"], chosen["difference_interval"], "+"),
        f"{ours['seconds']:.1f}",
        f"{usual['seconds']:.1f} [{usual['seconds_to_choose']:.1f}]",
        circumstances(cell["stamp"]),
    ]


def percent(value: float, ends: tuple[float, float], sign: str = "") -> str:
    low, high = (f"{100 * end:{sign}.1f}" for end in ends)
    return f"{100 * value:{sign}.2f} [{low}, {high}]"


if __name__ == "__main__":
    main()
