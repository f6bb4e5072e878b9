"""Corpora: every form of text is read to its last character, in pieces that do not depend on the reader."""

import gzip
import json
from pathlib import Path

import pytest

from minnow.data.catalog import find, present
from minnow.data.corpus import Corpus, Piece, RunningText, corpus_parts, open_corpus
from minnow.errors import DataError

LINES = "".join(f"line {number} says héllo 你好\n" for number in range(400))


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
    return path


def joined(corpus: Corpus) -> str:
    return "".join(corpus.texts())


def test_a_text_file_is_one_running_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minnow.data.streams.CHUNK_BYTES", 64)
    pieces = list(open_corpus(written(tmp_path / "a.txt", LINES)).pieces())
    assert len(pieces) > 10
    assert "".join(piece.text for piece in pieces) == LINES
    assert all(piece.text.endswith("\n") and not piece.ends_document for piece in pieces)


def test_a_packed_file_and_line_ends_of_windows_make_no_difference(tmp_path: Path) -> None:
    packed = tmp_path / "a.txt.gz"
    packed.write_bytes(gzip.compress(LINES.encode()))
    assert joined(open_corpus(packed)) == LINES
    assert joined(open_corpus(written(tmp_path / "b.txt", LINES.replace("\n", "\r\n")))) == LINES


