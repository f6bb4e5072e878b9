"""Fits the views of the ``ngram`` model: a linear support vector machine a label, on all texts or without a fold.

The solver is dual coordinate descent for the L2-regularised squared hinge loss (Hsieh et al. 2008, "A Dual Coordinate
Descent Method for Large-scale Linear SVM", algorithm 1); the scaling of the features by the log-count ratio of a class
is that of Wang & Manning (2012), equation 2, with the ratio of each label against all others.

N texts · K' margins · F n-grams · M entries of the text-by-n-gram matrix
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from minnow.models.ngram import Floats, NgramConfig, View, ViewConfig, view_margins
from minnow.text.ngrams import NUM_THREADS, NgramCounts, NgramVocabulary

Signs = NDArray[np.float32]
MAX_ENTRIES = 150_000_000  # of a weight matrix, n-grams times margins; rarer n-grams go first where it would be larger


@dataclass(frozen=True)
class LinearSettings:
    """How the linear model is fitted.

    Attributes:
        naive_bayes_cost, tf_idf_cost: the penalty on mistakes (C) of the two kinds of view; small texts of few rows
            like smaller ones.
        max_passes: over the texts; the solver stops before where it has converged.
        tolerance: the largest violation of the optimum's conditions that counts as converged.
        min_texts: in how many texts an n-gram must stand; 0 for 1, or 2 where there are over three million n-grams.
    """

    naive_bayes_cost: float = 1.0
    tf_idf_cost: float = 2.0
    max_passes: int = 40
    tolerance: float = 0.05
    min_texts: int = 0


@dataclass(frozen=True)
class _Matrix:
    """The known n-grams of the texts, row by row: ``rows`` int32 [M] into the vocabulary, ``values`` float32 [M]."""

    starts: NDArray[np.int64]
    rows: NDArray[np.int32]
    values: Floats
    num_features: int


def fit_view(
    counts: NgramCounts, signs_NK: Signs, costs_N: Floats, config: ViewConfig, settings: LinearSettings, seed: int
) -> View:
    """Learn one view.

    Args:
        counts: of N texts.
        signs_NK: +1 where the text has the label of the margin, -1 where not; K' columns.
        costs_N: a factor on the cost of each text, for class weights.
        seed: of the order in which texts are visited.
    """
    vocabulary = _learn_vocabulary(counts, signs_NK.shape[1], settings.min_texts)
    matrix = _matrix(counts, vocabulary, config.logarithmic)
    bayes = not config.logarithmic
    fit_one = _naive_bayes_fitter(matrix, settings) if bayes else _tf_idf_fitter(matrix, settings)
    num_margins = signs_NK.shape[1]
    with ThreadPoolExecutor(NUM_THREADS) as pool:
        columns = list(
            pool.map(lambda k: fit_one(np.ascontiguousarray(signs_NK[:, k]), costs_N, seed), range(num_margins))
        )
    weights = np.stack([weights for weights, _ in columns], axis=1)
    squares = np.stack([squares for _, squares in columns], axis=1) if bayes else columns[0][1][:, None]
    return View(vocabulary, weights, squares)


def margins_out_of_fold(
    counts: NgramCounts,
    signs_NK: Signs,
    costs_N: Floats,
    fold_N: NDArray[np.int64],
    config: ViewConfig,
    settings: LinearSettings,
    seed: int,
    done: Callable[[], None],
) -> Floats:
    """Margins [N, K'] of every text by a view that was fitted without the text's fold."""
    margins = np.zeros(signs_NK.shape, np.float32)

    def one(fold: int) -> None:
        inside, outside = np.flatnonzero(fold_N == fold), np.flatnonzero(fold_N != fold)
        view = fit_view(select(counts, outside), signs_NK[outside], costs_N[outside], config, settings, seed)
        margins[inside] = view_margins(view, select(counts, inside), config.logarithmic)
        done()

    folds = range(int(fold_N.max()) + 1)
    with ThreadPoolExecutor(NUM_THREADS if signs_NK.shape[1] == 1 else 1) as pool:
        list(pool.map(one, folds))
    return margins


def select(counts: NgramCounts, texts: NDArray[np.int64]) -> NgramCounts:
    """The counts of some texts only, in the order given."""
    sizes = np.diff(counts.starts)[texts]
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    places = np.repeat(counts.starts[texts] - starts[:-1], sizes) + np.arange(starts[-1])
    return NgramCounts(starts, counts.keys[places], counts.counts[places])


def merge_views(views: Sequence[View], shares: Sequence[float]) -> list[View]:
    """Views whose sum weighs each with its share."""
    return [
        View(view.vocabulary, view.weights * np.float32(share), view.squares)
        for view, share in zip(views, shares, strict=True)
    ]


def signs_of(label_ids: Sequence[tuple[int, ...]], config: NgramConfig) -> Signs:
    """+1 and -1 [N, K'] for the margins of a model; of two exclusive labels the second is the positive one."""
    signs = -np.ones((len(label_ids), config.num_labels), np.float32)
    for row, ids in enumerate(label_ids):
        signs[row, list(ids)] = 1
    return signs[:, 1:] if config.num_margins == 1 else signs


def _learn_vocabulary(counts: NgramCounts, num_margins: int, min_texts: int) -> NgramVocabulary:
    """At least as many texts an n-gram as asked, and more until the weight matrix is of a bearable size."""
    at_least = min_texts or (1 if len(counts.keys) < 3_000_000 else 2)
    vocabulary = NgramVocabulary.learn(counts, at_least)
    while len(vocabulary) * num_margins > MAX_ENTRIES:
        at_least += 1
        vocabulary = NgramVocabulary.learn(counts, at_least)
    return vocabulary


def _matrix(counts: NgramCounts, vocabulary: NgramVocabulary, logarithmic: bool) -> _Matrix:
    rows = vocabulary.rows(counts.keys)
    known = rows >= 0
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(known)])[counts.starts]
    values = np.ones(int(starts[-1]), np.float32)
    if logarithmic:
        values += np.log(counts.counts[known]).astype(np.float32)
    return _Matrix(starts, rows[known], values, len(vocabulary))


