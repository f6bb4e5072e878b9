"""Muon's updates are orthogonal, of the size of AdamW's, and bring a loss down."""

import pytest
import torch

from minnow.training.muon import UPDATE_SIZE, Muon, orthogonal


@pytest.mark.parametrize("shape", [(3, 16, 16), (2, 8, 24), (2, 24, 8)])
def test_singular_values_end_near_one(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonal(torch.randn(shape), torch.float32))
    assert values.min() > 0.5
    assert values.max() < 1.3


def test_the_directions_of_the_matrix_stay() -> None:
    torch.manual_seed(1)
    u, _, v = torch.linalg.svd(torch.randn(6, 6))
    stretched = u @ torch.diag(torch.tensor([9.0, 5, 3, 2, 1, 0.5])) @ v
    turned = orthogonal(stretched[None], torch.float32)[0]
    aligned = (u.T @ turned @ v.T).abs()
    assert (aligned - torch.diag(aligned.diagonal())).max() < 0.02


def test_matrices_that_go_together_come_out_as_if_alone() -> None:
    torch.manual_seed(2)
    matrices = torch.randn(4, 6, 10)
    together = orthogonal(matrices, torch.float32)
    alone = torch.stack([orthogonal(one[None], torch.float32)[0] for one in matrices])
    torch.testing.assert_close(together, alone)


def test_an_update_is_as_large_as_one_of_adamw() -> None:
    torch.manual_seed(3)
    weight = torch.nn.Parameter(torch.zeros(32, 64))
    weight.grad = torch.randn(32, 64) * 1e-4
    Muon([weight], lr=0.1, weight_decay=0.0).step()
    assert weight.detach().square().mean().sqrt() == pytest.approx(0.1 * UPDATE_SIZE, rel=0.25)


def test_at_rate_zero_nothing_moves() -> None:
    weight = torch.nn.Parameter(torch.randn(4, 4))
    before = weight.detach().clone()
    weight.grad = torch.randn(4, 4)
    Muon([weight], lr=0.0).step()
    assert torch.equal(weight, before)


def test_it_brings_a_loss_down() -> None:
    torch.manual_seed(4)
    target, weight = torch.randn(8, 8), torch.nn.Parameter(torch.zeros(8, 8))
    optimizer = Muon([weight], lr=0.1, weight_decay=0.0)
    losses = []
    for _ in range(120):
        optimizer.zero_grad()
        loss = (weight - target).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.1 * losses[0]
