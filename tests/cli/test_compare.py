"""``minnow compare``: two models on the same rows."""

import shutil
from pathlib import Path

import pytest
from colours import csv_file, rows
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


def test_what_was_decided_about_the_rows_is_told(linear: Path, neural: Path, tmp_path: Path) -> None:
    data = csv_file(tmp_path / "data.csv", [*rows(20, seed=7), ("a rose", "")])
    shown = minnow("compare", linear, neural, "--data", data)
    assert "1 row without a label left out" in shown.err
    assert "1 row without a label left out" in minnow("compare", linear, neural, "--data", data, "--json").json["notes"]


def test_models_of_one_name_are_told_apart_by_their_paths(
    linear: Path, colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("v1", "v2"):
        shutil.copytree(linear, tmp_path / version / "model")
    monkeypatch.chdir(tmp_path)
    found = minnow("compare", "v1/model", "v2/model", "--data", colours / "test.csv", "--json").json
    assert (found["name_a"], found["name_b"]) == ("v1/model", "v2/model")
    monkeypatch.chdir(tmp_path / "v1" / "model")
    found = minnow("compare", ".", "../../v2/model", "--data", colours / "test.csv", "--json").json
    assert (found["name_a"], found["name_b"]) == (".", "../../v2/model")
    found = minnow("compare", ".", linear, "--data", colours / "test.csv", "--json").json
    assert (found["name_a"], found["name_b"]) == ("model", "linear")


def test_another_part_is_compared_where_it_is_named(linear: Path, neural: Path, colours: Path) -> None:
    found = minnow("compare", linear, neural, "--data", colours, "--part", "train", "--json").json
    alone = minnow("evaluate", linear, colours, "--part", "train", "--json").json
    assert found["differences"]["accuracy"]["a"] == pytest.approx(alone["accuracy"])
    refused = minnow("compare", linear, neural, "--data", colours, "--part", "dev", fails=True)
    assert "has no part 'dev'; it has: train, test" in refused.error


def test_a_missing_model_is_one_line(linear: Path, colours: Path) -> None:
    failed = minnow("compare", linear, colours / "none", "--data", colours / "test.csv", fails=True)
    assert failed.code == 2
    assert "there is no model" in failed.error


def test_the_arithmetic_may_be_named(linear: Path, neural: Path, colours: Path) -> None:
    asked = ("compare", neural, neural, "--data", colours / "test.csv", "--precision")
    assert minnow(*asked, "bfloat16", "--json").json["differences"]["accuracy"]["difference"] == 0
    assert "did you mean 'bfloat16'" in minnow(*asked, "bfloat", fails=True).error
    assert (
        "did you mean" in minnow("neighbours", neural, "a", "--file", linear, "--precision", "bfloat", fails=True).error
    )
