"""Words cut anew each time: nothing is lost, the rate decides how fine, and the seed decides all."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minnow.errors import RecipeError
from minnow.text.subword_dropout import SubwordDropout
from minnow.text.tokenizer import Tokenizer, TokenizerSettings

TEXTS = (
    "Zwei junge Männer stehen draußen im Garten, in der Nähe vieler Büsche.",
    "Mehrere Männer mit Schutzhelmen bedienen ein Antriebsradsystem.",
    "I have 1,234,567 reasons, e.g. 3.14 or 2026-11-26; don't you?",
    "两个年轻人站在花园里。 一个人在读书,另一个人在写字。",
    "a  b   c\n\nd\te 🙂🙂 naïve café",
)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    said = TokenizerSettings("bpe", 420, lowercase=False, normalization="nfc", min_frequency=1)
    return Tokenizer.train(TEXTS * 3, said).with_special_tokens(["<to:de>"])


def drawn(dropout: SubwordDropout, seed: int) -> list[list[int]]:
    ids, starts = dropout.draw(np.random.default_rng(seed))
    return [ids[first:last].tolist() for first, last in pairwise(starts)]


@given(texts=st.lists(st.text() | st.sampled_from(TEXTS), max_size=4))
def test_without_a_rate_the_rows_come_back(tokenizer: Tokenizer, texts: list[str]) -> None:
    rows = tokenizer.encode_ids(texts)
    assert drawn(SubwordDropout(tokenizer, rows, 0.0), 0) == rows


@given(texts=st.lists(st.text() | st.sampled_from(TEXTS), max_size=4), seed=st.integers(0, 1000))
def test_whatever_is_left_out_the_text_stays(tokenizer: Tokenizer, texts: list[str], seed: int) -> None:
    rows = tokenizer.encode_ids(texts)
    assert [tokenizer.decode(row) for row in drawn(SubwordDropout(tokenizer, rows, 0.5), seed)] == [
        tokenizer.decode(row) for row in rows
    ]


def test_a_higher_rate_cuts_finer_and_one_near_one_leaves_the_bytes(tokenizer: Tokenizer) -> None:
    rows = tokenizer.encode_ids(TEXTS)
    counts = [len(SubwordDropout(tokenizer, rows, rate).draw(np.random.default_rng(0))[0]) for rate in (0, 0.1, 0.5)]
    assert counts == sorted(set(counts))
    (finest,) = drawn(SubwordDropout(tokenizer, rows[:1], 1 - 1e-12), 0)
    assert len(finest) == len(TEXTS[0].encode())


def test_each_draw_is_another_and_a_seed_repeats_it(tokenizer: Tokenizer) -> None:
    dropout = SubwordDropout(tokenizer, tokenizer.encode_ids(TEXTS), 0.2)
    assert drawn(dropout, 1) == drawn(dropout, 1) != drawn(dropout, 2)
    random = np.random.default_rng(1)
    assert not np.array_equal(dropout.draw(random)[0], dropout.draw(random)[0])


def test_special_tokens_stay_where_they_are(tokenizer: Tokenizer) -> None:
    (tag,) = tokenizer.encode_marked("<to:de>")
    rows = [[tag, *row, tokenizer.eos_id] for row in tokenizer.encode_ids([*TEXTS, ""])]
    for row in drawn(SubwordDropout(tokenizer, rows, 0.5), 3):
        assert (row[0], row[-1]) == (tag, tokenizer.eos_id)
        assert not set(row[1:-1]) & tokenizer.special_ids


def test_merges_are_left_out_as_often_as_the_rate_says() -> None:
    said = TokenizerSettings("bpe", 261, lowercase=False, normalization="none", min_frequency=1)
    tokenizer = Tokenizer.train(["ab " * 10], said)  # the only merge
    rows = [tokenizer.encode_ids(["ab"])[0]] * 20_000
    assert len(rows[0]) == 1
    _, starts = SubwordDropout(tokenizer, rows, 0.3).draw(np.random.default_rng(0))
    assert np.mean(np.diff(starts) == 2) == pytest.approx(0.3, abs=0.01)


def test_no_merge_reaches_over_a_border_of_words() -> None:
    said = TokenizerSettings("bpe", 400, lowercase=False, normalization="none", min_frequency=1)
    tokenizer = Tokenizer.train(["456 456 456 45 45 56"], said)
    rows = tokenizer.encode_ids(["123456"])  # read as 123 and 456
    assert drawn(SubwordDropout(tokenizer, rows, 0.0), 0) == rows


def test_what_cannot_be_cut_anew_is_refused(tokenizer: Tokenizer) -> None:
    words = Tokenizer.train(TEXTS, TokenizerSettings("word", 100))
    with pytest.raises(RecipeError, match=r"kind is word; try tokenizer\.kind=bpe"):
        SubwordDropout(words, [], 0.1)
    with pytest.raises(RecipeError, match=r"bpe_dropout must lie in \[0, 1\), but got 1"):
        SubwordDropout(tokenizer, [], 1.0)
