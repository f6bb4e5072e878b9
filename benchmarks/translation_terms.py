"""How well a model writes words that it would not say by itself where a glossary asks for them.

Takes a model that translates, pairs, and terms: a line each of its forms in the source, the words that usually
translate it, and as many to be written in their place, with tabs between the three and spaces between forms. Of the
pairs in which a term stands once in the source, and one of its usual words once in the target, the first few of each
term are translated; the references have the words put in.
"""

import argparse
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from record import HERE, Cells, circumstances, stamp, table, write

import minnow
from minnow.data.pairs import Pairs, load_pairs
from minnow.metrics.translation import bleu

WORD = re.compile(r"\w+")
EXPLAINED = """\
**free** is the BLEU of what the model writes without terms, against the references as they are; **held** of what it
writes with them, against the references with the words put in. **form**: how often the form of the reference stands in
the text, of those terms that have several. **as well**: how often a usual word of the term stands there, though another
was asked for. The pairs are the first of each term, as many as `--each` says."""


@dataclass(frozen=True)
class Term:
    """Forms in the source; words that usually translate them; those to be written, in the same order."""

    forms: tuple[str, ...]
    usual: tuple[str, ...]
    asked: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """A source with one term; its reference, and the same with the word put in."""

    source: str
    reference: str
    held: str
    term: Term
    form: str
    word: str


def main() -> None:
    given = arguments()
    cells = Cells(given.out / "translation_terms.jsonl")
    said = {"terms": given.terms.name, "part": given.part, "each": given.each}
    cells.take({"name": given.name, "model": Path(given.model).name, **said}, partial(measured, given))
    write(given.out / "translation_terms.md", page(cells.rows()))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="folder of a model that translates one language into one other")
    parser.add_argument("data", help="pairs: a file, a prefix, a folder or a public set")
    parser.add_argument("terms", type=Path, help="such as benchmarks/terms/captions.fr-en.tsv")
    parser.add_argument("--part", default="test", help="of a folder or a public set")
    parser.add_argument("--each", type=int, default=9, help="pairs of each term, at most")
    parser.add_argument("--name", default="as it is", help="of the code, where versions of it are compared")
    parser.add_argument("--out", type=Path, default=HERE, help="folder for translation_terms.md and .jsonl")
    return parser.parse_args()


def measured(given: argparse.Namespace) -> dict[str, Any]:
    model = minnow.load(given.model)
    ((source, target),) = model.task.directions  # type: ignore[attr-defined]
    stamped, pairs = stamp(0), load_pairs(given.data, part=given.part, languages=(source, target))
    cases = list(cases_of(pairs, read_terms(given.terms), given.each))
    free = [one.text for one in model.translate([case.source for case in cases])]
    held = [model.translate(case.source, glossary={case.form: case.term.asked}).text for case in cases]
    words = [set(WORD.findall(text)) for text in held]
    bent = [(case, found) for case, found in zip(cases, words, strict=True) if len(case.term.asked) > 1]
    return {
        "free": bleu(free, [case.reference for case in cases], language=target).value,
        "held": bleu(held, [case.held for case in cases], language=target).value,
        "cases": len(cases),
        "bent": len(bent),
        "right_form": sum(case.word in found for case, found in bent),
        "as_well": sum(not found.isdisjoint(case.term.usual) for case, found in zip(cases, words, strict=True)),
        "stamp": stamped,
    }


def read_terms(path: Path) -> list[Term]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Term(*(tuple(cell.split()) for cell in line.split("\t"))) for line in lines]


def cases_of(pairs: Pairs, terms: Sequence[Term], each: int) -> Iterator[Case]:
    """A pair is the case of one term at most: of the first one that stands in it."""
    taken = Counter[Term]()
    for source, target in zip(pairs.sources, pairs.targets, strict=True):
        for term in terms:
            forms = [word for word in WORD.findall(source) if word in term.forms]
            words = [word for word in WORD.findall(target) if word in term.usual]
            if len(forms) == len(words) == 1 and taken[term] < each:
                taken[term] += 1
                word = term.asked[term.usual.index(words[0])]
                held = re.sub(rf"\b{words[0]}\b", word, target)
                yield Case(source, target, held, term, forms[0], word)
                break


def page(found: Sequence[dict[str, Any]]) -> list[str]:
    rows = [
        (
            f"{one['key']['model']}, {one['key']['terms']}, {one['key']['part']} part",
            one["key"]["name"],
            f"{one['cases']:,}",
            f"{one['free']:.1f}",
            f"{one['held']:.1f}",
            f"{one['right_form']} of {one['bent']}" if one["bent"] else "",
            str(one["as_well"]),
            circumstances(one["stamp"]),
        )
        for one in found
    ]
    head = ("", "code", "pairs", "free", "held", "form", "as well", "measured")
    return ["# Terms in the place of a model's own words", "", EXPLAINED, "", *table(head, rows)]


if __name__ == "__main__":
    main()
