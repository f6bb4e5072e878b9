"""The n-gram model keeps the promises of a model, and its margins equal their equation over dense matrices.

N texts · K' margins · F n-grams
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from contracts.model import ModelPromises
from numpy.typing import NDArray

from minnow.errors import BundleError, RecipeError
from minnow.models.ngram import NgramConfig, NgramModel, View, ViewConfig, as_logits, view_margins
from minnow.text.ngrams import NgramCounts, NgramVocabulary, count_ngrams
from minnow.training.linear import LinearSettings, fit_view, signs_of

TEXTS = [
    "the kettle leaks leaks leaks",
    "the parcel never came",
    "水壶漏水了",
    "my parcel came, and the kettle works",
    "thank you",
    "the shop won't take it back",
]
WORDS, LETTERS = ViewConfig(word_order=2), ViewConfig(0, 1, 4, logarithmic=True)


def counted(config: NgramConfig, texts: Sequence[str]) -> list[NgramCounts]:
    return [count_ngrams(texts, view.ngrams) for view in config.views]


def fitted(config: NgramConfig, seed: int) -> NgramModel:
    """A model of the texts, each of which has the next label."""
    signs_NK = signs_of([(i % config.num_labels,) for i in range(len(TEXTS))], config)
    costs_N = np.ones(len(TEXTS), np.float32)
    views = [
        fit_view(counts, signs_NK, costs_N, view, LinearSettings(), seed)
        for view, counts in zip(config.views, counted(config, TEXTS), strict=True)
    ]
    return NgramModel(config, views)


class TestNgram(ModelPromises):
    rounding = 0.01  # weights are kept in half precision

    @pytest.fixture(
        params=[
            NgramConfig(3, (WORDS, LETTERS)),
            NgramConfig(2, (WORDS,)),
            NgramConfig(2, (WORDS, LETTERS), multi_label=True),
            NgramConfig(4, (ViewConfig(1, 2, 3, logarithmic=True),), multi_label=True),
        ],
        ids=["three-labels", "one-margin", "two-of-several", "several"],
    )
    def config(self, request: pytest.FixtureRequest) -> NgramConfig:
        config: NgramConfig = request.param
        return config

    def new(self, config: NgramConfig, seed: int) -> NgramModel:
        return fitted(config, seed)

    def rows(self) -> list[str]:
        return TEXTS

    def outputs(self, model: NgramModel, rows: Sequence[str]) -> NDArray[np.float32]:
        return model(counted(model.config, rows))

    def test_the_texts_it_was_fitted_on_get_their_labels(self, model: NgramModel) -> None:
        best = self.outputs(model, TEXTS).argmax(axis=1)
        assert best.tolist() == [i % model.config.num_labels for i in range(len(TEXTS))]

    def test_a_text_without_known_ngrams_gets_no_opinion(self, config: NgramConfig) -> None:
        unknown = View(NgramVocabulary(np.zeros(0, np.uint32)), *(np.zeros((0, config.num_margins), np.float32),) * 2)
        model = NgramModel(config, [unknown] * len(config.views))
        assert not self.outputs(model, ["zebra", ""]).any()


def random_view(vocabulary: NgramVocabulary, num_margins: int, num_scales: int) -> View:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(len(vocabulary), num_margins)).astype(np.float32)
    return View(vocabulary, weights, rng.random((len(vocabulary), num_scales)).astype(np.float32))


def dense(counts: NgramCounts, keys: NDArray[np.uint32], logarithmic: bool) -> NDArray[np.float64]:
    """The value of every known n-gram in every text, [N, F]."""
    values_NF = np.zeros((len(counts), len(keys)))
    row_of = {int(key): row for row, key in enumerate(keys)}
    for text in range(len(counts)):
        for i in range(counts.starts[text], counts.starts[text + 1]):
            if int(counts.keys[i]) in row_of:
                value = 1 + np.log(counts.counts[i]) if logarithmic else 1
                values_NF[text, row_of[int(counts.keys[i])]] = value
    return values_NF


@pytest.mark.parametrize("config", [WORDS, LETTERS, ViewConfig(2, 2, 3, logarithmic=True)])
@pytest.mark.parametrize(("num_margins", "num_scales"), [(3, 1), (3, 3), (1, 1)])
def test_margins_equal_their_equation(config: ViewConfig, num_margins: int, num_scales: int) -> None:
    counts = count_ngrams([*TEXTS, "", "zebra"], config.ngrams)
    vocabulary = NgramVocabulary.learn(count_ngrams(TEXTS[:4], config.ngrams), min_texts=1)
    view = random_view(vocabulary, num_margins, num_scales)
    values_NF = dense(counts, vocabulary.keys, config.logarithmic)
    lengths = np.sqrt(values_NF**2 @ view.squares)
    expected = values_NF @ view.weights / np.where(lengths > 0, lengths, 1)
    np.testing.assert_allclose(view_margins(view, counts, config.logarithmic), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("num_margins", [1, 3])
@pytest.mark.parametrize("num_texts", [1, 2, 1001])
def test_many_ngrams_give_the_margins_that_few_give(num_texts: int, num_margins: int) -> None:
    rng = np.random.default_rng(0)
    most = 250_000 // num_texts
    sizes = rng.integers(most // 2, most, num_texts)
    keys = rng.integers(0, 5000, sizes.sum(), dtype=np.uint32) * np.uint32(2**19)
    starts, counts = np.cumsum([0, *sizes]), rng.integers(1, 5, len(keys)).astype(np.uint16)
    view = random_view(NgramVocabulary.learn(NgramCounts(starts, keys, counts), 1), num_margins, 1)
    together = view_margins(view, NgramCounts(starts, keys, counts), logarithmic=True)
    alone = [
        view_margins(view, NgramCounts(np.array([0, last - first]), keys[first:last], counts[first:last]), True)
        for first, last in pairwise(starts.tolist())
    ]
    np.testing.assert_array_equal(together, np.concatenate(alone))


def test_two_exclusive_labels_share_one_margin() -> None:
    margins = np.array([[2.0], [-1.0]], np.float32)
    logits_NK = as_logits(margins, NgramConfig(2, (WORDS,)))
    np.testing.assert_array_equal(logits_NK[:, 1] - logits_NK[:, 0], margins[:, 0])
    assert as_logits(margins, NgramConfig(1, (WORDS,))) is margins


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        ({"views": []}, "at least one view"),
        ({"views": [{"word_order": 99}]}, "word_order=99"),
        ({"views": [{"word_order": 0}]}, "both are 0"),
        ({"views": [{"word_ordr": 2}]}, "views.*did you mean 'word_order'"),
        ({"num_labels": 0}, "num_labels=0"),
    ],
)
def test_impossible_configurations_are_refused_before_a_text_is_read(odd: dict[str, Any], message: str) -> None:
    with pytest.raises(BundleError, match=message):
        NgramConfig.from_dict({"num_labels": 2, "views": [{}], **odd})


def test_impossible_views_are_refused_in_code_too() -> None:
    with pytest.raises(RecipeError, match="word_order=9"):
        ViewConfig(word_order=9)
    with pytest.raises(RecipeError, match="at least one view"):
        NgramConfig(2, ())


def test_keys_of_another_type_are_refused() -> None:
    model = fitted(NgramConfig(2, (WORDS,)), seed=0)
    tensors = model.tensors()
    with pytest.raises(BundleError, match="int64"):
        NgramModel.from_tensors(model.config, {**tensors, "views.0.keys": tensors["views.0.keys"].astype(np.int64)})
