"""``minnow evaluate``: the scores of a model on labelled data, as text, as one JSON object, as files."""

import json
from pathlib import Path

import pytest
from colours import csv_file, rows
from command import files_in, minnow


def test_json_has_the_names_of_the_metrics(linear: Path, colours: Path) -> None:
    found = minnow("evaluate", linear, colours / "test.csv", "--json")
    assert found.err == ""
    report = found.json
    trained = json.loads((linear / "evaluation" / "report.json").read_text())
    for name in ("accuracy", "f1_macro", "roc_auc", "expected_calibration_error"):
        assert report[name] == pytest.approx(trained["scores"][name], rel=1e-3)
    assert (report["data"]["part"], report["data"]["rows"]) == ("all", 80)
    assert sum(map(sum, report["confusion"])) == 80
    assert {row["label"] for row in report["per_label"]} == {"red", "blue", "green"}


def test_scores_agree_with_predictions(neural: Path, colours: Path) -> None:
    answers = minnow("predict", neural, "--file", colours / "test.csv").lines
    right = sum(row["label"] == label for row, (_, label) in zip(answers, rows(80, seed=2), strict=True))
    assert minnow("evaluate", neural, colours / "test.csv", "--json").json["accuracy"] == pytest.approx(right / 80)


def test_a_person_reads_scores_labels_and_the_surest_mistakes(linear: Path, colours: Path) -> None:
    shown = minnow("evaluate", linear, colours / "train.csv")
    for words in ("accuracy", "95 % interval", "precision", "red"):
        assert words in shown.out


def test_out_gets_the_report_and_the_pictures(linear: Path, colours: Path, tmp_path: Path) -> None:
    shown = minnow("evaluate", linear, colours / "test.csv", "--out", tmp_path / "out", "--json")
    pictures = [f"{kind}.{end}" for kind in ("confusion", "labels", "reliability") for end in ("png", "svg")]
    assert files_in(tmp_path / "out") == sorted([*pictures, "report.json"])
    assert (tmp_path / "out" / "confusion.png").read_bytes().startswith(b"\x89PNG")
    assert f"wrote {tmp_path / 'out' / 'report.json'}" in shown.err
    assert shown.json["accuracy"] == json.loads((tmp_path / "out" / "report.json").read_text())["scores"]["accuracy"]


def test_labels_that_the_model_has_never_seen_count_as_errors_and_are_told(linear: Path, tmp_path: Path) -> None:
    data = csv_file(tmp_path / "data.csv", [*rows(30, seed=7), ("a violet thing", "violet"), ("violet", "violet")])
    shown = minnow("evaluate", linear, data)
    assert "'violet' (2 rows) is unknown to the model" in shown.err


def test_a_part_of_a_folder_can_be_named(linear: Path, colours: Path) -> None:
    data = minnow("evaluate", linear, colours, "--part", "train", "--json").json["data"]
    assert (data["part"], data["rows"]) == ("train", 240)
    assert minnow("evaluate", linear, colours, "--json").json["data"]["rows"] == 80
    failed = minnow("evaluate", linear, colours, "--part", "valid", fails=True)
    assert failed.code == 2
    assert "no part 'valid'" in failed.error


def test_rows_that_are_left_out_are_told_and_stand_in_the_report(linear: Path, tmp_path: Path) -> None:
    data = csv_file(tmp_path / "data.csv", [*rows(20, seed=7), *[("a rose", "")] * 9])
    shown = minnow("evaluate", linear, data, "--out", tmp_path / "out")
    assert "9 rows without a label left out" in shown.err
    assert "9 rows without a label left out" in json.loads((tmp_path / "out" / "report.json").read_text())["notes"]


def test_rows_without_text_are_answered_too(linear: Path, tmp_path: Path) -> None:
    data = csv_file(tmp_path / "data.csv", [*rows(20, seed=7), ("", "red")])
    assert minnow("evaluate", linear, data, "--json").json["data"]["rows"] == 21


