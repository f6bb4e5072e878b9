"""Two parts under one roof: their weights, their names, and what is refused."""

from typing import Any

import numpy as np
import pytest
import torch

from minnow.errors import BundleError, RecipeError
from minnow.models.ngram import NgramModel
from minnow.models.text_classifier import TextClassifier, TextClassifierConfig
from minnow.models.wide_and_deep import WideAndDeep, WideAndDeepConfig
from minnow.tasks.batching import logits_for
from minnow.tasks.text_classification import TextClassification
from minnow.text.tokenizer import Tokenizer, TokenizerSettings
from minnow.training.classification_recipe import NgramRecipe
from minnow.training.ngram import fit_ngram

TEXTS = ["a red house", "the red ball", "red again", "a blue house", "the blue ball", "blue again"] * 4
IDS = [(0,), (0,), (0,), (1,), (1,), (1,)] * 4
TASK = TextClassification(("red", "blue"))


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train(TEXTS, TokenizerSettings(min_frequency=1))


@pytest.fixture(scope="module")
def both(tokenizer: Tokenizer) -> WideAndDeep:
    torch.manual_seed(0)
    deep = TextClassifier(TextClassifierConfig(tokenizer.vocab_size, 2, embedding_size=8, hidden_size=8)).eval()
    return WideAndDeep.of(wide_part(), deep, 0.25, 2.0)


def wide_part() -> NgramModel:
    return fit_ngram(TEXTS, IDS, TASK, NgramRecipe(), 0, lambda _: None)[0]


def test_logits_are_the_weighted_sum_of_the_parts(both: WideAndDeep, tokenizer: Tokenizer) -> None:
    wide, deep = (logits_for(part, tokenizer, TEXTS, 0, "both") for part in (both.wide, both.deep))
    assert np.abs(wide).max() > 0.1
    assert np.abs(deep).max() > 0
    assert np.allclose(logits_for(both, tokenizer, TEXTS, 0, "both"), 0.25 * wide + 2 * deep)


def test_weights_come_back_as_they_went(both: WideAndDeep, tokenizer: Tokenizer) -> None:
    arrays = {name: one.numpy() if isinstance(one, torch.Tensor) else one for name, one in both.tensors().items()}
    assert {name.split(".")[0] for name in arrays} == {"wide", "deep"}
    config = WideAndDeepConfig.from_dict(both.config.to_dict())
    again = WideAndDeep.from_tensors(config, arrays)
    assert again.num_parameters() == both.num_parameters() > both.deep.num_parameters()
    first, second = (logits_for(one, tokenizer, TEXTS, 0, "both") for one in (both, again))
    assert np.allclose(first, second, atol=1e-2)  # n-grams travel in half precision
    for wrong in ({"other.weight": np.zeros(1)}, {"deep.head.extra": np.zeros(1)}, {"wide.views.1.keys": np.zeros(1)}):
        with pytest.raises(BundleError, match=r"does not fit config\.json"):
            WideAndDeep.from_tensors(config, arrays | wrong)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"wide": {"num_labels": 2}}, "wide must be a table with a model_type"),
        ({"deep": {"model_type": "text_classifier", "num_labels": 3}}, "both must answer with the same labels"),
        ({"deep": {"model_type": "ngram", "num_labels": 2}}, "deep a classifier over tokens"),
        ({"deep_factor": -1.0}, "deep_factor must be at least 0"),
        ({"wide_factor": float("nan")}, "wide_factor must be at least 0"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes: dict[str, Any], told: str) -> None:
    values: dict[str, Any] = {
        "num_labels": 2,
        "wide": {"model_type": "ngram", "num_labels": 2},
        "deep": {"model_type": "text_classifier", "num_labels": 2},
    }
    WideAndDeepConfig(**values)
    with pytest.raises(RecipeError, match=told):
        WideAndDeepConfig(**values | changes)
