"""How well the scores of a label put its rows above the others: N rows · K labels."""

from dataclasses import dataclass
from math import exp, log, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Area:
    """The area under the ROC curve with its confidence interval."""

    value: float
    low: float
    high: float


def roc_auc(references_N: ArrayLike, probabilities_NK: ArrayLike, level: float = 0.95) -> Area | None:
    """The area for one label a row (ids 0 … K - 1): that of label 1 if K = 2, else the mean of one against the rest.

    None where it is not defined: a label that no row bears, or that all rows bear.
    """
    probabilities = np.asarray(probabilities_NK, np.float64)
    num_labels = probabilities.shape[1]
    indicators = np.asarray(references_N)[:, None] == np.arange(num_labels)
    if num_labels == 2:
        return area_under_roc(indicators[:, 1:], probabilities[:, 1:], level)
    return area_under_roc(indicators, probabilities, level)


def area_under_roc(references_NK: ArrayLike, scores_NK: ArrayLike, level: float = 0.95) -> Area | None:
    """The mean over the K columns of the area under the ROC curve; None where a column has only one kind of row.

    The interval is DeLong's (DeLong, DeLong & Clarke-Pearson 1988), taken on the logit scale so that it stays inside
    0 … 1. For several columns each row's influences are averaged first, which keeps the correlation between columns.
    """
    references, scores = np.asarray(references_NK, bool), np.asarray(scores_NK, np.float64)
    positives = references.sum(axis=0)
    if references.size == 0 or (positives == 0).any() or (positives == len(references)).any():
        return None
    areas, influence_N = np.zeros(references.shape[1]), np.zeros(len(references))
    for label in range(references.shape[1]):
        areas[label], column_N = _area_and_influence(references[:, label], scores[:, label])
        influence_N += column_N / references.shape[1]
    return _with_interval(float(areas.mean()), float(np.sqrt((influence_N**2).sum())), level)


def _area_and_influence(is_positive_N: NDArray[np.bool_], scores_N: Floats) -> tuple[float, Floats]:
    """The area of one column, and what each row adds to its error: the sum of their squares is DeLong's variance."""
    positives, negatives = scores_N[is_positive_N], scores_N[~is_positive_N]
    above = _share_below(np.sort(negatives), positives)
    below = 1 - _share_below(np.sort(positives), negatives)
    area = float(above.mean())
    influence = np.empty(len(scores_N))
    influence[is_positive_N] = (above - area) / sqrt(len(positives) * max(len(positives) - 1, 1))
    influence[~is_positive_N] = (below - area) / sqrt(len(negatives) * max(len(negatives) - 1, 1))
    return area, influence


def _share_below(sorted_scores: Floats, scores: Floats) -> Floats:
    """The share of ``sorted_scores`` that lies below each of ``scores``; a tie counts half."""
    below = np.searchsorted(sorted_scores, scores, side="left") + np.searchsorted(sorted_scores, scores, side="right")
    return below / (2 * len(sorted_scores))


def _with_interval(area: float, deviation: float, level: float) -> Area:
    if not 0 < area < 1:
        return Area(area, area, area)
    centre = log(area / (1 - area))
    reach = NormalDist().inv_cdf(0.5 + level / 2) * deviation / (area * (1 - area))
    # The sigmoid of a reach beyond 700 would overflow; it is 0 or 1 long before.
    low, high = (1 / (1 + exp(-min(max(end, -700.0), 700.0))) for end in (centre - reach, centre + reach))
    return Area(area, low, high)
