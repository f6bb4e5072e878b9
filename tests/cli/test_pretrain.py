"""``minnow pretrain``: one object on standard output, a plan and progress beside it, one line for what cannot be."""

import json
import re
from pathlib import Path

import pytest
from command import minnow, with_settings

from minnow.bundle import layout

TINY: dict[str, object] = {
    "training.context": 16,
    "training.batch_rows": 4,
    "training.steps": 6,
    "training.validations": 2,
    "training.sample_tokens": 8,
}
SMALL = ("--size", "20K", "--tokenizer", "character", *with_settings(TINY))


@pytest.fixture
def novel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("minnow.evaluation.plots.available", lambda: False)
    path = tmp_path / "novel.txt"
    path.write_text("the cat sat on the mat.\n" * 200, encoding="utf-8")
    return path


def test_json_is_one_object_with_scores_and_sizes(novel: Path, tmp_path: Path) -> None:
    done = minnow("pretrain", novel, "--out", tmp_path / "m", "--json", *SMALL)
    assert {"loss", "perplexity", "word_perplexity", "bits_per_byte", "steps", "tokens", "model"} <= done.json.keys()
    assert done.json["model"] == str(tmp_path / "m")
    assert "plan: 6 steps" in done.err
    assert "validation loss" in done.err


def test_without_json_a_person_reads_the_scores(novel: Path, tmp_path: Path) -> None:
    done = minnow("pretrain", novel, "--out", tmp_path / "m", *SMALL)
    assert "validation bits per byte" in done.out
    assert f"minnow generate {tmp_path / 'm'}" in done.err


def test_a_model_that_fills_gaps_is_asked_for_one(novel: Path, tmp_path: Path) -> None:
    done = minnow("pretrain", novel, "--model", "distilbert", "--out", tmp_path / "m", *SMALL)
    assert f"minnow predict {tmp_path / 'm'}" in done.err
    text = "the [MASK] sat"
    assert minnow("predict", tmp_path / "m", text, "--json").json


def test_text_without_spaces_fills_no_page_with_digits(novel: Path, tmp_path: Path) -> None:
    novel.write_text(("那猫坐在席子上看着门外的雨慢慢地下着" * 20 + "\n") * 20, encoding="utf-8")
    done = minnow("pretrain", novel, "--out", tmp_path / "m", *SMALL)
    card = (tmp_path / "m" / "README.md").read_text(encoding="utf-8")
    evaluated = minnow("evaluate", tmp_path / "m", novel).out
    for shown in (done.out, card, evaluated):
        line = next(line for line in shown.splitlines() if "word perplexity" in line)
        assert re.search(r"\d\.\d{4}e\+\d+", line)
        assert len(line) < 60


def test_what_was_pretrained_generates(novel: Path, tmp_path: Path) -> None:
    minnow("pretrain", novel, "--out", tmp_path / "m", *SMALL)
    written = minnow("generate", tmp_path / "m", "the cat", "--max-tokens", 5, "--json").json
    assert isinstance(written["text"], str)


def test_options_go_into_the_recipe(novel: Path, tmp_path: Path) -> None:
    options = ["--model", "gpt2", "--seed", 7, "--validation", 0.2]
    minnow("pretrain", novel, "--out", tmp_path / "m", *SMALL, *options)
    kept = (tmp_path / "m" / layout.RECIPE).read_text(encoding="utf-8")
    assert 'name = "gpt2"' in kept
    assert "seed = 7" in kept
    assert 'validation = "0.2"' in kept
    assert json.loads((tmp_path / "m" / layout.CONFIG).read_text(encoding="utf-8"))["model_type"] == "gpt2"


def test_it_goes_on_from_a_model(novel: Path, tmp_path: Path) -> None:
    minnow("pretrain", novel, "--out", tmp_path / "first", *SMALL)
    minnow("pretrain", novel, "--out", tmp_path / "second", "--from", tmp_path / "first", *SMALL)
    configs = [json.loads((tmp_path / name / layout.CONFIG).read_text()) for name in ("first", "second")]
    assert configs[0] == configs[1]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--size", "huge"], "5M"),
        (["--budget", "soon"], "20m"),
        (["--model", "lama"], "llama"),
        (["--tokenizer", "bp"], "bpe"),
        (["--vocab-size", "-3"], "vocab_size"),
        (["--set", "training.schedule=cosin"], "cosine"),
        (["--resume"], "no run"),
        (["--from", "nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_is_one_line(arguments: list[str], named: str, novel: Path, tmp_path: Path) -> None:
    failed = minnow("pretrain", novel, "--out", tmp_path / "m", *arguments, fails=True)
    assert failed.code == 2
    assert named in failed.error
    assert not (tmp_path / "m").exists()


def test_a_corpus_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    assert "nowhere.txt" in minnow("pretrain", "nowhere.txt", "--out", tmp_path / "m", fails=True).error


def test_nothing_to_learn_from_is_one_line() -> None:
    assert "minnow pretrain CORPUS" in minnow("pretrain", fails=True).error
