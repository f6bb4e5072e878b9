"""Dropout for sequences: what is dropped together, how often, and that nothing is dropped in use.

B rows · S positions · D features · V vocabulary
"""

import pytest
import torch
from torch import Tensor

from minnow.layers.dropout import FeatureDropout, StateDropout, TokenDropout, VariationalDropout, WeightDropout

RATES = (0.1, 0.3, 0.6)


def seeded(dropout: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    dropout.generator = torch.Generator().manual_seed(seed)  # type: ignore[assignment]
    return dropout


def tolerance(rate: float, num_draws: int) -> float:
    """Six standard deviations of a share of independent draws."""
    return float(6 * (rate * (1 - rate) / num_draws) ** 0.5)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("kind", [FeatureDropout, VariationalDropout])
def test_features_are_dropped_at_the_rate_and_the_rest_makes_up_for_it(kind: type, rate: float) -> None:
    x_BSD = torch.ones(40, 1, 500)
    dropped_BSD = seeded(kind(rate))(x_BSD)
    kept = dropped_BSD != 0
    torch.testing.assert_close(dropped_BSD[kept], torch.full((int(kept.sum()),), 1 / (1 - rate)))
    assert 1 - kept.float().mean() == pytest.approx(rate, abs=tolerance(rate, x_BSD.numel()))


def test_a_sequence_has_one_mask_for_all_positions_and_every_row_its_own() -> None:
    torch.manual_seed(0)
    x_BSD = torch.randn(6, 9, 50)
    kept_BSD = seeded(VariationalDropout(0.4))(x_BSD) != 0
    assert (kept_BSD == kept_BSD[:, :1]).all()
    assert len({tuple(row.tolist()) for row in kept_BSD[:, 0]}) == 6


def test_the_state_has_one_mask_for_the_batch() -> None:
    weights = torch.ones(12, 400)
    mask = seeded(StateDropout(0.25)).mask(weights)  # type: ignore[operator]
    assert mask.shape == (1, 400)
    assert mask.unique().tolist() == pytest.approx([0, 4 / 3])
    assert (mask == 0).float().mean() == pytest.approx(0.25, abs=tolerance(0.25, 400))


def dropped_types(rate: float, token_ids_BS: Tensor, seed: int = 0) -> Tensor:
    """True [B, S] where the token was dropped."""
    embedded_BSD = torch.ones(*token_ids_BS.shape, 3)
    dropped_BSD = seeded(TokenDropout(rate), seed)(embedded_BSD, token_ids_BS)
    whole = (dropped_BSD == dropped_BSD[..., :1]).all()
    kept = dropped_BSD[dropped_BSD != 0]
    assert whole
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - rate)))
    return dropped_BSD[..., 0] == 0


def test_a_dropped_type_is_dropped_wherever_it_stands_in_the_row() -> None:
    generator = torch.Generator().manual_seed(1)
    token_ids_BS = torch.randint(0, 12, (200, 40), generator=generator)
    dropped_BS = dropped_types(0.4, token_ids_BS)
    for token in range(12):
        where_BS = token_ids_BS == token
        assert (
            dropped_BS[where_BS] == dropped_BS.logical_and(where_BS).any(1).repeat_interleave(where_BS.sum(1))
        ).all()
    assert len({tuple(row.tolist()) for row in dropped_types(0.4, torch.arange(12).repeat(50, 1))}) > 40


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("step", [1, 997])
def test_every_type_is_dropped_at_the_rate(rate: float, step: int) -> None:
    num_rows = 2000
    token_ids_BS = torch.arange(0, 40 * step, step).repeat(num_rows, 1)
    shares = dropped_types(rate, token_ids_BS).float().mean(0)
    assert (shares - rate).abs().max() < tolerance(rate, num_rows)


@pytest.mark.parametrize("rate", RATES)
def test_types_are_dropped_independently_of_one_another(rate: float) -> None:
    num_rows = 4000
    dropped_BV = dropped_types(rate, torch.arange(40).repeat(num_rows, 1)).float()
    both_VV = dropped_BV.T @ dropped_BV / num_rows
    others = ~torch.eye(40, dtype=torch.bool)
    assert (both_VV[others] - rate**2).abs().max() < tolerance(rate**2, num_rows)


