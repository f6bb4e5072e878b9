"""Attention, norms and feed-forward layers against the same sums written out in float64.

B rows · S positions · N keys · H heads · E features of a head
"""

import math

import pytest
import torch
from torch import Tensor, nn

from minnow.errors import UnknownNameError
from minnow.layers.checkpointing import checkpointed
from minnow.layers.dropout import Dropping, FeatureDropout
from minnow.layers.masks import causal_mask, padding_mask
from minnow.layers.norm import RMSNorm
from minnow.layers.transformer import (
    GatedFeedForward,
    HeadedAttention,
    Sight,
    activation,
    start_weights,
)

B, S, H, E = 2, 7, 4, 6


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def by_hand(queries: Tensor, keys: Tensor, values: Tensor, visible: Tensor, scale: float) -> Tensor:
    """[B, S, H, E] to [B, S, H · E], a number at a time."""
    group = queries.shape[2] // keys.shape[2]
    taken = torch.zeros_like(queries)
    for b in range(queries.shape[0]):
        for h in range(queries.shape[2]):
            scores_SN = torch.einsum("se,ne->sn", queries[b, :, h], keys[b, :, h // group]) * scale
            weights_SN = torch.softmax(scores_SN.masked_fill(~visible[b], -torch.inf), dim=-1)
            taken[b, :, h] = torch.einsum("sn,ne->se", weights_SN, values[b, :, h // group])
    return taken.flatten(2)


@pytest.mark.parametrize("num_key_heads", [4, 2, 1])
@pytest.mark.parametrize("scale", [None, 0.7])
@pytest.mark.parametrize("seen", ["causal", "window", "padded"])
def test_attention_equals_the_sums_written_out(num_key_heads: int, scale: float | None, seen: str) -> None:
    torch.manual_seed(0)
    queries, keys, values = random(B, S, H, E), random(B, S, num_key_heads, E), random(B, S, num_key_heads, E)
    visible = torch.ones(B, S, S, dtype=torch.bool).tril()
    if seen == "causal":
        sight = Sight(causal=True)
    elif seen == "window":
        sight = Sight(mask=causal_mask(torch.arange(S), S, window=3))
        visible = visible & ~torch.ones(B, S, S, dtype=torch.bool).tril(-3)
    else:
        mask_BS = padding_mask(torch.tensor([7, 4]), S)
        sight = Sight(mask=mask_BS[:, None, None, :])
        visible = mask_BS[:, None, :].expand(B, S, S)
    expected = by_hand(queries, keys, values, visible, scale or 1 / math.sqrt(E))
    attention = HeadedAttention(H, num_key_heads, 0.0, scale)
    torch.testing.assert_close(attention(queries, keys, values, sight)[0], expected)
    # A stream of its own takes the other way, which must come to the same as long as next to nothing is dropped.
    dropping = HeadedAttention(H, num_key_heads, 1e-12, scale)
    dropping.generator = torch.Generator().manual_seed(0)
    torch.testing.assert_close(dropping(queries, keys, values, sight)[0], expected, rtol=1e-6, atol=1e-6)


def test_one_query_of_grouped_heads_sees_the_keys_of_its_group() -> None:
    torch.manual_seed(0)
    queries, keys, values = random(B, 1, H, E), random(B, S, 2, E), random(B, S, 2, E)
    visible = padding_mask(torch.tensor([7, 4]), S)[:, None, :]
    expected = by_hand(queries, keys, values, visible, 1 / math.sqrt(E))
    attention = HeadedAttention(H, 2, 0.0)
    found = attention(queries, keys, values, Sight(mask=visible[:, None]))[0]
    torch.testing.assert_close(found, expected)


def test_dropped_weights_follow_the_stream_that_was_handed_in_and_keep_the_mean() -> None:
    torch.manual_seed(0)
    attention = HeadedAttention(1, 1, 0.4)
    queries, keys, values = torch.zeros(1, 1, 1, E), torch.zeros(1, 4000, 1, E), torch.ones(1, 4000, 1, E)
    taken = []
    for _ in range(2):
        attention.generator = torch.Generator().manual_seed(5)
        taken.append(attention(queries, keys, values, Sight())[0])
        torch.manual_seed(99)  # another position of the stream that is not asked
    assert torch.equal(*taken)
    assert 0.9 < float(taken[0].mean()) < 1.1
    assert float(taken[0].mean()) != pytest.approx(1.0, abs=1e-6)


def test_the_norm_brings_the_mean_square_to_one_and_weights_it() -> None:
    torch.manual_seed(0)
    norm = RMSNorm(8, eps=1e-6).double()
    x = random(3, 8) * 50
    torch.testing.assert_close(norm(x).square().mean(-1), torch.ones(3, dtype=torch.float64))
    nn.init.normal_(norm.weight)
    torch.testing.assert_close(norm(x), x / x.square().mean(-1, keepdim=True).sqrt() * norm.weight)


def test_the_gate_multiplies_what_goes_up() -> None:
    torch.manual_seed(0)
    layer, x = GatedFeedForward(6, 10, "silu", bias=True).double(), random(2, 3, 6)
    gate, up = layer.gate_proj(x), layer.up_proj(x)
    torch.testing.assert_close(layer(x), layer.down_proj(gate * torch.sigmoid(gate) * up))


def test_an_unknown_activation_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'gelu_new'"):
        activation("gelunew")


def test_matrices_into_the_residual_stream_start_smaller() -> None:
    torch.manual_seed(0)
    module = nn.ModuleDict({"q_proj": nn.Linear(300, 300), "o_proj": nn.Linear(300, 300), "norm": RMSNorm(300, 1e-6)})
    start_weights(module, 0.02, num_layers=8, residual=("o_proj",))
    assert float(module["q_proj"].weight.detach().std()) == pytest.approx(0.02, rel=0.05)
    assert float(module["o_proj"].weight.detach().std()) == pytest.approx(0.02 / 4, rel=0.05)
    assert module["norm"].weight.eq(1).all()
    assert module["q_proj"].bias.eq(0).all()


class Noisy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)
        self.first = FeatureDropout(0.5)
        self.second = FeatureDropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.second(torch.tanh(self.linear(self.first(x))))
        return output


@pytest.mark.parametrize("own_stream", [False, True], ids=["torch's stream", "a stream handed in"])
def test_checkpointing_draws_the_same_masks_again_and_leaves_the_stream_where_it_was(own_stream: bool) -> None:
    torch.manual_seed(0)
    block, x = Noisy(), torch.randn(4, 6)
    gradients, drawn_next = [], []
    for lean in (False, True):
        generator = torch.Generator().manual_seed(7) if own_stream else None
        torch.manual_seed(7)
        for module in block.modules():
            if isinstance(module, Dropping):
                module.generator = generator
        output = checkpointed(block, x) if lean else block(x)
        between = torch.rand(3, generator=generator)
        block.zero_grad()
        output.square().sum().backward()
        gradients.append(block.linear.weight.grad.clone())  # type: ignore[union-attr]
        drawn_next.append(torch.cat([between, torch.rand(3, generator=generator)]))
    assert torch.equal(*gradients)
    assert torch.equal(*drawn_next)
