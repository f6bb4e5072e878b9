"""How often is the nearest text of the other language the translation, by the encoder's vectors and by letters alone?

Takes models that translate, already trained, and a test set of pairs. A model that has learnt to read one side only has
no business here, but is measured all the same; the page says which those are.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from record import HERE, Cells, stamp, stamp_lines, table, tell, write
from sklearn.feature_extraction.text import TfidfVectorizer

import minnow
from minnow.data.pairs import Pairs, load_pairs
from minnow.metrics.retrieval import retrieval

LETTERS = "letters"
MOST_NGRAMS = 20_000
EXPLAINED = """\
Precision at 1: of each text of one side, whether the nearest of the other side, by the cosine, is its translation.
**there** asks with sources among targets, **back** the other way round. Vectors of a model are the means of its
encoder's states; *centred* ones are without the mean of their language, as `minnow evaluate` compares them.
**letters** are what a search without any model has: TF-IDF of two to four letters within words (scikit-learn, the
{ngrams:,} most frequent of both sides), which finds names, numbers and words that the languages share."""


def main() -> None:
    given = arguments()
    cells = Cells(given.out / "translation_retrieval.jsonl")
    contenders = {LETTERS: LETTERS, **{Path(folder).name: folder for folder in given.models}}
    keys = [(key_of(given, name, langs), folder) for langs in given.langs for name, folder in contenders.items()]
    for key, folder in keys:
        cells.take(key, partial(cell, key, folder))
    found = [taken for key, _ in keys if (taken := cells.get(key))]
    write(given.out / "translation_retrieval.md", page(found))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", help="folders of models that translate")
    parser.add_argument("--data", default="multi30k", help="pairs: a file, a prefix or a public set")
    parser.add_argument("--target-data", help="the file of targets beside a file of sources")
    parser.add_argument("--part", default="test", help="of a folder or a public set")
    parser.add_argument("--langs", nargs="+", default=["en,de"], help="two languages, several times")
    parser.add_argument("--rows", type=int, default=1000, help="pairs, from the beginning")
    parser.add_argument("--out", type=Path, default=HERE, help="folder for translation_retrieval.md and .jsonl")
    return parser.parse_args()


def key_of(given: argparse.Namespace, contender: str, langs: str) -> dict[str, Any]:
    data = {"data": given.data, "target_data": given.target_data, "part": given.part, "langs": langs}
    return {"contender": contender, **data, "rows": given.rows}


def cell(key: Mapping[str, Any], contender: str) -> dict[str, Any]:
    """What one contender finds, both ways, plain and centred."""
    languages = tuple(key["langs"].split(","))
    read = load_pairs(key["data"], key["target_data"], key["part"], languages=languages)
    pairs = read.chosen(np.arange(min(key["rows"], len(read))))
    (sources, targets), told = of_letters(pairs) if contender == LETTERS else of_model(contender, pairs)
    found = {name: asdict(retrieval(sources, targets, centred=name == "centred")) for name in ("plain", "centred")}
    return {"pairs": len(pairs), **told, **found, "stamp": stamp(0)}


def of_letters(pairs: Pairs) -> tuple[list[Any], dict[str, Any]]:
    """Both sides as rows of TF-IDF; in memory as they are, so for a test set and no more."""
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, max_features=MOST_NGRAMS)
    letters.fit([*pairs.sources, *pairs.targets])
    sides = [letters.transform(list(side)).toarray().astype(np.float32) for side in (pairs.sources, pairs.targets)]
    return sides, {"name": LETTERS, "parameters": 0, "reads_both": True}


def of_model(folder: str, pairs: Pairs) -> tuple[list[Any], dict[str, Any]]:
    """Both sides as the encoder sees them."""
    model = minnow.load(folder)
    reads = {source for source, _ in model.task.directions}  # type: ignore[attr-defined]
    about = {"name": Path(folder).name, "parameters": model.bundle.model.num_parameters()}
    sides = [model.vectors(side) for side in (pairs.sources, pairs.targets)]
    return sides, {
        **about,
        "reads_both": reads.issuperset({language for pair in pairs.directions for language in pair}),
    }


def page(found: Sequence[dict[str, Any]]) -> list[str]:
    if not found:
        tell("nothing was measured")
        return []
    rows = [
        (
            one["key"]["langs"].replace(",", "-"),
            one["name"] + ("" if one["reads_both"] else " (reads one of the languages)"),
            f"{one['parameters']:,}",
            *(f"{one[kind][way]:.3f}" for kind in ("plain", "centred") for way in ("forward", "backward")),
        )
        for one in found
    ]
    asked = found[0]["key"]
    head = ("", "by", "parameters", "there", "back", "centred: there", "back")
    return [
        "# Search across languages",
        "",
        EXPLAINED.format(ngrams=MOST_NGRAMS),
        "",
        f"{found[0]['pairs']:,} pairs of `{asked['data']}`, {asked['part']} part.",
        "",
        *table(head, rows),
        "",
        *stamp_lines(found[-1]["stamp"]),
    ]


if __name__ == "__main__":
    main()
