"""Two models on the same rows."""

import json

import numpy as np
import pytest

from minnow.errors import DataError, MinnowError
from minnow.evaluation.compare import compare

Names = list[tuple[str, ...]]


def three_sides(right_a: float, right_b: float, seed: int = 0) -> tuple[Names, Names, Names]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(3, size=500)
    sides = [truth] + [np.where(rng.random(500) < right, truth, (truth + 1) % 3) for right in (right_a, right_b)]
    references, a, b = ([(f"label {k}",) for k in side] for side in sides)
    return references, a, b


def test_a_clear_winner_is_named() -> None:
    references, a, b = three_sides(0.7, 0.9)
    found = compare("small", "large", references, a, b)
    assert found.verdict.startswith("large is better than small")
    assert found.differences["accuracy"].difference < 0
    assert found.differences["f1_macro"].p_value < 0.01
    assert found.both_right + found.only_a_right + found.only_b_right + found.both_wrong == found.rows == 500


def test_the_difference_of_accuracies_is_that_of_the_lone_rights() -> None:
    found = compare("a", "b", *three_sides(0.8, 0.81))
    accuracy = found.differences["accuracy"]
    assert accuracy.difference == pytest.approx(accuracy.a - accuracy.b)
    assert accuracy.difference == pytest.approx((found.only_a_right - found.only_b_right) / 500)
    assert accuracy.low <= accuracy.difference <= accuracy.high


def test_a_model_against_itself_is_no_different() -> None:
    references, a, _ = three_sides(0.8, 0.8)
    found = compare("a", "a again", references, a, a)
    assert found.mcnemar_p_value == 1
    assert found.verdict.startswith("no clear difference")


def test_several_labels_a_text_and_labels_only_one_model_knows() -> None:
    references = [("a", "b"), ("a",), (), ("c",)] * 20
    found = compare("x", "y", references, references, [("a",), ("a",), ("z",), ("c",)] * 20)
    assert found.differences["accuracy"].a == 1
    assert found.differences["accuracy"].b == 0.5


def test_texts_that_have_no_label_at_all_can_be_compared() -> None:
    found = compare("x", "y", [()] * 3, [()] * 3, [()] * 3)
    assert found.both_right == 3
    assert found.differences["accuracy"].difference == 0


def test_the_comparison_is_plain_json() -> None:
    found = compare("a", "b", *three_sides(0.8, 0.9))
    assert json.loads(json.dumps(found.to_json()))["differences"]["accuracy"]["a"] == found.differences["accuracy"].a


def test_sides_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="no rows"):
        compare("a", "b", [], [], [])
    with pytest.raises(MinnowError, match="1, 1 and 2 rows"):
        compare("a", "b", [("x",)], [("x",)], [("x",), ("y",)])
