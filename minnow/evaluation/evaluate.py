"""From a model's probabilities and the true labels to a Report; the model itself is not needed."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minnow.errors import MinnowError
from minnow.evaluation.outcomes import Outcomes, outcomes
from minnow.evaluation.report import Report
from minnow.evaluation.worst import worst_confusions
from minnow.metrics.calibration import Bin, error_of_bins, reliability_bins
from minnow.metrics.cells import Cells, tally
from minnow.metrics.classification import Tally, per_label, scores_from_tally
from minnow.metrics.intervals import Floats, bootstrap
from minnow.metrics.ranking import Area, area_under_roc, roc_auc

CALIBRATION = "expected_calibration_error"


def report_for(
    name: str,
    texts: Sequence[str],
    references: Sequence[tuple[str, ...]],
    probabilities_NK: ArrayLike,
    labels: Sequence[str],
    *,
    multi_label: bool = False,
    thresholds: ArrayLike = 0.5,
    temperature: float | None = None,
    data: Mapping[str, Any] | None = None,
    seconds: float | None = None,
    num_resamples: int = 1000,
    seed: int = 0,
) -> Report:
    """Measure one model on one data set.

    Args:
        name: of the model.
        texts: N texts; they are read for the table of mistakes only.
        references: the true labels of each row, one or (``multi_label``) any number.
        probabilities_NK: what the model gave, calibrated already; K columns as in ``labels``.
        thresholds: from which probability on a label is given, one for all or one each [K]; ``multi_label`` only.
        temperature: that the probabilities were made with; it is noted down, not applied.
        data: what is known of the data, such as ``name`` and ``sha256``; ``rows`` is added.
        seconds: that the model took for the N texts.

    A label in ``references`` that is not among ``labels`` counts as an error and is told in ``notes``.

    Raises:
        DataError: no rows, no label that the model knows, or several labels for a model that gives one.
        MinnowError: shapes that do not fit, or probabilities that are none.
    """
    if len(texts) != len(references):
        raise MinnowError(f"one reference a text, but got {len(references)} for {len(texts)}")
    found = outcomes(references, probabilities_NK, labels, multi_label, thresholds)
    cells = found.cells()
    counted = tally(cells, cells.counts.astype(np.float64))
    spread = bootstrap(cells, multi_label, num_resamples, seed)
    bins = _bins(found)
    scores = {key: float(value) for key, value in scores_from_tally(counted, multi_label).items()}
    area = _area(found)
    return Report(
        name=name,
        scores=scores | ({"roc_auc": area.value} if area else {}) | {CALIBRATION: error_of_bins(bins)},
        intervals=spread.scores | ({"roc_auc": (area.low, area.high)} if area else {}),
        per_label=_label_rows(found, counted, spread.f1_per_label),
        labels=list(labels),
        confusion=None if multi_label else _confusion(found, cells),
        calibration={
            "temperature": temperature,
            CALIBRATION: error_of_bins(bins),
            "bins": [asdict(b) for b in bins],
        },
        worst=worst_confusions(texts, found),
        data={**(data or {}), "rows": len(texts)},
        multi_label=multi_label,
        unseen=list(found.unseen),
        notes=_notes(found, area),
        seconds=seconds,
        documents_per_second=len(texts) / seconds if seconds else None,
    )


def _bins(found: Outcomes) -> list[Bin]:
    """One label a row: how sure of it and whether right. Several: every probability, and whether its label is true."""
    if found.multi_label:
        return reliability_bins(found.probabilities, found.references[:, : len(found.labels)])
    return reliability_bins(found.probabilities.max(axis=1), found.right)


def _area(found: Outcomes) -> Area | None:
    """Undefined beside labels that no probability was given for."""
    if found.unseen:
        return None
    if found.multi_label:
        return area_under_roc(found.references, found.probabilities)
    return roc_auc(found.reference_ids(), found.probabilities)


def _confusion(found: Outcomes, cells: Cells) -> list[list[int]]:
    """[K, K], and a last row for all labels that the model has never seen."""
    num_labels = len(found.labels)
    references = np.minimum(cells.references.argmax(axis=1), num_labels)
    predictions = cells.predictions[0].argmax(axis=1)
    matrix = np.zeros((num_labels + bool(found.unseen), num_labels), np.int64)
    np.add.at(matrix, (references, predictions), cells.counts)
    return [[int(count) for count in row] for row in matrix]


def _label_rows(found: Outcomes, counted: Tally, f1_intervals: Floats) -> list[dict[str, Any]]:
    scores = per_label(counted)
    return [
        {
            "label": name,
            **{key: float(values[k]) for key, values in scores.items()},
            "f1_low": float(f1_intervals[k, 0]),
            "f1_high": float(f1_intervals[k, 1]),
            "support": int(counted.actual[k]),
            "predicted": int(counted.predicted[k]),
        }
        for k, name in enumerate(found.names)
    ]


def _notes(found: Outcomes, area: Area | None) -> list[str]:
    notes = []
    for k, name in enumerate(found.unseen, start=len(found.labels)):
        rows = int(found.references[:, k].sum())
        notes.append(f"label {name!r} ({rows} rows) is unknown to the model; these rows count as errors")
    absent = [name for k, name in enumerate(found.labels) if not found.references[:, k].any()]
    if absent:
        shown = ", ".join(repr(name) for name in absent[:5]) + (", …" if len(absent) > 5 else "")
        notes.append(f"{len(absent)} of the model's labels do not occur in the data: {shown}")
    if area is None:
        notes.append("roc_auc is left out: it needs rows with and without each label, and no unknown labels")
    return notes
