"""``minnow data clean`` of sentence pairs: what is kept is read again, what goes is written down, mistakes write
nothing."""

import json
from pathlib import Path

import pytest
from command import files_in, minnow

from minnow.data.pairs import load_pairs

GOOD = [
    ("Two children are playing in the snow.", "Zwei Kinder spielen im Schnee."),
    ("Taxi!", " Taxi! "),
    ("Some workers are <b>repairing</b> the road.", "Einige Arbeiter reparieren die Straße."),
]
FAULTS = {
    "empty": ("A boy is laughing.", ""),
    "copy": ("The girl is reading a book.", "the girl is reading  a book."),
    "length_ratio": ("Two cats are sleeping on the warm roof of a car.", "@@"),
    "duplicate": GOOD[0],
}
ROWS = [GOOD[0], *FAULTS.values(), *GOOD[1:]]
PLAIN = ("--language-confidence", 0)  # which needs no detector


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """Of two files of which line i belongs to line i."""
    for language, texts in zip(("en", "de"), zip(*ROWS, strict=True), strict=True):
        (tmp_path / f"messy.{language}").write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return tmp_path / "messy"


def table(path: Path, header: str) -> Path:
    lines = [f"{row}\t{source}\t{target}" for row, (source, target) in enumerate(ROWS)]
    path.write_text("\n".join([header, *lines, ""]), encoding="utf-8")
    return path


def kept(*source: object) -> list[tuple[str, str]]:
    pairs = load_pairs(*map(str, source), languages=("en", "de"))
    return list(zip(pairs.sources, pairs.targets, strict=True))


def test_two_files_become_two_that_are_read_again_and_every_drop_is_written_down(prefix: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = minnow("data", "clean", f"{prefix}.en", f"{prefix}.de", "--out", out, *PLAIN)
    assert files_in(out) == ["dropped.jsonl", "messy.de", "messy.en", "report.json"]
    assert kept(out / "messy") == GOOD
    dropped = [json.loads(line) for line in (out / "dropped.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(row["row"], row["reason"], row["source"], row["target"]) for row in dropped] == [
        (2 + at, reason, *pair) for at, (reason, pair) in enumerate(FAULTS.items())
    ]
    assert {tuple(row["languages"]) for row in dropped} == {("en", "de")}
    report = json.loads((out / "report.json").read_text())
    assert report["counts"] == {"rows": 7, "kept": 3, "dropped": 4, "too_long": 0, **dict.fromkeys(FAULTS, 1)}
    assert report["files"] == {"cleaned": ["messy.en", "messy.de"], "dropped": "dropped.jsonl"}
    assert f"minnow train {out}/messy.en {out}/messy.de --task translation --langs en,de" in done.err
    assert minnow("data", "clean", prefix, "--langs", "en,de", "--out", out, *PLAIN, "--json").json == report


def test_a_table_keeps_its_format_and_its_columns(tmp_path: Path) -> None:
    path = table(tmp_path / "pairs.tsv", "id\ten\tde")
    minnow("data", "clean", path, "--langs", "en,de", "--out", tmp_path / "out", *PLAIN)
    written = (tmp_path / "out" / "pairs.tsv").read_text(encoding="utf-8").splitlines()
    assert written == [line for line in path.read_text(encoding="utf-8").splitlines() if line[:1] in "i056"]


def test_files_of_one_name_are_called_after_their_languages(prefix: Path, tmp_path: Path) -> None:
    for language in ("en", "de"):
        (tmp_path / language).mkdir()
        Path(f"{prefix}.{language}").rename(tmp_path / language / "a.txt")
    both = (tmp_path / "en" / "a.txt", tmp_path / "de" / "a.txt")
    minnow("data", "clean", *both, "--langs", "en,de", "--out", tmp_path / "out", *PLAIN)
    assert kept(tmp_path / "out" / "a") == GOOD
    untold = minnow("data", "clean", *both, "--out", tmp_path / "untold")
    assert "a.source" in files_in(tmp_path / "untold")
    assert "'source' and 'target': whether a side is in another language is not judged" in untold.err


def test_filters_are_turned_by_their_options(prefix: Path, tmp_path: Path) -> None:
    off = ("--keep-copies", "--keep-duplicates", "--max-length-ratio", 0, "--max-characters", 0)
    counts = minnow("data", "clean", prefix, "--out", tmp_path / "out", *PLAIN, *off, "--json").json["counts"]
    assert counts == {"rows": 7, "kept": 6, "dropped": 1, "empty": 1}
    strict = minnow("data", "clean", prefix, "--out", tmp_path / "out", *PLAIN, "--max-characters", 40, "--json")
    assert strict.json["counts"]["too_long"] == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["messy", "--out", "."], "messy.de, which would be overwritten; choose another --out"),
        (["messy", "--out", "messy.en"], "--out names a folder, but messy.en is a file"),
        (["messy.en", "short.de", "--out", "bad"], "messy.en has 7 lines, but short.de has 1 line"),
        (["messy", "--langs", "en,xx", "--out", "bad"], "messy has no language 'xx'; it has: de, en"),
        (["messy", "--langs", "en,de,fr", "--out", "bad"], "two languages at a time, but got 3: en, de, fr"),
        (["short.de", "copy.de", "--out", "bad"], "all 1 pairs of short.de+copy.de were left out"),
        (["messy", "--language", "en", "--out", "bad"], "--language is for texts, but this cleans sentence pairs"),
        (["texts.csv", "--keep-copies", "--out", "bad"], "is for sentence pairs, but this cleans texts"),
        (["texts.csv", "--max-characters", "0", "--out", "bad"], "of texts must be 1 or more"),
        (["messy", "--langs", "en,de", "--task", "text_classification", "--out", "bad"], "say --task translation"),
        (["messy", "--task", "translate", "--out", "bad"], "did you mean 'translation'?"),
        (["multi30k", "--langs", "en,xx", "--out", "bad"], "multi30k has no language 'xx'"),
        (["pairs.csv", "--out", "bad"], "(--task translation)"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(
    prefix: Path, arguments: list[str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(prefix.parent)
    for name in ("short.de", "copy.de"):
        Path(name).write_text("Zwei Kinder spielen im Schnee.\n")
    Path("texts.csv").write_text("text,label\none,a\nanother,b\n")
    Path("pairs.csv").write_text("en,de\nYes,Ja\nNo,Nein\n")
    before = {name: Path(name).read_bytes() for name in files_in(Path())}
    failed = minnow("data", "clean", *arguments, fails=True)
    assert says in failed.error
    assert failed.code == 2
    assert {name: Path(name).read_bytes() for name in files_in(Path())} == before
