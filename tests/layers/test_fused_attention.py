"""Attention in training is as near to the exact result as the library's own."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from minnow.layers import fused_attention as layer
from minnow.layers.fused_attention import BLOCK, LONGEST, SHORT, causal_attention, padded_attention

pytestmark = pytest.mark.usefixtures("one_thread", "units")


@pytest.fixture(params=["matrix units", "vectors"])
def units(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test with the processor's matrix units, where it has some, and without."""
    if request.param == "vectors":
        monkeypatch.setattr(layer, "has_units_for", lambda *_: False)
    elif not layer.has_units_for(torch.bfloat16):
        pytest.skip("this processor has no matrix units for bfloat16")


def exact(num_positions: int, head_size: int = 32, num_rows: int = 2) -> list[Tensor]:
    random = torch.Generator().manual_seed(num_positions)
    shape = (num_rows, 3, num_positions, head_size)
    return [torch.randn(shape, dtype=torch.float64, generator=random).requires_grad_() for _ in range(4)]


def gradients(attend, query: Tensor, key: Tensor, value: Tensor, upstream: Tensor, dtype: torch.dtype) -> list[Tensor]:
    inputs = [x.detach().to(dtype).requires_grad_() for x in (query, key, value)]
    attended = attend(*inputs)
    attended.backward(upstream.to(dtype))
    return [attended.detach().double(), *(x.grad.double() for x in inputs)]