@pytest.mark.usefixtures("no_pictures")
def test_several_labels_a_text_go_all_the_way(tmp_path: Path) -> None:
    made = [
        {"text": f"{first} and {second}", "label": sorted({a, b} - {"green"})}
        for (first, a), (second, b) in zip(rows(150, 1), rows(150, 2), strict=True)
    ]
    (tmp_path / "data.jsonl").write_text("\n".join(json.dumps(row) for row in made))
    out = tmp_path / "out"
    trained = minnow("train", tmp_path / "data.jsonl", "--test", tmp_path / "data.jsonl", "--out", out, "--json").json
    assert {"accuracy", "f1_micro", "f1_macro"} <= trained.keys()
    answers = minnow("predict", out, "--file", tmp_path / "data.jsonl").lines
    right = sum(sorted(row["labels"]) == given["label"] for row, given in zip(answers, made, strict=True))
    report = minnow("evaluate", out, tmp_path / "data.jsonl", "--json").json
    assert report["accuracy"] == pytest.approx(right / 150)
    assert report["accuracy"] > 0.7
    assert report["multi_label"]
    shown = minnow("compare", out, out, "--data", tmp_path / "data.jsonl", "--json").json
    assert shown["differences"]["accuracy"]["a"] == report["accuracy"]
    single = tmp_path / "single.jsonl"  # in which no text has two
    single.write_text("\n".join(json.dumps(row) for row in made if len(row["label"]) < 2))
    num_rows = sum(len(row["label"]) < 2 for row in made)
    assert minnow("evaluate", out, single, "--json").json["data"]["rows"] == num_rows
    none = f"{num_rows - sum(len(row['label']) == 1 for row in made)} rows to which no label applies, kept"
    options = ("--test", single, "--validation", single, "--out", tmp_path / "other", "--model", "ngram")
    assert minnow("train", tmp_path / "data.jsonl", *options).err.count(none) == 3
    assert none in minnow("compare", out, out, "--data", single, "--json").json["notes"]


@pytest.mark.parametrize(
    ("model", "data", "words"),
    [
        ("{linear}", "{data}/nothing.csv", "nothing.csv"),
        ("{data}/none", "{data}/test.csv", "there is no model at"),
        ("{data}", "{data}/test.csv", "is not a model folder"),
        ("{data}/test.csv", "{data}/test.csv", "is not a model folder"),
    ],
)
def test_mistakes_are_one_line(model: str, data: str, words: str, linear: Path, colours: Path) -> None:
    places = {"linear": linear, "data": colours}
    failed = minnow("evaluate", model.format(**places), data.format(**places), "--json", fails=True)
    assert failed.code == 2
    assert words in failed.error
    assert failed.out == ""


def test_square_brackets_in_labels_and_texts_are_text(tmp_path: Path) -> None:
    data = csv_file(tmp_path / "data.csv", [(f"{t} [/quote] [link]", f"[{label}]") for t, label in rows(60, seed=7)])
    minnow("train", data, "--out", tmp_path / "m", "--model", "ngram")
    asked = csv_file(tmp_path / "asked.csv", [("a [/b] [c]", "[red]"), ("[/d]", "[no]")])
    shown = minnow("evaluate", tmp_path / "m", asked)
    assert "[red]" in shown.out
    assert "a [/b] [c]" in shown.out or "[/d]" in shown.out
    minnow("compare", tmp_path / "m", tmp_path / "m", "--data", data)
    assert "[red]" in minnow("data", "show", data).out


@pytest.mark.usefixtures("no_pictures")
def test_the_column_that_was_learnt_is_the_one_that_is_measured(tmp_path: Path) -> None:
    """In a small file of the same columns another looks more like a label, and none has as few values as training's."""
    train, test = (
        [f"{text},{label},{number % shops}" for number, (text, label) in enumerate(rows(count, seed))]
        for count, seed, shops in ((90, 1, 30), (12, 2, 2))
    )
    for name, lines in (("train", train), ("test", test), ("plain", test)):
        head = "utt,shade,shop" if name != "plain" else "text,label,shop"
        (tmp_path / f"{name}.csv").write_text("\n".join([head, *lines]) + "\n")
    out = tmp_path / "out"
    options = ("--test", tmp_path / "test.csv", "--validation", tmp_path / "test.csv", "--model", "ngram")
    trained = minnow("train", tmp_path / "train.csv", *options, "--out", out)
    assert trained.err.count('label: column "shade" (as in training; 3 values)') == 2
    asked = minnow("evaluate", out, tmp_path / "plain.csv", "--json").json["accuracy"]
    assert asked > 0.5
    assert minnow("evaluate", out, tmp_path / "test.csv", "--json").json["accuracy"] == asked
    shown = minnow("compare", out, out, "--data", tmp_path / "test.csv", "--json").json
    assert shown["differences"]["accuracy"]["a"] == asked
    (tmp_path / "asked.csv").write_text("utt,note\nthe sky,a longer remark that says nothing\n")
    found = minnow("predict", out, "--file", tmp_path / "asked.csv")
    assert found.lines[0]["text"] == "the sky"
    assert 'text: column "utt" (as in training)' in found.err


def test_a_public_set_that_is_not_here_has_the_command_that_fetches_it(
    linear: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minnow.data.catalog.data_folders", lambda: (tmp_path,))
    for asked in (
        ("evaluate", linear, "imdb"),
        ("compare", linear, linear, "--data", "imdb"),
        ("data", "show", "imdb"),
    ):
        failed = minnow(*asked, fails=True)
        assert failed.code == 2
        assert "is not on this machine; fetch it with: minnow data get imdb" in failed.error
