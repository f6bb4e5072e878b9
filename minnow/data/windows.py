"""Which tokens a training step reads: windows of a tokenised corpus in random order, or its text from end to end.

Both are pure functions of the seed and the number of the step, and hold no list of windows: a run that is resumed
asks for the next step and reads what it would have read.
R rows · S positions
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from minnow.errors import DataError

Ints = NDArray[np.int64]
MIN_STREAM_LENGTH = 5
_ROUNDS = 6
_POOLED_STEPS = 32


class Tokens(Protocol):
    """What windows are cut from; ``shards.TokenShards`` is one."""

    @property
    def num_tokens(self) -> int: ...

    def read(self, start: int, length: int) -> Ints: ...


@dataclass(frozen=True)
class Window:
    """What a step reads: ``token_ids`` [R, S + 1], each position's target being the next one.

    ``begins``: the rows do not go on where those of the step before ended, so a carried memory must be dropped.
    ``filled``: how many of the inputs only fill rows up.
    """

    token_ids: Ints
    begins: bool
    epoch: int
    filled: int = 0

    @property
    def num_tokens(self) -> int:
        """That are read, without what fills rows up."""
        return self.inputs.size - self.filled

    @property
    def inputs(self) -> Ints:
        """[R, S]."""
        return self.token_ids[:, :-1]

    @property
    def targets(self) -> Ints:
        """[R, S]."""
        return self.token_ids[:, 1:]


@dataclass(frozen=True)
class PackedWindows:
    """Windows of ``length`` + 1 tokens that together are the corpus, in another order each epoch.

    An epoch's windows begin at a random offset, so their borders move. The order is a permutation that is computed
    from the place, not stored. Steps go on over the border of an epoch, so that every step is full and every window
    is read once an epoch. Each of ``world`` processes takes its ``num_rows`` of a step's rows.

    Attributes:
        tokens: the corpus.
        length: S, the positions of a window.
        num_rows: R, the windows of a step, for each process.
        seed: of offsets and orders.
        rank: which of ``world`` processes this is.
        start, stop: the part of the corpus to read; ``stop`` None for its end.
    """

    tokens: Tokens
    length: int
    num_rows: int
    seed: int = 0
    rank: int = 0
    world: int = 1
    start: int = 0
    stop: int | None = None

    def __post_init__(self) -> None:
        _check(self.num_rows, self.length, self.rank, self.world)
        if self.num_tokens < self.length + 1:
            raise DataError(
                f"the corpus has {self.num_tokens:,} tokens, but a window needs {self.length + 1:,}; "
                "give more text or choose a smaller context"
            )

    @property
    def num_tokens(self) -> int:
        return _end(self.tokens, self.stop) - self.start

    @property
    def num_windows(self) -> int:
        """In an epoch; what an offset leaves at the ends is less than two windows."""
        return max(1, (self.num_tokens - self.length) // self.length)

    @property
    def steps_per_epoch(self) -> float:
        return self.num_windows / (self.num_rows * self.world)

    def batch(self, step: int) -> Window:
        """What step number ``step``, counted from 0, reads."""
        first = (step * self.world + self.rank) * self.num_rows
        numbers = np.arange(first, first + self.num_rows, dtype=np.int64)
        epochs = numbers // self.num_windows
        rows = np.empty((self.num_rows, self.length + 1), np.int64)
        for epoch in np.unique(epochs):
            here = np.flatnonzero(epochs == epoch)
            offset = self._offset(int(epoch))
            places = permuted(numbers[here] - epoch * self.num_windows, self.num_windows, (self.seed, int(epoch)))
            for row, place in zip(here, places, strict=True):
                rows[row] = self.tokens.read(offset + int(place) * self.length, self.length + 1)
        return Window(rows, begins=True, epoch=int(epochs[0]))

    def _offset(self, epoch: int) -> int:
        spare = self.num_tokens - 1 - self.num_windows * self.length
        random = np.random.default_rng((self.seed, epoch, 0))
        return self.start + int(random.integers(min(self.length, spare + 1)))


@dataclass(frozen=True)
class StreamWindows:
    """The corpus as parallel streams that are read from end to end, for truncated back-propagation through time.

    The corpus is cut into ``num_rows`` times ``world`` streams of equal length; a step reads the next stretch of each,
    and the memory of a recurrent model goes on. With ``vary`` a stretch is as long as Merity et al. (2018, section 4.1)
    draw it: around ``length``, in one of twenty around half of it, so that no position always ends a stretch.

    Attributes: as of ``PackedWindows``; ``num_rows`` for each process.
    """

    tokens: Tokens
    length: int
    num_rows: int
    seed: int = 0
    vary: bool = True
    rank: int = 0
    world: int = 1
    start: int = 0
    stop: int | None = None
    _starts: dict[int, int] = field(default_factory=lambda: {0: 0}, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check(self.num_rows, self.length, self.rank, self.world)
        if self.stream_length < 1:
            raise DataError(
                f"the corpus has {self.num_tokens:,} tokens, too few for {self.num_rows * self.world} streams; "
                "give more text or choose a smaller batch"
            )

    @property
    def num_tokens(self) -> int:
        return _end(self.tokens, self.stop) - self.start

    @property
    def stream_length(self) -> int:
        """Positions that are predicted in each stream, an epoch."""
        return (self.num_tokens - 1) // (self.num_rows * self.world)

    @property
    def steps_per_epoch(self) -> float:
        """About; with ``vary`` the number differs from epoch to epoch."""
        mean = 0.975 * self.length if self.vary else self.length
        return max(1.0, self.stream_length / mean)

    def batch(self, step: int) -> Window:
        """What step number ``step``, counted from 0, reads."""
        epoch, first = self._epoch_of(step)
        borders = self._borders(epoch)
        begin, end = int(borders[step - first]), int(borders[step - first + 1])
        rows = np.empty((self.num_rows, end - begin + 1), np.int64)
        for row in range(self.num_rows):
            stream = self.rank * self.num_rows + row
            rows[row] = self.tokens.read(self.start + stream * self.stream_length + begin, end - begin + 1)
        return Window(rows, begins=step == first, epoch=epoch)

    def _epoch_of(self, step: int) -> tuple[int, int]:
        """The epoch of a step and its first step; epochs that were walked through are remembered."""
        epoch = max(number for number, first in self._starts.items() if first <= step)
        first = self._starts[epoch]
        while step >= (following := first + len(self._borders(epoch)) - 1):
            epoch, first = epoch + 1, following
            self._starts[epoch] = first
        return epoch, first

    def _borders(self, epoch: int) -> Ints:
        return _stretches(self.stream_length, self.length, self.vary, self.seed, epoch)


@dataclass(frozen=True)
class RowWindows:
    """Rows of their own, such as conversations, in another order each epoch; those of a step are of like length.

    Where the rows do not fill the last step of an epoch, some are read a second time.

    Attributes:
        rows: the token ids of each; a row's memory begins with it.
        filler: what fills shorter rows of a step up, on the right.
        num_rows: R, the rows of a step, for each process.
        seed: of the orders.
        rank: which of ``world`` processes this is.
    """

    rows: Sequence[Ints]
    filler: int
    num_rows: int
    seed: int = 0
    rank: int = 0
    world: int = 1
    _epochs: dict[int, Ints] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check(self.num_rows, 1, self.rank, self.world)
        if not self.rows:
            raise DataError("there are no rows to read; give more text")

    @property
    def steps_per_epoch(self) -> int:
        return -(-len(self.rows) // (self.num_rows * self.world))

    def batch(self, step: int) -> Window:
        """What step number ``step``, counted from 0, reads."""
        epoch, number = divmod(step, self.steps_per_epoch)
        if epoch not in self._epochs:
            self._epochs.clear()
            self._epochs[epoch] = self._steps(epoch)
        chosen = self._epochs[epoch][number, self.rank * self.num_rows : (self.rank + 1) * self.num_rows]
        rows = [self.rows[row] for row in chosen]
        token_ids = padded(rows, self.filler)
        return Window(token_ids, begins=True, epoch=epoch, filled=token_ids.size - sum(map(len, rows)))

    def _steps(self, epoch: int) -> Ints:
        """The rows of each step of an epoch, over all processes: [steps, rows].

        Rows are drawn into pools of some steps, sorted inside them, and the steps are shuffled again.
        """
        random = np.random.default_rng((self.seed, epoch, 3))
        lengths = np.array([len(row) for row in self.rows])
        drawn = random.permutation(len(self.rows))
        a_step = self.num_rows * self.world
        pools = np.split(drawn, range(_POOLED_STEPS * a_step, len(drawn), _POOLED_STEPS * a_step))
        order = np.concatenate([pool[np.argsort(lengths[pool], kind="stable")] for pool in pools])
        steps = np.resize(order, (self.steps_per_epoch, a_step))
        return steps[random.permutation(len(steps))].astype(np.int64)


def padded(rows: Sequence[Ints], filler: int) -> Ints:
    """Rows side by side, the shorter ones filled up on the right."""
    side = np.full((len(rows), max(map(len, rows))), filler, np.int64)
    for place, row in enumerate(rows):
        side[place, : len(row)] = row
    return side


@lru_cache(maxsize=4)
def _stretches(stream_length: int, length: int, vary: bool, seed: int, epoch: int) -> Ints:
    """Where the stretches of a stream begin, and its end: [steps + 1]."""
    if not vary:
        return np.append(np.arange(0, stream_length, length, dtype=np.int64), stream_length)
    random = np.random.default_rng((seed, epoch, 1))
    shortest = min(MIN_STREAM_LENGTH, length)
    draws = stream_length // shortest + 1
    around = np.where(random.random(draws) < 0.95, length, length / 2)
    lengths = np.clip(random.normal(around, 5).astype(np.int64), shortest, length + 25)
    inner = np.cumsum(lengths)
    return np.concatenate([[0], inner[inner < stream_length], [stream_length]]).astype(np.int64)


def permuted(places: Ints, size: int, key: tuple[int, ...]) -> Ints:
    """Where a permutation of 0 … ``size`` - 1 sends each of ``places``; it takes no memory, whatever the size.

    A Feistel network on numbers of an even number of bits is a bijection; those that it sends beyond ``size`` are sent
    again until they are not (cycle walking, Black & Rogaway 2002). ``key`` chooses the permutation.
    """
    half = np.uint64(max(1, (max(1, size - 1).bit_length() + 1) // 2))
    mask = np.uint64((1 << int(half)) - 1)
    keys = np.random.default_rng((*key, 2)).integers(1 << 63, size=_ROUNDS, dtype=np.uint64)
    sent = places.astype(np.uint64)
    outside = np.ones(len(sent), bool)
    while outside.any():
        left, right = sent[outside] >> half, sent[outside] & mask
        for round_key in keys:
            left, right = right, left ^ (_mixed(right ^ round_key) & mask)
        sent[outside] = left << half | right
        outside = sent >= size
    return sent.astype(np.int64)


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Every bit of the result hangs on every bit of ``x`` (the finaliser of splitmix64)."""
    x = (x ^ x >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ x >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return x ^ x >> np.uint64(31)


def _end(tokens: Tokens, stop: int | None) -> int:
    return tokens.num_tokens if stop is None else min(stop, tokens.num_tokens)


def _check(num_rows: int, length: int, rank: int, world: int) -> None:
    if num_rows < 1 or length < 1 or not 0 <= rank < world:
        raise DataError(
            f"rows and length must be at least 1 and rank below world, but got num_rows={num_rows}, length={length}, "
            f"rank={rank}, world={world}"
        )
