"""Perplexity and bits per byte, by hand."""

import math

import pytest

from minnow.metrics.perplexity import bits_per_byte, perplexity


def test_a_choice_among_eight_has_perplexity_eight_and_takes_three_bits() -> None:
    nats = 5 * math.log(8)
    assert perplexity(nats, 5) == pytest.approx(8)
    assert bits_per_byte(nats, 5) == pytest.approx(3)


def test_what_no_float_has_is_cut_off() -> None:
    assert perplexity(1e6) == perplexity(1e9) < math.inf
    assert perplexity(0.0, 0) == 1