def test_rows_of_a_table_are_documents(tmp_path: Path) -> None:
    rows = [{"text": "one\ntwo", "n": 1}, {"text": "  ", "n": 2}, {"text": None, "n": 3}, {"text": "three", "n": 4}]
    path = written(tmp_path / "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    assert list(open_corpus(path).pieces()) == [Piece("one\ntwo", True), Piece("three", True)]
    csv = written(tmp_path / "a.csv", "name,body\nx,a text that is long enough\ny,and another one of the same kind\n")
    assert next(piece.text for piece in open_corpus(csv, text="body").pieces()) == "a text that is long enough"


def test_how_a_table_is_read_is_told_once(tmp_path: Path) -> None:
    table = written(tmp_path / "a.csv", "id,title,body\n1,short title,a long body of text\n2,other,another long body\n")
    header, column = open_corpus(table).notes
    assert header == "first line is a header: id, title, body"
    assert column.startswith('text: column "body"')
    assert open_corpus(table, text="title").notes == (header,)
    assert open_corpus(tmp_path).notes == ("1 files", f"a.csv: {header}", f"a.csv: {column}")
    kept, held = open_corpus(table).held_out(0.5)
    assert (kept.notes, held.notes) == ((header, column), ())


def test_lists_of_sentences_are_joined_by_line_ends_and_lists_of_words_by_spaces(tmp_path: Path) -> None:
    rows = [{"text": ["one two", "three"]}, {"text": ["four", "five"]}]
    path = written(tmp_path / "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    assert list(open_corpus(path, text="text").texts()) == ["one two\nthree", "four five"]


def test_a_column_of_numbers_is_no_text(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", '{"text": "a"}\n{"text": 7}\n')
    with pytest.raises(DataError, match=r"row 2 holds '7'; choose another column with --text"):
        list(open_corpus(path).pieces())


def test_files_of_a_folder_are_documents_in_the_order_of_their_names(tmp_path: Path) -> None:
    written(tmp_path / "b.txt", "second\n")
    written(tmp_path / "inner" / "c.txt", "third\n")
    written(tmp_path / "a.txt", "first\n")
    written(tmp_path / ".hidden" / "d.txt", "never\n")
    expected = [Piece("first\n", True), Piece("second\n", True), Piece("third\n", True)]
    assert list(open_corpus(tmp_path).pieces()) == expected
    assert corpus_parts(tmp_path) == ("all",)
    with pytest.raises(DataError, match="has no part 'valid', only files"):
        open_corpus(tmp_path, "valid")


@pytest.mark.parametrize("way", [".cache/books", "own/../.cache/books"])
def test_only_what_is_hidden_in_the_folder_itself_is_passed_over(way: str, tmp_path: Path) -> None:
    top = tmp_path / ".cache" / "books"
    for name in ("a.txt", "more/b.txt", ".hidden/c.txt", ".d.txt"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(name)
    (tmp_path / "own").mkdir()
    assert list(open_corpus(tmp_path / way).texts()) == ["a.txt", "more/b.txt"]


def test_parts_of_a_folder_are_kept_apart(tmp_path: Path) -> None:
    written(tmp_path / "train.txt", "to learn\n")
    written(tmp_path / "valid.txt", "to measure\n")
    assert joined(open_corpus(tmp_path)) == "to learn\n"
    assert joined(open_corpus(tmp_path, "valid")) == "to measure\n"
    assert set(corpus_parts(tmp_path)) == {"train", "valid"}
    with pytest.raises(DataError, match="has no part 'test'; it has: train, valid"):
        open_corpus(tmp_path, "test")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_running_text_holds_out_its_end_and_loses_nothing(tmp_path: Path, share: float) -> None:
    kept, held = open_corpus(written(tmp_path / "a.txt", LINES)).held_out(share)
    assert joined(kept) + joined(held) == LINES
    assert len(joined(held)) / len(LINES) == pytest.approx(share, abs=0.01)
    assert kept.sha256() != held.sha256()


@pytest.mark.parametrize("share", [0.05, 0.5, 0.97])
def test_a_running_text_is_cut_at_a_line_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float) -> None:
    monkeypatch.setattr("minnow.data.streams.CHUNK_BYTES", 64)
    kept, held = (joined(side) for side in open_corpus(written(tmp_path / "a.txt", LINES)).held_out(share))
    assert kept.endswith("\n")
    assert kept + held == LINES
    assert abs(len(held) - share * len(LINES)) <= len("line 399 says héllo 你好\n") / 2 + 5


@pytest.mark.parametrize("text", ["word " * 200, "short\n" + "word " * 200, "word " * 200 + "\nshort\n"])
def test_a_text_without_a_line_end_near_is_cut_where_its_share_begins(tmp_path: Path, text: str) -> None:
    kept, held = (joined(side) for side in open_corpus(written(tmp_path / "a.txt", text)).held_out(0.1))
    assert kept + held == text
    assert len(held) == pytest.approx(0.1 * len(text), abs=1)


def test_of_files_that_are_documents_whole_ones_are_held_out(tmp_path: Path) -> None:
    tales = [f"Tale {number}. Once upon a time.\nAnd that was tale {number}.\n" for number in range(10, 50)]
    for number, tale in enumerate([*tales, tales[0], "", "\n\n"]):
        written(tmp_path / f"{number}.txt", tale)
    kept, held = (list(side.texts()) for side in open_corpus(tmp_path).held_out(0.05))
    assert sorted([*kept, *held]) == sorted([*tales, tales[0], "\n\n"])
    assert not set(kept) & set(held)
    assert len(held) == 2


def test_of_a_few_long_files_the_end_of_each_is_held_out(tmp_path: Path) -> None:
    for name in ("book", "tome"):
        written(tmp_path / f"{name}.txt", LINES.replace("line", name))
    held = list(open_corpus(tmp_path).held_out(0.05)[1].texts())
    assert [text.splitlines()[-1] for text in held] == [f"{name} 399 says héllo 你好" for name in ("book", "tome")]
    assert sum(map(len, held)) == pytest.approx(0.05 * 2 * len(LINES), rel=0.1)


@pytest.mark.parametrize("share", [0.03, 0.99])
def test_some_files_are_kept_and_some_are_held_out(tmp_path: Path, share: float) -> None:
    for number in range(30):
        written(tmp_path / f"{number}.txt", f"Tale {number:02d}.\n")
    kept, held = (joined(side) for side in open_corpus(tmp_path).held_out(share))
    assert kept
    assert held


def test_documents_are_held_out_by_what_they_say(tmp_path: Path) -> None:
    texts = [f"document number {number % 200}" for number in range(400)]
    path = written(tmp_path / "a.jsonl", "".join(json.dumps({"text": text}) + "\n" for text in texts))
    kept, held = (set(side.texts()) for side in open_corpus(path).held_out(0.25))
    assert kept | held == set(texts)
    assert not kept & held
    assert 25 < len(held) < 75


@pytest.mark.parametrize("share", [0.01, 0.99])
@pytest.mark.parametrize("count", [2, 3, 5])
def test_of_few_documents_both_sides_get_one(tmp_path: Path, count: int, share: float) -> None:
    path = written(tmp_path / "a.jsonl", "".join(f'{{"text": "number {number}"}}\n' for number in range(count)))
    kept, held = open_corpus(path).held_out(share)
    assert sorted([*kept.texts(), *held.texts()]) == [f"number {number}" for number in range(count)]


def test_one_document_cannot_be_divided(tmp_path: Path) -> None:
    kept, held = open_corpus(written(tmp_path / "a.jsonl", '{"text": "alone"}\n')).held_out(0.1)
    with pytest.raises(DataError, match=r"a\.jsonl holds no text"):
        [*kept.texts(), *held.texts()]


def test_the_hash_depends_on_the_text_and_the_choice_alone(tmp_path: Path) -> None:
    first, second = written(tmp_path / "a.txt", LINES), written(tmp_path / "b.txt", LINES)
    other = written(tmp_path / "c.txt", LINES + "x")
    assert open_corpus(first).sha256() == open_corpus(second).sha256() != open_corpus(other).sha256()


@pytest.mark.parametrize("text", ["", "\n\n  \n"])
def test_a_corpus_without_text_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=r"a\.txt holds no text"):
        list(open_corpus(written(tmp_path / "a.txt", text)).pieces())


def test_what_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="no file, folder or public set"):
        open_corpus(tmp_path / "nothing.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="has no files of text"):
        open_corpus(tmp_path / "empty")
    # Cleaning would drop empty lines and those that come again.
    (tmp_path / "odd.txt").write_bytes(b"caf\xe9 au lait\n")
    with pytest.raises(DataError, match=r"is not UTF-8.*: iconv -f cp1252"):
        list(open_corpus(tmp_path / "odd.txt").pieces())
    (tmp_path / "wide.txt").write_bytes("two words\n".encode("utf-16-le"))
    with pytest.raises(DataError, match=r"NUL byte.*: iconv -f utf-16le"):
        list(open_corpus(tmp_path / "wide.txt").pieces())
    monkeypatch.setattr("minnow.data.corpus.MAX_LINE_BYTES", 1000)
    with pytest.raises(DataError, match=r"line 1 of .* is longer than"):
        list(open_corpus(written(tmp_path / "long.txt", "word " * 500_000)).pieces())


def test_a_portion_never_cuts_a_character(tmp_path: Path) -> None:
    text = RunningText(written(tmp_path / "a.txt", "你好世界" * 50))
    for border in (0.1, 0.33, 0.5, 0.777):
        sides = text.portion(0.0, border), text.portion(border, 1.0)
        assert "".join(piece.text for side in sides for piece in side.pieces()) == "你好世界" * 50


@pytest.mark.skipif(not present(find("tinyshakespeare")), reason="the public sets are not on this machine")
def test_tiny_shakespeare_is_cut_where_everybody_cuts_it() -> None:
    assert len(joined(open_corpus("tinyshakespeare"))) == 1_003_854
    assert len(joined(open_corpus("tinyshakespeare", "valid"))) == 111_540


@pytest.mark.skipif(len(present(find("imdb"))) < 3, reason="the public sets are not on this machine")
def test_the_film_reviews_are_a_corpus_with_the_unlabelled_ones_and_without_markup() -> None:
    corpus = open_corpus("imdb")
    assert corpus.name == "imdb/train+unsup"
    first = [piece.text for piece, _ in zip(corpus.pieces(), range(200), strict=False)]
    assert not any("<br" in text for text in first)
    assert any("<br" in text for text, _ in zip(open_corpus("imdb", markup=True).texts(), range(200), strict=False))
