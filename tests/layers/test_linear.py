"""Linear layers of ours against the library's, in a training step of one thread and elsewhere."""

import pytest
import torch
from torch import Tensor, nn

from minnow.layers import linear as layer
from minnow.layers.linear import Linear, TransposedLinear
from minnow.layers.matrix_units import has_units_for
from minnow.layers.weight_gradient import sum_of_products

units = pytest.mark.skipif(not has_units_for(torch.bfloat16), reason="this processor has no matrix units")
KINDS = pytest.mark.parametrize("transposed", [False, True])


def made(transposed: bool, bias: bool = True) -> tuple[nn.Module, nn.Linear]:
    """One of ours, and the library's with its weights in double precision."""
    torch.manual_seed(0)
    theirs = nn.Linear(50, 70, bias=bias)
    ours = TransposedLinear(50, 70) if transposed else Linear(50, 70, bias=bias)
    with torch.no_grad():
        ours.weight.copy_(theirs.weight.T if transposed else theirs.weight)
        if bias:
            ours.bias.copy_(theirs.bias)
    return ours, theirs.double()


def gradients(module: nn.Module, x: Tensor, upstream: Tensor) -> list[Tensor]:
    output = module(x)
    output.backward(upstream.to(output.dtype))
    weight = module.weight.grad
    found = [output, x.grad, weight.T if getattr(module, "transposed", False) else weight]
    return [one.detach().double() for one in (*found, *([] if module.bias is None else [module.bias.grad]))]


@units
@KINDS
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("narrow", [False, True])
def test_values_and_gradients_are_the_library_s(transposed: bool, narrow: bool) -> None:
    ours, theirs = made(transposed)
    x, upstream = torch.randn(3, 11, 50), torch.randn(3, 11, 70)
    given = (x.bfloat16() if narrow else x).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        found = gradients(ours, given, upstream)
    assert ours.weight.grad.dtype == ours.bias.grad.dtype == torch.float32
    assert given.grad.dtype == given.dtype
    for got, right in zip(found, gradients(theirs, x.detach().double().requires_grad_(), upstream), strict=True):
        assert (got - right).norm() < 0.01 * right.norm()


@units
@pytest.mark.usefixtures("one_thread")
def test_a_layer_may_have_no_bias_and_read_what_does_not_learn() -> None:
    ours, theirs = made(transposed=False, bias=False)
    x, upstream = torch.randn(9, 50), torch.randn(9, 70)
    with torch.autocast("cpu", torch.bfloat16):
        ours(x).backward(upstream.bfloat16())
    theirs(x.double()).backward(upstream.double())
    assert (ours.weight.grad - theirs.weight.grad).norm() < 0.01 * theirs.weight.grad.norm()


@units
@KINDS
@pytest.mark.usefixtures("one_thread")
def test_the_way_of_its_own_is_for_a_training_step_of_one_thread_in_bfloat16(
    transposed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, given = [], torch.randn(4, 50)

    def watched(*sides: Tensor) -> Tensor:
        taken.append(1)
        return sum_of_products(*sides)

    monkeypatch.setattr(layer, "sum_of_products", watched)
    ours, _ = made(transposed)
    ours(given).sum().backward()  # in single precision
    with torch.autocast("cpu", torch.bfloat16):
        with torch.no_grad():
            assert not ours(given).requires_grad
        torch.set_num_threads(2)
        ours(given).sum().backward()
        torch.set_num_threads(1)
        ours.weight.requires_grad_(False)  # as beside an adapter
        ours(given).sum().backward()
        ours.weight.requires_grad_(True)
        assert not taken
        ours(given).sum().backward()
    assert taken == [1]


@KINDS
def test_elsewhere_values_are_the_library_s(transposed: bool) -> None:
    ours, theirs = made(transposed)
    x = torch.randn(5, 50)
    assert torch.allclose(ours(x).double(), theirs(x.double()), atol=1e-5)
