"""Readers: what is written comes back, and whatever is wrong with a file is one line that names the place."""

import gzip
import tracemalloc
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minnow.data.table import (
    iterate_lines,
    iterate_rows,
    read_lines,
    read_table,
    read_with_layout,
    write_table,
    write_texts,
)
from minnow.errors import DataError, StorageError

quick = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
# Without NUL and surrogates, which text files do not hold.
nasty = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    [
        '"',
        '""',
        'a "b',
        '"a"',
        "a\tb",
        "a\nb",
        "a\r\nb",
        "\ra",
        ",",
        ";",
        "\\",
        '\\"',
        "text",
        "a\u2028b",
        "\x85",
        " ",
        "",
        "｡中文",
    ]
)
rows = st.lists(st.tuples(nasty, st.sampled_from(["ham", "spam", "1"])), min_size=1, max_size=12)


def as_frame(pairs: list[tuple[str, str]]) -> pl.DataFrame:
    return pl.DataFrame({"text": [pair[0] for pair in pairs], "label": [pair[1] for pair in pairs]})


@quick
@given(rows, st.sampled_from(["csv", "tsv", "jsonl", "json", "parquet", "csv.gz", "tsv.gz", "jsonl.gz", "ndjson"]))
def test_what_is_written_comes_back(tmp_path: Path, pairs: list[tuple[str, str]], suffix: str) -> None:
    path = tmp_path / f"rows.{suffix}"
    frame = as_frame(pairs)
    write_table(frame, path)
    assert read_table(path).equals(frame)


@quick
@given(rows, st.sampled_from(["csv", "tsv", "jsonl", "json", "parquet"]), st.integers(1, 5))
def test_chunks_are_the_table(tmp_path: Path, pairs: list[tuple[str, str]], suffix: str, size: int) -> None:
    path = tmp_path / f"rows.{suffix}"
    write_table(as_frame(pairs), path)
    chunks = list(iterate_rows(path, size))
    assert pl.concat(chunks).equals(read_table(path))
    assert all(chunk.height == size for chunk in chunks[:-1])


@quick
@given(st.lists(nasty.filter(lambda text: not set(text) & set("\t\n\r")), min_size=2, max_size=10))
def test_plain_lines_come_back(tmp_path: Path, texts: list[str]) -> None:
    texts = ["a first line", *texts]
    write_table(pl.DataFrame({"text": texts}), tmp_path / "lines.txt")
    assert read_table(tmp_path / "lines.txt")["text"].to_list() == texts


@quick
@given(
    st.lists(
        st.tuples(st.lists(st.sampled_from(["a", "b", "c-d"]), min_size=1, max_size=2, unique=True), nasty), min_size=1
    )
)
def test_fasttext_lines_come_back(tmp_path: Path, pairs: list[tuple[list[str], str]]) -> None:
    kept = [(names, f"x {text}") for names, text in pairs if not set(text) & set("\n\r")] or [(["a"], "x")]
    frame = pl.DataFrame({"label": [pair[0] for pair in kept], "text": [pair[1] for pair in kept]})
    write_table(frame, tmp_path / "tagged.txt")
    assert read_table(tmp_path / "tagged.txt").equals(frame)


