"""Nearest vectors and how often they are the right ones, against what is counted out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minnow.errors import DataError, InputError, MinnowError
from minnow.metrics import retrieval as room
from minnow.metrics.retrieval import centre, nearest, retrieval, units


def vectors(num_rows: int, size: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(num_rows, size)).astype(np.float32)


@settings(max_examples=40)
@given(st.integers(1, 30), st.integers(2, 6), st.integers(0, 9), st.booleans())
def test_it_is_the_share_of_rows_whose_nearest_is_their_own(num_rows: int, size: int, seed: int, centred: bool) -> None:
    sources = vectors(num_rows, size, seed).astype(np.float64)
    targets = sources + vectors(num_rows, size, seed + 100)
    sides = [side - side.mean(0) if centred else side for side in (sources, targets)]
    lengths = [np.linalg.norm(side, axis=1, keepdims=True) for side in sides]
    first, second = (side / np.where(length > 0, length, 1) for side, length in zip(sides, lengths, strict=True))
    cosines = first @ second.T
    own = np.diag(cosines)
    found = retrieval(sources, targets, centred)
    assert found.rows == num_rows
    assert found.forward == pytest.approx((own >= cosines.max(1) - 1e-6).mean())
    assert found.backward == pytest.approx((own >= cosines.max(0) - 1e-6).mean())


def test_the_same_vectors_are_all_found_and_strangers_by_chance() -> None:
    sources = vectors(400, 16, 0)
    same = retrieval(sources, 3 * sources)
    assert (same.forward, same.backward) == (1, 1)
    strangers = retrieval(sources, vectors(400, 16, 1))
    assert max(strangers.forward, strangers.backward) < 0.03


def test_centring_takes_away_what_sets_the_languages_apart() -> None:
    meaning = vectors(300, 8, 0)
    sources, targets = meaning + 4 * vectors(1, 8, 1), meaning + 4 * vectors(1, 8, 2) + 0.1 * vectors(300, 8, 3)
    apart, centred = retrieval(sources, targets, centred=False), retrieval(sources, targets)
    assert centred.forward > 0.95 > apart.forward + 0.2
    assert centred.backward > 0.95
    assert centre(sources).mean(0) == pytest.approx(np.zeros(8), abs=1e-5)


def test_every_one_of_equal_texts_is_right() -> None:
    rows = np.repeat(vectors(5, 4, 0), 3, axis=0)
    assert retrieval(rows, rows).forward == 1


def test_portions_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    sources, targets = vectors(50, 5, 0), vectors(50, 5, 1)
    whole, near = retrieval(sources, targets), nearest(sources, targets, 7)
    monkeypatch.setattr(room, "COSINES_AT_ONCE", 120)
    assert retrieval(sources, targets) == whole
    again = nearest(sources, targets, 7)
    assert np.array_equal(again[0], near[0])
    assert again[1] == pytest.approx(near[1], abs=1e-6)


@settings(max_examples=40)
@given(st.integers(0, 5), st.integers(1, 20), st.integers(1, 25), st.integers(0, 9))
def test_the_nearest_are_those_of_the_highest_cosines(num_queries: int, num_texts: int, count: int, seed: int) -> None:
    queries, texts = vectors(num_queries, 3, seed), vectors(num_texts, 3, seed + 50)
    texts[num_texts // 2] = texts[0]
    rows, cosines = nearest(queries, texts, count)
    every = units(queries) @ units(texts).T
    order = np.argsort(-every, axis=1, kind="stable")[:, :count]
    assert rows.shape == cosines.shape == order.shape
    assert cosines == pytest.approx(np.take_along_axis(every, order, 1), abs=1e-6)
    for found, wanted, of_query in zip(rows, order, every, strict=True):
        assert of_query[found] == pytest.approx(of_query[wanted], abs=1e-6)
        assert len(set(found)) == len(found)


def test_equal_ones_stand_in_their_order() -> None:
    rows, cosines = nearest(np.ones((1, 2)), np.array([[0, 0], [2, 2], [1, 1], [3, 3], [-1, -1]]), 4)
    assert rows.tolist() == [[1, 2, 3, 0]]
    assert cosines[0] == pytest.approx([1, 1, 1, 0])


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(MinnowError, match=r"got shapes \(2, 3\) and \(3, 3\)"):
        retrieval(vectors(2, 3, 0), vectors(3, 3, 0))
    with pytest.raises(DataError, match="no pairs to find again"):
        retrieval(vectors(0, 3, 0), vectors(0, 3, 0))
    with pytest.raises(InputError, match="count must be at least 1, but got count=0"):
        nearest(vectors(2, 3, 0), vectors(3, 3, 0), 0)
    assert nearest(vectors(2, 3, 0), vectors(0, 3, 0), 3)[0].shape == (2, 0)
