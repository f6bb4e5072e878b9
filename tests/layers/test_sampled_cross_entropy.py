"""The loss against a part of the vocabulary leads to where the loss against the whole of it leads.

N positions · D features · V vocabulary
"""

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from minnow.layers.sampled_cross_entropy import SampledCrossEntropy

V, D = 60, 8


def seeded(counts_V: Tensor, num_draws: int, seed: int = 0) -> SampledCrossEntropy:
    loss = SampledCrossEntropy(counts_V, num_draws)
    loss.generator = torch.Generator().manual_seed(seed)
    return loss


def given(num: int = 40, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(num, D, generator=generator),
        torch.randn(V, D, generator=generator),
        torch.randint(V, (num,), generator=generator),
        torch.randn(V, generator=generator),
    )


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_with_every_token_drawn_it_is_the_whole_loss(reduction: str) -> None:
    hidden_ND, weight_VD, targets_N, bias_V = given()
    targets_N[3] = -100
    found = seeded(torch.ones(V), 100_000)(hidden_ND, weight_VD, targets_N, bias_V, reduction=reduction)
    expected = F.cross_entropy(F.linear(hidden_ND, weight_VD, bias_V), targets_N, reduction=reduction)
    torch.testing.assert_close(found, expected)


def test_only_candidates_get_a_gradient_and_all_targets_are_candidates() -> None:
    hidden_ND, weight_VD, targets_N, bias_V = given(10)
    weight_VD.requires_grad_()
    bias_V.requires_grad_()
    seeded(torch.ones(V), 8)(hidden_ND, weight_VD, targets_N, bias_V).backward()
    assert weight_VD.grad is not None
    assert bias_V.grad is not None
    touched_V = weight_VD.grad.abs().sum(1) > 0
    assert touched_V[targets_N].all()
    assert 8 < touched_V.sum() < V
    assert torch.equal(touched_V, bias_V.grad != 0)


class Products(TorchDispatchMode):
    """Notes the shapes that matrices are multiplied in."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: set[tuple[tuple[int, ...], ...]] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is torch.ops.aten.mm.default:
            self.shapes.add(tuple(tuple(part.shape) for part in args))
        return func(*args, **kwargs or {})


def test_every_step_multiplies_in_the_same_shapes() -> None:
    """A library keeps a plan for each shape of a product; without end they would fill the memory."""
    loss = seeded(torch.arange(V), 40)
    numbers = set()
    with Products() as products:
        for seed in range(5):
            hidden_ND, weight_VD, targets_N, bias_V = given(40, seed)
            weight_VD.requires_grad_()
            loss(hidden_ND, weight_VD, targets_N, bias_V).backward()
            assert weight_VD.grad is not None
            numbers.add(int((weight_VD.grad.abs().sum(1) > 0).sum()))
    assert len(numbers) > 1
    assert len(products.shapes) == 1


def test_what_is_learnt_from_parts_is_the_distribution_over_the_whole() -> None:
    """A bias alone learns the frequencies of the tokens, though frequent ones are candidates far more often."""
    generator = torch.Generator().manual_seed(0)
    shares_V = 1 / torch.arange(1.0, V + 1)
    shares_V /= shares_V.sum()
    bias_V = torch.zeros(V, requires_grad=True)
    loss = seeded(1e6 * shares_V, 6)
    optimizer = torch.optim.Adam([bias_V], 0.2)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, 400)
    for _ in range(400):
        targets_N = torch.multinomial(shares_V, 64, replacement=True, generator=generator)
        optimizer.zero_grad()
        loss(torch.zeros(64, 1), torch.zeros(V, 1), targets_N, bias_V).backward()
        optimizer.step()
        schedule.step()
    divergence = F.kl_div(bias_V.detach().log_softmax(0), shares_V, reduction="sum")
    uncorrected = F.kl_div(torch.zeros(V).log_softmax(0), shares_V, reduction="sum")
    assert divergence < 0.02
    assert uncorrected > 0.5


def test_the_stream_repeats_the_draws() -> None:
    values = [float(seeded(torch.ones(V), 5, seed)(*given(6))) for seed in (1, 1, 2)]
    assert values[0] == values[1] != values[2]


def test_nothing_of_it_is_saved_with_a_model() -> None:
    assert seeded(torch.ones(V), 5).state_dict() == {}