@pytest.mark.parametrize(
    ("name", "content", "columns", "num_rows"),
    [
        ("a.csv", "text,label\nhello,a\n", ["text", "label"], 1),
        ("a.csv", "\ufefftext;label\r\none, two;a\r\nthree;b\r\n", ["text", "label"], 2),
        ("a.csv", 'text,label\n"two\nlines, ""quoted""",a\n', ["text", "label"], 1),
        ("a.csv", 'text,label\n"he said \\"hi\\", loudly",a\nx,b\n', ["text", "label"], 2),
        (
            "a.csv",
            "v1,v2\nham,Go until jurong point crazy available only\nspam,Free entry in 2 a weekly comp\n",
            ["v1", "v2"],
            2,
        ),
        (
            "a.csv",
            '"3","A title","Some words of description."\n"4","Other","More words."\n',
            ["column_1", "column_2", "column_3"],
            2,
        ),
        ("a.tsv", 'ham\tOk lar "joking\nspam\tFree "entry" now\nham\t"unbalanced\n', ["column_1", "column_2"], 3),
        ("a.tsv", "question\tWhere are you?\nanswer\tHere.\nquestion\tWhy?\n", ["column_1", "column_2"], 3),
        ("a.tsv", "label\ttext\n0\tA film\n", ["label", "text"], 1),
        ("a.tsv", 'id\treview\n"1"\t"a\tb ""c"""\n', ["id", "review"], 1),
        ("a.csv", "Kommentar;Klasse\nsehr gut;ja\nschlecht;nein\nna ja;nein\nfein;ja\n", ["Kommentar", "Klasse"], 4),
        ("a.csv", "标签,评论\n1,很好\n0,不好\n", ["标签", "评论"], 2),
        ("a.csv", "id,intent_name,x\n1,a,b c\n2,a,d e\n", ["id", "intent_name", "x"], 2),
        ("a.txt", "体验2D巅峰 十大概览\t8\n60年铁树开花\t5\n", ["column_1", "column_2"], 2),
        ("a.txt", "just a line\nand\tanother\n\nlast", ["text"], 4),
        ("a.txt", "__label__pos __label__new good\n__label__neg bad\n", ["label", "text"], 2),
        ("a.json", '[{"text": "a", "label": 1}, {"text": "b"}]', ["text", "label"], 2),
        ("a.json", '{"text": "a", "label": 1}\n{"text": "b", "label": 2}\n', ["text", "label"], 2),
        ("a.txt", "[1]\nA note below the text.\n", ["text"], 2),
        ("a.txt", '{"text": "a"}\n\n{"text": "b"}\n', ["text"], 2),
        ("a.csv", '["x"],\na,b\n', ["column_1", "column_2"], 2),
        ("a.jsonl", '[{"text": "a", "label": 1}, {"text": "b"}]\n', ["text", "label"], 2),
        ("a.jsonl", '[{"text": "a"}]\n[{"text": "b"}]\n', ["column_1"], 2),
        ("a.jsonl", '["a", "x"]\n\n["b", "y"]\n', ["column_1", "column_2"], 2),
        ("a.csv", "text,text,\na,b,c\n", ["text", "text_2", "column_3"], 1),
        ("a.csv", "text,text,text_2,text\na,b,c,d\n", ["text", "text_3", "text_2", "text_4"], 1),
        ("a.txt", "[" * 100_000 + "\nand more\n", ["text"], 2),
        ("a.csv", "en,de\nGo.,Geh.\n", ["en", "de"], 1),
        ("a.tsv", "src\ttgt\nGo.\tGeh.\n", ["src", "tgt"], 1),
        ("a.tsv", "Hi\tHé\nGo\tVa\n", ["column_1", "column_2"], 2),
        ("a.csv", "ok,en\nja,de\nno,en\n", ["column_1", "column_2"], 3),
        ("a.csv", "Cannot open email\nThe printer jams\n", ["column_1"], 2),
        ("a.csv", "我的短信收不到\n" + "我想查一下上个月的话费账单明细应该在哪里才能看到\n" * 2, ["column_1"], 3),
        ("a.tsv", "这是一个问题\tThis is a question\n再见\tGood bye\n", ["column_1", "column_2"], 2),
        ("a.tsv", "Bon titre\tGood title\nSalut\tHi\n", ["column_1", "column_2"], 2),
        ("a.csv", "Good title,Bad review\nFine film,Nice review\n", ["column_1", "column_2"], 2),
        ("a.csv", "登录问题,账号类别\n无法付款,付款类别\n", ["column_1", "column_2"], 2),
        ("a.csv", "Cannot open email,Email\nno text comes,Email\n", ["column_1", "column_2"], 2),
        ("a.csv", "Customer message,Intent\nnice thing,x\n", ["Customer message", "Intent"], 1),
        ("a.csv", "Review text,Star rating\n" + "a b,x\nc d,y\n" * 2, ["Review text", "Star rating"], 4),
        ("a.csv", "评论内容,标签\n很好,正\n", ["评论内容", "标签"], 1),
        ("a.csv", 'written,iso\n"May 3, 1999",1999-05-03\n"June 1, 2004",2004-06-01\n', ["written", "iso"], 2),
    ],
)
def test_files_as_people_have_them(tmp_path: Path, name: str, content: str, columns: list[str], num_rows: int) -> None:
    for packed in (False, True):
        path = tmp_path / (f"{name}.gz" if packed else name)
        path.write_bytes(gzip.compress(content.encode()) if packed else content.encode())
        frame, layout = read_with_layout(path)
        assert (frame.columns, frame.height) == (columns, num_rows), layout


