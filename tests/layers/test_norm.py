"""The root-mean-square norm and its kernel against the definition."""

import pytest
import torch
from torch import Tensor

from minnow.layers.norm import RMSNorm

pytestmark = pytest.mark.usefixtures("one_thread")


def run(norm: RMSNorm, x: Tensor, upstream: Tensor) -> list[Tensor]:
    x = x.detach().clone().requires_grad_()
    norm.weight.grad = None
    normed = norm(x)
    normed.backward(upstream.to(normed.dtype))
    return [normed.detach().double(), x.grad.double(), norm.weight.grad.double()]


@pytest.mark.parametrize(("dtype", "precision"), [(torch.float32, 2e-6), (torch.bfloat16, 1e-2)])
def test_values_and_gradients_are_those_of_double_precision(dtype: torch.dtype, precision: float) -> None:
    random = torch.Generator().manual_seed(0)
    x, upstream = (torch.randn(2, 7, 45, generator=random).to(dtype) for _ in range(2))
    norm = RMSNorm(45, 1e-5)
    torch.nn.init.uniform_(norm.weight, 0.5, 2)
    right = run(RMSNorm(45, 1e-5).double(), x.double(), upstream.double() * norm.weight.detach())
    ours = run(norm, x, upstream)
    definition = x.double() / (x.double().square().mean(-1, keepdim=True) + 1e-5).sqrt() * norm.weight.detach()
    assert (ours[0] - definition).norm() < precision * definition.norm()
    assert (ours[1] - right[1]).norm() < precision * right[1].norm()
    of_weight = (upstream.double() * definition / norm.weight.detach()).sum((0, 1))
    assert (ours[2] - of_weight).norm() < precision * of_weight.norm()


def test_under_autocast_the_result_comes_in_its_type() -> None:
    norm, x = RMSNorm(8, 1e-6), torch.randn(3, 8, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        normed = norm(x)
    assert normed.dtype == torch.bfloat16
    normed.float().square().sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == torch.float32
    assert torch.allclose(normed.float(), norm(x), atol=0.02)


def test_training_and_use_agree() -> None:
    norm, x = RMSNorm(33, 1e-6), torch.randn(4, 33) * 10
    with torch.no_grad():
        used = norm(x)
    assert torch.allclose(norm(x.requires_grad_()), used, atol=1e-5)


def test_a_row_of_zeros_stays_zero() -> None:
    norm, x = RMSNorm(5, 1e-6), torch.zeros(1, 5, requires_grad=True)
    norm(x).sum().backward()
    assert torch.isfinite(x.grad).all()
