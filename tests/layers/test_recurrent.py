"""Recurrent layers against loops over single steps, and two-way layers against two one-way ones.

B rows · S positions · I inputs · H units of one direction
"""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from minnow.errors import UnknownNameError
from minnow.layers.dropout import StateDropout, VariationalDropout
from minnow.layers.recurrent import KINDS, RecurrentEncoder, RecurrentLayer

B, S, I, H = 3, 6, 4, 5  # noqa: E741 - the letters of the legend
kinds = pytest.mark.parametrize("kind", KINDS)


def step(kind: str, cell: nn.RNNBase, x_BI: Tensor, state_BH: Tensor, memory_BH: Tensor, mask: Tensor) -> list[Tensor]:
    """The equations of one step; the masked state enters the products, the state itself is what a gate carries on."""
    seen = (x_BI @ cell.weight_ih_l0.T + cell.bias_ih_l0).split(H, dim=1)
    told = ((state_BH * mask) @ cell.weight_hh_l0.T + cell.bias_hh_l0).split(H, dim=1)
    if kind == "rnn":
        return [torch.tanh(seen[0] + told[0]), memory_BH]
    if kind == "gru":
        reset, update = (torch.sigmoid(seen[i] + told[i]) for i in range(2))
        return [(1 - update) * torch.tanh(seen[2] + reset * told[2]) + update * state_BH, memory_BH]
    enter, forget, leave = (torch.sigmoid(seen[i] + told[i]) for i in (0, 1, 3))
    memory_BH = forget * memory_BH + enter * torch.tanh(seen[2] + told[2])
    return [leave * torch.tanh(memory_BH), memory_BH]


def stepped(kind: str, cell: nn.RNNBase, x_BSI: Tensor, mask: Tensor) -> Tensor:
    state_BH = memory_BH = torch.zeros(len(x_BSI), H, dtype=x_BSI.dtype)
    states = []
    for position in range(x_BSI.shape[1]):
        state_BH, memory_BH = step(kind, cell, x_BSI[:, position], state_BH, memory_BH, mask)
        states.append(state_BH)
    return torch.stack(states, dim=1)


@kinds
@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_recurrent_dropout_masks_the_state_at_every_step(kind: str, rate: float) -> None:
    torch.manual_seed(0)
    layer = RecurrentLayer(kind, I, H, StateDropout(rate)).double()
    layer.dropout.generator = torch.Generator().manual_seed(7)
    x_BSI = torch.randn(B, S, I, dtype=torch.float64)
    output_BSH = layer(x_BSI)

    same = StateDropout(rate)
    same.generator = torch.Generator().manual_seed(7)
    mask = same.mask(layer.cell.weight_hh_l0)
    expected_BSH = stepped(kind, layer.cell, x_BSI, mask)
    torch.testing.assert_close(output_BSH, expected_BSH)
    assert bool((mask == 0).any()) == (rate > 0)

    parameters = list(layer.parameters())
    ours, theirs = (torch.autograd.grad(output.square().sum(), parameters) for output in (output_BSH, expected_BSH))
    torch.testing.assert_close(ours, theirs)


@kinds
def test_recurrent_dropout_leaves_the_weights_and_the_answers_alone(kind: str) -> None:
    torch.manual_seed(0)
    layer = RecurrentLayer(kind, I, H, StateDropout(0.5))
    x_BSI = torch.randn(B, S, I)
    weights = layer.cell.weight_hh_l0.clone()
    before = layer.eval()(x_BSI)
    during, again = layer.train()(x_BSI), layer(x_BSI)
    assert not torch.equal(during, again)
    assert torch.equal(layer.eval()(x_BSI), before)
    assert torch.equal(layer.cell.weight_hh_l0, weights)


@kinds
@settings(max_examples=12)
@given(lengths=st.lists(st.integers(1, S), min_size=1, max_size=4), seed=st.integers(0, 2**32 - 1))
@torch.no_grad()
def test_two_ways_are_two_one_way_runs_over_the_row_and_its_reverse(kind: str, lengths: list[int], seed: int) -> None:
    torch.manual_seed(seed)
    two_way = RecurrentEncoder(kind, I, H, bidirectional=True)
    forwards, backwards = (RecurrentEncoder(kind, I, H) for _ in range(2))
    forwards.forwards.load_state_dict(two_way.forwards.state_dict())
    backwards.forwards.load_state_dict(two_way.backwards.state_dict())
    x_BSI = torch.randn(len(lengths), S, I)
    output_BSD = two_way(x_BSI, torch.tensor(lengths))
    for row, output, length in zip(x_BSI, output_BSD, lengths, strict=True):
        text, whole = row[None, :length], torch.tensor([length])
        torch.testing.assert_close(output[:length, :H], forwards(text, whole)[0])
        torch.testing.assert_close(output[:length, H:], backwards(text.flip(1), whole)[0].flip(0))


@kinds
def test_between_layers_a_sequence_has_one_mask(kind: str) -> None:
    torch.manual_seed(0)
    encoder = RecurrentEncoder(kind, I, H, num_layers=2, dropout=0.5)
    encoder.dropout.generator = torch.Generator().manual_seed(3)
    x_BSI, lengths_B = torch.randn(B, S, I), torch.full((B,), S)
    between = VariationalDropout(0.5)
    between.generator = torch.Generator().manual_seed(3)
    expected = encoder.forwards[1](between(encoder.forwards[0](x_BSI)))
    torch.testing.assert_close(encoder(x_BSI, lengths_B), expected)


@kinds
@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_output_has_the_size_that_it_says(kind: str, num_layers: int, bidirectional: bool) -> None:
    encoder = RecurrentEncoder(kind, I, H, num_layers, bidirectional)
    assert encoder(torch.randn(B, S, I), torch.tensor([S, 1, 3])).shape == (B, S, encoder.output_size)
    assert encoder.output_size == H * (1 + bidirectional)


def test_an_unknown_kind_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'lstm'"):
        RecurrentEncoder("lsmt", I, H)


@pytest.mark.parametrize(("kind", "num_gates"), [("rnn", 1), ("lstm", 4), ("gru", 3)])
def test_a_layer_may_start_by_keeping_what_it_has_read(kind: str, num_gates: int) -> None:
    cell = RecurrentEncoder(kind, 5, 8, remembering=True).forwards[0].cell
    gates = cell.weight_hh_l0.detach().split(8)
    assert len(gates) == num_gates
    for gate in gates:
        torch.testing.assert_close(gate @ gate.T, torch.eye(8))
    bias = (cell.bias_ih_l0 + cell.bias_hh_l0).detach()
    assert bias.nonzero().flatten().tolist() == (list(range(8, 16)) if kind == "lstm" else [])
