"""The dial: models are as large as was asked for, and their shapes can be built."""

import pytest

from minnow.models.registry import architecture
from minnow.training import sizes
from minnow.training.pretraining_recipe import parameters_of

NAMES = ("llama", "mistral", "qwen2", "qwen3", "gpt2", "bert", "distilbert", "rnn_lm")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", ["1M", "3M", "5M", "15M"])
@pytest.mark.parametrize("vocab_size", [70, None])
def test_a_model_is_about_as_large_as_was_asked_for(name: str, size: str, vocab_size: int | None) -> None:
    parameters = parameters_of(size)
    dial = sizes.dial_for(parameters)
    config_class, model_class = architecture(name)
    shape = sizes.shape_for(name, parameters, vocab_size or dial.vocab_size, dial.context)
    model = model_class(config_class.from_dict(shape))
    assert model.num_parameters() == pytest.approx(parameters, rel=0.25)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", ["50M", "135M", "360M"])
def test_large_shapes_are_of_that_size_too(name: str, size: str) -> None:
    import torch

    parameters = parameters_of(size)
    dial = sizes.dial_for(parameters)
    config_class, model_class = architecture(name)
    with torch.device("meta"):
        model = model_class(config_class.from_dict(sizes.shape_for(name, parameters, dial.vocab_size, dial.context)))
    assert model.num_parameters() == pytest.approx(parameters, rel=0.2)


def test_between_two_rows_of_the_dial_everything_lies_between() -> None:
    low, high = sizes.dial_for(5_000_000), sizes.dial_for(15_000_000)
    middle = sizes.dial_for(9_000_000)
    assert low.vocab_size <= middle.vocab_size <= high.vocab_size
    assert high.learning_rate < middle.learning_rate < low.learning_rate
    assert middle.context & (middle.context - 1) == 0


def test_a_small_corpus_gets_a_small_vocabulary() -> None:
    assert sizes.vocab_size_for("bpe", 5_000_000, 300_000) == 512
    assert sizes.vocab_size_for("bpe", 5_000_000, 10**9) == sizes.dial_for(5_000_000).vocab_size


def test_a_short_budget_gets_small_steps() -> None:
    rows = [sizes.rows_for(5_000_000, 256, False, seconds, 2, 0) for seconds in (60, 3600, 0)]
    assert rows == sorted(rows)
    assert rows[0] == sizes.MIN_ROWS
    assert rows[-1] * 256 == sizes.dial_for(5_000_000).tokens_per_step
