"""Text classification: settings travel, probabilities are calibrated, labels are named, loss and scores are right.

N texts · K labels
"""

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from minnow.errors import BundleError, UnknownNameError
from minnow.tasks.registry import task_from
from minnow.tasks.signature import Label, Labels
from minnow.tasks.text_classification import TextClassification

LABELS = ("late", "broken", "坏了")
ONE = TextClassification(LABELS)
SEVERAL = TextClassification(LABELS, multi_label=True)
either = pytest.mark.parametrize("task", [ONE, SEVERAL], ids=["one", "several"])
quick = settings(max_examples=50)
logits = st.integers(0, 6).flatmap(lambda num: arrays(np.float32, (num, 3), elements=st.floats(-80, 80, width=32)))
temperatures = st.floats(0.05, 20)


class Fixed:
    """A model that answers with the logits it was given, whatever it is asked."""

    reads = "ngrams"

    def __init__(self, logits_NK: Any):
        self.logits_NK = np.array(logits_NK, np.float32)
        self.config = SimpleNamespace(num_labels=self.logits_NK.shape[1], views=())

    def __call__(self, _: object) -> NDArray[np.float32]:
        return self.logits_NK


@pytest.mark.parametrize(
    "task",
    [
        ONE,
        SEVERAL,
        TextClassification(
            ("one", "other"), strip_markup=False, max_tokens=64, keep="first", temperature=0.3, threshold=0.9
        ),
    ],
)
def test_a_task_travels_as_json(task: TextClassification) -> None:
    written = json.loads(json.dumps(task.to_dict()))
    assert (written["name"], written["version"]) == ("text_classification", 1)
    assert TextClassification.from_dict(written) == task
    assert task_from(written) == task


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "has version 2, but this Minnow knows 1"),
        ({"version": None}, "has version None"),
        ({"treshold": 0.1}, "did you mean 'threshold'"),
        ({"labels": "late"}, "labels must be a list"),
        ({"temperature": None}, "temperature must be a number"),
    ],
)
def test_what_it_never_writes_is_a_damaged_bundle(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BundleError, match=message):
        TextClassification.from_dict({**ONE.to_dict(), **change})


def test_an_unknown_task_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'text_classification'"):
        task_from({"name": "text_clasification"})


@quick
@given(logits, temperatures)
def test_one_label_a_text_shares_a_probability_of_one(logits_NK: NDArray[np.float32], temperature: float) -> None:
    probabilities_NK = ONE.calibrated(temperature).probabilities(logits_NK)
    assert (probabilities_NK >= 0).all()
    np.testing.assert_allclose(probabilities_NK.sum(axis=1), 1)


@quick
@given(logits, temperatures)
def test_calibration_moves_confidence_and_never_the_answer(logits_NK: NDArray[np.float32], temperature: float) -> None:
    best = [LABELS[i] for i in logits_NK.argmax(axis=1)]
    # Where logits nearly tie, probabilities may tie altogether; the answer is then one of the best.
    for answer, row, name in zip(
        ONE.calibrated(temperature).predict(Fixed(logits_NK), None, best), logits_NK, best, strict=True
    ):
        assert isinstance(answer, Label)
        assert row[LABELS.index(answer.label)] == pytest.approx(row[LABELS.index(name)], abs=1e-4)
        assert answer.confidence == answer.scores[answer.label] == max(answer.scores.values())
        assert tuple(answer.scores) == LABELS


@quick
@given(logits, temperatures, st.floats(0.05, 0.95))
def test_several_labels_are_those_over_the_threshold_surest_first(
    logits_NK: NDArray[np.float32], temperature: float, threshold: float
) -> None:
    task = replace(SEVERAL, temperature=temperature, threshold=threshold)
    answers = task.predict(Fixed(logits_NK), None, [""] * len(logits_NK))
    for answer, row in zip(answers, task.probabilities(logits_NK).tolist(), strict=True):
        assert isinstance(answer, Labels)
        assert answer.scores == dict(zip(LABELS, row, strict=True))
        assert {label.label for label in answer.labels} == {
            name for name, probability in answer.scores.items() if probability >= threshold
        }
        confidences = [label.confidence for label in answer.labels]
        assert confidences == sorted(confidences, reverse=True)


@either
def test_no_inputs_get_no_answers(task: TextClassification) -> None:
    assert task.predict(Fixed(np.zeros((0, 3))), None, []) == []


def test_markup_is_taken_out_where_the_task_says_so() -> None:
    texts = ["<b>late</b> &amp; broken", "plain"]
    assert ONE.prepare(texts) == ["late & broken", "plain"]
    assert replace(ONE, strip_markup=False).prepare(texts) == texts


