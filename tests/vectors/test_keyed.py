"""Word vectors: what is written is read back, what is asked is found, and bad files say where."""

import gzip
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minnow.errors import DataError, InputError
from minnow.vectors.keyed import KeyedVectors

quick = settings(max_examples=60, suppress_health_check=list(HealthCheck))
floats = st.floats(width=32, allow_nan=False, allow_infinity=False)
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\t"), min_size=1, max_size=8)


@st.composite
def tables(draw: st.DrawFn) -> KeyedVectors:
    names = draw(st.lists(words, min_size=1, max_size=6, unique=True))
    dimensions = draw(st.integers(2, 4))
    rows = [draw(st.lists(floats, min_size=dimensions, max_size=dimensions)) for _ in names]
    return KeyedVectors(names, np.array(rows, dtype=np.float32))


@pytest.fixture
def animals() -> KeyedVectors:
    rows = [[1, 0, 0], [1, 0, 1], [0, 1, 0], [0, 1, 1], [0, 0, 0], [5, 0, 0.5]]
    return KeyedVectors(["cat", "cats", "dog", "dogs", "nil", "Tom"], np.array(rows, dtype=np.float32))


def same(first: KeyedVectors, second: KeyedVectors) -> bool:
    return first.words == second.words and bool((first.vectors_VD == second.vectors_VD).all())


