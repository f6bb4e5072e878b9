"""Batch norm against torch's, and what it answers with."""

import pytest
import torch
from torch import Tensor, nn

from minnow.layers.batch_norm import BatchNorm
from minnow.training.replicas import Replicas


def rows(count: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Features of unlike means and deviations, the last one the same in all rows."""
    random = torch.Generator().manual_seed(count)
    means_D, deviations_D = torch.tensor([5.0, -2, 0, 1, 7]), torch.tensor([0.1, 1, 3, 10, 0])
    drawn = means_D + deviations_D * torch.randn(count, 5, generator=random)
    return drawn.to(dtype).requires_grad_()


def test_in_training_it_is_torchs_without_scale_and_shift() -> None:
    own, theirs = BatchNorm(5), nn.BatchNorm1d(5, affine=False)
    given, again = rows(8), rows(8)
    pull = torch.randn(8, 5, generator=torch.Generator().manual_seed(0))
    normed = own(given)
    (normed * pull).sum().backward()
    (theirs(again) * pull).sum().backward()
    torch.testing.assert_close(normed, theirs(again))
    torch.testing.assert_close(given.grad, again.grad)
    assert own.state_dict()["mean_D"].abs().max() == 0  # which no batch has moved


def test_in_answering_it_takes_what_was_measured() -> None:
    norm = BatchNorm(5).eval()
    many = rows(400).detach()
    norm.measure(many)
    answered = norm(many)
    torch.testing.assert_close(answered.mean(0), torch.zeros(5), atol=1e-4, rtol=0)
    torch.testing.assert_close(answered[:, :4].var(0, correction=0), torch.ones(4), atol=1e-2, rtol=0)
    torch.testing.assert_close(norm(many[:3]), answered[:3])


@pytest.mark.parametrize("training", [True, False])
def test_a_single_row_is_answered_with_what_was_measured(training: bool) -> None:
    norm = BatchNorm(5)
    norm.measure(rows(400))
    row = rows(400)[7:8]
    torch.testing.assert_close(norm.train(training)(row), norm.eval()(row))


def test_half_precision_is_normed_in_single() -> None:
    norm = BatchNorm(5)
    half = rows(64, torch.bfloat16)
    assert torch.equal(norm(half), norm(half.float()).bfloat16())


def test_a_model_of_half_precision_keeps_exact_statistics() -> None:
    norm = BatchNorm(5)
    norm.measure(rows(400))
    mean_D = norm.mean_D.clone()
    model = nn.Sequential(norm, nn.Linear(5, 2)).to(torch.bfloat16).eval()
    assert torch.equal(norm.mean_D, mean_D)
    assert model(rows(3, torch.bfloat16)).dtype == torch.bfloat16


def test_a_single_row_measures_nothing() -> None:
    norm = BatchNorm(5)
    norm.measure(rows(1))
    assert norm.variance_D.min() == 1


def test_the_copy_of_another_core_sees_a_new_measure() -> None:
    model = nn.Sequential(BatchNorm(5), nn.Linear(5, 2))
    replicas = Replicas(model, 2, seed=0)
    replicas.close()
    model[0].measure(rows(50))
    for one in replicas.copies:
        assert torch.equal(one[0].mean_D, model[0].mean_D)
    assert model[0].mean_D.abs().max() > 0
