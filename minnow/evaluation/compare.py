"""Two models on the same rows: is one better, by how much, and could it be chance?"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from minnow.errors import DataError, MinnowError
from minnow.evaluation.outcomes import indicators
from minnow.metrics.cells import cells_of_indicators, tally
from minnow.metrics.classification import scores_from_tally
from minnow.metrics.significance import PairedTest, mcnemar_exact, paired_tests

COMPARED = ("accuracy", "f1_macro")
CHANCE = 0.05


@dataclass(frozen=True)
class Difference:
    """One score of both models. ``difference`` is a less b, with its 95 % interval ``low`` … ``high``.

    ``p_value``: how often a difference this large would come up if the two were alike (approximate randomisation).
    """

    a: float
    b: float
    difference: float
    low: float
    high: float
    p_value: float


@dataclass(frozen=True)
class Comparison:
    """Model a against model b. ``mcnemar_p_value`` is exact, from the rows that only one of the two got right;
    ``notes`` are sentences that the reader should be told, such as how the rows were read."""

    name_a: str
    name_b: str
    rows: int
    differences: dict[str, Difference]
    both_right: int
    only_a_right: int
    only_b_right: int
    both_wrong: int
    mcnemar_p_value: float
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """One sentence for a person, on accuracy."""
        found = self.differences["accuracy"]
        points = (100 * found.difference, 100 * found.low, 100 * found.high)
        return verdict_on("accuracy", self.name_a, self.name_b, *points, self.mcnemar_p_value)

    def to_json(self) -> dict[str, Any]:
        """Everything as plain numbers; each compared score is a key of ``differences``."""
        return {**asdict(self), "verdict": self.verdict}


def verdict_on(score: str, name_a: str, name_b: str, difference: float, low: float, high: float, p_value: float) -> str:
    """One sentence for a person: which is better, by how many points of a score, and could it be chance?"""
    chance = "p < 0.0001" if p_value < 1e-4 else f"p = {p_value:.2g}"
    if p_value >= CHANCE:
        spread = f"95 % interval of the difference {low:+.2f} to {high:+.2f} points"
        return f"no clear difference in {score} between {name_a} and {name_b} ({spread}, {chance})"
    better, worse = (name_a, name_b) if difference > 0 else (name_b, name_a)
    low, high = (low, high) if difference > 0 else (-high, -low)
    spread = f"95 % interval {low:.2f} to {high:.2f}, {chance}"
    return f"{better} is better than {worse} by {abs(difference):.2f} points of {score} ({spread})"


def compare(
    name_a: str,
    name_b: str,
    references: Sequence[tuple[str, ...]],
    predictions_a: Sequence[tuple[str, ...]],
    predictions_b: Sequence[tuple[str, ...]],
    *,
    num_resamples: int = 2000,
    seed: int = 0,
) -> Comparison:
    """Compare the labels that two models gave to the same rows; the two may know different labels.

    Labels are names, one or any number a row (``outcomes.predicted_labels`` makes them from probabilities).

    Raises:
        DataError: no rows.
        MinnowError: not the same number of rows on all three sides.
    """
    check_rows(references=references, predictions_a=predictions_a, predictions_b=predictions_b)
    sides = (references, predictions_a, predictions_b)
    names = sorted({name for side in sides for row in side for name in row})
    multi_label = any(len(row) != 1 for side in sides for row in side)
    truth, given_a, given_b = (indicators(side, names) for side in sides)
    cells = cells_of_indicators(truth, given_a, given_b)
    counts = cells.counts.astype(np.float64)
    scores_a, scores_b = (scores_from_tally(tally(cells, counts, system), multi_label) for system in (0, 1))
    tests = paired_tests(cells, COMPARED, multi_label, num_resamples=num_resamples, seed=seed)
    right_a, right_b = (truth == given_a).all(axis=1), (truth == given_b).all(axis=1)
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    return Comparison(
        name_a=name_a,
        name_b=name_b,
        rows=len(references),
        differences={
            name: difference_of(float(scores_a[name]), float(scores_b[name]), tests[name]) for name in COMPARED
        },
        both_right=int((right_a & right_b).sum()),
        only_a_right=only_a,
        only_b_right=only_b,
        both_wrong=int((~right_a & ~right_b).sum()),
        mcnemar_p_value=mcnemar_exact(only_a, only_b),
    )


def difference_of(score_a: float, score_b: float, test: PairedTest) -> Difference:
    """A score of both with what the test of their difference found."""
    return Difference(score_a, score_b, test.difference, *test.interval, test.p_value)


def check_rows(**columns: Sequence[Any]) -> None:
    """Whether columns have rows, and all as many.

    Raises:
        DataError: no rows.
        MinnowError: not the same number in all.
    """
    *firsts, last = columns
    lengths = [str(len(column)) for column in columns.values()]
    if len(set(lengths)) > 1:
        raise MinnowError(
            f"{', '.join(firsts)} and {last} must be of one length, "
            f"but have {', '.join(lengths[:-1])} and {lengths[-1]} rows"
        )
    if lengths[0] == "0":
        raise DataError(f"there are no rows: {', '.join(firsts)} and {last} are empty; give at least one row of each")
