"""The kernels of the activations give what the definitions give, and their gradients."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from minnow.errors import UnknownNameError
from minnow.layers.activations import ACTIVATIONS, activation, gated, gelu_tanh, silu

pytestmark = pytest.mark.usefixtures("one_thread")


WIDE = torch.cat([torch.linspace(-30, 30, 4001, dtype=torch.float64), torch.tensor([0.0, 1e4, -1e4, 1e-20])])
DEFINITIONS = {
    gelu_tanh: lambda x: 0.5 * x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3))),
    silu: lambda x: x * torch.sigmoid(x),
}
PRECISION = {torch.float32: 2e-6, torch.bfloat16: 8e-3}


def with_gradients(function, upstream: Tensor, *inputs: Tensor) -> list[Tensor]:
    inputs = tuple(x.detach().clone().requires_grad_() for x in inputs)
    output = function(*inputs)
    output.backward(upstream.to(output.dtype))
    return [output.detach().double(), *(x.grad.double() for x in inputs)]


@pytest.mark.parametrize("dtype", PRECISION)
@pytest.mark.parametrize("function", DEFINITIONS)
def test_values_and_gradients_are_those_of_the_definition(function, dtype: torch.dtype) -> None:
    x = WIDE.to(dtype)
    upstream = torch.randn(len(x), generator=torch.Generator().manual_seed(0)).to(dtype)
    right = with_gradients(DEFINITIONS[function], upstream, x.double())
    ours = with_gradients(function, upstream, x)
    for wanted, got in zip(right, ours, strict=True):
        assert torch.isfinite(got).all()
        assert ((got - wanted).abs() <= PRECISION[dtype] * (wanted.abs() + upstream.double().abs() + 1e-3)).all()


@pytest.mark.parametrize("dtype", PRECISION)
def test_a_gate_and_what_it_lets_through_both_get_their_gradient(dtype: torch.dtype) -> None:
    random = torch.Generator().manual_seed(1)
    gate, x, upstream = (torch.randn(3, 70, generator=random).to(dtype) * 3 for _ in range(3))
    right = with_gradients(lambda g, x: F.silu(g) * x, upstream, gate.double(), x.double())
    ours = with_gradients(lambda g, x: gated(silu, g, x), upstream, gate, x)
    for wanted, got in zip(right, ours, strict=True):
        assert (got - wanted).abs().max() < PRECISION[dtype] * wanted.abs().max()


@pytest.mark.parametrize("function", [gelu_tanh, silu, lambda x: gated(silu, x, x)])
def test_what_the_kernels_do_not_know_is_refused(function) -> None:
    """A gradient of the gradient would come out as that of a constant."""
    x = torch.randn(5, requires_grad=True)
    (gradient,) = torch.autograd.grad(function(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_gates_of_other_activations_and_of_two_types_are_products() -> None:
    gate, x = torch.randn(2, 5, requires_grad=True), torch.randn(2, 5)
    assert torch.equal(gated(F.relu, gate, x), F.relu(gate) * x)
    assert torch.allclose(gated(silu, gate.bfloat16(), x), F.silu(gate.bfloat16()) * x, atol=0.05)


def test_what_lies_across_memory_is_read_in_order() -> None:
    x = torch.randn(6, 5).T.requires_grad_()
    silu(x).sum().backward()
    straight = x.detach().contiguous().requires_grad_()
    F.silu(straight).sum().backward()
    assert x.grad is not None
    assert torch.allclose(x.grad, straight.grad, atol=1e-6)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_outside_training_the_library_s_functions_answer(name: str) -> None:
    x = torch.randn(4, 9, dtype=torch.float64)
    assert activation(name)(x).dtype == torch.float64
    with torch.no_grad():
        assert torch.allclose(activation(name)(x.float()).double(), activation(name)(x), atol=1e-6)


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="silu"):
        activation("sillu")
