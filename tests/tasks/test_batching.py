"""Batches hold every row once, stay within their size, and outputs come back in the order of the texts.

N texts · B rows of a batch · S positions · K outputs
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from minnow.models.ngram import ViewConfig
from minnow.tasks.batching import TokenRows, bucketed, logits_for, padded, token_logits, tokenize
from minnow.text.ngrams import NgramCounts
from minnow.text.tokenizer import Tokenizer, TokenizerSettings

quick = settings(max_examples=60)
lengths = st.lists(st.integers(1, 30), max_size=60)
limits = st.integers(1, 80)
seeds = st.none() | st.integers(0, 99)


class Echo(nn.Module):
    """Answers with a row's length and the sum of its ids and positions, so that any mix-up shows."""

    reads = "tokens"

    def __init__(self) -> None:
        super().__init__()
        self.config = SimpleNamespace(num_labels=2)
        self.weight = nn.Parameter(torch.ones(1))
        self.shapes: list[tuple[int, ...]] = []

    def forward(self, token_ids_BS: Tensor, lengths_B: Tensor) -> Tensor:
        assert not self.training
        self.shapes.append(tuple(token_ids_BS.shape))
        weighed_B = (token_ids_BS * torch.arange(1, token_ids_BS.shape[1] + 1)).sum(1)
        return torch.stack([lengths_B, weighed_B], dim=1) * self.weight


def random(seed: int | None) -> np.random.Generator | None:
    return None if seed is None else np.random.default_rng(seed)


@quick
@given(lengths, limits, seeds)
def test_every_row_is_in_one_batch_and_batches_stay_within_the_limit(
    lengths: list[int], limit: int, seed: int | None
) -> None:
    sizes = np.array(lengths, np.int64)
    batches = bucketed(sizes, limit, random(seed))
    assert sorted(row for batch in batches for row in batch.tolist()) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * sizes[batch].max() <= limit


@quick
@given(lengths, limits)
def test_without_chance_rows_come_by_length_and_no_batch_could_take_the_row_before(
    lengths: list[int], limit: int
) -> None:
    sizes = np.array(lengths, np.int64)
    batches = bucketed(sizes, limit)
    order = [int(row) for batch in batches for row in batch]
    assert order == sorted(range(len(lengths)), key=lambda row: lengths[row])
    for batch in batches[1:]:
        longest = int(sizes[batch[-1]])
        assert (len(batch) + 1) * (longest + longest // 8 + 1) > limit  # lengths count rounded up by an eighth at most


def test_the_batches_of_a_run_have_few_shapes() -> None:
    sizes = np.random.default_rng(0).lognormal(5, 0.7, 20_000).astype(np.int64).clip(1, 400)
    rows = TokenRows.of([[1] * int(size) for size in sizes])
    shapes = {tuple(padded(rows, batch)[0].shape) for batch in bucketed(sizes, 4096, random(0))}
    assert len(shapes) < 60


def test_chance_shuffles_batches_and_keeps_like_lengths_together() -> None:
    sizes = np.random.default_rng(0).integers(1, 100, 5000)
    one, same, other = (bucketed(sizes, 1000, random(seed)) for seed in (1, 1, 2))
    assert [batch.tolist() for batch in one] == [batch.tolist() for batch in same]
    assert [batch.tolist() for batch in one] != [batch.tolist() for batch in other]
    longest = [int(sizes[batch].max()) for batch in one]
    assert longest != sorted(longest)
    padding = sum(len(batch) * int(sizes[batch].max()) for batch in one) / sizes.sum()
    assert padding < 1.05


rows_of_ids = st.lists(st.lists(st.integers(1, 99), min_size=1, max_size=12), max_size=20)


@quick
@given(rows_of_ids)
def test_rows_of_ids_come_back_padded_with_zeros(rows: list[list[int]]) -> None:
    together = TokenRows.of(rows)
    assert len(together) == len(rows)
    assert together.lengths.tolist() == [len(row) for row in rows]
    chosen = np.arange(len(rows))[::-1]
    token_ids_BS, lengths_B = padded(together, chosen)
    longest = max(map(len, rows), default=1)
    assert len(token_ids_BS) == len(rows)
    assert longest <= token_ids_BS.shape[1] <= longest + longest // 8
    for ids, length, row in zip(token_ids_BS.tolist(), lengths_B.tolist(), reversed(rows), strict=True):
        assert (length, ids) == (len(row), row + [0] * (len(ids) - len(row)))


@quick
@given(rows_of_ids, limits)
def test_outputs_come_in_the_order_of_the_rows_whatever_the_batches(rows: list[list[int]], limit: int) -> None:
    model = Echo()
    outputs = token_logits(model, TokenRows.of(rows), limit)
    expected = [[len(row), sum(i * token for i, token in enumerate(row, 1))] for row in rows]
    assert outputs.tolist() == expected
    assert all(num_rows == 1 or num_rows * width <= limit for num_rows, width in model.shapes)


@pytest.mark.parametrize("training", [True, False])
def test_answering_leaves_the_model_as_it_was(training: bool) -> None:
    model = Echo().train(training)
    before = torch.get_num_threads()
    outputs = token_logits(model, TokenRows.of([[1, 2]] * 9), 4)
    assert model.training == training
    assert model.weight.grad is None
    assert outputs.dtype == np.float32
    assert torch.get_num_threads() == before


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train(["the kettle leaks again and again"], TokenizerSettings(min_frequency=1))


def test_a_text_without_tokens_is_unknown_rather_than_empty(tokenizer: Tokenizer) -> None:
    rows = tokenize(tokenizer, ["", " \n", "kettle"], 0, "both")
    assert rows.lengths.tolist() == [1, 1, 1]
    assert rows.ids[:2].tolist() == [tokenizer.unk_id] * 2
    assert rows.ids[2] != tokenizer.unk_id


def test_long_texts_are_cut_as_asked_and_zero_keeps_all(tokenizer: Tokenizer) -> None:
    text = "the kettle leaks again and again"
    (whole,) = tokenizer.encode_ids([text])
    for keep, expected in (("first", whole[:3]), ("last", whole[-3:]), ("both", [*whole[:2], whole[-1]])):
        assert tokenize(tokenizer, [text], 3, keep).ids.tolist() == expected
        assert tokenize(tokenizer, [text], 0, keep).ids.tolist() == whole


@dataclass
class Counting:
    """Reads n-grams of two views and answers with how many distinct ones each text has."""

    reads = "ngrams"

    config = SimpleNamespace(num_labels=2, views=(ViewConfig(1), ViewConfig(2)))

    def __call__(self, counted: Sequence[NgramCounts]) -> np.ndarray:
        return np.stack([np.diff(counts.starts) for counts in counted], axis=1).astype(np.float32)


def test_each_kind_of_model_gets_what_it_reads(tokenizer: Tokenizer) -> None:
    texts = ["kettle leaks", "", "again"]
    assert logits_for(Counting(), None, texts, 0, "both").tolist() == [[4, 7], [2, 3], [3, 5]]
    assert logits_for(Echo(), tokenizer, texts, 0, "both")[:, 0].tolist() == [2, 1, 1]


@pytest.mark.parametrize("model", [Counting(), Echo()])
def test_no_texts_get_no_outputs(model: object) -> None:
    assert logits_for(model, None, [], 0, "both").shape == (0, 2)
