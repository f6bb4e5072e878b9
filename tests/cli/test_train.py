"""``minnow train``: notes on standard error, one JSON object on standard output, and a run that outlives a kill."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from colours import csv_file, rows
from command import files_in, minnow, net, start
from safetensors.numpy import load_file

from minnow.training.journal import read_journal

pytestmark = pytest.mark.usefixtures("no_pictures")
# Where the time is written down the size of minnow.json differs by its digits.
TIMINGS = ("seconds", "tokens_per_second", "memory_mib", "train_seconds", "documents_per_second", "model", "size_bytes")
# A recurrent net with every kind of dropout, and enough steps that an epoch takes a second or two.
SLOW = net(
    text_classifier__encoder="gru",
    text_classifier__recurrent_dropout=0.1,
    training__tokens_per_batch=32,
    training__epochs=2,
    training__checkpoint_seconds=0.2,
)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    csv_file(folder / "test.csv", rows(100, seed=4))
    return csv_file(folder / "train.csv", rows(400, seed=3))


def without_timings(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in TIMINGS}


def journal(folder: Path) -> list[dict[str, Any]]:
    return [without_timings(row) for row in read_journal(folder / "run" / "journal.jsonl")]


def test_json_is_one_object_with_the_names_of_the_metrics(colours: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    made = minnow("train", colours / "train.csv", "--test", colours / "test.csv", "--out", out, "--json")
    assert {"accuracy", "f1_macro", "train_seconds", "size_bytes", "parameters", "intervals"} <= made.json.keys()
    assert made.json["model"] == str(out)
    assert made.json["accuracy"] > 0.9
    assert made.json["train_seconds"] > 0
    assert "240 rows" in made.err


def test_without_json_scores_go_out_and_notes_go_to_standard_error(colours: Path, tmp_path: Path) -> None:
    made = minnow("train", colours / "train.csv", "--out", tmp_path / "out", *net())
    assert "accuracy" in made.out
    assert "epoch  1" in made.err
    assert f"next: minnow predict {tmp_path / 'out'}" in made.err
    assert "epoch" not in made.out


def test_without_any_option_the_model_goes_to_runs(
    colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for expected in ("runs/train", "runs/train-2"):
        assert minnow("train", colours / "train.csv", "--json").json["model"] == expected
        assert (tmp_path / expected / "minnow.json").is_file()


def test_what_the_command_line_says_goes_before_the_recipe(colours: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('[data]\ntrain = "elsewhere.csv"\n[model]\nname = "ngram"\n[training]\nseed = 3\nepochs = 7\n')
    minnow(
        *("train", colours / "train.csv", "--recipe", recipe, "--out", tmp_path / "out"),
        *("--seed", 5, "--set", "training.epochs=8", "--set", "ngram.folds=3"),
    )
    written = (tmp_path / "out" / "recipe.toml").read_text()
    for line in (f'train = "{colours / "train.csv"}"', 'name = "ngram"', "seed = 5", "epochs = 8", "folds = 3"):
        assert line in written


def test_the_recipe_of_a_model_trains_the_same_model_again(linear: Path, tmp_path: Path) -> None:
    minnow("train", "--recipe", linear / "recipe.toml", "--out", tmp_path / "again")
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (linear / "model.safetensors").read_bytes()


def test_columns_are_named_where_they_cannot_be_guessed(tmp_path: Path) -> None:
    lines = [f"{colour},{text},{text[::-1]}" for text, colour in rows(60)]
    (tmp_path / "data.csv").write_text("a,b,c\n" + "\n".join(lines) + "\n")
    made = minnow("train", tmp_path / "data.csv", "--text", "c", "--label", "a", "--out", tmp_path / "out")
    assert 'text: column "c" (as asked)' in made.err
    assert 'label: column "a" (as asked' in made.err


def test_a_folder_with_parts_of_class_folders_brings_its_own_test(tmp_path: Path) -> None:
    for part, num_rows, seed in (("train", 60, 1), ("test", 20, 2)):
        for i, (text, colour) in enumerate(rows(num_rows, seed)):
            (tmp_path / "data" / part / colour).mkdir(parents=True, exist_ok=True)
            (tmp_path / "data" / part / colour / f"{i}.txt").write_text(text)
    made = minnow("train", tmp_path / "data", "--out", tmp_path / "out", "--json").json
    assert (made["measured_on"], made["rows"], made["test_rows"]) == ("test", 60, 20)


def test_what_stands_in_out_is_kept_unless_it_may_be_overwritten(colours: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    minnow("train", colours / "train.csv", "--out", out)
    before = (out / "minnow.json").read_bytes()
    refused = minnow("train", colours / "train.csv", "--out", out, fails=True)
    assert refused.code == 2
    assert "already holds a model" in refused.error
    assert (out / "minnow.json").read_bytes() == before
    minnow("train", colours / "train.csv", "--out", out, "--overwrite", *net())
    assert not any("state" in name for name in files_in(out))
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "thesis.tex").write_text("mine")
    assert "is not empty" in minnow("train", colours / "train.csv", "--out", tmp_path / "papers", fails=True).error
    for place in (colours / "train.csv", colours / "train.csv" / "deeper"):
        assert minnow("train", colours / "train.csv", "--out", place, fails=True).code == 2
    assert files_in(tmp_path / "papers") == ["thesis.tex"]


def test_a_run_that_was_killed_ends_as_an_unbroken_one(many: Path, tmp_path: Path) -> None:
    test = ("--test", many.parent / "test.csv")
    unbroken = minnow("train", many, *test, "--out", tmp_path / "unbroken", "--json", *SLOW).json
    running = start("train", many, *test, "--out", tmp_path / "killed", *SLOW)
    checkpoint = tmp_path / "killed" / "run" / "checkpoint" / "state.json"
    deadline = time.monotonic() + 60
    while not checkpoint.exists() and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    running.communicate()
    assert checkpoint.exists()
    assert b'"epoch":0' in checkpoint.read_bytes()
    assert not (tmp_path / "killed" / "minnow.json").exists()
    refused = minnow("predict", tmp_path / "killed", "a text", fails=True)
    assert "--resume" in refused.error
    refused = minnow("train", many, "--out", tmp_path / "killed", fails=True)
    assert "--resume" in refused.error
    resumed = minnow("train", "--resume", "--out", tmp_path / "killed", "--json").json
    assert without_timings(resumed) == without_timings(unbroken)
    assert journal(tmp_path / "killed") == journal(tmp_path / "unbroken")
    expected = load_file(tmp_path / "unbroken" / "model.safetensors")
    found = load_file(tmp_path / "killed" / "model.safetensors")
    assert found.keys() == expected.keys()
    assert all((found[name] == expected[name]).all() for name in expected)
    assert files_in(tmp_path / "killed") == files_in(tmp_path / "unbroken")


def test_a_linear_run_that_was_killed_is_done_again(colours: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / "run").mkdir(parents=True)
    whole = minnow("train", colours / "train.csv", "--out", tmp_path / "whole", "--json").json
    (tmp_path / "out" / "run" / "recipe.toml").write_bytes((tmp_path / "whole" / "recipe.toml").read_bytes())
    again = minnow("train", "--resume", "--out", tmp_path / "out", "--json").json
    assert without_timings(again) == without_timings(whole)


def test_ctrl_c_keeps_the_best_model(many: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    running = start("train", many, "--out", out, "--json", *net(training__epochs=100_000))
    journal, deadline = out / "run" / "journal.jsonl", time.monotonic() + 60
    while running.poll() is None and time.monotonic() < deadline:
        if journal.exists() and b'"accuracy":1.0' in journal.read_bytes():
            break
        time.sleep(0.01)
    os.kill(running.pid, signal.SIGINT)
    printed, told = running.communicate(timeout=60)
    assert running.returncode == 0, told
    assert "interrupted: the model of step" in told
    assert '"accuracy"' in printed
    assert "Traceback" not in told
    assert minnow("predict", out, "the apple and the ruby").lines[0]["label"] == "red"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--resume"], "--resume needs --out DIR"),
        (["--resume", "--out", "{tmp}/none"], "there is no run to resume"),
        (["--resume", "--out", "{linear}"], "is finished; there is nothing to resume"),
        ([], "minnow train DATA"),
        (["{data}", "--model", "ngrams"], "did you mean 'ngram'"),
        (["{data}", "--seed", "-1"], "training.seed must lie between 0 and"),
        (["{data}", "--test", "nowhere.csv"], "'nowhere.csv'"),
        (["nowhere.csv"], "'nowhere.csv'"),
        (["imbd"], "did you mean 'imdb'"),
    ],
)
def test_mistakes_are_one_line_with_the_next_step(
    arguments: list[str], words: str, linear: Path, colours: Path, tmp_path: Path
) -> None:
    places = {"tmp": tmp_path, "linear": linear, "data": colours / "train.csv"}
    failed = minnow("train", *(argument.format(**places) for argument in arguments), fails=True)
    assert failed.code == 2
    assert words in failed.error
    assert failed.out == ""


def test_a_run_that_fails_by_itself_ends_with_code_1(colours: Path, tmp_path: Path) -> None:
    wild = net(training__learning_rate=99, training__optimizer="sgd", training__clip=0, training__warmup=0)
    wild += ["--set", "training.tokens_per_batch=32"]  # so many steps that none is validated before the loss is none
    failed = minnow(
        "train", colours / "train.csv", "--out", tmp_path / "out", *wild, "--set", "training.epochs=500", fails=True
    )
    assert failed.code == 1
    assert "smaller training.learning_rate" in failed.error
