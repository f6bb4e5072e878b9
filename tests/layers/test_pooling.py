"""Every pooling equals its equation over each row alone, computed in double precision by numpy.

B rows · S positions · D features · H heads
"""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from minnow.errors import UnknownNameError
from minnow.layers.masks import padding_mask
from minnow.layers.pooling import KINDS, pooling

B, S, D = 4, 6, 6
LENGTHS_B = torch.tensor([6, 1, 3, 5])
Doubles = NDArray[np.float64]


def softmax(scores: Doubles) -> Doubles:
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def last_state(text_SD: Doubles, two_way: bool) -> Doubles:
    return np.concatenate([text_SD[-1, : D // 2], text_SD[0, D // 2 :]]) if two_way else text_SD[-1]


def weights_of(kind: str, tensors: dict[str, Doubles], text_SD: Doubles, two_way: bool) -> Doubles:
    """The attention over one row without padding, [S]; with several heads [H, S]."""
    if kind == "self_attention":  # Lin et al. (2017), equation 6
        hidden = np.tanh(text_SD @ tensors["hidden.weight"].T + tensors["hidden.bias"])
        return softmax(np.einsum("hd,sd->hs", tensors["heads.weight"], hidden))
    if kind == "additive":
        memory = text_SD @ tensors["score.memory.weight"].T + tensors["score.memory.bias"]
        query = tensors["score.query.weight"] @ tensors["query"]
        return softmax(np.tanh(memory + query) @ tensors["score.vector.weight"][0])
    query = last_state(text_SD, two_way)
    if kind == "general":
        query = tensors["score.query.weight"] @ query
    return softmax(text_SD @ query)


def expected(kind: str, tensors: dict[str, Doubles], text_SD: Doubles, two_way: bool) -> tuple[Doubles, Doubles | None]:
    simple = {"first": text_SD[0], "last": last_state(text_SD, two_way), "mean": text_SD.mean(0), "max": text_SD.max(0)}
    simple["concat"] = np.concatenate([simple["last"], simple["max"], simple["mean"]])
    if kind in simple:
        return simple[kind], None
    weights = weights_of(kind, tensors, text_SD, two_way)
    if kind == "self_attention":
        return tensors["merge.weight"] @ (weights @ text_SD).ravel() + tensors["merge.bias"], weights.mean(0)
    return weights @ text_SD, weights


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("two_way", [False, True])
@torch.no_grad()
def test_a_row_is_pooled_as_its_equation_says_whatever_stands_behind_it(kind: str, two_way: bool) -> None:
    torch.manual_seed(0)
    layer = pooling(kind, D, two_way)
    for parameter in layer.parameters():
        parameter.normal_(std=0.5)
    tensors = {name: tensor.double().numpy() for name, tensor in layer.state_dict().items()}
    mask_BS = padding_mask(LENGTHS_B, S)
    states_BSD = torch.randn(B, S, D).masked_fill(~mask_BS[..., None], 1000)
    pooled_BD, weights_BS = layer(states_BSD, LENGTHS_B, mask_BS)
    for row, length in enumerate(LENGTHS_B.tolist()):
        pooled, weights = expected(kind, tensors, states_BSD[row, :length].double().numpy(), two_way)
        np.testing.assert_allclose(pooled_BD[row].numpy(), pooled, rtol=1e-4, atol=1e-5)
        assert (weights is None) == (weights_BS is None)
        if weights is not None:
            np.testing.assert_allclose(weights_BS[row, :length].numpy(), weights, rtol=1e-4, atol=1e-6)
            assert not weights_BS[row, length:].any()


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_a_row_without_text_pools_to_something_finite(kind: str) -> None:
    lengths_B = torch.tensor([0, 2])
    states_BSD = torch.randn(2, 3, D)
    pooled_BD, weights_BS = pooling(kind, D)(states_BSD, lengths_B, padding_mask(lengths_B, 3))
    assert pooled_BD.isfinite().all()
    assert weights_BS is None or not weights_BS[0].any()
    if kind not in ("first", "last", "concat", "self_attention"):
        assert not pooled_BD[0].any()


def test_an_unknown_pooling_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'self_attention'"):
        pooling("self_atention", D)
