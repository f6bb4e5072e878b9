"""The norms and their kernels against the definition."""

import pytest
import torch
from torch import Tensor

from minnow.layers.norm import LayerNorm, RMSNorm

pytestmark = pytest.mark.usefixtures("one_thread")
TYPES = pytest.mark.parametrize(("dtype", "precision"), [(torch.float32, 2e-6), (torch.bfloat16, 1e-2)])
NORMS = pytest.mark.parametrize("kind", [RMSNorm, LayerNorm])


def made(kind: type, size: int) -> RMSNorm | LayerNorm:
    norm = kind(size, 1e-5)
    random = torch.Generator().manual_seed(1)
    for parameter in norm.parameters():
        torch.nn.init.uniform_(parameter, 0.5, 2, generator=random)
    return norm


def defined(norm: RMSNorm | LayerNorm, x: Tensor) -> Tensor:
    """In double precision, step by step."""
    weight = norm.weight.double()
    if norm.bias is None:
        return x / (x.square().mean(-1, keepdim=True) + norm.eps).sqrt() * weight
    off = x - x.mean(-1, keepdim=True)
    return off / (off.square().mean(-1, keepdim=True) + norm.eps).sqrt() * weight + norm.bias.double()


def gradients(
    norm: RMSNorm | LayerNorm, outputs: list[Tensor], upstream: list[Tensor], to: list[Tensor]
) -> list[Tensor]:
    for one in (*norm.parameters(), *to):
        one.grad = None
    torch.autograd.backward(outputs, [given.to(output.dtype) for given, output in zip(upstream, outputs, strict=True)])
    return [one.grad.double().clone() for one in (*to, *norm.parameters())]


def close(ours: list[Tensor], right: list[Tensor], precision: float) -> None:
    for got, wanted in zip(ours, right, strict=True):
        assert (got.double() - wanted).norm() < precision * wanted.norm()


@NORMS
@TYPES
def test_values_and_gradients_are_those_of_double_precision(kind: type, dtype: torch.dtype, precision: float) -> None:
    random = torch.Generator().manual_seed(0)
    x, upstream = (torch.randn(2, 7, 45, generator=random).to(dtype) for _ in range(2))
    x = (x + 3).requires_grad_()
    norm, exact = made(kind, 45), x.detach().double().requires_grad_()
    ours, right = norm(x), defined(norm, exact)
    close([ours.detach()], [right.detach()], precision)
    close(*(gradients(norm, [one], [upstream], [to]) for one, to in ((ours, x), (right, exact))), precision)


@NORMS
@pytest.mark.parametrize("narrow", [False, True])
def test_an_addition_goes_along(kind: type, narrow: bool) -> None:
    """A branch in bfloat16 is added to a stream in float32; what is given for the sum reaches both."""
    random = torch.Generator().manual_seed(0)
    x, added, *upstream = (torch.randn(3, 5, 45, generator=random) for _ in range(4))
    if narrow:
        added = added.bfloat16()
    x, added = x.requires_grad_(), added.requires_grad_()
    exact = [one.detach().double().requires_grad_() for one in (x, added)]
    norm, precision = made(kind, 45), 1e-2 if narrow else 2e-6
    with torch.autocast("cpu", torch.bfloat16, enabled=narrow):
        ours = norm.after(x, added)
    total = exact[0] + exact[1]
    right = [total, defined(norm, total)]
    assert ours[0].dtype == torch.float32
    assert ours[1].dtype == (torch.bfloat16 if narrow else torch.float32)
    close([one.detach() for one in ours], [one.detach() for one in right], precision)
    found = gradients(norm, list(ours), upstream, [x, added])
    close(found, gradients(norm, right, upstream, exact), precision)
    with torch.no_grad():
        close(list(norm.after(x, added)), [one.detach() for one in right], precision)


@NORMS
def test_under_autocast_the_result_comes_in_its_type(kind: type) -> None:
    norm, x = kind(8, 1e-6), torch.randn(3, 8, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        normed = norm(x)
    assert normed.dtype == torch.bfloat16
    normed.float().square().sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == torch.float32
    assert torch.allclose(normed.float(), norm(x), atol=0.02)


@NORMS
def test_training_and_use_agree(kind: type) -> None:
    norm, x = made(kind, 33), torch.randn(4, 33) * 10
    with torch.no_grad():
        used = norm(x)
    assert torch.allclose(norm(x.requires_grad_()), used, atol=1e-5)


@NORMS
def test_a_row_of_zeros_stays_zero(kind: type) -> None:
    norm, x = kind(5, 1e-6), torch.zeros(1, 5, requires_grad=True)
    normed = norm(x)
    normed.sum().backward()
    assert not normed.any()
    assert torch.isfinite(x.grad).all()


def test_a_norm_far_from_zero_keeps_its_digits() -> None:
    norm, x = LayerNorm(64, 1e-5), torch.randn(2, 64) + 1000
    assert torch.allclose(norm(x.clone().requires_grad_()), defined(norm, x.double()).float(), atol=1e-3)
