"""Rotary positions: what matters is the distance, and scaling slows down what it should.

S positions · D features
"""

import math

import pytest
import torch

from minnow.errors import InputError
from minnow.layers.positions import RopeScaling, Rotary, rotary_frequencies, rotate


def test_pairs_of_features_are_turned_by_position_times_frequency() -> None:
    size, theta = 8, 100.0
    generator = torch.Generator().manual_seed(0)
    x_SD = torch.randn(6, size, dtype=torch.float64, generator=generator)
    cosines, sines = Rotary(size, theta)(torch.arange(6), torch.float64)
    turned_SD = rotate(x_SD[None, None], cosines, sines)[0, 0]
    for position in range(6):
        for d in range(size // 2):
            number = complex(x_SD[position, d], x_SD[position, d + size // 2])
            angle = position * theta ** (-2 * d / size)
            expected = number * complex(math.cos(angle), math.sin(angle))
            found = complex(turned_SD[position, d], turned_SD[position, d + size // 2])
            assert abs(found - expected) < 1e-5


def test_a_product_of_two_rotated_vectors_depends_on_their_distance_alone() -> None:
    torch.manual_seed(0)
    query, key = torch.randn(2, 1, 1, 1, 16)
    rotary = Rotary(16, 10000.0)

    def score(query_position: int, key_position: int) -> float:
        turned = [
            rotate(x, *rotary(torch.tensor([position]), torch.float32))
            for x, position in ((query, query_position), (key, key_position))
        ]
        return float((turned[0] * turned[1]).sum())

    assert score(7, 3) == pytest.approx(score(104, 100), abs=1e-4)
    distinct = {round(score(7, 7 - distance), 3) for distance in range(6)}
    assert len(distinct) == 6


def test_positions_of_rows_are_those_of_texts() -> None:
    rotary = Rotary(8, 10000.0)
    rows = rotary(torch.tensor([[0, 1, 2], [4, 5, 6]]), torch.float32)
    whole = rotary(torch.arange(7), torch.float32)
    for some, all_of in zip(rows, whole, strict=True):
        assert some.shape == (2, 1, 3, 4)
        assert torch.equal(some[1, 0], all_of[0, 0, 4:])


def test_linear_scaling_slows_every_wave() -> None:
    plain = rotary_frequencies(16, 10000.0)
    slowed = rotary_frequencies(16, 10000.0, RopeScaling(rope_type="linear", factor=4.0))
    torch.testing.assert_close(slowed * 4, plain)


def test_llama3_scaling_leaves_fast_waves_slows_slow_ones_and_blends_between() -> None:
    scaling = RopeScaling(
        rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=512
    )
    plain, scaled = rotary_frequencies(64, 10000.0), rotary_frequencies(64, 10000.0, scaling)
    waves = 2 * math.pi / plain
    fast, slow = waves < 512 / 4, waves > 512 / 1
    assert fast.any()
    assert slow.any()
    assert (~fast & ~slow).any()
    torch.testing.assert_close(scaled[fast], plain[fast])
    torch.testing.assert_close(scaled[slow], plain[slow] / 8)
    slowing = plain / scaled
    assert (slowing.diff() >= -1e-5).all()  # the slower the wave, the more it is slowed


def test_yarn_leaves_fast_features_slows_slow_ones_and_sharpens_attention() -> None:
    scaling = RopeScaling(rope_type="yarn", factor=8.0, original_max_position_embeddings=4096)
    plain, scaled = rotary_frequencies(64, 10000.0), rotary_frequencies(64, 10000.0, scaling)
    turns = 4096 * plain / (2 * math.pi)
    fast, slow = turns > 64, turns < 0.5  # well outside the rounded ends of what is blended
    assert fast.any()
    assert slow.any()
    torch.testing.assert_close(scaled[fast], plain[fast])
    torch.testing.assert_close(scaled[slow], plain[slow] / 8)
    slowing = plain / scaled
    assert (slowing.diff() >= -1e-5).all()
    assert 1 < slowing[(~fast & ~slow)].median() < 8
    cosines, sines = Rotary(64, 10000.0, scaling)(torch.arange(9), torch.float64)
    length = (cosines**2 + sines**2).sqrt()
    torch.testing.assert_close(length, torch.full_like(length, 0.1 * math.log(8) + 1))
    asked = RopeScaling(rope_type="yarn", factor=8.0, original_max_position_embeddings=9, attention_factor=1.5)
    assert asked.amplitude == 1.5


def test_a_model_turned_to_bfloat16_keeps_its_angles() -> None:
    rotary = Rotary(64, 500000.0)
    before = rotary(torch.tensor([8191]), torch.float32)
    after = torch.nn.ModuleDict({"rotary": rotary}).to(torch.bfloat16)["rotary"](torch.tensor([8191]), torch.float32)
    assert torch.equal(before[0], after[0])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rope_type": "lama3", "factor": 2.0}, "did you mean 'llama3'"),
        ({"rope_type": "linear", "factor": 0.5}, "factor=0.5"),
        ({"rope_type": "llama3", "factor": 2.0}, "positive low_freq_factor, but got None"),
        ({"rope_type": "yarn", "factor": 2.0}, "positive original_max_position_embeddings, but got None"),
        (
            {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 9, "beta_slow": 40.0},
            "below beta_fast, but got beta_slow=40",
        ),
        (
            {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 9, "attention_factor": -1.0},
            "attention_factor=-1",
        ),
        (
            {
                **{"rope_type": "llama3", "factor": 2.0, "original_max_position_embeddings": 9},
                **{"low_freq_factor": 4.0, "high_freq_factor": 4.0},
            },
            "low_freq_factor must be below high_freq_factor",
        ),
    ],
)
def test_impossible_scalings_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        RopeScaling(**values)  # type: ignore[arg-type]


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_training_step_turns_as_use_does(dtype: torch.dtype) -> None:
    x_BHSD = torch.randn(2, 5, 3, 8).to(dtype).transpose(1, 2)
    angles = Rotary(8, 10000.0)(torch.arange(5), torch.float32)
    exact = x_BHSD.detach().double().requires_grad_()
    upstream = torch.randn(2, 3, 5, 8).to(dtype)
    rotate(exact, *(part.double() for part in angles)).backward(upstream.double())
    trained = x_BHSD.detach().requires_grad_()
    turned = rotate(trained, *angles)
    assert turned.dtype == dtype
    turned.backward(upstream)
    precision = 1e-5 if dtype == torch.float32 else 0.05
    assert torch.allclose(turned.double(), rotate(exact, *(part.double() for part in angles)), atol=precision)
    assert torch.allclose(trained.grad.double(), exact.grad, atol=precision)
