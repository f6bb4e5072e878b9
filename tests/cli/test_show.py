"""``minnow show``: what a model folder holds."""

import json
from pathlib import Path

import pytest
from command import minnow, with_settings

from minnow.bundle.bundle import Bundle


@pytest.mark.parametrize(("name", "kind"), [("linear", "ngram"), ("neural", "text_classifier")])
def test_it_tells_what_the_model_is_and_where_it_comes_from(
    request: pytest.FixtureRequest, name: str, kind: str
) -> None:
    folder: Path = request.getfixturevalue(name)
    about = minnow("show", folder, "--json").json
    assert about["model_type"] == kind
    assert about["labels"] == ["blue", "green", "red"]
    assert about["data"]["name"] == "train.csv"
    assert about["measured_on"]["name"] == "test.csv"
    assert about["scores"]["accuracy"] > 0.5
    assert about["size_bytes"] > 1000
    shown = minnow("show", folder)
    assert "blue, green, red" in shown.out
    assert shown.err == ""


def test_a_person_reads_arrows_and_commas_and_nothing_of_what_is_not_known(translator: Path) -> None:
    shown = minnow("show", translator).out
    assert "directions    source → target\n" in shown
    assert "None" not in shown
    assert f"{minnow('show', translator, '--json').json['parameters']:,}" in shown


def test_a_model_without_evidence_is_shown_without_scores(linear: Path, tmp_path: Path) -> None:
    Bundle.load(linear).save(tmp_path / "bare")
    assert "scores" not in minnow("show", tmp_path / "bare", "--json").json


def test_a_task_that_nobody_knows_is_named(linear: Path, tmp_path: Path) -> None:
    Bundle.load(linear).save(tmp_path / "odd")
    manifest = json.loads((tmp_path / "odd" / "minnow.json").read_text())
    manifest["task"]["name"] = "text_clasification"
    (tmp_path / "odd" / "minnow.json").write_text(json.dumps(manifest))
    failed = minnow("show", tmp_path / "odd", fails=True)
    assert failed.code == 2
    assert "did you mean 'text_classification'" in failed.error


def test_a_language_model_tells_how_long_it_learnt_and_from_what(tmp_path: Path) -> None:
    text, few = tmp_path / "novel.txt", {"training.steps": 2, "training.context": 16, "training.batch_rows": 2}
    text.write_text("the cat sat on the mat.\n" * 200, encoding="utf-8")
    small = ("--size", "20K", "--tokenizer", "character", *with_settings({**few, "training.sample_tokens": 0}))
    minnow("pretrain", text, "--out", tmp_path / "first", *small)
    few_more = with_settings({**few, "training.sample_tokens": 0})
    minnow("pretrain", text, "--from", tmp_path / "first", "--out", tmp_path / "second", *few_more)
    about = minnow("show", tmp_path / "second", "--json").json
    assert about["from"]["name"] == "first"
    assert (about["steps"], about["tokens_seen"]) == (2, 64)
