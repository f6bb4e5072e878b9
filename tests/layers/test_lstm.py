"""The LSTM's training step by kernels of ours against the library's.

S positions · B rows · I inputs · H units
"""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from minnow.layers import lstm as module
from minnow.layers.dropout import StateDropout, WeightDropout
from minnow.layers.lstm import lstm, suits_lstm
from minnow.layers.recurrent import Memory, RecurrentLayer
from minnow.layers.tiles import arithmetics_here

pytestmark = pytest.mark.skipif(
    "bfloat16" not in arithmetics_here(), reason="the kernels need a processor with AVX-512 and bfloat16"
)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """The kernels belong to a worker of one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers of any size take the kernels."""
    monkeypatch.setattr(module, "SMALLEST", 4)


def in_bfloat16() -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16)


def gradients(outputs: tuple[Tensor, ...], weights: tuple[Tensor, ...], of: list[Tensor]) -> list[Tensor]:
    return list(torch.autograd.grad(sum((o * w).sum() for o, w in zip(outputs, weights, strict=True)), of))


@settings(max_examples=30)
@given(st.integers(1, 7), st.integers(1, 5), st.integers(1, 19), st.integers(1, 21), st.integers(0, 2**31))
def test_states_cells_and_all_gradients_are_the_librarys(
    positions: int, rows: int, inputs: int, units: int, seed: int
) -> None:
    torch.manual_seed(seed)
    cell = nn.LSTM(inputs, units, batch_first=True)
    x_BSI = torch.randn(rows, positions, inputs, requires_grad=True)
    state_BH, cell_BH = (torch.randn(rows, units, requires_grad=True) for _ in range(2))
    theirs, (_, their_cell) = cell(x_BSI, (state_BH[None], cell_BH[None]))
    bias = cell.bias_ih_l0 + cell.bias_hh_l0
    ours, our_cell = lstm(x_BSI.transpose(0, 1), state_BH, cell_BH, cell.weight_ih_l0, cell.weight_hh_l0, bias)
    ours = ours.transpose(0, 1)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(our_cell, their_cell[0], rtol=1e-4, atol=1e-5)

    weights = torch.randn_like(ours), torch.randn_like(our_cell)
    of = [x_BSI, state_BH, cell_BH, *cell.parameters()]
    expected = gradients((theirs, their_cell[0]), weights, of)
    for got, wanted in zip(gradients((ours, our_cell), weights, of), expected, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_a_layer_in_bfloat16_learns_as_in_single_precision(rate: float) -> None:
    """Its gradients lie as near those of float32 as the library's own in bfloat16, or nearer."""
    torch.manual_seed(0)
    layer = RecurrentLayer("lstm", 48, 64, WeightDropout(rate))
    x_BSI, weight = torch.randn(6, 30, 48, requires_grad=True), torch.randn(6, 30, 64)
    of = [x_BSI, *layer.parameters()]

    def learnt() -> list[Tensor]:
        layer.dropout.generator = torch.Generator().manual_seed(7)
        output_BSH, _ = layer.carry(x_BSI, None)
        return [output_BSH.detach().float(), *gradients((output_BSH,), (weight,), of)]

    exact = learnt()
    with in_bfloat16():
        assert suits_lstm(x_BSI, layer.cell.weight_hh_l0)
        ours = learnt()
        torch.set_num_threads(2)
        assert not suits_lstm(x_BSI, layer.cell.weight_hh_l0)
        theirs = learnt()
    for right, our, their in zip(exact, ours, theirs, strict=True):
        far = float((their - right).norm() / right.norm())
        assert float((our - right).norm() / right.norm()) < 1.25 * far + 1e-3
        assert far < 0.05


def test_a_text_in_parts_is_the_text_as_a_whole() -> None:
    torch.manual_seed(0)
    layer = RecurrentLayer("lstm", 8, 16, StateDropout(0.0))
    x_BSI = torch.randn(3, 10, 8)
    with in_bfloat16():
        whole_BSH, (state_BH, cell_BH) = layer.carry(x_BSI, None)
        first, memory = layer.carry(x_BSI[:, :4], None)
        second, after = layer.carry(x_BSI[:, 4:], memory)
    assert torch.equal(torch.cat([first, second], 1), whole_BSH)
    assert torch.equal(after[0], state_BH)
    assert torch.equal(after[1], cell_BH)
    assert cell_BH.dtype == torch.float32, "it adds up over the positions"


def test_the_memory_goes_between_training_and_reading() -> None:
    """What the library remembered, in inference mode too, a training step goes on from; and the other way round."""
    torch.manual_seed(0)
    layer = RecurrentLayer("lstm", 8, 16, StateDropout(0.0))
    x_BSI = torch.randn(3, 5, 8)

    def step(memory: Memory) -> Memory:
        with in_bfloat16():
            output_BSH, after = layer.carry(x_BSI, memory)
        layer.zero_grad()
        output_BSH.float().sum().backward()
        return tuple(part.detach() for part in after)

    with torch.inference_mode(), in_bfloat16():
        _, read = layer.carry(x_BSI, None)
    learnt = step(read)
    assert all(bool(p.grad.abs().sum() > 0) for p in layer.parameters() if p.grad is not None)
    with torch.no_grad(), in_bfloat16():
        assert not suits_lstm(x_BSI, layer.cell.weight_hh_l0)
        _, again = layer.carry(x_BSI, learnt)
        _, expected = layer.carry(x_BSI, tuple(part.float() for part in learnt))
    for got, wanted in zip(again, expected, strict=True):
        assert torch.equal(got, wanted)


def test_the_library_serves_single_precision_small_layers_and_what_is_only_read() -> None:
    x, weight = torch.randn(2, 3, 4), torch.empty(16, 4, requires_grad=True)
    assert not suits_lstm(x, weight)
    with in_bfloat16():
        assert suits_lstm(x, weight)
        assert not suits_lstm(x, weight.detach())
        assert not suits_lstm(x, torch.empty(12, 3, requires_grad=True))
    with torch.autocast("cpu", torch.float16):
        assert not suits_lstm(x, weight)


def test_a_processor_without_tiles_takes_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "arithmetics_here", lambda: ("float32",))
    with in_bfloat16():
        assert not suits_lstm(torch.randn(2, 3, 4), torch.empty(16, 4, requires_grad=True))