def library(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(query, key, value, is_causal=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("num_positions", [2, 7, BLOCK, BLOCK + 1, 3 * BLOCK - 5])
def test_result_and_gradients_are_those_of_the_definition(num_positions: int, dtype: torch.dtype) -> None:
    given = exact(num_positions)
    right = gradients(library, *given, torch.float64)
    ours = gradients(causal_attention, *given, dtype)
    theirs = gradients(library, *given, dtype)
    for wanted, got, library_got in zip(right, ours, theirs, strict=True):
        error = (got - wanted).norm() / wanted.norm()
        assert error < 1.5 * (library_got - wanted).norm() / wanted.norm() + 1e-3 * (torch.finfo(dtype).eps / 0.0078125)


def test_a_position_does_not_see_what_comes_after_it() -> None:
    query, key, value, _ = (x.detach().bfloat16().requires_grad_() for x in exact(BLOCK + 9))
    before = causal_attention(query, key, value).detach()
    with torch.no_grad():
        key[:, :, 100:] += 3
        value[:, :, 100:] -= 5
    after = causal_attention(query, key, value).detach()
    assert torch.equal(before[:, :, :100], after[:, :, :100])
    assert not torch.allclose(before[:, :, 100:], after[:, :, 100:])


def test_a_head_of_keys_may_serve_several_heads_of_queries() -> None:
    query, key, value, upstream = exact(20)
    keys, values = key[:, :1].detach(), value[:, :1].detach()

    def repeated(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return library(query, key.expand(2, 3, 20, 32), value.expand(2, 3, 20, 32))

    right = gradients(repeated, query, keys, values, upstream, torch.float64)
    for wanted, got in zip(
        right, gradients(causal_attention, query, keys, values, upstream, torch.bfloat16), strict=True
    ):
        assert (got - wanted).norm() / wanted.norm() < 0.01


@pytest.mark.parametrize("head_size", [8, 24, 32, 40, 64])
def test_heads_of_every_size_side_by_side_are_those_of_the_definition(head_size: int) -> None:
    """In bfloat16 and more positions than the units take at once, as they come out of one projection."""
    joint = torch.randn(2, BLOCK + 3, 3, 2, head_size, generator=torch.Generator().manual_seed(1)).bfloat16()
    upstream = torch.randn(2, 2, BLOCK + 3, head_size, generator=torch.Generator().manual_seed(2))
    joint.requires_grad_()
    attended = causal_attention(*(part.transpose(1, 2) for part in joint.unbind(2)))
    attended.backward(upstream.bfloat16())
    parts = [part.transpose(1, 2).detach().double() for part in joint.unbind(2)]
    right, *grads = gradients(library, *parts, upstream.bfloat16().double(), torch.float64)
    assert (attended.double() - right).norm() < 0.01 * right.norm()
    for i, wanted in enumerate(grads):
        assert (joint.grad[:, :, i].transpose(1, 2).double() - wanted).norm() < 0.01 * wanted.norm()


@pytest.mark.parametrize("num_positions", [40, BLOCK + 1])
def test_extreme_scores_stay_finite(num_positions: int) -> None:
    query, key, value, upstream = exact(num_positions)
    found = gradients(causal_attention, query * 1e3, key * 1e3, value, upstream, torch.bfloat16)
    assert all(torch.isfinite(x).all() for x in found)


def test_queries_keys_and_values_may_lie_side_by_side() -> None:
    """As they come out of one projection; the result and its gradients are those of separate ones."""
    joint = torch.randn(2, BLOCK + 3, 3, 4, 16, requires_grad=True)
    parts = [part.transpose(1, 2) for part in joint.unbind(2)]
    attended = causal_attention(*parts)
    attended.square().sum().backward()
    apart = [part.detach().contiguous().requires_grad_() for part in parts]
    library(*apart).square().sum().backward()
    assert torch.allclose(attended, library(*apart), atol=1e-5)
    for i, part in enumerate(apart):
        assert torch.allclose(joint.grad[:, :, i].transpose(1, 2), part.grad, atol=1e-4)


def test_the_kernels_are_taken_for_training_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    name = "attention_in_units" if layer.has_units_for(torch.bfloat16) else "_softmax"
    kernel = getattr(layer, name)

    def watched(*given, **more):
        taken.append(1)
        return kernel(*given, **more)

    monkeypatch.setattr(layer, name, watched)
    query, key, value, _ = exact(SHORT + 16)
    causal_attention(query, key, value)
    with torch.no_grad():
        causal_attention(*(x.float() for x in (query, key, value)))
    assert not taken
    with torch.autocast("cpu", torch.bfloat16):
        causal_attention(*(x.float() for x in (query, key, value)))
    assert taken == [1]


def test_texts_beyond_the_longest_go_the_library_s_way() -> None:
    query = torch.randn(1, 1, LONGEST + 1, 8).bfloat16().requires_grad_()
    assert causal_attention(query, query, query).shape == query.shape


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("lengths", [(5, 5), (3, 7), (BLOCK + 9, 2 * BLOCK + 1), (1, BLOCK)])
def test_a_padded_row_is_attended_to_as_if_it_were_alone(lengths: tuple[int, int], dtype: torch.dtype) -> None:
    given, precision = exact(max(lengths)), 2e-6 if dtype == torch.float32 else 0.02
    upstream = given[3].detach()
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    upstream = (upstream * mask[:, None, :, None]).requires_grad_()
    ends = torch.tensor(lengths)
    ours = gradients(lambda *x: padded_attention(*x, ends, mask[:, None, None]), *given[:3], upstream, dtype)
    for row, length in enumerate(lengths):
        alone = [x[row : row + 1, :, :length] for x in (*given[:3], upstream)]
        right = gradients(F.scaled_dot_product_attention, *alone, torch.float64)
        for wanted, got in zip(right, ours, strict=True):
            assert (got[row, :, :length] - wanted[0]).norm() < precision * (1 + wanted.norm())
            assert not got[row, :, length:].any() or (got is ours[0] and max(lengths) <= SHORT)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("num_queries", "longest"), [(1, 12), (9, 12), (30, 12), (SHORT + 6, 12), (9, BLOCK + 5)])
def test_queries_of_one_text_attend_to_the_keys_of_another(num_queries: int, longest: int, dtype: torch.dtype) -> None:
    lengths, precision = torch.tensor([7, 1, longest, 0]), 5e-7 if dtype == torch.float32 else 0.01
    _, key, value, _ = exact(longest, num_rows=4)
    query, *_, upstream = exact(num_queries, num_rows=4)
    mask = (torch.arange(longest) < lengths[:, None])[:, None, None]
    ours = gradients(lambda *x: padded_attention(*x, lengths, mask, across=True), query, key, value, upstream, dtype)
    for row, length in enumerate(lengths.tolist()):
        if length == 0:
            assert not any(got[row].any() for got in ours)
            continue
        alone = (query[row : row + 1], *(x[row : row + 1, :, :length] for x in (key, value)), upstream[row : row + 1])
        right = gradients(F.scaled_dot_product_attention, *alone, torch.float64)
        for wanted, got in zip(right, ours, strict=True):
            bound = precision * (alone[3].norm() + wanted.norm())
            assert (got[row, :, : wanted.shape[2]] - wanted[0]).norm() < bound


def test_a_text_may_be_as_long_as_the_one_that_it_attends_to() -> None:
    """What is text of the keys says nothing of the queries."""
    num_positions, lengths = SHORT + 8, torch.tensor([5, SHORT + 8, 1])
    given = exact(num_positions, num_rows=3)
    mask = (torch.arange(num_positions) < lengths[:, None])[:, None, None]
    right = gradients(lambda *x: F.scaled_dot_product_attention(*x, mask), *given, torch.float64)
    ours = gradients(lambda *x: padded_attention(*x, lengths, mask, across=True), *given, torch.float32)
    for wanted, got in zip(right, ours, strict=True):
        assert (got - wanted).norm() < 2e-6 * (1 + wanted.norm())