@pytest.mark.parametrize("dropout", [FeatureDropout, VariationalDropout, TokenDropout, StateDropout, WeightDropout])
def test_nothing_is_dropped_in_use_or_at_rate_zero(dropout: type) -> None:
    x_BSD, token_ids_BS = torch.randn(2, 3, 4), torch.ones(2, 3, dtype=torch.long)
    for idle in (dropout(0.5).eval(), dropout(0.0)):
        assert not idle.active
        if dropout not in (StateDropout, WeightDropout):
            inputs = (x_BSD, token_ids_BS) if dropout is TokenDropout else (x_BSD,)
            assert torch.equal(idle(*inputs), x_BSD)


@pytest.mark.parametrize("dropout", [FeatureDropout, VariationalDropout, TokenDropout])
def test_a_random_stream_of_its_own_repeats(dropout: type) -> None:
    x_BSD, token_ids_BS = torch.ones(20, 8, 16), torch.arange(8).repeat(20, 1)
    inputs = (x_BSD, token_ids_BS) if dropout is TokenDropout else (x_BSD,)
    first, again, other = (seeded(dropout(0.5), seed)(*inputs) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("rate", RATES)
def test_weights_are_dropped_one_by_one_at_the_rate_and_the_rest_makes_up_for_it(rate: float) -> None:
    weights = torch.randn(303, 101)  # a number of draws that four does not divide
    mask = seeded(WeightDropout(rate)).mask(weights)  # type: ignore[operator]
    assert mask.shape == weights.shape
    assert mask.unique().tolist() == pytest.approx([0.0, 1 / (1 - rate)])
    dropped = (mask == 0).float()
    assert abs(float(dropped.mean()) - rate) < tolerance(rate, dropped.numel())
    for along in (0, 1):  # no row and no column is dropped more than another
        spread = (dropped.mean(along) - rate).abs().max()
        assert spread < tolerance(rate, dropped.shape[along])
    neighbours = float((dropped[:, 1:] * dropped[:, :-1]).mean())
    assert abs(neighbours - rate**2) < tolerance(rate**2, dropped.numel())
    assert torch.equal(mask, seeded(WeightDropout(rate)).mask(weights))  # type: ignore[operator]


@pytest.mark.usefixtures("one_thread")
class TestKernel:
    """In a training step of one thread features are drawn by a kernel."""

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    @pytest.mark.parametrize("rate", RATES)
    def test_it_drops_at_the_rate_evenly_over_rows_and_features(self, rate: float, dtype: torch.dtype) -> None:
        x = torch.ones(400, 500, dtype=dtype, requires_grad=True)
        gone = (seeded(FeatureDropout(rate))(x) == 0).double()
        assert abs(float(gone.mean()) - rate) < tolerance(rate, gone.numel())
        for axis, size in ((0, 400), (1, 500)):
            assert float(gone.mean(axis).sub(rate).abs().max()) < tolerance(rate, size)

    @pytest.mark.parametrize("rate", RATES)
    def test_neighbours_and_draws_know_nothing_of_one_another(self, rate: float) -> None:
        dropout, x = seeded(FeatureDropout(rate)), torch.ones(400, 500, requires_grad=True)
        first, second = ((dropout(x) == 0).double().sub(rate) for _ in range(2))
        near = 6 / 200_000**0.5
        for one, other in ((first[:, 1:], first[:, :-1]), (first[1:], first[:-1]), (first, second)):
            assert abs(float((one * other).mean()) / (rate * (1 - rate))) < near

    def test_the_gradient_goes_where_the_values_went(self) -> None:
        x = torch.randn(30, 40, generator=torch.Generator().manual_seed(0)).requires_grad_()
        dropped = seeded(FeatureDropout(0.4))(x)
        dropped.sum().backward()
        kept = dropped != 0
        torch.testing.assert_close(dropped[kept], x[kept] / 0.6)
        torch.testing.assert_close(x.grad, kept / 0.6)

    def test_a_view_is_dropped_as_its_numbers_stand(self) -> None:
        x = torch.randn(6, 4, requires_grad=True)
        assert torch.equal(seeded(FeatureDropout(0.5))(x.T), seeded(FeatureDropout(0.5))(x.T.contiguous()))
