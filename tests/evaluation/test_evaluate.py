"""A report says of the answers what is true of them."""

import numpy as np
import pytest

from minnow.errors import DataError, MinnowError
from minnow.evaluation.evaluate import report_for
from minnow.evaluation.outcomes import predicted_labels
from minnow.evaluation.report import Report
from minnow.metrics.calibration import softmax

LABELS = ["refund", "delivery", "发票"]


def answers(num_rows: int = 200, seed: int = 0) -> tuple[list[str], list[tuple[str, ...]], np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(len(LABELS), size=num_rows)
    logits = rng.normal(size=(num_rows, len(LABELS))) + 2 * np.eye(len(LABELS))[truth]
    return [f"text {n}" for n in range(num_rows)], [(LABELS[k],) for k in truth], softmax(logits)


def one_report(**changes: object) -> Report:
    texts, references, probabilities = answers()
    return report_for("toy", texts, references, probabilities, LABELS, **changes)  # type: ignore[arg-type]


def test_scores_confusion_and_labels_agree_with_one_another() -> None:
    report = one_report()
    confusion = np.array(report.confusion)
    assert confusion.sum() == 200
    assert report.scores["accuracy"] == pytest.approx(np.trace(confusion) / 200)
    assert report.scores["f1_macro"] == pytest.approx(np.mean([row["f1"] for row in report.per_label]))
    assert [row["support"] for row in report.per_label] == confusion.sum(axis=1).tolist()
    assert [row["predicted"] for row in report.per_label] == confusion.sum(axis=0).tolist()


def test_every_interval_holds_its_score() -> None:
    report = one_report()
    assert set(report.intervals) == set(report.scores) - {"expected_calibration_error"}
    for name, (low, high) in report.intervals.items():
        assert low <= report.scores[name] <= high
    for row in report.per_label:
        assert row["f1_low"] <= row["f1"] <= row["f1_high"]


def test_what_is_known_of_the_run_is_kept() -> None:
    report = one_report(temperature=1.3, data={"name": "desk", "sha256": "ab"}, seconds=0.5)
    assert report.data == {"name": "desk", "sha256": "ab", "rows": 200}
    assert report.calibration["temperature"] == 1.3
    assert report.documents_per_second == 400
    assert report.notes == []


def test_a_label_the_model_never_saw_counts_as_an_error() -> None:
    texts, references, probabilities = answers()
    changed = [("complaint",) if n < 20 else row for n, row in enumerate(references)]
    plain = report_for("toy", texts, references, probabilities, LABELS)
    report = report_for("toy", texts, changed, probabilities, LABELS)
    assert report.unseen == ["complaint"]
    assert np.array(report.confusion).shape == (4, 3)
    assert sum(report.confusion[-1]) == 20
    assert report.scores["accuracy"] < plain.scores["accuracy"]
    assert report.per_label[-1]["label"] == "complaint"
    assert report.per_label[-1]["f1"] == 0
    assert "roc_auc" not in report.scores
    assert any("'complaint' (20 rows)" in note for note in report.notes)


def test_a_label_that_the_data_lacks_is_noted_and_the_area_left_out() -> None:
    texts, references, probabilities = answers()
    kept = [n for n, row in enumerate(references) if row != ("refund",)]
    report = report_for("toy", [texts[n] for n in kept], [references[n] for n in kept], probabilities[kept], LABELS)
    assert "roc_auc" not in report.scores
    assert any("'refund'" in note for note in report.notes)


def test_the_worst_mistakes_are_wrong_sure_and_grouped() -> None:
    texts, references, probabilities = answers()
    report = report_for("toy", texts, references, probabilities, LABELS)
    given = predicted_labels(probabilities, LABELS)
    wrong = {n for n in range(200) if given[n] != references[n]}
    assert {row["row"] for row in report.worst} <= wrong
    pairs = [row["pair"] for row in report.worst]
    counts = [row["pair_count"] for row in report.worst]
    assert counts == sorted(counts, reverse=True)
    for pair in dict.fromkeys(pairs):
        group = [row for row in report.worst if row["pair"] == pair]
        sure = [row["confidence"] for row in group]
        assert sure == sorted(sure, reverse=True)
        assert pair == f"{group[0]['reference']} → {group[0]['prediction']}"
        all_of_pair = [probabilities[n].max() for n in wrong if (references[n] + given[n]) == tuple(pair.split(" → "))]
        assert sure[0] == pytest.approx(max(all_of_pair))


def test_several_labels_a_text() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random((150, 3)) < 0.4
    probabilities = np.clip(truth * 0.6 + rng.random((150, 3)) * 0.5, 0, 1)
    references = [tuple(LABELS[k] for k in np.flatnonzero(row)) for row in truth]
    report = report_for("toy", ["x"] * 150, references, probabilities, LABELS, multi_label=True)
    assert report.confusion is None
    assert report.scores["accuracy"] == report.scores["exact_match"]
    assert report.scores["hamming_loss"] == pytest.approx(((probabilities >= 0.5) != truth).mean())
    assert report.scores["roc_auc"] > 0.9
    assert all(row["pair"].startswith(("missed ", "wrongly ")) for row in report.worst)
    strict = report_for(
        "toy", ["x"] * 150, references, probabilities, LABELS, multi_label=True, thresholds=[0.9, 0.9, 0.9]
    )
    assert strict.scores["recall_macro"] < report.scores["recall_macro"]


def test_two_labels_have_the_area_of_the_second() -> None:
    report = report_for(
        "toy", ["a"] * 4, [("no",), ("no",), ("yes",), ("yes",)], _binary([0.1, 0.6, 0.4, 0.9]), ["no", "yes"]
    )
    assert report.scores["roc_auc"] == pytest.approx(0.75)


def _binary(positive: list[float]) -> np.ndarray:
    return np.stack([1 - np.array(positive), positive], axis=1)


@pytest.mark.parametrize(
    ("references", "probabilities", "error", "message"),
    [
        ([], np.zeros((0, 2)), DataError, "no rows"),
        ([("no", "yes")], [[0.5, 0.5]], DataError, "row 1 has 2"),
        ([()], [[0.5, 0.5]], DataError, "row 1 has 0"),
        ([("other",)], [[0.5, 0.5]], DataError, "none of the labels"),
        ([("no",)], [[0.5, 0.3, 0.2]], MinnowError, r"\[rows, labels\]"),
        ([("no",)], [[np.nan, 0.5]], MinnowError, "0 … 1"),
        ([("no",)], [[3.0, -2.0]], MinnowError, "0 … 1"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_a_reason(
    references: list[tuple[str, ...]], probabilities: object, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        report_for("toy", ["a"] * len(references), references, probabilities, ["no", "yes"])  # type: ignore[arg-type]
