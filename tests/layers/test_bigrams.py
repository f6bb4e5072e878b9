"""Frequent pairs have vectors of their own; all other pairs have none."""

from collections import Counter
from itertools import pairwise

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from minnow.layers.bigrams import BigramEmbedding, frequent_bigrams

VOCAB_SIZE = 7
TEXTS = st.lists(st.lists(st.integers(1, VOCAB_SIZE - 1), max_size=8), max_size=12)


def pair(previous: int, current: int) -> int:
    return (previous << 32) + current


def counted(texts: list[list[int]]) -> Counter[tuple[int, int]]:
    """In how many texts each pair stands."""
    return Counter(pair for text in texts for pair in set(pairwise(text)))


def packed(texts: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    starts = np.cumsum([0, *map(len, texts)])
    return np.array([token for text in texts for token in text], np.int32), starts


@given(TEXTS, st.integers(1, 3))
def test_pairs_are_those_of_enough_texts(texts: list[list[int]], least: int) -> None:
    keys = frequent_bigrams(*packed(texts), 1000, least)
    wanted = sorted(pair(a, b) for (a, b), number in counted(texts).items() if number >= least)
    assert keys.tolist() == wanted


@given(TEXTS, st.integers(0, 4))
def test_where_there_are_too_many_the_most_frequent_stay(texts: list[list[int]], most: int) -> None:
    keys = frequent_bigrams(*packed(texts), most, 1)
    counts = counted(texts)
    kept = [counts[key >> 32, key & 0xFFFFFFFF] for key in keys.tolist()]
    assert len(kept) == min(most, len(counts))
    assert sorted(kept, reverse=True) == sorted(counts.values(), reverse=True)[:most]


def embedding(rate: float = 0.0) -> BigramEmbedding:
    torch.manual_seed(0)
    layer = BigramEmbedding(2, 3, rate)
    layer.pairs_P.copy_(torch.tensor([pair(1, 2), pair(4, 4)]))
    return layer


def test_a_known_pair_has_its_vector_at_its_second_word() -> None:
    layer = embedding().eval()
    found = layer(torch.tensor([[1, 2, 4, 4, 4], [2, 1, 2, 0, 0]]))
    first, second = layer.embedding.weight[1], layer.embedding.weight[2]
    nothing = torch.zeros(3)
    assert torch.equal(found[0], torch.stack([nothing, first, nothing, second, second]))
    assert torch.equal(found[1], torch.stack([nothing, nothing, first, nothing, nothing]))


def test_rows_that_go_on_form_a_pair_with_the_token_before() -> None:
    layer = embedding().eval()
    whole = layer(torch.tensor([[1, 2, 4, 4, 1, 2]]))
    parts = layer(torch.tensor([[1]])), layer(torch.tensor([[2, 4]]), torch.tensor([1]))
    assert torch.equal(whole[:, :3], torch.cat(parts, dim=1))


def test_a_dropped_pair_is_dropped_wherever_it_stands() -> None:
    layer = embedding(rate=0.5).train()
    rows = layer(torch.tensor([[1, 2, 1, 2, 1, 2]] * 200)).detach()
    there = rows[:, 1::2].abs().sum(-1) > 0
    assert ((there.sum(1) == 0) | (there.sum(1) == 3)).all()
    assert 0.3 < there[:, 0].float().mean() < 0.7


def test_the_pairs_travel_with_the_weights() -> None:
    assert "pairs_P" in embedding().state_dict()
