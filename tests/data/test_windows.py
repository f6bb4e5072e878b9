"""Windows: every token is read, in an order that a seed and a step number decide and nothing else."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minnow.data.windows import PackedWindows, RowWindows, StreamWindows, permuted
from minnow.errors import DataError


@dataclass(frozen=True)
class Counting:
    """A corpus whose token at each place is the place."""

    num_tokens: int

    def read(self, start: int, length: int) -> np.ndarray:
        assert start >= 0
        assert start + length <= self.num_tokens
        return np.arange(start, start + length, dtype=np.int64)


@given(size=st.integers(1, 3000), seed=st.integers(0, 10))
def test_a_permutation_reaches_every_place_once(size: int, seed: int) -> None:
    assert sorted(permuted(np.arange(size), size, (seed,))) == list(range(size))


def test_permutations_differ_by_key_and_look_random() -> None:
    size = 10_000
    first, second = (permuted(np.arange(size), size, (key, 0)) for key in (1, 2))
    assert (first == second).mean() < 0.01
    assert abs(np.corrcoef(np.arange(size), first)[0, 1]) < 0.05
    assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 0.05
    assert (permuted(np.arange(10**9, 10**9 + 5), 10**12, (0,)) < 10**12).all()


@given(tokens=st.integers(9, 600), rows=st.integers(1, 5), seed=st.integers(0, 5))
def test_an_epoch_reads_each_window_once_and_nearly_all_tokens(tokens: int, rows: int, seed: int) -> None:
    windows = PackedWindows(Counting(tokens), 8, rows, seed)
    steps = -(-2 * windows.num_windows // rows)
    starts = [int(row[0]) for step in range(steps) for row in windows.batch(step).token_ids]
    for epoch in (0, 1):
        own = sorted(starts[epoch * windows.num_windows : (epoch + 1) * windows.num_windows])
        assert np.diff(own).tolist() == [8] * (windows.num_windows - 1)
        assert tokens - windows.num_windows * 8 <= 16


def test_targets_are_the_next_tokens() -> None:
    window = PackedWindows(Counting(500), 16, 4).batch(3)
    assert window.inputs.shape == window.targets.shape == (4, 16)
    np.testing.assert_array_equal(window.inputs + 1, window.targets)
    assert window.begins


def test_epochs_differ_in_order_and_in_borders() -> None:
    windows = PackedWindows(Counting(4000), 16, 1, seed=3)
    per_epoch = windows.num_windows
    starts = [[int(windows.batch(e * per_epoch + i).token_ids[0, 0]) for i in range(per_epoch)] for e in range(6)]
    assert len({min(epoch) for epoch in starts}) > 2
    assert len({tuple(np.argsort(epoch)) for epoch in starts}) == 6


@pytest.mark.parametrize("kind", [PackedWindows, StreamWindows])
def test_a_step_is_a_function_of_the_seed_and_its_number(kind: type) -> None:
    steps = [37, 5, 400, 6, 5]
    read = {}
    for seed in (0, 1):
        inner = kind(Counting(3000), 20, 3, seed)
        for step in steps:
            fresh = kind(Counting(3000), 20, 3, seed).batch(step)
            found = inner.batch(step)
            np.testing.assert_array_equal(found.token_ids, fresh.token_ids)
            assert (found.begins, found.epoch) == (fresh.begins, fresh.epoch)
            read[seed, step] = found.token_ids
    assert any(read[0, step].shape != read[1, step].shape or (read[0, step] != read[1, step]).any() for step in steps)


@pytest.mark.parametrize("kind", [PackedWindows, StreamWindows])
def test_processes_together_read_what_one_would(kind: type) -> None:
    for step in (0, 7, 90):
        alone = kind(Counting(5000), 20, 6, 4).batch(step).token_ids
        shared = [kind(Counting(5000), 20, 2, 4, rank=rank, world=3).batch(step).token_ids for rank in range(3)]
        np.testing.assert_array_equal(np.concatenate(shared), alone)


@pytest.mark.parametrize("vary", [True, False])
def test_streams_are_read_from_end_to_end(vary: bool) -> None:
    windows = StreamWindows(Counting(1003), 17, 4, seed=2, vary=vary)
    rows: list[list[int]] = [[] for _ in range(4)]
    step = 0
    while (window := windows.batch(step)).epoch == 0:
        assert window.begins == (step == 0)
        np.testing.assert_array_equal(window.inputs + 1, window.targets)
        for row, own in zip(window.inputs.tolist(), rows, strict=True):
            own.extend(row)
        step += 1
    assert rows == [list(range(250 * row, 250 * row + 250)) for row in range(4)]
    assert window.begins
    assert window.inputs[0, 0] == 0


def test_lengths_vary_around_the_one_asked_for() -> None:
    windows = StreamWindows(Counting(200_000), 70, 1, seed=1)
    lengths = [windows.batch(step).inputs.shape[1] for step in range(2000)]
    assert 67 < np.mean(lengths) < 70
    assert 0.02 < np.mean(np.array(lengths) < 50) < 0.09
    assert max(lengths) <= 95
    steps = next(step for step in range(10_000) if windows.batch(step).epoch == 1)
    assert windows.steps_per_epoch == pytest.approx(steps, rel=0.02)


def test_a_part_of_the_corpus_is_all_that_is_read() -> None:
    for kind in (PackedWindows, StreamWindows):
        windows = kind(Counting(1000), 10, 2, start=300, stop=600)
        read = np.concatenate([windows.batch(step).token_ids.ravel() for step in range(60)])
        assert read.min() >= 300
        assert read.max() < 600


@pytest.mark.parametrize("tokens", [11, 12, 21, 22])
def test_a_corpus_of_one_window_is_enough_and_less_is_refused(tokens: int) -> None:
    assert PackedWindows(Counting(tokens), 10, 3).batch(5).token_ids.shape == (3, 11)
    with pytest.raises(DataError, match="has 10 tokens, but a window needs 11; give more text"):
        PackedWindows(Counting(10), 10, 3)
    with pytest.raises(DataError, match="too few for 40 streams"):
        StreamWindows(Counting(tokens), 10, 40)


def rows(num: int) -> list[np.ndarray]:
    random = np.random.default_rng(5)
    return [np.full(random.integers(2, 30), number) for number in range(num)]


def test_rows_are_each_read_once_an_epoch_in_another_order() -> None:
    windows = RowWindows(rows(24), filler=-1, num_rows=4, seed=3)
    epochs = [[windows.batch(step) for step in range(first, first + 6)] for first in (0, 6)]
    read = [[int(row[0]) for window in epoch for row in window.token_ids] for epoch in epochs]
    assert sorted(read[0]) == sorted(read[1]) == list(range(24))
    assert read[0] != read[1]
    assert [window.epoch for epoch in epochs for window in epoch] == [0] * 6 + [1] * 6
    assert all(window.begins for epoch in epochs for window in epoch)
    again = RowWindows(rows(24), filler=-1, num_rows=4, seed=3)
    assert np.array_equal(again.batch(8).token_ids, epochs[1][2].token_ids)


def test_rows_of_a_step_are_of_like_length_and_filled_up_on_the_right() -> None:
    given = rows(400)
    windows = RowWindows(given, filler=-1, num_rows=8)
    filled = total = 0
    for step in range(windows.steps_per_epoch):
        token_ids = windows.batch(step).token_ids
        for row in token_ids:
            assert np.array_equal(row[row >= 0], given[row[0]])
            assert (row[len(given[row[0]]) :] == -1).all()
        filled, total = filled + int((token_ids < 0).sum()), total + token_ids.size
    assert filled < 0.1 * total


def test_what_fills_rows_up_counts_as_nothing_read() -> None:
    given = rows(40)
    windows = RowWindows(given, filler=-1, num_rows=8)
    read = sum(windows.batch(step).num_tokens for step in range(windows.steps_per_epoch))
    assert read == sum(len(row) - 1 for row in given)


def test_processes_share_the_rows_of_a_step_and_the_last_step_is_full() -> None:
    alone = RowWindows(rows(10), filler=-1, num_rows=4, seed=1)
    both = [RowWindows(rows(10), filler=-1, num_rows=2, seed=1, rank=rank, world=2) for rank in (0, 1)]
    for step in range(4):
        whole = [int(row[0]) for row in alone.batch(step).token_ids]
        assert len(whole) == 4
        assert [int(row[0]) for one in both for row in one.batch(step).token_ids] == whole
    with pytest.raises(DataError, match="no rows"):
        RowWindows([], filler=-1, num_rows=4)
