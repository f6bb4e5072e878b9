"""``minnow predict``: texts from anywhere, answers in their order, one JSON object a line, in constant memory."""

import gzip
import json
from pathlib import Path

import polars as pl
import pytest
from colours import rows
from command import minnow, start

TEXTS = [text for text, _ in rows(40, seed=6)]
MODELS = ["linear", "neural"]


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest, linear: Path, neural: Path) -> Path:
    return {"linear": linear, "neural": neural}[request.param]


@pytest.fixture(scope="session")
def expected(linear: Path) -> list[dict[str, object]]:
    return minnow("predict", linear, *TEXTS).lines


def test_texts_are_answered_in_their_order(model: Path) -> None:
    found = minnow("predict", model, *TEXTS)
    assert [row["text"] for row in found.lines] == TEXTS
    assert sum(row["label"] == label for row, (_, label) in zip(found.lines, rows(40, seed=6), strict=True)) > 30
    for row in found.lines:
        assert row["label"] == max(row["scores"], key=row["scores"].get)
        assert row["confidence"] == row["scores"][row["label"]]
        assert sum(row["scores"].values()) == pytest.approx(1)
    assert found.err == ""


def test_a_text_alone_is_answered_as_among_others(model: Path) -> None:
    together = minnow("predict", model, *TEXTS[:5]).lines
    for text, row in zip(TEXTS, together, strict=False):
        alone = minnow("predict", model, text).lines[0]
        assert alone["label"] == row["label"]
        assert alone["confidence"] == pytest.approx(row["confidence"], abs=1e-5)


def test_standard_input_is_read_line_by_line(linear: Path, expected: list[dict[str, object]]) -> None:
    assert minnow("predict", linear, "-", given="\n".join(TEXTS)).lines == expected
    assert minnow("predict", linear, "-", given="\r\n".join(TEXTS) + "\r\n").lines == expected
    assert minnow("predict", linear, "-", given="").lines == []
    assert [row["text"] for row in minnow("predict", linear, "-", given="a\n\nb\n").lines] == ["a", "", "b"]
    assert minnow("predict", linear, "-", given="\ufeffa\n").lines[0]["text"] == "a"
    assert "not UTF-8" in minnow("predict", linear, "-", given=b"caf\xe9\n", fails=True).error


FORMATS = ["csv", "tsv", "jsonl", "json", "parquet", "txt", "csv.gz", "jsonl.gz", "txt.gz"]


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_file_of_any_format_gives_the_same_answers(
    linear: Path, expected: list[dict[str, object]], tmp_path: Path, file_format: str
) -> None:
    path = tmp_path / f"texts.{file_format}"
    frame = pl.DataFrame({"id": list(range(len(TEXTS))), "text": TEXTS})
    plain = {
        "csv": lambda: frame.write_csv().encode(),
        "tsv": lambda: frame.write_csv(separator="\t").encode(),
        "jsonl": lambda: frame.write_ndjson().encode(),
        "json": lambda: frame.write_json().encode(),
        "txt": lambda: "".join(f"{text}\n" for text in TEXTS).encode(),
    }
    if file_format == "parquet":
        frame.write_parquet(path)
    else:
        content = plain[file_format.removesuffix(".gz")]()
        path.write_bytes(gzip.compress(content) if file_format.endswith(".gz") else content)
    assert minnow("predict", linear, "--file", path).lines == expected


def test_the_column_of_a_file_can_be_named(linear: Path, tmp_path: Path) -> None:
    path = tmp_path / "texts.csv"
    path.write_text("text,other\nthe apple,the sky\n")
    assert minnow("predict", linear, "--file", path, "--text", "other").lines[0]["text"] == "the sky"
    failed = minnow("predict", linear, "--file", path, "--text", "othr", fails=True)
    assert failed.code == 2
    assert "did you mean 'other'" in failed.error


