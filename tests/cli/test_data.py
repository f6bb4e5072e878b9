"""``minnow data``: one JSON object or a table on standard output, notes on standard error, 2 for mistakes."""

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from minnow.cli.data import app

ROWS = [
    ("A fine film, <b>really</b> fine", "pos"),
    ("a fine film, really fine", "pos"),
    ("Dull from the start to the end", "neg"),
    ("", "neg"),
    ("It was worth every minute of it", "pos"),
]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    path = tmp_path / "reviews.csv"
    path.write_text("review,label\n" + "".join(f'"{text}",{label}\n' for text, label in ROWS))
    return path


def test_list_names_the_sets() -> None:
    assert "banking77" in run("list").stdout
    sets = json.loads(run("list", "--json").stdout)["sets"]
    assert {"name", "licence", "rows", "here"} <= sets[0].keys()


def test_show_describes_a_file(reviews: Path) -> None:
    about = json.loads(run("show", reviews, "--json").stdout)["parts"]["all"]
    assert about["rows"] == 5
    assert about["roles"] == {"text": "review", "label": "label"}
    assert about["labels"] == {"pos": 3, "neg": 2}
    assert about["without_text"] == 1
    shown = run("show", reviews).stdout
    assert "pos 3, neg 2" in shown
    assert 'text: column "review" (by name)' in shown


def test_show_counts_what_leaks_between_parts(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("text,label\none film,a\nanother film,b\n")
    (tmp_path / "test.csv").write_text("text,label\nOne  film,a\nnew film,b\n")
    about = json.loads(run("show", tmp_path, "--json").stdout)
    assert about["leakage"] == {"test": {"count": 1, "share": 0.5}}


def test_clean_writes_the_file_the_dropped_and_the_report(reviews: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run("clean", reviews, "--out", out)
    assert result.exit_code == 0, result.output
    assert 'text: column "review" (by name)' in result.stderr
    assert "near duplicate" in result.stdout or "duplicate" in result.stdout
    assert (out / "reviews.csv").read_text().splitlines()[1] == '"A fine film, really fine",pos'
    dropped = [json.loads(line) for line in (out / "dropped.jsonl").read_text().splitlines()]
    assert [(row["row"], row["reason"]) for row in dropped] == [(2, "duplicate"), (4, "empty")]
    report = json.loads((out / "report.json").read_text())
    assert report["counts"]["kept"] == 3
    assert report["counts"] == json.loads(run("clean", reviews, "--out", out, "--json").stdout)["counts"]


def test_clean_minds_its_options(reviews: Path, tmp_path: Path) -> None:
    options = ["--max-characters", 31, "--near-duplicates", "off", "--language", "en,de", "--json"]
    counts = json.loads(run("clean", reviews, "--out", tmp_path / "out", *options).stdout)["counts"]
    assert counts["kept"] == 3
    shorter = run("clean", reviews, "--out", tmp_path / "out", "--max-characters", 25, "--json")
    assert json.loads(shorter.stdout)["counts"]["too_long"] == 2
    unknown = run("clean", reviews, "--out", tmp_path / "out", "--language", "en,english")
    assert unknown.exit_code == 2
    assert "did you mean 'en'?" in unknown.stderr


def test_clean_says_what_to_install_to_repair_an_encoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ftfy", None)
    (tmp_path / "a.csv").write_text("text,label\ncafé au lait,x\nanother,y\n")
    failed = run("clean", tmp_path / "a.csv", "--out", tmp_path / "out")
    assert failed.exit_code == 2
    assert "needs ftfy; install it with: pip install 'minnow-lm[clean]'" in failed.stderr


def test_clean_converts_an_encoding(tmp_path: Path) -> None:
    path = tmp_path / "old.csv"
    path.write_bytes("text,label\n这个酒店很好,正\n服务太差了,负\n".encode("gb18030"))
    failed = run("clean", path, "--out", tmp_path / "out")
    assert failed.exit_code == 2
    assert "--encoding gb18030" in failed.stderr
    assert run("clean", path, "--out", tmp_path / "out", "--encoding", "gb18030").exit_code == 0
    assert (tmp_path / "out" / "old.csv").read_text(encoding="utf-8").startswith("text,label\n这个酒店很好,正\n")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv", "ham\tOk lar<br>see you\nspam\tFree entry now\nham\tSee you then.\n"),
        ("a.txt", "__label__x one text<br>here\n__label__y another one\n"),
        ("a.jsonl", '{"text": "one<br>two", "label": 1}\n{"text": "three", "label": 0}\n'),
    ],
)
def test_clean_keeps_the_format(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    assert run("clean", tmp_path / name, "--out", tmp_path / "out").exit_code == 0
    written = (tmp_path / "out" / name).read_text()
    assert len(written.splitlines()) == len(content.splitlines())
    assert "<br>" not in written


def test_clean_never_overwrites_its_input(reviews: Path) -> None:
    before = reviews.read_text()
    result = run("clean", reviews, "--out", reviews.parent)
    assert result.exit_code == 2
    assert "choose another --out" in result.stderr
    assert reviews.read_text() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show", "no-such-file.csv"], "no file, folder or public set"),
        (["get", "imbd"], "did you mean 'imdb'?"),
        (["clean", "no-such-file.csv", "--out", "x"], "no file, folder or public set"),
        (["clean", "no-such-file.csv", "--out", "x", "--near-duplicates", "most"], "between 0 and 1, or off"),
    ],
)
def test_mistakes_are_one_line_and_code_2(arguments: list[str], words: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert result.stdout == ""


def test_show_names_an_unknown_column(reviews: Path) -> None:
    result = run("show", reviews, "--text", "revew")
    assert result.exit_code == 2
    assert "did you mean 'review'" in result.stderr