@quick
@given(table=tables(), name=st.sampled_from(["v.vec", "v.txt", "v.vec.gz", "v.safetensors"]))
def test_what_is_saved_is_loaded(table: KeyedVectors, name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("saved") / name
    table.save(path)
    assert same(KeyedVectors.load(path), table)


@quick
@given(table=tables(), data=st.data())
def test_a_restricted_load_is_the_rows_asked_for(
    table: KeyedVectors, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    only = set(data.draw(st.lists(st.sampled_from(table.words), min_size=1)))
    for name in ("v.vec", "v.safetensors"):
        path = tmp_path_factory.mktemp("saved") / name
        table.save(path)
        some = KeyedVectors.load(path, only=only | {"absent from all"})
        assert some.words == [word for word in table.words if word in only]
        assert (some.vectors_VD == table.vectors_VD[[table.words.index(word) for word in some.words]]).all()


@pytest.mark.parametrize("header", ["2 3\n", ""])
def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path, header: str) -> None:
    path = tmp_path / "own.vec"
    path.write_text(f"{header}the 0.5 1 2\nof 3 4 5\n", encoding="utf-8-sig")
    assert KeyedVectors.load(path).words == ["the", "of"]


def test_glove_text_has_no_header_and_words_with_spaces(tmp_path: Path) -> None:
    path = tmp_path / "glove.txt"
    path.write_text("the 0.5 1 2\nat name@x.org 3 4 5\r\n\u00a0 6 7 8 \nthe 9 9 9\n", encoding="utf-8", newline="")
    loaded = KeyedVectors.load(path)
    assert loaded.words == ["the", "at name@x.org", "\u00a0"]
    assert loaded.vectors_VD.tolist() == [[0.5, 1, 2], [3, 4, 5], [6, 7, 8]]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("line_feed", [b"", b"\n"])
def test_word2vec_binary_with_and_without_line_feeds(tmp_path: Path, pack: object, line_feed: bytes) -> None:
    rows = [("好", (1.0, -2.5)), ("b", (0.25, 1e-8))]
    content = b"2 2\n" + b"".join(word.encode() + b" " + struct.pack("<2f", *row) + line_feed for word, row in rows)
    path = tmp_path / ("v.bin.gz" if pack is gzip.compress else "v.bin")
    path.write_bytes(pack(content))  # type: ignore[operator]
    loaded = KeyedVectors.load(path)
    assert loaded.words == ["好", "b"]
    assert loaded.vectors_VD.tolist() == np.array([row for _, row in rows], dtype=np.float32).tolist()
    assert KeyedVectors.load(path, only={"b"}).words == ["b"]


def test_look_ups(animals: KeyedVectors) -> None:
    assert len(animals) == 6
    assert animals.dimensions == 3
    assert "cat" in animals
    assert "cow" not in animals
    assert animals.vector("cats").tolist() == [1, 0, 1]
    assert animals.similarity("cat", "cats") == pytest.approx(0.5**0.5)
    assert animals.similarity("cat", "nil") == 0
    with pytest.raises(InputError, match="'cow' has no vector"):
        animals.vector("cow")


def test_a_vector_handed_out_is_a_copy(animals: KeyedVectors) -> None:
    animals.vector("cat")[:] = 9
    assert animals.vector("cat").tolist() == [1, 0, 0]


def test_neighbours_are_nearest_by_angle_not_by_length(animals: KeyedVectors) -> None:
    assert [word for word, _ in animals.neighbours("cat", 2)] == ["Tom", "cats"]
    assert animals.neighbours([0, 2, 0], 1) == [("dog", pytest.approx(1.0))]
    assert len(animals.neighbours("cat", 100)) == 5
    with pytest.raises(InputError, match="3 numbers"):
        animals.neighbours([1, 2])
    with pytest.raises(InputError, match="count"):
        animals.neighbours("cat", 0)


@quick
@given(seed=st.integers(0, 999), count=st.integers(1, 25))
def test_neighbours_are_those_of_a_full_sort(seed: int, count: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(20, 5)).astype(np.float32)
    table = KeyedVectors([str(row) for row in range(20)], rows)
    unit = rows.astype(np.float64) / np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    cosines = unit @ unit[0]
    expected = [int(row) for row in np.argsort(-cosines) if row != 0][:count]
    found = table.neighbours("0", count)
    assert [int(word) for word, _ in found] == expected
    assert [cosine for _, cosine in found] == pytest.approx(cosines[expected], abs=1e-5)


def test_analogies_leave_the_question_out(animals: KeyedVectors) -> None:
    ((answer, _),) = animals.analogy("cat", "cats", "dog")
    assert answer == "dogs"
    assert not {"cat", "cats", "dog"} & {word for word, _ in animals.analogy("cat", "cats", "dog", 6)}


def test_a_matrix_for_a_vocabulary_tries_the_word_then_its_lower_case(animals: KeyedVectors) -> None:
    matrix, found = animals.matrix_for(["<pad>", "DOGS", "Tom", "TOM", "cat"])
    assert found.tolist() == [False, True, True, False, True]
    assert matrix.dtype == np.float32
    assert matrix.tolist() == [[0] * 3, [0, 1, 1], [5, 0, 0.5], [0] * 3, [1, 0, 0]]
    assert animals.matrix_for([])[0].shape == (0, 3)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("v.txt", b"", "empty"),
        ("v.txt", b"alone\n", "line 1"),
        ("v.vec", b"2 2\na 1 2\n", "declares 2 words .* holds 1"),
        ("v.vec", b"1 2\na 1 2\nb 1 2\n", "declares 1 words .* holds 2"),
        ("v.vec", b"2 2\na 1 2\nb 1\n", "line 3: expected a word and 2 numbers"),
        ("v.txt", b"a 1 2\n\nb 1 x\n", "line 3: expected a word and 2 finite numbers"),
        ("v.txt", b"a 1 2\nb nan 2\n", "line 2"),
        ("v.txt", "a 1 2\n\u597d 1 2\n".encode("gbk"), "line 2 is not UTF-8"),
        ("v.txt", b"a" * 2_000_000, "line 1 is longer"),
        ("v.vec.gz", b"no gzip", "not a whole gzip file"),
        ("v.vec.gz", gzip.compress(b"1 2\na 1 2\n", mtime=0)[:-9], "not a whole gzip file"),
        ("v.bin", b"\x16\x14\x4f\x2f", "fastText"),
        ("v.bin", b"2 2\na " + bytes(8) + b"b " + bytes(3), "within the vector of word 2"),
        ("v.bin", b"2 1\na " + bytes(4), "word 2"),
        ("v.bin", b"1 1\na " + bytes(4) + b"more", "goes on behind"),
        ("v.bin", b"1 1\na " + struct.pack("<f", float("nan")), "word 1: expected finite"),
        ("v.bin", b"1 999999999999\na ", "line 1"),
        ("v.safetensors", b"short", "not a whole file"),
        ("absent.vec", None, "cannot read"),
        ("absent.safetensors", None, "not a whole file"),
    ],
)
def test_bad_files_say_what_is_wrong_and_where(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        KeyedVectors.load(tmp_path / name)


@quick
@given(data=st.data())
def test_any_bytes_are_vectors_or_a_data_error(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    name = data.draw(st.sampled_from(["v.vec", "v.bin", "v.safetensors", "v.vec.gz"]))
    path = tmp_path_factory.mktemp("bytes") / name
    path.write_bytes(data.draw(st.sampled_from([b"", b"2 2\n", b"a 1 2\n"])) + data.draw(st.binary(max_size=60)))
    try:
        loaded = KeyedVectors.load(path)
    except DataError:
        return
    assert loaded.vectors_VD.shape == (len(loaded.words), loaded.dimensions)


def test_nothing_found_is_an_error(animals: KeyedVectors, tmp_path: Path) -> None:
    animals.save(tmp_path / "v.vec")
    with pytest.raises(DataError, match="any of the 1 words"):
        KeyedVectors.load(tmp_path / "v.vec", only={"vache"})


def test_words_and_vectors_must_fit(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a row a word"):
        KeyedVectors(["a"], np.zeros((2, 2), dtype=np.float32))
    with pytest.raises(DataError, match="'a' stands again"):
        KeyedVectors(["a", "b", "a"], np.zeros((3, 2), dtype=np.float32))
    for word in ("", "a\nb", "a\tb", "\ud800"):
        with pytest.raises(DataError, match="must not be empty"):
            KeyedVectors([word], np.zeros((1, 2), dtype=np.float32)).save(tmp_path / "unwritten.vec")


@pytest.mark.parametrize("name", ["v.vec", "v.safetensors"])
def test_a_large_file_is_read_in_the_memory_of_what_is_asked(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    rows = np.random.default_rng(0).normal(size=(20_000, 50)).astype(np.float32)
    KeyedVectors([f"word{row}" for row in range(20_000)], rows).save(path)
    tracemalloc.start()
    some = KeyedVectors.load(path, only={"word7", "word19999"})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (some.vectors_VD == rows[[7, 19_999]]).all()
    assert peak < rows.nbytes / 1.5