def test_words_in_lists_are_read_as_they_are_in_training(linear: Path, tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_text('{"tokens": ["the", "apple", "ruby"]}\n{"tokens": null}\n{"tokens": ["the", null, "sky"]}\n')
    expected = ["the apple ruby", "", "the sky"]
    assert [row["text"] for row in minnow("predict", linear, "--file", path).lines] == expected


def test_json_is_one_object_and_out_a_file(linear: Path, expected: list[dict[str, object]], tmp_path: Path) -> None:
    assert minnow("predict", linear, *TEXTS, "--json").json == {"model": str(linear), "predictions": expected}
    written = minnow("predict", linear, *TEXTS, "--out", tmp_path / "out")
    assert written.out == ""
    assert written.err == f"wrote {tmp_path / 'out' / 'predictions.jsonl'}\n"
    lines = (tmp_path / "out" / "predictions.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == expected


def test_a_folder_that_is_called_like_a_file_is_refused(linear: Path, tmp_path: Path) -> None:
    refused = minnow("predict", linear, *TEXTS, "--out", tmp_path / "answers.jsonl", fails=True)
    assert f"try --out {tmp_path / 'answers'}" in refused.error
    assert list(tmp_path.iterdir()) == []


def test_json_goes_out_and_the_file_is_written_all_the_same(linear: Path, tmp_path: Path) -> None:
    found = minnow("predict", linear, *TEXTS[:2], "--json", "--out", tmp_path / "out").json["predictions"]
    lines = (tmp_path / "out" / "predictions.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == found


def test_what_is_guessed_of_a_file_is_told_once(linear: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minnow.cli.predict.ROWS_AT_ONCE", 2)
    path = tmp_path / "texts.csv"
    path.write_text("review;day\nthe apple;mon\na ruby;tue\nthe sky;wed\n")
    told = minnow("predict", linear, "--file", path).err.splitlines()
    assert told == [
        "cells are separated by semicolons",
        "first line is a header: review, day",
        'text: column "review" (by name)',
    ]
    (tmp_path / "texts.txt").write_text("the apple\na ruby\n")
    assert minnow("predict", linear, "--file", tmp_path / "texts.txt").err == ""


def test_a_column_is_of_a_file(linear: Path) -> None:
    assert "--text names a column of --file" in minnow("predict", linear, "a", "--text", "review", fails=True).error


def test_arguments_that_are_no_utf_8_are_read_with_a_mark_in_the_place_of_what_is_none(linear: Path) -> None:
    for json_ in ([], ["--json"]):
        assert '"caf\ufffd"' in minnow("predict", linear, "caf\udce9", *json_).out  # as Python hands over a lone byte


def test_scores_can_be_left_out(linear: Path) -> None:
    assert minnow("predict", linear, "a text", "--no-scores").lines[0].keys() == {"text", "label", "confidence"}


@pytest.mark.parametrize("text", ["", " ", "!!!", "\x00", "🙂", "x" * 100_000, "<br>", "名字"])
def test_no_text_is_too_strange(model: Path, text: str) -> None:
    row = minnow("predict", model, "--", text).lines[0]
    assert row["text"] == text
    assert 0 <= row["confidence"] <= 1


@pytest.mark.parametrize("arguments", [[], ["a text", "--file", "texts.csv"]])
def test_texts_come_from_one_place(linear: Path, arguments: list[str]) -> None:
    failed = minnow("predict", linear, *arguments, fails=True)
    assert failed.code == 2
    assert "--file FILE" in failed.error


def test_a_file_with_an_error_in_it_writes_nothing_to_out(linear: Path, tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_text('{"text": "fine"}\n' * 9000 + '{"text": \n')
    failed = minnow("predict", linear, "--file", path, "--out", tmp_path / "out", fails=True)
    assert failed.code == 2
    assert "line 9001" in failed.error
    assert list((tmp_path / "out").iterdir()) == []


def test_memory_does_not_grow_with_the_file(linear: Path, tmp_path: Path) -> None:
    """Fifty thousand rows more cost less than a third of what their texts and answers would take."""
    line = b'{"text": "' + b"the apple of my eye is a ruby on the ocean " * 9 + b'"}\n'
    peaks = []
    for num_rows in (8_000, 58_000):
        (tmp_path / "texts.jsonl").write_bytes(line * num_rows)
        with (tmp_path / "answers.jsonl").open("w") as out:
            running = start("predict", linear, "--file", tmp_path / "texts.jsonl", stdout=out, tells_peak=True)
            peaks.append(int(running.communicate()[1].split()[-1]))
        assert (tmp_path / "answers.jsonl").read_bytes().count(b"\n") == num_rows
    assert peaks[0] > 50_000
    assert peaks[1] - peaks[0] < 25_000


def test_a_reader_that_has_seen_enough_is_no_error(linear: Path, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("the apple and the ocean\n" * 20_000)
    running = start("predict", linear, "--file", tmp_path / "texts.txt")
    assert running.stdout is not None
    running.stdout.readline()
    running.stdout.close()
    assert running.stderr is not None
    told = running.stderr.read()
    assert running.wait() == 0, told
    assert told == ""
    running.stderr.close()