def test_the_decision_on_the_header_is_told(tmp_path: Path) -> None:
    (tmp_path / "with.csv").write_text("text,label\na b,x\n")
    (tmp_path / "without.tsv").write_text("ham\tOk lar.\nham\tSee you.\n")
    assert "first line is a header: text, label" in read_with_layout(tmp_path / "with.csv")[1].notes
    assert "no header line" in read_with_layout(tmp_path / "without.tsv")[1].notes[0]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_marks_are_minded(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("text,label\nschön,ä\n很好,ö\n".encode(encoding))
    assert read_table(path)["text"].to_list() == ["schön", "很好"]


def test_an_encoding_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("text,label\n很好,正\n不好,负\n".encode("gb18030"))
    assert read_table(path, encoding="gb18030")["label"].to_list() == ["正", "负"]


def test_a_file_of_many_blocks_reads_like_a_small_one(tmp_path: Path) -> None:
    texts = [f'line {number}\nof a "text", {"x" * 200}' for number in range(12_000)]
    frame = pl.DataFrame({"text": texts, "label": ["a", "b"] * 6_000})
    for suffix in ("csv.gz", "jsonl"):
        write_table(frame, tmp_path / f"many.{suffix}")
        assert read_table(tmp_path / f"many.{suffix}").equals(frame)


GOOD = "text,label\na,x\nb,y\n"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"text,label\n", "no rows"),
        ("a.jsonl", b'{"text": "a"}\n{"text": }\n', "line 2 of"),
        ("a.jsonl", b'{"text": "a"}\n"only a string"\n', "where a row should be"),
        ("a.json", b'[{"text": "a"},\n{"text"}]', "line 2"),
        ("a.json", b"hello", "is not JSON rows"),
        ("a.csv", b"text,label\na,x\nb,y,z\n", "line 3 of .* has 3 cells, but its header has 2"),
        ("a.tsv", b"ham\tok.\nham\tone\ttwo\n" + b"ham\tx\n" * 9, "no text may hold a tab"),
        ("a.csv", b'text,label\n"a,x\nb,y\n', "line 2 of .* quote out of place"),
        ("a.csv", b"text,label\ra b,x\rc d,y\r", "line 1 of .* carriage return outside quotes.*: tr"),
        ("a.jsonl", b'{"a":' * 5_000, "line 1 of .* is not JSON"),
        ("a.csv", "text,label\ncafé au lait,x\n".encode("latin-1"), "byte 0xe9 in line 2.*--encoding cp1252"),
        ("a.jsonl", '{"text": "café au lait"}\n'.encode("latin-1"), "byte 0xe9 in line 1"),
        ("a.csv", "text,label\n这个酒店很好,正\n".encode("gb18030"), "--encoding gb18030"),
        ("a.csv", b"text,label\na\0b,x\n", "NUL byte in line 2, .* take such bytes out with: tr"),
        ("a.csv", "text,label\nab,x\n".encode("utf-16-le"), "--encoding utf-16-le"),
        ("a.csv.gz", gzip.compress(GOOD.encode(), mtime=0)[:-9], "cut off"),
        ("a.csv.gz", gzip.compress(GOOD.encode(), mtime=0)[:-6] + b"xxxxxx", "damaged gz"),
        ("a.parquet", b"PAR1 and no more", "damaged parquet"),
        ("a.parquet", b"text", "does not begin like one"),
        ("a.csv", b"PK\x03\x04 and more", "Excel"),
    ],
)  # fmt: skip
def test_a_bad_file_is_one_line_that_names_the_place(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=words) as caught:
        read_table(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


scraps = st.lists(
    st.sampled_from(
        [b'"', b"\t", b",", b"\n", b"\r", b";", b"{", b"}", b"[", b"]", b":", b'"a"', b"1", b"text", b"\xe9", b"\0",
         b"\xff\xfe", b"\xef\xbb\xbf", b"\x1f\x8b", b"__label__x ", b"\xe5\xa5\xbd", b"\\", b"null", b"1e999"]
    )
    | st.binary(max_size=4),
    max_size=20,
).map(b"".join)  # fmt: skip


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(scraps, st.sampled_from(["csv", "tsv", "jsonl", "json", "txt", "parquet"]), st.booleans())
def test_any_bytes_are_a_table_or_a_one_line_error(tmp_path: Path, content: bytes, suffix: str, packed: bool) -> None:
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(gzip.compress(content, 1) if packed else content)
    try:
        frame = read_table(path)
    except DataError as error:
        message = str(error)
    else:
        message = ""
        assert sum(chunk.height for chunk in iterate_rows(path, 2)) == frame.height > 0
    assert "\n" not in message


def test_a_truncated_parquet_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame({"text": ["a"] * 1000}).write_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])
    for read in (read_table, lambda path: list(iterate_rows(path))):
        with pytest.raises(DataError, match="damaged parquet"):
            read(path)


