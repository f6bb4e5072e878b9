"""From logits to a token: who may come, how often each comes, and that a row draws alone as among others."""

import math

import pytest
import torch
from torch import Tensor

from minnow.decoding.sampling import (
    SamplingSettings,
    choose,
    draw,
    filtered,
    generator_for,
    log_probabilities_of,
    penalized,
)
from minnow.errors import InputError

LOGITS = torch.tensor([[1.0, 3.0, 2.0, 0.0, -1.0], [0.5, 0.5, 4.0, -2.0, 0.0]])


def left(settings: SamplingSettings, logits_BV: Tensor = LOGITS) -> list[list[int]]:
    """The tokens that may come, for each row."""
    return [row.isfinite().nonzero()[:, 0].tolist() for row in filtered(logits_BV, settings)]


def test_by_default_nothing_is_changed() -> None:
    settings = SamplingSettings()
    assert torch.equal(filtered(LOGITS, settings), LOGITS)
    assert torch.equal(penalized(LOGITS, [[0], [1]], [[2], [3]], settings), LOGITS)


def test_top_k_keeps_the_likeliest() -> None:
    assert left(SamplingSettings(top_k=2)) == [[1, 2], [0, 1, 2]]  # of equals, all
    assert left(SamplingSettings(top_k=99)) == [[0, 1, 2, 3, 4]] * 2


@pytest.mark.parametrize("top_p", [0.0, 0.3, 0.7, 0.9, 0.99])
def test_top_p_keeps_the_fewest_that_reach_the_sum(top_p: float) -> None:
    for row, kept in zip(LOGITS, left(SamplingSettings(top_p=top_p)), strict=True):
        shares = row.softmax(0)
        ranked = sorted(range(5), key=lambda token: -float(shares[token]))
        fewest = next((n for n in range(1, 6) if sum(float(shares[t]) for t in ranked[:n]) >= top_p), 5)
        assert len(kept) == fewest
        assert set(kept) == set(ranked[:fewest]) or len(set(row.tolist())) < 5


def test_min_p_is_a_share_of_the_likeliest() -> None:
    assert left(SamplingSettings(min_p=math.exp(-1.5))) == [[1, 2], [2]]
    assert left(SamplingSettings(min_p=1.0)) == [[1], [2]]


def test_temperature_comes_before_the_cuts() -> None:
    sharp = SamplingSettings(temperature=0.5, min_p=math.exp(-1.5))
    assert left(sharp) == [[1], [2]]
    assert torch.allclose(filtered(LOGITS, SamplingSettings(temperature=0.5)), LOGITS * 2)


def test_the_repetition_penalty_lowers_what_stands_in_prompt_or_answer() -> None:
    found = penalized(LOGITS, [[1, 1], [2]], [[4], []], SamplingSettings(repetition_penalty=2.0))
    assert found.tolist() == [[1.0, 1.5, 2.0, 0.0, -2.0], [0.5, 0.5, 2.0, -2.0, 0.0]]


def test_frequency_and_presence_count_the_answer_alone() -> None:
    settings = SamplingSettings(frequency_penalty=0.5, presence_penalty=0.25)
    found = penalized(LOGITS, [[0, 0], [0]], [[1, 1, 2], []], settings)
    assert found[0].tolist() == [1.0, 3.0 - 1.25, 2.0 - 0.75, 0.0, -1.0]
    assert torch.equal(found[1], LOGITS[1])


def test_draws_come_as_often_as_they_are_likely() -> None:
    generator = generator_for(7)
    rows = LOGITS[:1].expand(20_000, -1)
    counts = torch.bincount(draw(rows, [generator] * 20_000), minlength=5)
    assert torch.allclose(counts / 20_000, LOGITS[0].softmax(0), atol=0.012)


def test_a_token_that_may_not_come_never_comes() -> None:
    logits = torch.tensor([[-math.inf, 0.0, -math.inf, 0.0, -math.inf]])
    drawn = draw(logits.expand(5_000, -1), [generator_for(1)] * 5_000)
    assert set(drawn.tolist()) == {1, 3}


def test_a_row_draws_alone_as_among_others() -> None:
    logits = torch.randn(6, 50, generator=generator_for(3))
    together = choose(logits, SamplingSettings(), [generator_for(11, row) for row in range(6)])
    for row in range(6):
        alone = choose(logits[row : row + 1], SamplingSettings(), [generator_for(11, row)])
        assert alone.item() == together[row].item()


def test_every_text_of_every_seed_draws_other_numbers() -> None:
    """Of which torch itself would heed the lowest 32 bits alone."""
    parts = (0, 1, 2, 2**32, 2**32 + 1, 2**40, 2**40 + 1, 2**41, 2**62)
    first = [torch.rand(1, generator=generator_for(a, b), dtype=torch.float64).item() for a in parts for b in parts]
    assert len(set(first)) == len(parts) ** 2
    assert generator_for(7).initial_seed() == 7, "the first text is that of the seed alone"


def test_without_temperature_the_likeliest_comes_and_chance_is_not_asked() -> None:
    generator = generator_for(0)
    before = generator.get_state()
    assert choose(LOGITS, SamplingSettings(temperature=0), [generator] * 2).tolist() == [1, 2]
    assert torch.equal(generator.get_state(), before)


def test_no_temperature_is_too_low_to_be_computed_with() -> None:
    for temperature in (1e-300, 1e-30, 1e-5, 1e-3):
        found = choose(LOGITS * 1e4, SamplingSettings(temperature=temperature), [generator_for(1)] * 2)
        assert found.tolist() == [1, 2]


def test_log_probabilities_are_the_models_own() -> None:
    found = log_probabilities_of(LOGITS, torch.tensor([1, 3]))
    assert torch.allclose(found, LOGITS.log_softmax(1)[[0, 1], [1, 3]])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -0.1),
        ("temperature", math.nan),
        ("top_p", 1.1),
        ("min_p", 2),
        ("repetition_penalty", 0),
        ("presence_penalty", 1e9),
    ],
)
def test_impossible_settings_are_named_with_their_bounds(name: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{name} must lie between .* but got {name}={value}"):
        SamplingSettings(**{name: value})  # type: ignore[arg-type]
