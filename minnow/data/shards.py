"""A corpus tokenised once: token ids in files that are mapped into memory, so that a corpus may be larger than it.

``index.json`` is written last and says what the files hold and what they were made from. A folder without it is one
that was cut off, and is written anew.
"""

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from minnow.data.corpus import Corpus
from minnow.data.token_stream import Counts, encode_corpus
from minnow.errors import DataError
from minnow.files import storage_error, write_text, written_whole
from minnow.listeners import Progress
from minnow.text.tokenizer import Tokenizer

INDEX = "index.json"
FORMAT = 1
TOKENS_PER_FILE = 1 << 26


@dataclass(frozen=True)
class Index:
    """What ``index.json`` says: totals as in ``token_stream.Counts``, and the tokens of each file."""

    counts: Counts
    files: tuple[int, ...]
    dtype: str
    vocab_size: int
    data_sha256: str
    tokenizer_sha256: str
    name: str = ""


@dataclass(frozen=True)
class TokenShards:
    """A tokenised corpus on the disk. Readers hold no file in memory: the system keeps what is in use."""

    folder: Path
    index: Index

    @classmethod
    def open(cls, folder: Path | str) -> Self:
        """Open what ``write_shards`` wrote.

        Raises:
            DataError: the folder is not finished, or a file of it is missing or of another length.
        """
        folder = Path(folder)
        index = _read_index(folder)
        if index is None:
            raise DataError(f"{folder} holds no tokenised corpus ({INDEX} is missing or damaged); tokenise it again")
        for number, length in enumerate(index.files):
            path = _file(folder, number)
            if not path.is_file() or path.stat().st_size != length * np.dtype(index.dtype).itemsize:
                raise DataError(f"{path} is missing or was cut off; delete {folder} and tokenise the corpus again")
        return cls(folder, index)

    @property
    def num_tokens(self) -> int:
        return self.index.counts.tokens

    @property
    def counts(self) -> Counts:
        """Tokens, bytes, words, documents and unknown tokens."""
        return self.index.counts

    def read(self, start: int, length: int) -> NDArray[np.int64]:
        """Token ids from place ``start`` on, ``length`` of them.

        Raises:
            DataError: the place lies outside the corpus.
        """
        if start < 0 or length < 0 or start + length > self.num_tokens:
            raise DataError(f"tokens {start} to {start + length} were asked for, but there are {self.num_tokens:,}")
        ids = np.empty(length, np.int64)
        number = int(np.searchsorted(self._starts, start, "right")) - 1
        done = 0
        while done < length:
            first = start + done - int(self._starts[number])
            taken = self._maps[number][first : first + length - done]
            ids[done : done + len(taken)] = taken
            done, number = done + len(taken), number + 1
        return ids

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        return np.concatenate([[0], np.cumsum(self.index.files)]).astype(np.int64)

    @cached_property
    def _maps(self) -> list[NDArray[Any]]:
        return [
            np.memmap(_file(self.folder, number), dtype=self.index.dtype, mode="r", shape=(length,))
            for number, length in enumerate(self.index.files)
        ]


def write_shards(
    corpus: Corpus, tokenizer: Tokenizer, folder: Path | str, progress: Progress | None = None
) -> TokenShards:
    """Tokenise a corpus into ``folder``, or open what lies there where it is of the same text and tokenizer.

    Of several processes that ask for the same folder one writes and the others wait for it. A run that was killed
    leaves no index, and the next one starts anew.

    Args:
        corpus: read once, in constant memory.
        tokenizer: whose ids are written, 16 bits each where they fit, else 32.
        folder: of the shards alone; what else is called ``*.bin`` in it goes.
        progress: called with ``tokenise``, the bytes of text done, and 0, since nobody knows how many come.

    Raises:
        DataError: the corpus holds no text, or cannot be read.
        StorageError: the disk refuses.
    """
    folder = Path(folder)
    data, made_with = corpus.sha256(), tokenizer_sha256(tokenizer)
    with _alone(folder):
        found = _read_index(folder)
        if found is not None and (found.data_sha256, found.tokenizer_sha256) == (data, made_with):
            try:
                return TokenShards.open(folder)
            except DataError:
                pass  # damaged since it was written, so it is written anew
        _clear(folder)
        dtype = "<u2" if tokenizer.vocab_size <= 1 << 16 else "<u4"
        writing = _Writing(corpus, tokenizer, dtype, progress)
        files = _write_files(folder, iter(writing))
        index = Index(writing.counts, files, dtype, tokenizer.vocab_size, data, made_with, corpus.name)
        write_text(folder / INDEX, json.dumps({"format": FORMAT, **asdict(index)}, indent=2) + "\n")
    return TokenShards(folder, index)


def tokenizer_sha256(tokenizer: Tokenizer) -> str:
    """A hash of everything that decides which ids a text gets."""
    return hashlib.sha256(tokenizer.to_json().encode()).hexdigest()


class _Writing:
    """The stream as arrays of the type that is written; ``counts`` holds what has passed."""

    def __init__(self, corpus: Corpus, tokenizer: Tokenizer, dtype: str, progress: Progress | None):
        self.counts = Counts()
        self._stream = encode_corpus(corpus, tokenizer)
        self._dtype = dtype
        self._progress = progress

    def __iter__(self) -> Iterator[NDArray[Any]]:
        for encoded in self._stream:
            self.counts += encoded.counts
            if self._progress is not None:
                self._progress("tokenise", self.counts.bytes, 0)
            yield encoded.token_ids.astype(self._dtype)


def _write_files(folder: Path, arrays: Iterator[NDArray[Any]]) -> tuple[int, ...]:
    """Files of ``TOKENS_PER_FILE`` tokens, the last one shorter; returns their lengths."""
    lengths: list[int] = []
    waiting = next(arrays, None)
    while waiting is not None:
        room = TOKENS_PER_FILE
        with written_whole(_file(folder, len(lengths))) as stream:
            while room and waiting is not None:
                taken, rest = waiting[:room], waiting[room:]
                stream.write(taken.tobytes())
                room -= len(taken)
                waiting = rest if len(rest) else next(arrays, None)
        lengths.append(TOKENS_PER_FILE - room)
    return tuple(lengths)


def _read_index(folder: Path) -> Index | None:
    """What the folder says of itself; None where it is not finished, damaged or of another version."""
    try:
        content = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        if content.pop("format") != FORMAT or content["dtype"] not in ("<u2", "<u4"):
            return None
        index = Index(**content)
        return replace(index, counts=Counts(**content["counts"]), files=tuple(map(int, content["files"])))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _clear(folder: Path) -> None:
    """The index goes first: from then on nobody takes the folder for a finished one."""
    try:
        (folder / INDEX).unlink(missing_ok=True)
        for path in [*folder.glob("*.bin"), *folder.glob(".*.part")]:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(error, folder) from error


def _file(folder: Path, number: int) -> Path:
    return folder / f"{number:05d}.bin"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time; the system takes the lock back from one that is killed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise storage_error(error, folder) from error
    try:
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
