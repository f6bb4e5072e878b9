"""Scores and weights of attention equal the papers' equations, computed in double precision by numpy.

B rows · S positions · D memory features · Q query features · A units of the additive scorer
"""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from minnow.errors import UnknownNameError
from minnow.layers.attention import SCORES, attention_score, attention_weights

Doubles = NDArray[np.float64]


def expected_scores(kind: str, weights: dict[str, Doubles], query_BQ: Doubles, memory_BSD: Doubles) -> Doubles:
    if kind == "dot":
        return np.einsum("bd,bsd->bs", query_BQ, memory_BSD)
    if kind == "general":
        return np.einsum("bq,dq,bsd->bs", query_BQ, weights["query.weight"], memory_BSD)
    asked_B1A = np.einsum("bq,aq->ba", query_BQ, weights["query.weight"])[:, None]
    held_BSA = np.einsum("bsd,ad->bsa", memory_BSD, weights["memory.weight"]) + weights["memory.bias"]
    return np.einsum("bsa,a->bs", np.tanh(asked_B1A + held_BSA), weights["vector.weight"][0])


@pytest.mark.parametrize("kind", SCORES)
@pytest.mark.parametrize("sizes", [(1, 1), (5, 5), (3, 7)])
def test_scores_equal_the_equations(kind: str, sizes: tuple[int, int]) -> None:
    query_size, memory_size = (sizes[1], sizes[1]) if kind == "dot" else sizes
    torch.manual_seed(0)
    scorer = attention_score(kind, query_size, memory_size)
    weights = {name: tensor.double().numpy() for name, tensor in scorer.state_dict().items()}
    query_BQ, memory_BSD = torch.randn(3, query_size), torch.randn(3, 6, memory_size)
    with torch.no_grad():
        scores_BS = scorer(query_BQ, memory_BSD)
    expected = expected_scores(kind, weights, query_BQ.double().numpy(), memory_BSD.double().numpy())
    np.testing.assert_allclose(scores_BS.numpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", SCORES)
def test_several_queries_of_a_row_are_scored_as_each_alone_and_against_keys_that_were_made_once(kind: str) -> None:
    torch.manual_seed(0)
    scorer = attention_score(kind, 5, 5)
    query_BKQ, memory_BSD = torch.randn(3, 4, 5), torch.randn(3, 6, 5)
    with torch.no_grad():
        scores_BKS = scorer.against(query_BKQ, scorer.keys(memory_BSD))
        for k in range(4):
            torch.testing.assert_close(scores_BKS[:, k], scorer(query_BKQ[:, k], memory_BSD))


@given(st.lists(st.integers(0, 6), min_size=1, max_size=4), st.integers(0, 2**32 - 1), st.sampled_from([0.1, 1, 1e4]))
def test_weights_are_the_softmax_of_the_text_alone(lengths: list[int], seed: int, scale: float) -> None:
    width = max(*lengths, 1)
    scores_BS = (np.random.default_rng(seed).normal(size=(len(lengths), width)) * scale).astype(np.float32)
    mask_BS = np.arange(width) < np.array(lengths)[:, None]
    weights_BS = attention_weights(torch.from_numpy(scores_BS), torch.from_numpy(mask_BS)).numpy()
    for weights, scores, length in zip(weights_BS, scores_BS.astype(np.float64), lengths, strict=True):
        exponentials = np.exp(scores[:length] - scores[:length].max(initial=-np.inf))
        np.testing.assert_allclose(weights[:length], exponentials / exponentials.sum(), atol=1e-6)
        assert not weights[length:].any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_low_precision_neither_overflows_nor_changes_the_type(dtype: torch.dtype) -> None:
    scores_BS = torch.tensor([[60_000.0, -60_000.0, 9.0]], dtype=dtype)
    weights_BS = attention_weights(scores_BS, torch.tensor([[True, True, False]]))
    assert weights_BS.dtype == dtype
    assert weights_BS.tolist() == [[1, 0, 0]]


def test_an_unknown_attention_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'additive'"):
        attention_score("aditive", 2, 2)


def test_dot_attention_wants_one_size() -> None:
    with pytest.raises(ValueError, match="query 2 and memory 3"):
        attention_score("dot", 2, 3)