Fitter = Callable[[Signs, Floats, int], tuple[Floats, Floats]]


def _naive_bayes_fitter(matrix: _Matrix, settings: LinearSettings) -> Fitter:
    """Weights [F] and squared scales [F] of one margin; the scale is the log-count ratio of its label."""
    in_texts = np.bincount(matrix.rows, minlength=matrix.num_features).astype(np.float64)

    def fit(signs: Signs, costs: Floats, seed: int) -> tuple[Floats, Floats]:
        positive = _texts_with(matrix.starts, matrix.rows, signs > 0, matrix.num_features)
        with_label, without = 1 + positive, 1 + in_texts - positive
        ratio = np.log((with_label / with_label.sum()) / (without / without.sum())).astype(np.float32)
        weights = _solve(matrix, ratio, signs, costs * np.float32(settings.naive_bayes_cost), settings, seed)
        return weights * ratio, ratio * ratio

    return fit


def _tf_idf_fitter(matrix: _Matrix, settings: LinearSettings) -> Fitter:
    """The same with the inverse document frequency as the scale, which all margins share."""
    in_texts = np.bincount(matrix.rows, minlength=matrix.num_features)
    rarity = (1 + np.log((len(matrix.starts) - 1) / (1 + in_texts))).astype(np.float32)

    def fit(signs: Signs, costs: Floats, seed: int) -> tuple[Floats, Floats]:
        weights = _solve(matrix, rarity, signs, costs * np.float32(settings.tf_idf_cost), settings, seed)
        return weights * rarity, rarity * rarity

    return fit


def _solve(matrix: _Matrix, scales: Floats, signs: Signs, costs: Floats, settings: LinearSettings, seed: int) -> Floats:
    """Weights [F] over the scaled features of unit length."""
    scaled = _unit_rows(matrix.starts, matrix.rows, matrix.values, scales)
    weights: Floats = _descend(
        matrix.starts,
        matrix.rows,
        scaled,
        signs,
        costs,
        matrix.num_features,
        settings.max_passes,
        settings.tolerance,
        seed,
    )
    return weights


@njit(nogil=True, cache=True)
def _texts_with(starts, rows, chosen, num_features):  # type: ignore[no-untyped-def]
    """In how many of the chosen texts each n-gram stands, [F]."""
    num = np.zeros(num_features, np.float64)
    for text in range(len(starts) - 1):
        if chosen[text]:
            for i in range(starts[text], starts[text + 1]):
                num[rows[i]] += 1
    return num


@njit(nogil=True, cache=True)
def _unit_rows(starts, rows, values, scales):  # type: ignore[no-untyped-def]
    """values * scales, each text divided by its length, [M]."""
    scaled = np.empty(len(values), np.float32)
    for text in range(len(starts) - 1):
        square = np.float32(0)
        for i in range(starts[text], starts[text + 1]):
            scaled[i] = values[i] * scales[rows[i]]
            square += scaled[i] * scaled[i]
        if square > 0:
            factor = np.float32(1) / np.sqrt(square)
            for i in range(starts[text], starts[text + 1]):
                scaled[i] *= factor
    return scaled


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def _descend(starts, rows, scaled, signs, costs, num_features, max_passes, tolerance, seed):  # type: ignore[no-untyped-def]
    """Dual coordinate descent; Hsieh et al. (2008), algorithm 1 with L2 loss: D_ii = 1 / (2 C_i), no upper bound."""
    num_texts = len(starts) - 1
    weights = np.zeros(num_features, np.float32)
    duals = np.zeros(num_texts, np.float32)
    order = np.arange(num_texts)
    np.random.seed(seed)
    for _ in range(max_passes):
        np.random.shuffle(order)
        worst = np.float32(0)
        for text in order:
            margin = np.float32(0)
            square = np.float32(0)
            for i in range(starts[text], starts[text + 1]):
                margin += weights[rows[i]] * scaled[i]
                square += scaled[i] * scaled[i]
            diagonal = np.float32(0.5) / costs[text]
            gradient = signs[text] * margin - np.float32(1) + diagonal * duals[text]
            projected = min(gradient, np.float32(0)) if duals[text] == 0 else gradient
            worst = max(worst, abs(projected))
            if projected != 0:
                dual = max(duals[text] - gradient / (square + diagonal), np.float32(0))
                step = (dual - duals[text]) * signs[text]
                duals[text] = dual
                for i in range(starts[text], starts[text + 1]):
                    weights[rows[i]] += step * scaled[i]
        if worst < tolerance:
            break
    return weights
