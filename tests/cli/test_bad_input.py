"""Whatever is wrong with what a person hands in: one line that says what to do, code 2, and nothing half-written."""

import json
import re
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from colours import csv_file, rows
from command import files_in, minnow, net
from safetensors.numpy import load_file, save_file

from minnow.bundle.bundle import Bundle
from minnow.data.streams import MAX_LINE_BYTES
from minnow.errors import StorageError

pytestmark = pytest.mark.usefixtures("no_pictures")


def refused(data: Path, out: Path, *options: object) -> str:
    """The error of training on ``data``, after a look at what it left: nothing."""
    failed = minnow("train", data, "--out", out, *options, "--json", fails=True)
    assert failed.code == 2
    assert failed.out == ""
    assert not out.exists()
    return failed.error


def lines(*labels: object) -> bytes:
    return b"".join(json.dumps({"text": f"text {i}", "label": name}).encode() + b"\n" for i, name in enumerate(labels))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("data.csv", b"", "is empty; it needs one row for each text"),
        ("data.csv", b"\n\n", "is empty"),
        ("data.csv", b"text,label\n", "no rows below its header"),
        ("data.csv.gz", b"", "is empty"),
        ("data.csv", b"text,label\none,a\ntwo,a\n", "one label, 'a'.*two or more"),
        (
            "data.csv",
            b"text,words\none,a\ntwo,b\nthree,c\nfour,d\nfive,e\n",
            "name one with --label; columns: text, words",
        ),
        ("data.csv", b"text,label\none,a\ntwo,b,c\n", "line 3 .*3 cells"),
        ("data.csv", b'text,label\n"one,a\ntwo,b\n', "quote"),
        ("data.csv", "text,label\n你好吗朋友,甲\n再见朋友们,乙\n".encode("gb18030"), "not UTF-8.*--encoding gb18030"),
        ("data.csv", b"text,label\ncaf\xe9,a\nth\xe9,b\n", "not UTF-8: byte 0xe9 in line 2"),
        ("data.csv", b"text,label\none\x00,a\ntwo,b\n", "NUL"),
        ("data.csv", b"text,label\n ,a\n,b\n", "empty"),
        ("data.jsonl", b'{"text": "one", "label": "a"}\n{"text": \n', "line 2 .*not JSON"),
        ("data.jsonl", b"[1, 2\n", "JSON"),
        ("data.jsonl", lines("a", "b", 3, "a"), "mixed types .*row 3 holds a number.*as strings"),
        ("data.jsonl", lines("a", ["a", "b"], True), "mixed types"),
        ("data.jsonl", lines({"a": 1}, {"b": 2}), "choose another with --label"),
        ("data.jsonl", lines(0.25, 0.5, 0.75), "measurements such as 0.25"),
        ("data.jsonl", lines(None, None, "a", None), "have no label"),
        ("data.parquet", b"PAR1 and then something else PAR1", "damaged parquet"),
        ("data.parquet", b"text,label\n", "does not begin like one"),
        ("data.csv.gz", b"\x1f\x8b\x08\x00 not really gz", "gz"),
        ("data.xlsx", b"PK\x03\x04 and so on", "save the sheet as csv"),
        ("data.txt", b"one\ntwo\nthree\n", "--label"),
    ],
)
def test_data_that_cannot_be_used(name: str, content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    error = refused(tmp_path / name, tmp_path / "out")
    assert re.search(words, error), error


def test_a_column_that_is_not_there_names_the_nearest(colours: Path, tmp_path: Path) -> None:
    assert "did you mean 'label'? columns: text, label" in refused(
        colours / "train.csv", tmp_path / "out", "--label", "labl"
    )
    assert "no column 'review'" in refused(colours / "train.csv", tmp_path / "out", "--text", "review")
    assert "both the text and the label" in refused(
        colours / "train.csv", tmp_path / "out", "--text", "label", "--label", "label"
    )


def test_a_line_without_an_end_is_refused_before_it_fills_the_memory(linear: Path, tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    with path.open("wb") as stream:
        stream.write(lines("a", "b") + b'{"text": "')
        for _ in range(MAX_LINE_BYTES // (1 << 20) + 1):
            stream.write(b"a" * (1 << 20))
    try:
        assert "line 3" in refused(path, tmp_path / "out")
        failed = minnow("predict", linear, "--file", path, "--out", tmp_path / "answers", fails=True)
        assert "line 3" in failed.error
        assert files_in(tmp_path / "answers") == []
    finally:
        path.unlink()


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("[trainng]\nepochs = 3\n", "'trainng'.*did you mean 'training'"),
        ("[training]\nepoch = 3\n", "'epoch'.*did you mean 'epochs'"),
        ('[training]\nepochs = "3"\n', "epochs must be a whole number"),
        ('data = "reviews.csv"\n', "data .*must be a table"),
        ("[training\n", "not valid TOML"),
    ],
)
def test_a_recipe_that_cannot_be_read(written: str, words: str, colours: Path, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(written)
    error = refused(colours / "train.csv", tmp_path / "out", "--recipe", tmp_path / "recipe.toml")
    assert re.search(words, error), error


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("training.epoch=3", "did you mean 'epochs'"),
        ("text_classifier.encoder=lstmm", "did you mean 'lstm'"),
        ("text_classifier.pooling=maxx", "did you mean 'max'"),
        ("text_classifier.dropout=1.5", "dropout must lie in"),
        ("text_classifier.hidden_size=100000000", "make them smaller"),
        ("model.vectors=nowhere.txt", "nowhere.txt"),
        ("data.validation=7", "between 0 and 0.9"),
        ("data.validation=nowhere.csv", "'nowhere.csv'"),
    ],
)
def test_a_setting_that_cannot_be(setting: str, words: str, colours: Path, tmp_path: Path) -> None:
    options = net(text_classifier__encoder="lstm")
    assert words in refused(colours / "train.csv", tmp_path / "out", *options, "--set", setting)


