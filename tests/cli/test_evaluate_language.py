"""``minnow evaluate`` on a language model: the numbers that are promised, the same in Python, and errors in words."""

import math
from pathlib import Path

import pytest
import torch
from command import files_in, minnow

import minnow as package
from minnow.bundle.bundle import Bundle
from minnow.models.rnn_lm import RnnLM, RnnLMConfig
from minnow.tasks.text_generation import TextGeneration
from minnow.text.tokenizer import Tokenizer, TokenizerSettings

TEXT = "".join(f"{number} cats sat on {number % 7} mats.\n" for number in range(80))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "language"
    tokenizer = Tokenizer.train([TEXT], TokenizerSettings("character", 100, False, "none", 1))
    network = RnnLM(RnnLMConfig(vocab_size=tokenizer.vocab_size, embedding_size=8, hidden_size=8))
    with torch.no_grad():
        network.output_bias_V[:4] = -50  # it never ends a text early
    Bundle(network, TextGeneration().to_dict(), tokenizer).save(folder)
    return folder


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return path


def test_json_has_what_is_promised_and_the_numbers_agree(model: Path, text: Path) -> None:
    shown = minnow("evaluate", model, text, "--json")
    assert shown.err == ""
    report = shown.json
    total = report["loss"] * report["tokens"]
    assert report["tokens"] == report["bytes"] == len(TEXT)
    assert report["perplexity"] == pytest.approx(math.exp(report["loss"]))
    assert report["word_perplexity"] == pytest.approx(math.exp(total / report["words"]))
    assert report["bits_per_byte"] == pytest.approx(total / math.log(2) / report["bytes"])
    assert report["unknown"] == 0
    assert report["objective"] == "causal"
    in_python = package.evaluate(model, text)
    assert in_python.scores == pytest.approx({name: report[name] for name in in_python.scores})


def test_the_arithmetic_may_be_bfloat16(model: Path, text: Path) -> None:
    wide, narrow = (minnow("evaluate", model, text, "--json", *more).json for more in ((), ("--precision", "bfloat16")))
    assert narrow["loss"] != wide["loss"]
    assert narrow["loss"] == pytest.approx(wide["loss"], rel=0.02)
    assert package.evaluate(model, text, precision="bfloat16").scores["loss"] == narrow["loss"]


def test_a_person_reads_the_measures_and_how_they_were_taken(model: Path, text: Path) -> None:
    shown = minnow("evaluate", model, text).out
    for words in (
        "perplexity",
        "word perplexity",
        "bits per byte",
        "with its memory carried on",
        f"{len(TEXT):,} bytes",
    ):
        assert words in shown


def test_out_gets_the_report(model: Path, text: Path, tmp_path: Path) -> None:
    minnow("evaluate", model, text, "--out", tmp_path / "out")
    assert files_in(tmp_path / "out") == ["report.json"]


def test_samples_are_written_and_measured_on_request(model: Path, text: Path) -> None:
    report = minnow("evaluate", model, text, "--samples", 3, "--training", text, "--json").json
    assert len(report["samples"]["samples"]) == 3
    assert report["samples"]["people"]["copied"] == 1.0
    shown = minnow("evaluate", model, text, "--samples", 2).out
    assert "repetition of 4-grams" in shown
    assert "copied" not in shown


def test_a_table_of_texts_is_read_by_its_column(model: Path, tmp_path: Path) -> None:
    table = tmp_path / "rows.csv"
    table.write_text("n,body\n1,3 cats sat.\n2,5 mats.\n")
    assert minnow("evaluate", model, table, "--text", "body", "--json").json["bytes"] == len("3 cats sat.5 mats.")


def test_a_folder_without_a_test_part_gives_its_valid_part(model: Path, tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text(TEXT)
    (tmp_path / "valid.txt").write_text(TEXT[:50])
    assert minnow("evaluate", model, tmp_path, "--json").json["bytes"] == 50
    assert minnow("evaluate", model, tmp_path, "--part", "train", "--json").json["bytes"] == len(TEXT)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--label", "x"], "measured on text alone"),
        (["--context", "5"], "carries its memory on"),
        (["--training", "x.txt"], "say how many to write"),
        (["--samples", "-1"], "at least one sample"),
    ],
)
def test_what_cannot_be_is_an_error_in_words(model: Path, text: Path, arguments: list[str], words: str) -> None:
    outcome = minnow("evaluate", model, text, *arguments, fails=True)
    assert outcome.code == 2
    assert words in outcome.error


def test_bad_texts_are_errors_in_words(model: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "binary.txt").write_bytes(b"a\0b\n")
    for name, words in [("empty.txt", "holds no text"), ("binary.txt", "NUL"), ("none.txt", "no file, folder or")]:
        outcome = minnow("evaluate", model, tmp_path / name, fails=True)
        assert outcome.code == 2
        assert words in outcome.error


def test_a_classifier_has_no_samples(linear: Path, colours: Path) -> None:
    outcome = minnow("evaluate", linear, colours / "test.csv", "--samples", 3, fails=True)
    assert outcome.code == 2
    assert "are for language models" in outcome.error


def test_what_cannot_be_is_refused_before_anything_is_measured(model: Path, text: Path, tmp_path: Path) -> None:
    assert "at least one" in minnow("evaluate", model, text, "--samples", -1, fails=True).error
    recipe = ["--model", "bert", "--size", "20K", "--tokenizer", "character", "--set", "training.steps=2"]
    minnow("pretrain", text, "--out", tmp_path / "bert", *recipe)
    assert "writes no text" in minnow("evaluate", tmp_path / "bert", text, "--samples", 4, fails=True).error
    assert "leave --stride" in minnow("evaluate", tmp_path / "bert", text, "--stride", 4, fails=True).error