@either
def test_names_become_ids_and_unknown_names_are_left_out(task: TextClassification) -> None:
    names = [("坏了",), ("late", "broken"), ("new", "broken"), ()]
    assert task.label_ids(names) == [(2,), (0, 1), (1,), ()]


def test_targets_are_ids_or_indicators() -> None:
    assert ONE.targets([(2,), (0,)]).tolist() == [2, 0]
    assert SEVERAL.targets([(2, 0), ()]).tolist() == [[1, 0, 1], [0, 0, 0]]


def negative_log(task: TextClassification, logits_NK: NDArray[np.float64]) -> tuple[Any, Any]:
    """-log p and -log (1 - p) of every label in double precision."""
    if task.multi_label:
        return np.logaddexp(0, -logits_NK), np.logaddexp(0, logits_NK)
    return np.log(np.exp(logits_NK).sum(axis=1, keepdims=True)) - logits_NK, None


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_the_cross_entropy_in_nats(smoothing: float) -> None:
    logits_NK = np.random.default_rng(0).normal(size=(5, 3))
    label_ids = [(0,), (2,), (1,), (1,), (0,)]
    yes, _ = negative_log(ONE, logits_NK)
    wanted = np.eye(3)[[ids[0] for ids in label_ids]] * (1 - smoothing) + smoothing / 3
    targets = torch.from_numpy(ONE.targets(label_ids))
    loss = ONE.loss(torch.from_numpy(logits_NK), targets, None, smoothing)
    assert loss.item() == pytest.approx((wanted * yes).sum(axis=1).mean(), rel=1e-5)
    weights = np.array([1.0, 2.0, 5.0])
    weighted = ONE.loss(torch.from_numpy(logits_NK), targets, torch.tensor(weights, dtype=torch.float32))
    share = weights[[ids[0] for ids in label_ids]]
    expected = (share * yes[np.arange(5), [ids[0] for ids in label_ids]]).mean()
    assert weighted.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [None, (1.0, 3.0, 0.5)])
def test_the_loss_of_several_labels_is_the_mean_over_all(smoothing: float, weights: tuple[float, ...] | None) -> None:
    logits_NK = np.random.default_rng(1).normal(size=(4, 3))
    targets_NK = SEVERAL.targets([(0, 1), (), (2,), (0, 1, 2)])
    yes, no = negative_log(SEVERAL, logits_NK)
    wanted_NK = targets_NK * (1 - smoothing) + smoothing / 2
    expected = (np.array(weights or 1) * wanted_NK * yes + (1 - wanted_NK) * no).mean()
    loss = SEVERAL.loss(
        torch.from_numpy(logits_NK),
        torch.from_numpy(targets_NK),
        None if weights is None else torch.tensor(weights),
        smoothing,
    )
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_the_loss_of_half_precision_logits_is_computed_in_single() -> None:
    logits_NK = torch.tensor([[300.0, -300.0, 0.0]], dtype=torch.bfloat16)
    assert ONE.loss(logits_NK, torch.tensor([0]), None).dtype == torch.float32


@quick
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=20))
def test_accuracy_is_the_share_of_right_answers(pairs: list[tuple[int, int]]) -> None:
    references, given_ids = zip(*pairs, strict=True)
    scores = ONE.score(np.eye(3)[list(given_ids)], [(reference,) for reference in references])
    assert scores["accuracy"] == pytest.approx(np.mean([a == b for a, b in pairs]))
    assert {"precision_macro", "recall_macro", "f1_macro"} <= scores.keys()


def test_the_score_of_several_labels_goes_by_the_threshold() -> None:
    logits_NK = np.array([[2.0, -2.0, 0.5], [-1.0, -1.0, -1.0]])
    references = [(0,), ()]
    assert SEVERAL.score(logits_NK, references)["exact_match"] == 0.5
    assert replace(SEVERAL, threshold=0.8).score(logits_NK, references)["exact_match"] == 1.0
    for threshold in (0.1, 0.5, 0.8):
        task = replace(SEVERAL, threshold=threshold)
        answers = task.outputs(task.probabilities(logits_NK))
        names = [tuple(label.label for label in answer.labels) for answer in answers]  # type: ignore[union-attr]
        right = np.mean(
            [set(ids) == set(wanted) for ids, wanted in zip(task.label_ids(names), references, strict=True)]
        )
        assert task.score(logits_NK, references)["exact_match"] == right


def test_a_calibrated_task_differs_in_its_temperature_alone() -> None:
    assert ONE.calibrated(2.5) == replace(ONE, temperature=2.5)
