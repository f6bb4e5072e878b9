"""Chunked cross-entropy: the value and the gradients of torch's own, whatever the chunk, and no more memory than one.

N positions · D features · V vocabulary
"""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from minnow.layers.cross_entropy import IGNORED, chunked_cross_entropy, token_losses

N, D, V = 23, 6, 11


def leaves(dtype: torch.dtype = torch.float64, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    stream = torch.Generator().manual_seed(seed)
    hidden, weight, bias = (
        torch.randn(*shape, generator=stream, dtype=torch.float64).to(dtype).requires_grad_()
        for shape in ((N, D), (V, D), (V,))
    )
    targets = torch.randint(V, (N,), generator=stream)
    targets[::5] = IGNORED
    return hidden, weight, bias, targets


@pytest.mark.parametrize("chunk_size", [1, 4, 7, N, 100])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("with_bias", [True, False])
def test_value_and_gradients_are_those_of_torch(chunk_size: int, reduction: str, with_bias: bool) -> None:
    hidden, weight, bias, targets = leaves()
    given = bias if with_bias else None
    inputs = [hidden, weight, bias] if with_bias else [hidden, weight]
    plain = F.cross_entropy(F.linear(hidden, weight, given), targets, reduction=reduction)
    ours = chunked_cross_entropy(hidden, weight, targets, given, reduction=reduction, chunk_size=chunk_size)
    torch.testing.assert_close(ours, plain, rtol=1e-12, atol=1e-12)
    expected = torch.autograd.grad(3 * plain, inputs)
    torch.testing.assert_close(torch.autograd.grad(3 * ours, inputs), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("target", [-1, V, V + 1000])
def test_a_target_outside_the_vocabulary_is_refused(target: int) -> None:
    hidden, weight, bias, targets = leaves()
    targets[1] = target
    with pytest.raises(IndexError, match=f"target {target} is none of {V} entries"):
        chunked_cross_entropy(hidden, weight, targets, bias)


def test_a_reading_without_the_one_beside_it_is_refused() -> None:
    hidden, weight, _, targets = leaves()
    with pytest.raises(ValueError, match=f"there are {N} in all"):
        chunked_cross_entropy(hidden, weight, targets, consistency=1.0)


@pytest.mark.parametrize("kernels", [True, False])
@pytest.mark.parametrize("smoothing", [0.1, 0.5])
def test_smoothing_is_that_of_torch(smoothing: float, kernels: bool, request: pytest.FixtureRequest) -> None:
    if kernels:
        request.getfixturevalue("one_thread")
    hidden, weight, bias, targets = leaves(torch.float32 if kernels else torch.float64)
    plain = F.cross_entropy(F.linear(hidden, weight, bias), targets, label_smoothing=smoothing)
    ours = chunked_cross_entropy(hidden, weight, targets, bias, smoothing=smoothing, chunk_size=7)
    torch.testing.assert_close(ours, plain)
    inputs = [hidden, weight, bias]
    torch.testing.assert_close(torch.autograd.grad(ours, inputs), torch.autograd.grad(plain, inputs))


@pytest.mark.parametrize("kernels", [True, False])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_two_readings_are_drawn_together(
    smoothing: float, kernels: bool, reduction: str, request: pytest.FixtureRequest
) -> None:
    if kernels:
        request.getfixturevalue("one_thread")
    hidden, weight, bias, targets = leaves(torch.float32 if kernels else torch.float64)
    hidden, targets = hidden[:22].detach().requires_grad_(), targets[:11].repeat_interleave(2)
    log_p, log_q = F.log_softmax(F.linear(hidden, weight, bias), dim=1).view(11, 2, V).unbind(1)
    apart = F.kl_div(log_p, log_q, log_target=True, reduction="none").sum(1)
    apart = apart + F.kl_div(log_q, log_p, log_target=True, reduction="none").sum(1)
    counted = targets[::2] != IGNORED
    plain = F.cross_entropy(F.linear(hidden, weight, bias), targets, label_smoothing=smoothing, reduction="sum")
    plain = plain + 3.0 / 2 * apart[counted].sum()
    plain = plain / (2 * counted.sum()) if reduction == "mean" else plain
    ours = chunked_cross_entropy(
        hidden, weight, targets, bias, smoothing=smoothing, consistency=3.0, reduction=reduction, chunk_size=7
    )
    torch.testing.assert_close(ours, plain)
    inputs = [hidden, weight, bias]
    torch.testing.assert_close(torch.autograd.grad(ours, inputs), torch.autograd.grad(plain, inputs))


def test_a_weight_that_is_not_learnt_gets_no_gradient() -> None:
    hidden, weight, _, targets = leaves()
    chunked_cross_entropy(hidden, weight.detach(), targets, chunk_size=5).backward()
    assert hidden.grad is not None
    frozen = hidden.detach()
    chunked_cross_entropy(frozen, weight, targets, chunk_size=5).backward()
    expected = torch.autograd.grad(F.cross_entropy(frozen @ weight.T, targets), weight)[0]
    torch.testing.assert_close(weight.grad, expected)


def test_a_tied_weight_gets_the_sum_of_both_its_uses() -> None:
    _, weight, _, targets = leaves()
    ids = torch.arange(N) % V
    expected = torch.autograd.grad(F.cross_entropy(weight[ids].tanh() @ weight.T, targets), weight)[0]
    chunked_cross_entropy(weight[ids].tanh(), weight, targets, chunk_size=4).backward()
    torch.testing.assert_close(weight.grad, expected)


def test_autocast_gives_the_gradients_of_autocast_torch() -> None:
    hidden, weight, bias, targets = leaves(torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        plain = F.cross_entropy(F.linear(hidden, weight, bias), targets)
        ours = chunked_cross_entropy(hidden, weight, targets, bias, chunk_size=6)
    assert ours.dtype == torch.float32
    expected = torch.autograd.grad(plain, [hidden, weight, bias])
    found = torch.autograd.grad(ours, [hidden, weight, bias])
    torch.testing.assert_close(ours, plain, rtol=2e-2, atol=2e-2)
    torch.testing.assert_close(found, expected, rtol=5e-2, atol=5e-3)
    assert [grad.dtype for grad in found] == [torch.float32] * 3


def test_half_precision_states_under_autocast_get_gradients_of_their_own_type() -> None:
    hidden, weight, _, targets = leaves(torch.float32)
    half = hidden.detach().bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        chunked_cross_entropy(half, weight, targets, chunk_size=6).backward()
    assert half.grad is not None
    assert half.grad.dtype == torch.bfloat16
    assert weight.grad is not None
    assert weight.grad.dtype == torch.float32


def test_never_more_than_a_chunk_of_logits_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    from minnow.layers import cross_entropy

    hidden, weight, _, targets = leaves()
    seen: list[int] = []
    whole = cross_entropy._loss_then_gradient

    def watched(logits_CV: Tensor, targets_C: Tensor, smoothing: float) -> Tensor:
        seen.append(len(logits_CV))
        return whole(logits_CV, targets_C, smoothing)

    monkeypatch.setattr(cross_entropy, "_loss_then_gradient", watched)
    monkeypatch.setattr(cross_entropy, "LOGITS_PER_CHUNK", 16 * V)
    monkeypatch.setattr(cross_entropy, "FEWEST_ROWS", 1)
    chunked_cross_entropy(hidden, weight, targets)
    assert seen == [16, N - 16]


def test_nats_of_each_token_add_up_to_the_loss() -> None:
    hidden, weight, bias, targets = leaves()
    nats = token_losses(hidden, weight, targets, bias, chunk_size=4)
    expected = F.cross_entropy(F.linear(hidden, weight, bias), targets, reduction="none")
    torch.testing.assert_close(nats, expected)
    assert not nats.requires_grad
    assert (nats[targets == IGNORED] == 0).all()
    assert token_losses(hidden[:0], weight, targets[:0]).shape == (0,)


def test_nothing_to_learn_from_is_a_loss_of_nought_without_a_gradient() -> None:
    hidden, weight, _, targets = leaves()
    loss = chunked_cross_entropy(hidden, weight, torch.full_like(targets, IGNORED))
    loss.backward()
    assert loss.item() == 0
    assert hidden.grad is not None
    assert not hidden.grad.any()


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_kernel_of_one_thread_gives_what_double_precision_gives(dtype: torch.dtype) -> None:
    hidden, weight, bias, _ = leaves(torch.float64)
    hidden, weight, bias = ((x.detach() * 3).requires_grad_() for x in (hidden, weight, bias))
    targets = torch.arange(len(hidden)) % len(weight)
    targets[2] = IGNORED
    exact = F.cross_entropy(F.linear(hidden, weight, bias), targets, ignore_index=IGNORED, reduction="sum")
    exact.backward()
    ours = [x.detach().float().requires_grad_() for x in (hidden, weight, bias)]
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        loss = chunked_cross_entropy(ours[0], ours[1], targets, ours[2], reduction="sum", chunk_size=4)
    loss.backward()
    precision = 1e-5 if dtype == torch.float32 else 0.03
    assert abs(loss.item() - exact.item()) < precision * exact.item()
    for mine, right in zip(ours, (hidden, weight, bias), strict=True):
        assert (mine.grad - right.grad).norm() < precision * right.grad.norm()
