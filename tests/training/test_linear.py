"""The linear solver finds liblinear's optimum, and held-out margins owe nothing to the rows they are for.

N texts · K' margins · F n-grams
"""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.svm import LinearSVC

from minnow.models.ngram import NgramConfig, View, ViewConfig, view_margins
from minnow.text.ngrams import NgramCounts, count_ngrams
from minnow.training.linear import LinearSettings, fit_view, margins_out_of_fold, merge_views, select, signs_of

BAYES, TF_IDF = ViewConfig(word_order=2), ViewConfig(1, 2, 3, logarithmic=True)
views = pytest.mark.parametrize("config", [BAYES, TF_IDF], ids=["naive-bayes", "tf-idf"])
EXACT = LinearSettings(naive_bayes_cost=0.7, tf_idf_cost=3.0, max_passes=5000, tolerance=1e-5)
WORDS = ["kettle", "leaks", "parcel", "late", "refund", "thanks", "水壶", "broken", "again", "lid"]


def corpus(num_texts: int, num_labels: int, seed: int = 0) -> tuple[list[str], NDArray[np.int64]]:
    """Texts of random words that hint at their label, some of them twice, one without any n-gram in common."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(num_labels, size=num_texts)
    chosen = [[*rng.choice(WORDS, rng.integers(1, 9)), *[WORDS[label]] * int(rng.integers(3))] for label in labels]
    return [" ".join(words) for words in chosen], labels


def problem(config: ViewConfig, num_labels: int = 3, num_texts: int = 60) -> tuple[NgramCounts, Any, Any]:
    texts, labels = corpus(num_texts, num_labels)
    signs_NK = signs_of([(int(label),) for label in labels], NgramConfig(num_labels, (config,)))
    costs_N = np.random.default_rng(1).choice([0.5, 1.0, 2.5], num_texts).astype(np.float32)
    return count_ngrams(texts, config.ngrams), signs_NK, costs_N


def values(counts: NgramCounts, keys: NDArray[np.uint32], logarithmic: bool) -> NDArray[np.float64]:
    """What the n-grams count in every text, [N, F]."""
    values_NF = np.zeros((len(counts), len(keys)))
    texts = np.repeat(np.arange(len(counts)), np.diff(counts.starts))
    places = np.searchsorted(keys, counts.keys)
    values_NF[texts, places] = 1 + np.log(counts.counts) if logarithmic else 1
    return values_NF


def scales_of(config: ViewConfig, values_NF: NDArray[np.float64], signs_N: NDArray[np.float32]) -> NDArray[np.float64]:
    """Wang & Manning (2012), equation 2 over presence with one added, or the inverse document frequency, [F]."""
    present_NF = values_NF > 0
    if config.logarithmic:
        return 1 + np.log(len(values_NF) / (1 + present_NF.sum(0)))
    positive, negative = 1 + present_NF[signs_N > 0].sum(0), 1 + present_NF[signs_N < 0].sum(0)
    return np.log((positive / positive.sum()) / (negative / negative.sum()))


@views
@pytest.mark.parametrize("num_labels", [2, 3])
def test_weights_are_those_of_liblinear(config: ViewConfig, num_labels: int) -> None:
    counts, signs_NK, costs_N = problem(config, num_labels)
    view = fit_view(counts, signs_NK, costs_N, config, EXACT, seed=0)
    assert view.weights.shape[1] == (1 if num_labels == 2 else num_labels)
    np.testing.assert_array_equal(view.vocabulary.keys, np.unique(counts.keys))
    values_NF = values(counts, view.vocabulary.keys, config.logarithmic)
    cost = EXACT.tf_idf_cost if config.logarithmic else EXACT.naive_bayes_cost
    for k, signs_N in enumerate(signs_NK.T):
        scales = scales_of(config, values_NF, signs_N)
        scaled_NF = values_NF * scales
        scaled_NF /= np.linalg.norm(scaled_NF, axis=1, keepdims=True)
        reference = LinearSVC(C=cost, loss="squared_hinge", dual=True, fit_intercept=False, tol=1e-9, max_iter=10**6)
        reference.fit(scaled_NF, signs_N, sample_weight=costs_N)
        np.testing.assert_allclose(view.weights[:, k], reference.coef_[0] * scales, atol=2e-4)
        np.testing.assert_allclose(view.squares[:, k % view.squares.shape[1]], scales**2, rtol=1e-4, atol=1e-6)
        margins_N = view_margins(view, counts, config.logarithmic)[:, k]
        np.testing.assert_allclose(margins_N, reference.decision_function(scaled_NF), atol=1e-3)


@views
def test_a_text_that_costs_more_is_fitted_better(config: ViewConfig) -> None:
    counts, signs_NK, _ = problem(config)
    plain_N = np.ones(len(counts), np.float32)
    for text in range(3):
        dear_N = plain_N.copy()
        dear_N[text] = 30
        before, after = (
            view_margins(fit_view(counts, signs_NK, costs_N, config, EXACT, 0), counts, config.logarithmic)[text]
            for costs_N in (plain_N, dear_N)
        )
        assert (after * signs_NK[text] >= before * signs_NK[text] - 1e-3).all()


@views
def test_the_seed_decides_the_way_and_not_the_goal(config: ViewConfig) -> None:
    counts, signs_NK, costs_N = problem(config)
    hasty = LinearSettings(max_passes=1)
    one, same, other = (fit_view(counts, signs_NK, costs_N, config, hasty, seed).weights for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
    ours, others = (fit_view(counts, signs_NK, costs_N, config, EXACT, seed).weights for seed in (1, 2))
    np.testing.assert_allclose(ours, others, atol=2e-4)


def test_rare_ngrams_are_left_out_where_asked() -> None:
    counts, signs_NK, costs_N = problem(BAYES)
    view = fit_view(counts, signs_NK, costs_N, BAYES, LinearSettings(min_texts=4), seed=0)
    known, num_texts = np.unique(counts.keys, return_counts=True)
    np.testing.assert_array_equal(view.vocabulary.keys, known[num_texts >= 4])


def out_of_fold(counts: NgramCounts, signs_NK: Any, costs_N: Any, fold_N: Any, config: ViewConfig) -> Any:
    done: list[None] = []
    settings = LinearSettings()
    margins = margins_out_of_fold(counts, signs_NK, costs_N, fold_N, config, settings, 0, lambda: done.append(None))
    assert len(done) == fold_N.max() + 1
    return margins


@views
@pytest.mark.parametrize("num_labels", [2, 3])
def test_margins_out_of_fold_are_those_of_a_view_without_the_fold(config: ViewConfig, num_labels: int) -> None:
    counts, signs_NK, costs_N = problem(config, num_labels)
    fold_N = np.random.default_rng(2).integers(4, size=len(counts))
    margins_NK = out_of_fold(counts, signs_NK, costs_N, fold_N, config)
    for fold in range(4):
        inside, outside = np.flatnonzero(fold_N == fold), np.flatnonzero(fold_N != fold)
        view = fit_view(select(counts, outside), signs_NK[outside], costs_N[outside], config, LinearSettings(), 0)
        expected = view_margins(view, select(counts, inside), config.logarithmic)
        np.testing.assert_array_equal(margins_NK[inside], expected)


@views
@pytest.mark.parametrize("num_labels", [2, 3])
def test_margins_out_of_fold_do_not_use_the_labels_of_the_fold(config: ViewConfig, num_labels: int) -> None:
    counts, signs_NK, costs_N = problem(config, num_labels)
    fold_N = np.arange(len(counts)) % 3
    before_NK = out_of_fold(counts, signs_NK, costs_N, fold_N, config)
    turned_NK = np.where((fold_N == 1)[:, None], -signs_NK, signs_NK)
    after_NK = out_of_fold(counts, turned_NK, np.where(fold_N == 1, 9 * costs_N, costs_N), fold_N, config)
    np.testing.assert_array_equal(after_NK[fold_N == 1], before_NK[fold_N == 1])
    assert (after_NK[fold_N != 1] != before_NK[fold_N != 1]).any()


def test_selected_counts_are_those_of_the_selected_texts() -> None:
    texts = ["a b", "", "a a c", "d"]
    chosen = np.array([2, 0, 1, 2])
    ours, direct = (
        select(count_ngrams(texts, BAYES.ngrams), chosen),
        count_ngrams([texts[i] for i in chosen], BAYES.ngrams),
    )
    for name in ("starts", "keys", "counts"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(direct, name))
    assert len(select(direct, np.zeros(0, np.int64))) == 0


def test_merged_views_add_up_to_the_weighted_sum() -> None:
    margins, merged_margins = [], []
    fitted: list[View] = []
    for config in (BAYES, TF_IDF):
        counts, signs_NK, costs_N = problem(config)
        fitted.append(fit_view(counts, signs_NK, costs_N, config, LinearSettings(), 0))
        margins.append(view_margins(fitted[-1], counts, config.logarithmic))
    for config, view in zip((BAYES, TF_IDF), merge_views(fitted, (0.25, 0.75)), strict=True):
        merged_margins.append(view_margins(view, problem(config)[0], config.logarithmic))
    expected = 0.25 * margins[0] + 0.75 * margins[1]
    np.testing.assert_allclose(sum(merged_margins), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("config", "label_ids", "signs"),
    [
        (NgramConfig(3, (BAYES,)), [(0,), (2,)], [[1, -1, -1], [-1, -1, 1]]),
        (NgramConfig(2, (BAYES,)), [(0,), (1,)], [[-1], [1]]),
        (NgramConfig(2, (BAYES,), multi_label=True), [(), (0, 1)], [[-1, -1], [1, 1]]),
    ],
)
def test_signs_say_which_labels_a_text_has(
    config: NgramConfig, label_ids: list[tuple[int, ...]], signs: list[list[int]]
) -> None:
    assert signs_of(label_ids, config).tolist() == signs
