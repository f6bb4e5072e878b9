"""Shards: what is read is what was written, across files, after a kill, and by several processes at once."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from minnow.data.corpus import open_corpus
from minnow.data.shards import INDEX, TokenShards, tokenizer_sha256, write_shards
from minnow.data.token_stream import encode_corpus
from minnow.errors import DataError, StorageError
from minnow.text.tokenizer import Tokenizer, TokenizerSettings

TEXT = "".join(f"the {number} cats sat, and {number * number} ran.\n" for number in range(300))
TOKENIZER = Tokenizer.train([TEXT], TokenizerSettings("character", 100, False, "none", 1))


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "a.txt"
    path.write_text(TEXT)
    return path


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minnow.data.shards.TOKENS_PER_FILE", 1000)
    monkeypatch.setattr("minnow.data.token_stream.CHARACTERS_AT_ONCE", 300)
    monkeypatch.setattr("minnow.data.streams.CHUNK_BYTES", 350)


def stream(path: Path, tokenizer: Tokenizer = TOKENIZER) -> np.ndarray:
    return np.concatenate([part.token_ids for part in encode_corpus(open_corpus(path), tokenizer)])


@pytest.mark.usefixtures("small_files")
def test_what_is_read_is_what_was_written(text: Path, tmp_path: Path) -> None:
    write_shards(open_corpus(text), TOKENIZER, tmp_path / "shards")
    shards = TokenShards.open(tmp_path / "shards")
    expected = stream(text)
    assert len(shards.index.files) == -(-len(expected) // 1000) > 3
    assert shards.num_tokens == len(expected)
    for start, length in [(0, len(expected)), (990, 20), (500, 2600), (1000, 1000), (len(expected), 0), (5, 0)]:
        np.testing.assert_array_equal(shards.read(start, length), expected[start : start + length])


def test_the_index_tells_what_the_corpus_holds(text: Path, tmp_path: Path) -> None:
    counts = write_shards(open_corpus(text), TOKENIZER, tmp_path / "shards").counts
    assert counts.bytes == len(TEXT.encode()) == counts.tokens
    assert counts.words == len(TEXT.split()) + TEXT.count("\n")
    content = json.loads((tmp_path / "shards" / INDEX).read_text())
    assert content["data_sha256"] == open_corpus(text).sha256()
    assert content["tokenizer_sha256"] == tokenizer_sha256(TOKENIZER)


@pytest.mark.parametrize(("vocab_size", "width"), [(300, 2), (70_000, 4)])
def test_ids_take_two_bytes_where_they_fit(tmp_path: Path, vocab_size: int, width: int) -> None:
    path = tmp_path / "a.txt"
    path.write_text(" ".join(f"w{number}" for number in range(vocab_size)))
    tokenizer = Tokenizer.train([path.read_text()], TokenizerSettings("word", 100_000, min_frequency=1))
    shards = write_shards(open_corpus(path), tokenizer, tmp_path / "shards")
    assert (tmp_path / "shards" / "00000.bin").stat().st_size == width * shards.num_tokens
    np.testing.assert_array_equal(shards.read(0, shards.num_tokens), stream(path, tokenizer))


def test_shards_of_the_same_text_and_tokenizer_are_used_again(text: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    seen: list[int] = []
    for _ in range(2):
        write_shards(open_corpus(text), TOKENIZER, folder, lambda _, done, __: seen.append(done))
    assert len(seen) == 1
    text.write_text(TEXT + "more\n")
    assert write_shards(open_corpus(text), TOKENIZER, folder).num_tokens == len(TEXT) + 5
    other = Tokenizer.train([TEXT], TokenizerSettings("character", 100, True, "none", 1))
    shards = write_shards(open_corpus(text), other, folder)
    np.testing.assert_array_equal(shards.read(0, shards.num_tokens), stream(text, other))


@pytest.mark.usefixtures("small_files")
def test_a_shorter_corpus_leaves_nothing_of_a_longer_one(text: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    write_shards(open_corpus(text), TOKENIZER, folder)
    text.write_text("short\n")
    write_shards(open_corpus(text), TOKENIZER, folder)
    assert [path.name for path in folder.glob("*.bin")] == ["00000.bin"]


@pytest.mark.usefixtures("small_files")
def test_damaged_shards_are_named_and_written_anew(text: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    write_shards(open_corpus(text), TOKENIZER, folder)
    (folder / "00001.bin").write_bytes(b"cut")
    with pytest.raises(DataError, match="missing or was cut off"):
        TokenShards.open(folder)
    assert write_shards(open_corpus(text), TOKENIZER, folder).num_tokens == len(stream(text))
    (folder / INDEX).write_text("{}")
    with pytest.raises(DataError, match="holds no tokenised corpus"):
        TokenShards.open(folder)


def test_an_empty_corpus_leaves_no_shards(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\n \n")
    with pytest.raises(DataError, match="holds no text"):
        write_shards(open_corpus(tmp_path / "a.txt"), TOKENIZER, tmp_path / "shards")
    assert not list((tmp_path / "shards").glob("*.bin")) + list((tmp_path / "shards").glob("*.json"))


def test_a_place_outside_the_corpus_is_refused(text: Path, tmp_path: Path) -> None:
    shards = write_shards(open_corpus(text), TOKENIZER, tmp_path / "shards")
    for start, length in [(-1, 5), (shards.num_tokens - 2, 3)]:
        with pytest.raises(DataError, match="were asked for, but there are"):
            shards.read(start, length)


def test_a_folder_that_may_not_be_made_is_an_error_in_words(text: Path) -> None:
    with pytest.raises(StorageError):
        write_shards(open_corpus(text), TOKENIZER, text / "below_a_file")


WRITER = """
import sys, time
from minnow.data import shards, token_stream
from minnow.data.corpus import open_corpus
from minnow.text.tokenizer import Tokenizer
shards.TOKENS_PER_FILE, token_stream.CHARACTERS_AT_ONCE = 1000, 300
from minnow.data import streams
streams.CHUNK_BYTES = 350
told = []
def slowly(*_):
    told.append(1)
    time.sleep(float(sys.argv[4]))
written = shards.write_shards(open_corpus(sys.argv[1]), Tokenizer.load(sys.argv[2]), sys.argv[3], slowly)
print(written.num_tokens, len(told))
"""


def test_a_killed_writer_starts_anew_and_two_at_once_write_once(text: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    TOKENIZER.save(tmp_path / "tokenizer.json")

    def writer(pause: float) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", WRITER, text, tmp_path / "tokenizer.json", folder, str(pause)]
        return subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True)

    slow = writer(0.2)
    deadline = time.monotonic() + 20
    while not (folder / "00000.bin").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(slow.pid, signal.SIGKILL)
    slow.wait()
    assert (folder / "00000.bin").exists()
    with pytest.raises(DataError, match="holds no tokenised corpus"):
        TokenShards.open(folder)
    told = [process.communicate()[0].split() for process in (writer(0.01), writer(0.01))]
    assert [tokens for tokens, _ in told] == [str(len(stream(text)))] * 2
    assert sorted(int(portions) > 0 for _, portions in told) == [False, True]
    shards = TokenShards.open(folder)
    np.testing.assert_array_equal(shards.read(0, shards.num_tokens), stream(text))
    assert not list(folder.glob(".*.part"))
