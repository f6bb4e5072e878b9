"""Translations beside what people wrote: scores with intervals, by direction, and whether one model beats another.

N rows, each with a source, a reference, what the model wrote, and the direction, such as ``("en", "de")``.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from minnow.evaluation.compare import Difference, check_rows, difference_of, verdict_on
from minnow.evaluation.report import FORMAT, values_of_kind, write_report
from minnow.evaluation.worst import shown
from minnow.files import write_text
from minnow.metrics.counted import Counted, intervals_of_counts, paired_tests_of_counts, pooled
from minnow.metrics.translation import SCORES, bleu_tokenizer, length_ratio, translation_scores

TRANSLATIONS_FILE = "translations.txt"
SIMPLIFIED = "references are read in simplified characters, which are those that the model writes"
COMPARED_SIMPLIFIED = "all is compared in simplified characters, which are those that one model at least writes"
KIND = "translation"
NUM_WORST = 20
NUM_EXAMPLES = 8
Direction = tuple[str, str]
Floats = NDArray[np.float64]
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class TranslationReport:
    """One model on one set of translated texts.

    Attributes:
        name: of the model.
        scores: ``bleu``, ``chrf``, ``tokenised_bleu`` and ``exact_match`` of all rows, 0 to 100; see
            ``metrics/translation.py``.
        intervals: the lower and upper end of each score's 95 % interval.
        signatures: how each was counted, in sacreBLEU's form.
        length_ratio: words of the translations over words of the references.
        directions: the same four and ``rows`` for each direction, which is named as in ``en-de``.
        worst: rows of the lowest chrF, worst first, with ``row`` (from 0), ``direction``, ``chrf``, ``source``,
            ``reference`` and ``hypothesis``, each text cut to 280 characters.
        examples: such rows, evenly spread over the data.
        data: what is known of it, and ``rows``.
        notes: what else the reader should be told.
        seconds: that the model took.
        sentences_per_second: from it.
        retrieval: where the model reads both languages, how often the nearest text of the other language is the
            translation: ``direction``, ``rows``, ``forward`` (for sources among all targets) and ``backward``, 0 to 1;
            see ``metrics/retrieval.py``.
        translations: all that the model wrote; it goes to a file of its own.
    """

    name: str
    scores: dict[str, float]
    intervals: dict[str, list[float]]
    signatures: dict[str, str]
    length_ratio: float
    directions: list[dict[str, Any]]
    worst: list[dict[str, Any]]
    examples: list[dict[str, Any]]
    data: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    seconds: float | None = None
    sentences_per_second: float | None = None
    retrieval: list[dict[str, Any]] = field(default_factory=list)
    translations: tuple[str, ...] = field(default=(), repr=False)

    def to_json(self) -> dict[str, Any]:
        """Everything but ``translations`` as plain numbers and text."""
        content = {name: value for name, value in asdict(self).items() if name != "translations"}
        return {"format": FORMAT, "kind": KIND, **content}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """The report that ``to_json`` described, without its translations.

        Raises:
            BundleError: a key is missing, or it is a report of something else.
        """
        return cls(**values_of_kind(content, KIND, [f.name for f in fields(cls) if f.name != "translations"]))

    def save(self, folder: str | Path) -> list[Path]:
        """Write ``report.json`` and ``translations.txt``, a translation a line, into ``folder``; returns both paths.

        A line break inside a translation becomes a space, so that line n is the translation of row n.

        Raises:
            StorageError: the disk refuses.
        """
        path = Path(folder) / TRANSLATIONS_FILE
        write_text(path, "".join(f"{' '.join(text.splitlines())}\n" for text in self.translations))
        return [write_report(folder, self.to_json()), path]


@dataclass(frozen=True)
class TranslationComparison:
    """Model a against model b on the same rows.

    The ``p_value`` of a difference is by approximate randomisation; ``bootstrap_p_values`` are by the paired bootstrap
    of Koehn (2004), two-sided. ``notes`` are as in the report.
    """

    name_a: str
    name_b: str
    rows: int
    differences: dict[str, Difference]
    bootstrap_p_values: dict[str, float]
    signatures: dict[str, str]
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """One sentence for a person, on BLEU."""
        found = self.differences["bleu"]
        return verdict_on("BLEU", self.name_a, self.name_b, found.difference, found.low, found.high, found.p_value)

    def to_json(self) -> dict[str, Any]:
        """Everything as plain numbers; each compared score is a key of ``differences``."""
        return {**asdict(self), "verdict": self.verdict}


def translation_report(
    name: str,
    sources: Sequence[str],
    references: Sequence[str],
    hypotheses: Sequence[str],
    directions: Sequence[Direction],
    *,
    data: Mapping[str, Any] | None = None,
    seconds: float | None = None,
    num_resamples: int = 1000,
    seed: int = 0,
) -> TranslationReport:
    """Measure what one model wrote for N texts.

    Args:
        name: of the model.
        sources: N texts; they are read for the tables of rows only.
        references: what people wrote for them.
        hypotheses: what the model wrote.
        directions: the languages from and into which, ISO 639-1, of each row.
        data: what is known of the data, such as ``name`` and ``sha256``; ``rows`` is added.
        seconds: that the model took for the N texts.
        num_resamples, seed: of the intervals.

    Raises:
        DataError: no rows.
        InputError: the translate extra is missing.
        MinnowError: not N rows in each.
    """
    check_rows(sources=sources, references=references, hypotheses=hypotheses, directions=directions)
    rows = _rows_by(directions)
    counted = {pair: _count(group, references, hypotheses, pair[1]) for pair, group in rows.items()}
    whole = _pooled(list(counted.values()))
    chrf_N = np.empty(len(hypotheses))
    chrf_N[np.concatenate(list(rows.values()))] = whole["chrf"].per_row()

    texts = {"source": sources, "reference": references, "hypothesis": hypotheses}
    spread = np.unique(np.linspace(0, len(hypotheses) - 1, NUM_EXAMPLES).astype(np.int64))
    measured = _measured(whole, num_resamples, seed)
    return TranslationReport(
        name=name,
        **measured,
        directions=[
            {"direction": _written(pair), "rows": len(group)}
            | (measured if len(rows) == 1 else _measured(counted[pair], num_resamples, seed))
            for pair, group in rows.items()
        ],
        worst=_table(np.argsort(chrf_N, kind="stable")[:NUM_WORST], chrf_N, directions, texts),
        examples=_table(spread, chrf_N, directions, texts),
        data={**(data or {}), "rows": len(hypotheses)},
        notes=_notes(hypotheses, list(rows)),
        seconds=seconds,
        sentences_per_second=len(hypotheses) / seconds if seconds else None,
        translations=tuple(hypotheses),
    )


def compare_translations(
    name_a: str,
    name_b: str,
    references: Sequence[str],
    hypotheses_a: Sequence[str],
    hypotheses_b: Sequence[str],
    target_languages: Sequence[str],
    *,
    num_resamples: int = 2000,
    seed: int = 0,
) -> TranslationComparison:
    """Compare what two models wrote for the same N texts, each row in its target language.

    Raises:
        DataError, InputError, MinnowError: as ``translation_report``.
    """
    check_rows(
        references=references,
        hypotheses_a=hypotheses_a,
        hypotheses_b=hypotheses_b,
        target_languages=target_languages,
    )
    rows = _rows_by(target_languages)
    a, b = (
        _pooled([_count(group, references, side, language) for language, group in rows.items()])
        for side in (hypotheses_a, hypotheses_b)
    )
    tests = paired_tests_of_counts(a, b, num_resamples=num_resamples, seed=seed)
    return TranslationComparison(
        name_a=name_a,
        name_b=name_b,
        rows=len(references),
        differences={score: difference_of(a[score].value, b[score].value, test) for score, test in tests.items()},
        bootstrap_p_values={score: test.bootstrap_p_value for score, test in tests.items()},
        signatures={score: counted.signature for score, counted in a.items()},
    )


def translation_values(
    hypotheses: Sequence[str], references: Sequence[str], target_languages: Sequence[str], names: Sequence[str] = SCORES
) -> dict[str, float]:
    """The scores alone, of all rows together; each language is cut into words in its own way."""
    rows = _rows_by(target_languages)
    counted = [_count(group, references, hypotheses, language, names) for language, group in rows.items()]
    return {name: found.value for name, found in _pooled(counted).items()}


def _rows_by(keys: Sequence[Key]) -> dict[Key, list[int]]:
    """The numbers of the rows that each key stands at, keys in the order in which they come up."""
    rows: dict[Key, list[int]] = defaultdict(list)
    for number, key in enumerate(keys):
        rows[key].append(number)
    return dict(rows)


def _count(
    rows: Sequence[int],
    references: Sequence[str],
    hypotheses: Sequence[str],
    language: str,
    names: Sequence[str] = SCORES,
) -> dict[str, Counted]:
    sides = ([side[n] for n in rows] for side in (hypotheses, references))
    return translation_scores(*sides, language=language, names=names)


def _pooled(parts: Sequence[Mapping[str, Counted]]) -> dict[str, Counted]:
    return {score: pooled([part[score] for part in parts]) for score in parts[0]}


def _measured(counted: Mapping[str, Counted], num_resamples: int, seed: int) -> dict[str, Any]:
    intervals = intervals_of_counts(counted, num_resamples=num_resamples, seed=seed)
    return {
        "scores": {score: found.value for score, found in counted.items()},
        "intervals": {score: list(ends) for score, ends in intervals.items()},
        "signatures": {score: found.signature for score, found in counted.items()},
        "length_ratio": length_ratio(counted["bleu"]),
    }


def _table(
    chosen: Iterable[int], chrf_N: Floats, directions: Sequence[Direction], texts: Mapping[str, Sequence[str]]
) -> list[dict[str, Any]]:
    return [
        {"row": int(n), "direction": _written(directions[n]), "chrf": float(chrf_N[n])}
        | {name: shown(column[n]) for name, column in texts.items()}
        for n in chosen
    ]


def _written(direction: Direction) -> str:
    return "-".join(direction)


def _notes(hypotheses: Sequence[str], directions: Sequence[Direction]) -> list[str]:
    notes = []
    if len(directions) > 1:
        notes.append(f"the scores of all rows mix {len(directions)} directions; those of each stand under directions")
    unspaced = sorted({target for _, target in directions if bleu_tokenizer(target) != "13a"})
    if unspaced:
        notes.append(
            f"BLEU into {', '.join(unspaced)} counts characters where it counts words elsewhere, so it "
            "does not compare with other languages"
        )
    empty = sum(not text.strip() for text in hypotheses)
    if empty:
        notes.append(f"{empty:,} of {len(hypotheses):,} translations are empty")
    return notes
