"""A model's answers beside the truth, as arrays: N rows · K labels of the model · L = K + labels it has never seen."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minnow.errors import DataError, MinnowError
from minnow.metrics.cells import Cells, cells_of_indicators, cells_of_labels

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Outcomes:
    """``references`` and ``predictions`` are 0/1 [N, L]; the columns are ``labels``, then ``unseen``."""

    labels: tuple[str, ...]
    unseen: tuple[str, ...]
    references: Flags
    predictions: Flags
    probabilities: Floats
    multi_label: bool

    @property
    def names(self) -> tuple[str, ...]:
        """All labels: those of the model, then those only the data has."""
        return self.labels + self.unseen

    @property
    def right(self) -> Flags:
        """Which rows came out right in full: [N]."""
        return np.asarray((self.references == self.predictions).all(axis=1))

    def reference_ids(self) -> NDArray[np.int64]:
        """The one true label of each row, 0 … L - 1; for one label a row only."""
        return np.asarray(self.references.argmax(axis=1), np.int64)

    def predicted_ids(self) -> NDArray[np.int64]:
        """The one given label of each row, 0 … K - 1; for one label a row only."""
        return np.asarray(self.predictions.argmax(axis=1), np.int64)

    def cells(self) -> Cells:
        """The distinct outcomes, for the bootstrap."""
        if self.multi_label:
            return cells_of_indicators(self.references, self.predictions)
        return cells_of_labels(self.reference_ids(), self.predicted_ids(), num_labels=len(self.names))


def outcomes(
    references: Sequence[tuple[str, ...]],
    probabilities_NK: ArrayLike,
    labels: Sequence[str],
    multi_label: bool = False,
    thresholds: ArrayLike = 0.5,
) -> Outcomes:
    """Set a model's probabilities beside the true labels.

    With one label a row the largest probability decides; with several, each label at or above its threshold is given.

    Raises:
        DataError: no rows, no label that the model knows, or not one label a row where there must be.
        MinnowError: probabilities of the wrong shape, or outside 0 … 1.
    """
    probabilities = _checked(probabilities_NK, len(references), len(labels))
    unseen = tuple(sorted({name for row in references for name in row} - set(labels)))
    _check_references(references, labels, multi_label)
    truth = indicators(references, (*labels, *unseen))
    if not truth[:, : len(labels)].any() and truth.any():
        raise DataError(f"none of the labels in the data are the model's: {_some(unseen)} against {_some(labels)}")
    given = np.zeros_like(truth)
    given[:, : len(labels)] = decide(probabilities, multi_label, thresholds)
    return Outcomes(tuple(labels), unseen, truth, given, probabilities, multi_label)


def decide(probabilities_NK: Floats, multi_label: bool = False, thresholds: ArrayLike = 0.5) -> Flags:
    """Which labels each row is given, 0/1 [N, K]; a tie goes to the earlier label."""
    if multi_label:
        return np.asarray(probabilities_NK >= np.asarray(thresholds))
    return np.asarray(probabilities_NK.argmax(axis=1)[:, None] == np.arange(probabilities_NK.shape[1]))


def predicted_labels(
    probabilities_NK: ArrayLike, labels: Sequence[str], multi_label: bool = False, thresholds: ArrayLike = 0.5
) -> list[tuple[str, ...]]:
    """The labels given to each row, by name."""
    probabilities = np.asarray(probabilities_NK, np.float64)
    if not multi_label:
        return [(labels[int(best)],) for best in probabilities.argmax(axis=1)]
    return [tuple(labels[int(k)] for k in np.flatnonzero(row)) for row in decide(probabilities, True, thresholds)]


def indicators(rows: Sequence[tuple[str, ...]], names: Sequence[str]) -> Flags:
    """Label names as a 0/1 matrix, one row each, the columns as in ``names``."""
    column = {name: k for k, name in enumerate(names)}
    counts = np.fromiter((len(row) for row in rows), np.int64, len(rows))
    ids = np.fromiter((column[name] for row in rows for name in row), np.int64, int(counts.sum()))
    matrix = np.zeros((len(rows), len(names)), bool)
    matrix[np.repeat(np.arange(len(rows)), counts), ids] = True
    return matrix


def _checked(probabilities_NK: ArrayLike, num_rows: int, num_labels: int) -> Floats:
    probabilities = np.asarray(probabilities_NK, np.float64)
    if num_rows == 0:
        raise DataError("there are no rows to evaluate; give a file with at least one labelled text")
    if probabilities.shape != (num_rows, num_labels):
        raise MinnowError(
            f"probabilities must be [rows, labels] = {(num_rows, num_labels)}, but are {probabilities.shape}"
        )
    if not are_probabilities(probabilities):
        raise MinnowError(
            "probabilities must lie in 0 … 1, but the model gave others; it may have diverged in training"
        )
    return probabilities


def are_probabilities(values: Floats) -> bool:
    """Whether all of them are numbers in 0 … 1, but for rounding."""
    # A comparison with not-a-number is false, so this catches it as well.
    return bool(((values >= -1e-6) & (values <= 1 + 1e-6)).all())


def _check_references(references: Sequence[tuple[str, ...]], labels: Sequence[str], multi_label: bool) -> None:
    if len(set(labels)) != len(labels):
        raise MinnowError("the model's labels must differ from one another")
    if multi_label:
        return
    for row, names in enumerate(references):
        if len(names) != 1:
            raise DataError(f"this model gives one label a text, but row {row + 1} has {len(names)}; keep one a row")


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5])
    return f"{shown}, …" if len(names) > 5 else shown
