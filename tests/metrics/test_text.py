"""Measures of written text, against counts made by hand and against a search through the whole text."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minnow.metrics.text import Copied, copied, distinct, repetition, units

LETTERS = st.lists(st.sampled_from("abc"), max_size=40)


def test_units_are_words_signs_and_single_chinese_characters() -> None:
    assert units("The cat's 2nd hat, 你好 世界!\n") == ["the", "cat", "'", "s", "2nd", "hat", ",", *"你好世界", "!"]
    assert units(" \n") == []


def test_repetition_is_the_share_said_before() -> None:
    assert repetition(list("abcabc"), 2) == pytest.approx(1 - 3 / 5)
    assert repetition(list("aaaaaa"), 1) == pytest.approx(1 - 1 / 6)
    assert repetition(list("abcdef"), 1) == 0
    assert repetition(list("ab"), 3) == 0


def test_distinct_counts_over_all_texts() -> None:
    assert distinct([list("abc"), list("abd")], 1) == pytest.approx(4 / 6)
    assert distinct([list("abc"), list("abd")], 2) == pytest.approx(3 / 4)
    assert distinct([], 1) == 0


@given(text=LETTERS, order=st.integers(1, 4))
def test_of_one_text_the_two_add_up_to_one(text: list[str], order: int) -> None:
    if len(text) >= order:
        assert repetition(text, order) + distinct([text], order) == pytest.approx(1)


def searched(text: list[str], documents: list[list[str]], order: int) -> Copied:
    """By looking for every run everywhere."""
    known = {tuple(d[at : at + order]) for d in documents for at in range(len(d) - order + 1)}
    found = [tuple(text[at : at + order]) in known for at in range(len(text) - order + 1)]
    runs = "".join("x" if one else " " for one in found).split()
    return Copied(sum(found), len(found), max((len(run) + order - 1 for run in runs), default=0))


@given(
    texts=st.lists(LETTERS, max_size=3), documents=st.lists(LETTERS, min_size=1, max_size=4), order=st.integers(1, 4)
)
def test_what_is_copied_is_what_a_search_finds(texts: list[list[str]], documents: list[list[str]], order: int) -> None:
    pieces = [(" ".join(document), True) for document in documents]
    assert copied(texts, pieces, order) == [searched(text, documents, order) for text in texts]


def test_a_run_may_reach_over_pieces_but_not_over_documents() -> None:
    text = [units("one two three four")]
    assert copied(text, [("zero one two\n", False), ("three four five", False)], 4) == [Copied(1, 1, 4)]
    assert copied(text, [("zero one two\n", True), ("three four five", True)], 4) == [Copied(0, 1, 0)]
    assert copied(text, [(word + " ", False) for word in ["one", "two", "three", "four"]], 4) == [Copied(1, 1, 4)]


def test_a_text_that_was_copied_half_says_so() -> None:
    stream = random.Random(0)
    words = [f"w{stream.randrange(10**6)}" for _ in range(400)]
    text = words[100:150] + [f"new{number}" for number in range(50)]
    (found,) = copied([text], [(" ".join(words), True)], 8)
    assert found.longest == 50
    assert found.share == pytest.approx(43 / 93)
    assert copied([text[:3]], [], 8)[0].share == 0
