"""Fits the ``ngram`` model to texts: which views, what share each gets, and how sure the sum may be.

N texts · K labels · K' margins
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minnow.data.split import folds
from minnow.errors import DataError
from minnow.listeners import Show
from minnow.models.ngram import Floats, NgramConfig, NgramModel, View, ViewConfig, as_logits, view_margins
from minnow.tasks.text_classification import TextClassification
from minnow.text.clean import normalise
from minnow.text.ngrams import NgramCounts, count_ngrams
from minnow.training.classification_recipe import NgramRecipe
from minnow.training.linear import fit_view, margins_out_of_fold, merge_views, signs_of

LETTERS_UP_TO = 16_000_000  # characters in all; longer texts say enough in words
ONE_FOLD_FROM = 4_000_000  # n-grams; from there one fold of the five is held out instead of each in turn
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)

LabelIds = Sequence[tuple[int, ...]]


@dataclass(frozen=True)
class HeldOut:
    """Texts that were answered by a model that had not seen them: row numbers and logits [rows, K]."""

    rows: NDArray[np.int64]
    logits: Floats


def fit_ngram(
    texts: Sequence[str],
    label_ids: LabelIds,
    task: TextClassification,
    recipe: NgramRecipe,
    seed: int,
    show: Show,
    class_weights_K: Floats | None = None,
    validation_texts: Sequence[str] = (),
    validation_ids: LabelIds = (),
) -> tuple[NgramModel, HeldOut]:
    """Fit the model on all texts.

    Without ``validation_texts`` the texts are cut into folds by the hash of their text, and each is answered by a model
    of the others; with them, they are answered and the rows count from 0 there. Either way the held-out answers decide
    the share of each view.
    """
    views = _views(texts, recipe)
    config = NgramConfig(len(task.labels), views, task.multi_label)
    signs = signs_of(label_ids, config)
    costs = _costs(label_ids, class_weights_K)
    num_steps = 2 * len(views) + (0 if validation_texts else recipe.folds * len(views))
    stages = _Stages(show, num_steps)
    counted = []
    for view in views:
        counted.append(count_ngrams(texts, view.ngrams))
        stages.advance("counting n-grams")
    with ThreadPoolExecutor(len(views)) as pool:  # all texts are fitted while the held-out ones are answered
        fitting = [
            pool.submit(_fit, counts, signs, costs, view, recipe, seed, stages)
            for counts, view in zip(counted, views, strict=True)
        ]
        if validation_texts:
            rows = np.arange(len(validation_texts))
            margins = [
                view_margins(one.result(), count_ngrams(validation_texts, view.ngrams), view.logarithmic)
                for one, view in zip(fitting, views, strict=True)
            ]
        else:
            fold_N = _folds(texts, counted[0], recipe.folds, seed)
            rows = np.flatnonzero(fold_N >= 0)
            margins = [
                margins_out_of_fold(
                    counts, signs, costs, fold_N, view, recipe.solver, seed, lambda: stages.advance("held-out folds")
                )[rows]
                for counts, view in zip(counted, views, strict=True)
            ]
        fitted = [one.result() for one in fitting]
    source_ids = validation_ids if validation_texts else label_ids
    shares = _choose_shares(margins, config, task, [source_ids[int(row)] for row in rows])
    kept = [i for i, share in enumerate(shares) if share > 0]
    config = NgramConfig(config.num_labels, tuple(views[i] for i in kept), config.multi_label)
    model = NgramModel(config, merge_views([fitted[i] for i in kept], [shares[i] for i in kept]))
    summed = np.asarray(sum(share * part for share, part in zip(shares, margins, strict=True)), np.float32)
    return model, HeldOut(rows, as_logits(summed, config))


def check_ngram(recipe: NgramRecipe) -> None:
    """Find settings that cannot be before anything is written."""
    _views((), recipe)


class _Stages:
    """Counts the steps of the fit for whoever watches."""

    def __init__(self, show: Show, total: int):
        self._show, self._total, self._done = show, total, 0

    def advance(self, stage: str) -> None:
        self._done += 1
        self._show({"stage": stage, "done": self._done, "total": max(self._total, self._done)})


def _views(texts: Sequence[str], recipe: NgramRecipe) -> tuple[ViewConfig, ...]:
    words = ViewConfig(word_order=recipe.word_order)
    letters = ViewConfig(recipe.word_order, recipe.shortest_letters, recipe.longest_letters, logarithmic=True)
    wanted = recipe.letters == "on" or (recipe.letters == "auto" and sum(map(len, texts)) <= LETTERS_UP_TO)
    return (words, letters) if wanted else (words,)


def _fit(
    counts: NgramCounts,
    signs: Floats,
    costs: Floats,
    view: ViewConfig,
    recipe: NgramRecipe,
    seed: int,
    stages: _Stages,
) -> View:
    fitted = fit_view(counts, signs, costs, view, recipe.solver, seed)
    stages.advance("fitting")
    return fitted


def _folds(texts: Sequence[str], counts: NgramCounts, num_folds: int, seed: int) -> NDArray[np.int64]:
    """The fold of each text; of much text only fold 0 is held out and the rest is -1."""
    distinct: set[str] = set()
    for text in texts:
        distinct.add(normalise(text))
        if len(distinct) == num_folds:
            break
    if len(distinct) < 2:
        raise DataError("all rows have the same text once cleaned; add rows, or choose another column with --text")
    num_folds = min(num_folds, len(distinct))
    fold_N = folds(texts, num_folds, seed)
    return np.where(fold_N == 0, 0, -1) if len(counts.keys) > ONE_FOLD_FROM else fold_N


def _costs(label_ids: LabelIds, class_weights_K: Floats | None) -> Floats:
    if class_weights_K is None:
        return np.ones(len(label_ids), np.float32)
    return np.array([class_weights_K[list(ids)].mean() if ids else 1.0 for ids in label_ids], np.float32)


def _choose_shares(
    margins: Sequence[Floats], config: NgramConfig, task: TextClassification, label_ids: LabelIds
) -> tuple[float, ...]:
    """The shares with which the held-out texts come out best; of equals, the one nearest to even."""
    if len(margins) == 1:
        return (1.0,)
    key = "f1_micro" if task.multi_label else "accuracy"
    tried = []
    for share in SHARES:
        summed = (1 - share) * margins[0] + share * margins[1]
        tried.append((task.score(as_logits(summed, config), label_ids)[key], -abs(share - 0.5), share))
    share = max(tried)[2]
    return (1 - share, share)