def test_a_missing_file_and_a_foreign_encoding_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read"):
        read_table(tmp_path / "none.csv")
    (tmp_path / "a.csv").write_text(GOOD)
    for encoding in ("klingon", "hex", "rot13", "zlib", "a\0b"):
        with pytest.raises(DataError, match="unknown encoding"):
            read_table(tmp_path / "a.csv", encoding=encoding)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "txt"])
def test_a_line_above_the_bound_is_refused_before_it_is_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"bomb.{suffix}.gz"
    begin = '{"text": "' if suffix == "jsonl" else "text\tlabel\nok\tx\n"
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(begin.encode())
        for _ in range(24):
            stream.write(b"x" * (1 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"line \d of .* longer than 8,388,608 bytes"):
            read_table(path, max_line_bytes=8 << 20)
        assert tracemalloc.get_traced_memory()[1] < 40 << 20
    finally:
        tracemalloc.stop()


def test_a_quote_never_closed_does_not_swallow_the_file(tmp_path: Path) -> None:
    path = tmp_path / "open.csv"
    path.write_text('text,label\na,x\n"b,y\n' + "some words,x\n" * 300_000)
    with pytest.raises(DataError, match="record in line 3 of"):
        read_table(path, max_line_bytes=1 << 20)


def test_streaming_takes_constant_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=1) as stream:
        for number in range(60_000):
            stream.write(b'{"text": "%s", "n": %d}\n' % (b"word " * 400, number))
    tracemalloc.start()
    try:
        total = sum(chunk.height for chunk in iterate_rows(path, 1_000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total == 60_000
    assert peak < 75 << 20  # of 121 MB


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.txt", "a.json"])
def test_only_what_is_held_in_memory_has_a_bound(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / name
    write_table(pl.DataFrame({"text": [f"some words {number}" for number in range(50)]}), path)
    monkeypatch.setattr("minnow.data.table.MAX_TABLE_BYTES", 500)
    for read in (read_table, read_lines, lambda path: list(iterate_rows(path, kept=True))):
        with pytest.raises(DataError, match="split it into several files"):
            read(path)
    assert len(list(iterate_lines(path))) >= 50
    if name == "a.json":  # which has no lines to read it by
        with pytest.raises(DataError, match="split it into several files"):
            list(iterate_rows(path))
    else:
        assert sum(chunk.height for chunk in iterate_rows(path, 7)) == 50


def test_what_a_format_cannot_hold_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    for name, text in (("a.csv", "a\0b"), ("a.txt", "a\nb")):
        with pytest.raises(DataError, match=r"write \.jsonl instead"):
            write_table(pl.DataFrame({"text": [text]}), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_json_of_mixed_types_is_kept_for_who_needs_it(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a", "meta": 1}\n{"text": "b", "meta": {"x": [1, "y"]}}\n')
    frame = read_table(tmp_path / "a.jsonl")
    assert frame["text"].to_list() == ["a", "b"]
    write_table(frame, tmp_path / "b.jsonl")
    assert (tmp_path / "b.jsonl").read_text() == '{"text":"a","meta":1}\n{"text":"b","meta":{"x":[1,"y"]}}\n'
    write_table(frame, tmp_path / "b.parquet")
    assert read_table(tmp_path / "b.parquet")["meta"].to_list() == ["1", '{"x":[1,"y"]}']


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_numbers_of_many_digits_are_kept(tmp_path: Path, name: str) -> None:
    ids = ["123456789012345678901234567890", "-9223372036854775809", "18446744073709551615", "0.1234567890123456789"]
    rows = [f'{{"text":"number {number}","id":{number}}}' for number in ids]
    (tmp_path / name).write_text("\n".join(rows) if name == "a.jsonl" else f"[{','.join(rows)}]")
    read = read_table(tmp_path / name)["id"].to_list()
    assert read == [ids[0], ids[1], 18446744073709551615, 0.1234567890123456789]


# Texts written as they come


@quick
@given(pairs=st.lists(st.tuples(nasty, nasty), min_size=1, max_size=8), name=st.sampled_from(["a.tsv", "a.jsonl.gz"]))
def test_texts_written_as_they_come_are_read_back(pairs: list[tuple[str, str]], name: str, tmp_path: Path) -> None:
    """In tsv but for white space."""
    write_texts(iter(pairs), ("en", "de"), tmp_path / name)
    read = read_table(tmp_path / name)
    assert read.columns == ["en", "de"]
    if "jsonl" in name:
        assert read.rows() == pairs
        return
    found, wanted = ([[cell.split() for cell in row] for row in side] for side in (read.rows(), pairs))
    assert [row for row in found if any(row)] == [row for row in wanted if any(row)]


def test_texts_are_there_whole_or_not_at_all(tmp_path: Path) -> None:
    def breaks():  # type: ignore[no-untyped-def]
        yield "a", "b"
        raise DataError("no more")

    (tmp_path / "a.tsv").write_text("older")
    with pytest.raises(DataError, match="no more"):
        write_texts(breaks(), ("en", "de"), tmp_path / "a.tsv")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tsv"]
    assert (tmp_path / "a.tsv").read_text() == "older"
    for name in ("a.csv", "a.txt", "a.parquet", "a"):
        with pytest.raises(DataError, match=rf"written as .tsv or .jsonl \(.gz packs them\), but got {name}"):
            write_texts([], ("en", "de"), tmp_path / name)
    with pytest.raises(StorageError):
        write_texts([("a", "b")], ("en", "de"), tmp_path / "a.tsv" / "b.tsv")


def test_lines_come_one_by_one_in_constant_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_text("".join(f"line {number} {'word ' * 200}\n" for number in range(20_000)))
    tracemalloc.start()
    try:
        count = sum(1 for _ in iterate_lines(path))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 20_000
    assert peak < 12 << 20  # of 20 MB
    (tmp_path / "short.txt").write_text("a\n\n b \nc")
    assert read_lines(tmp_path / "short.txt") == list(iterate_lines(tmp_path / "short.txt")) == ["a", "", " b ", "c"]
