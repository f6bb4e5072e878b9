"""Predicted against true labels, as scores: N rows · K labels · … any leading axes, such as resamples."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Scores = dict[str, Floats]


@dataclass(frozen=True)
class Tally:
    """All that the scores need to know about the rows, for each label; the leading axes are free.

    ``hits``, ``predicted`` and ``actual`` are [..., K]: rows where the label was rightly given, given at all, and true.
    ``right`` and ``rows`` are [...]: rows that came out right in full, and rows in all.
    """

    hits: Floats
    predicted: Floats
    actual: Floats
    right: Floats
    rows: Floats


def scores_from_tally(tally: Tally, multi_label: bool = False) -> Scores:
    """Accuracy, then precision, recall and F1 as macro, micro and weighted means.

    A macro mean runs over the labels that occur, as reference or as prediction; a ratio without a denominator is 0:
    both as scikit-learn has it by default. With ``multi_label``, accuracy is the share of rows whose labels are all
    right, handed out under its own name ``exact_match`` too, and ``hamming_loss`` is the share of wrong yes-or-nos.
    """
    label_scores = per_label(tally)
    scores = {"accuracy": ratio(tally.right, tally.rows)}
    scores |= {f"{name}_macro": value for name, value in _macro(label_scores, tally).items()}
    scores |= {f"{name}_micro": value for name, value in _micro(tally).items()}
    scores |= {f"{name}_weighted": value for name, value in _weighted(label_scores, tally).items()}
    if multi_label:
        wrong = (tally.predicted + tally.actual - 2 * tally.hits).sum(axis=-1)
        scores["exact_match"] = scores["accuracy"]
        scores["hamming_loss"] = ratio(wrong, tally.rows * tally.hits.shape[-1])
    return scores


def per_label(tally: Tally) -> Scores:
    """Precision, recall and F1 of each label, [..., K] each; 0 where nothing was to be found or given."""
    return {
        "precision": ratio(tally.hits, tally.predicted),
        "recall": ratio(tally.hits, tally.actual),
        "f1": ratio(2 * tally.hits, tally.predicted + tally.actual),
    }


def _macro(label_scores: Scores, tally: Tally) -> Scores:
    occurs = (tally.predicted + tally.actual) > 0
    num_labels = occurs.sum(axis=-1)
    return {name: ratio((value * occurs).sum(axis=-1), num_labels) for name, value in label_scores.items()}


def _micro(tally: Tally) -> Scores:
    hits, predicted, actual = (part.sum(axis=-1) for part in (tally.hits, tally.predicted, tally.actual))
    return {
        "precision": ratio(hits, predicted),
        "recall": ratio(hits, actual),
        "f1": ratio(2 * hits, predicted + actual),
    }


def _weighted(label_scores: Scores, tally: Tally) -> Scores:
    actual = tally.actual.sum(axis=-1)
    return {name: ratio((value * tally.actual).sum(axis=-1), actual) for name, value in label_scores.items()}


def ratio(part: ArrayLike, whole: ArrayLike) -> Floats:
    """``part`` over ``whole``, 0 where the whole is nothing."""
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    share: Floats = np.divide(part, whole, out=np.zeros(np.broadcast(part, whole).shape), where=whole > 0)
    return share
