"""``minnow compare``: two models on the same rows."""

from pathlib import Path

import pytest
from command import minnow


def test_a_model_is_no_better_than_itself(linear: Path, colours: Path) -> None:
    found = minnow("compare", linear, linear, "--data", colours / "test.csv", "--json").json
    assert found["differences"]["accuracy"]["difference"] == 0
    assert found["mcnemar_p_value"] == 1
    assert found["verdict"].startswith("no clear difference")


def test_scores_are_those_of_evaluate(linear: Path, neural: Path, colours: Path) -> None:
    found = minnow("compare", linear, neural, "--data", colours / "test.csv", "--json")
    for side, model in (("a", linear), ("b", neural)):
        alone = minnow("evaluate", model, colours / "test.csv", "--json").json
        for name in ("accuracy", "f1_macro"):
            assert found.json["differences"][name][side] == pytest.approx(alone[name])
    assert found.err == ""
    turned = minnow("compare", neural, linear, "--data", colours / "test.csv", "--json").json
    assert turned["differences"]["accuracy"]["difference"] == -found.json["differences"]["accuracy"]["difference"]


def test_a_person_reads_a_table_and_a_verdict(linear: Path, neural: Path, colours: Path) -> None:
    shown = minnow("compare", linear, neural, "--data", colours / "test.csv").out
    for words in ("linear", "neural", "accuracy", "95 % interval", "between" if "no clear" in shown else "better"):
        assert words in shown


def test_a_missing_model_is_one_line(linear: Path, colours: Path) -> None:
    failed = minnow("compare", linear, colours / "none", "--data", colours / "test.csv", fails=True)
    assert failed.code == 2
    assert "there is no model" in failed.error