def truncated(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"")


def without_a_tensor(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors.pop(sorted(tensors)[0])
    save_file(tensors, folder / "model.safetensors")


def without_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def edited(name: str, change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        content = json.loads((folder / name).read_text())
        change(content)
        (folder / name).write_text(json.dumps(content))

    return edit


def garbled(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(b'{"\xff') and None


DAMAGES: dict[str, Callable[[Path], None]] = {
    "half of the weights": truncated,
    "no bytes of weights": emptied,
    "a tensor less": without_a_tensor,
    "no weights": without_weights,
    "config.json garbled": garbled("config.json"),
    "minnow.json garbled": garbled("minnow.json"),
    "config.json with an unknown key": edited("config.json", lambda config: config.update(num_label=3)),
    "another number of labels": edited("config.json", lambda config: config.update(num_labels=2)),
    "an unknown kind of model": edited("config.json", lambda config: config.update(model_type="transformer")),
    "a later format": edited("minnow.json", lambda content: content.update(format_version=99)),
    "an unknown task": edited("minnow.json", lambda content: content["task"].update(name="tagging")),
    "an unknown setting of the task": edited("minnow.json", lambda content: content["task"].update(label=[])),
    "no labels": edited("minnow.json", lambda content: content["task"].pop("labels")),
    "no task": edited("minnow.json", lambda content: content.pop("task")),
    "provenance in another form": edited("minnow.json", lambda content: content.update(provenance=[])),
}


@pytest.mark.parametrize("model", ["linear", "neural"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_model_is_refused_by_every_verb(
    request: pytest.FixtureRequest, model: str, damage: str, colours: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(request.getfixturevalue(model), folder)
    DAMAGES[damage](folder)
    for arguments in (
        ["predict", folder, "a text"],
        ["evaluate", folder, colours / "test.csv", "--json"],
        ["compare", folder, request.getfixturevalue(model), "--data", colours / "test.csv"],
        ["show", folder],
    ):
        failed = minnow(*arguments, fails=True)
        assert failed.code == 2, failed.err
        assert failed.out == ""
        assert len(failed.error) < 600


@pytest.mark.parametrize("model", ["linear", "neural"])
def test_labels_that_do_not_fit_the_weights_are_refused(
    request: pytest.FixtureRequest, model: str, colours: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(request.getfixturevalue(model), folder)
    edited("minnow.json", lambda content: content["task"]["labels"].pop())(folder)
    for arguments in (["predict", folder, "a text"], ["evaluate", folder, colours / "test.csv"]):
        failed = minnow(*arguments, fails=True)
        assert failed.code == 2
        assert "names 2 labels, but the model" in failed.error


def test_a_net_without_its_tokenizer_is_refused(neural: Path, tmp_path: Path) -> None:
    shutil.copytree(neural, tmp_path / "model")
    (tmp_path / "model" / "tokenizer.json").unlink()
    assert "tokenizer.json" in minnow("predict", tmp_path / "model", "a text", fails=True).error
    edited("minnow.json", lambda content: content.update(tokenizer=False))(tmp_path / "model")
    assert "tokenizer" in minnow("predict", tmp_path / "model", "a text", fails=True).error


@contextmanager
def files_of_at_most(num_bytes: int) -> Iterator[None]:
    """Stands for a disk that fills up: no file may grow beyond the bound."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("options", [["--model", "ngram"], net()], ids=["ngram", "text_classifier"])
@pytest.mark.parametrize("num_bytes", [0, 100, 2_000, 4_000])
def test_a_disk_that_takes_no_more_leaves_nothing_half_written(
    options: list[str], num_bytes: int, colours: Path, tmp_path: Path
) -> None:
    with files_of_at_most(num_bytes):
        failed = minnow("train", colours / "train.csv", "--out", tmp_path / "out", *options, fails=True)
    assert failed.code == 2
    assert "cannot write" in failed.error
    assert not (tmp_path / "out").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB, where the machine lets us have one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this machine mounts no disk for us")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_told_and_left_clean(small_disk: Path, linear: Path, tmp_path: Path) -> None:
    data = csv_file(tmp_path / "data.csv", rows(3000, seed=5))
    training = ("train", data, "--out", small_disk / "out", "--model", "ngram")
    (tmp_path / "texts.txt").write_text("the apple and the ocean\n" * 9000)
    predicting = ("predict", linear, "--file", tmp_path / "texts.txt", "--out", small_disk / "answers")
    for command in (training, predicting):
        failed = minnow(*command, fails=True)
        assert failed.code == 1  # nothing is wrong with what was asked
        assert "no space left on the disk" in failed.error
        assert files_in(small_disk) == []


def test_a_full_disk_costs_no_run_that_can_go_on(colours: Path, tmp_path: Path) -> None:
    """The checkpoint is there, the model does not fit: with more space the run ends without training again."""
    out = tmp_path / "out"
    options = net()
    whole = minnow("train", colours / "train.csv", "--out", tmp_path / "whole", *options, "--json").json

    def full(_: Bundle, folder: Path | str) -> None:
        (Path(folder) / "config.json").write_text("{}")
        raise StorageError("no space left on the disk")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Bundle, "save", full)
        failed = minnow("train", colours / "train.csv", "--out", out, *options, fails=True)
    assert failed.code == 2
    assert not (out / "config.json").exists()
    resumed = minnow("train", "--resume", "--out", out, "--json").json
    assert resumed["accuracy"] == whole["accuracy"]


def test_a_model_that_stands_is_kept_when_another_cannot_be_made(linear: Path, tmp_path: Path) -> None:
    shutil.copytree(linear, tmp_path / "model")
    (tmp_path / "bad.csv").write_text("text,label\none,a\n")
    failed = minnow("train", tmp_path / "bad.csv", "--out", tmp_path / "model", "--overwrite", fails=True)
    assert failed.code == 2
    assert files_in(tmp_path / "model") == files_in(linear)


def test_an_option_that_is_not_there_is_code_2() -> None:
    failed = minnow("train", "data.csv", "--sed", 3, fails=True)
    assert failed.code == 2
    assert "--seed" in failed.err
