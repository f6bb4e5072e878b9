"""A linear classifier over hashed n-grams, in one or several views of the text.

A view counts certain n-grams and weights them; its margin for class k is

    m_k(x) = sum_f v_f(x) W_fk / sqrt(sum_f v_f(x)^2 S_fk)

with v the n-gram's value in the text (1, or 1 + log of its count), W the weights and S the squared scales with which
they were learnt, so that the text has length one as it had in training. Views add up. With S from the ratio of class
frequencies this is the naive-Bayes support vector machine of Wang & Manning (2012), "Baselines and Bigrams", section
2.3; with S from document frequencies a TF-IDF classifier.

N texts · K labels · F n-grams known · S scales, 1 or K columns (one column also where two labels share one margin)
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
from numba import njit
from numpy.typing import NDArray

from minnow.errors import BundleError, RecipeError
from minnow.models.base import ModelConfig
from minnow.text.ngrams import NUM_THREADS, NgramCounts, NgramSettings, NgramVocabulary, first_slot, row_of

Floats = NDArray[np.float32]
HALF = np.float16
SMALL = 100_000  # n-grams; below, a second thread costs more than it brings


@dataclass(frozen=True)
class ViewConfig:
    """Which n-grams a view counts, and whether a count enters as 1 + log(count) or as 1.

    Raises:
        RecipeError: orders that cannot be.
    """

    word_order: int = 3
    shortest_letters: int = 0
    longest_letters: int = 0
    logarithmic: bool = False

    def __post_init__(self) -> None:
        _ = self.ngrams

    @property
    def ngrams(self) -> NgramSettings:
        return NgramSettings(self.word_order, self.shortest_letters, self.longest_letters)


@dataclass(frozen=True)
class NgramConfig(ModelConfig):
    """``num_labels`` K; ``multi_label`` gives every label a margin of its own, also when there are two."""

    model_type: ClassVar[str] = "ngram"

    num_labels: int
    views: tuple[ViewConfig, ...]
    multi_label: bool = False

    def __post_init__(self) -> None:
        self.check_sizes("num_labels")
        if not self.views:
            raise RecipeError("an n-gram model needs at least one view, but got none; try one with word_order=3")

    @property
    def num_margins(self) -> int:
        """How many margins a text has: two exclusive labels share one."""
        return 1 if self.num_labels == 2 and not self.multi_label else self.num_labels


@dataclass(frozen=True)
class View:
    """One view's learnt part: ``weights`` [F, K'] and ``squares`` [F, 1 or K'] of the n-grams in ``vocabulary``."""

    vocabulary: NgramVocabulary
    weights: Floats
    squares: Floats

    @cached_property
    def slots(self) -> tuple[NDArray[np.uint32], Floats]:
        """For a view of one margin: key and, beside each other, weight and square in the slots of an open-addressing
        table, so that a look-up touches two places of the memory instead of four. A square of 0 marks a free slot,
        and an n-gram whose square is 0 adds nothing."""
        keys, values = _slots_kernel(self.vocabulary.keys, self.weights[:, 0], self.squares[:, 0])
        return keys, values


class NgramModel:
    """The views of a model and their sum; ``reads`` tells a task what kind of input the model takes."""

    reads = "ngrams"

    def __init__(self, config: NgramConfig, views: Sequence[View]):
        self.config = config
        self.views = tuple(views)

    def __call__(self, counted: Sequence[NgramCounts]) -> Floats:
        """Logits [N, K] from the counts of each view; K = 2 with one margin gives -m/2 and m/2."""
        margins = sum(
            view_margins(view, counts, config.logarithmic)
            for view, config, counts in zip(self.views, self.config.views, counted, strict=True)
        )
        return as_logits(np.asarray(margins, np.float32), self.config)

    def num_parameters(self) -> int:
        return sum(view.weights.size for view in self.views)

    def tensors(self) -> dict[str, NDArray[np.generic]]:
        """What ``model.safetensors`` holds: keys as they are, weights and squares in half precision."""
        return {
            f"views.{i}.{name}": array
            for i, view in enumerate(self.views)
            for name, array in (
                ("keys", view.vocabulary.keys),
                ("weights", view.weights.astype(HALF)),
                ("squares", view.squares.astype(HALF)),
            )
        }

    @classmethod
    def from_tensors(cls, config: NgramConfig, tensors: Mapping[str, NDArray[np.generic]]) -> Self:
        """The model that ``tensors`` describes.

        Raises:
            BundleError: a tensor is missing, surplus, or of a shape that does not fit the configuration.
        """
        names = {f"views.{i}.{name}" for i in range(len(config.views)) for name in ("keys", "weights", "squares")}
        if names != set(tensors):
            odd = sorted(names ^ set(tensors))[0]
            raise BundleError(f"model.safetensors does not fit config.json: {odd!r} is on one side only")
        views = []
        for i in range(len(config.views)):
            keys, weights, squares = (tensors[f"views.{i}.{name}"] for name in ("keys", "weights", "squares"))
            num_keys, num_margins = keys.size, config.num_margins
            fits = keys.shape == (num_keys,) and weights.shape == (num_keys, num_margins)
            if keys.dtype != np.uint32 or not fits or squares.shape not in ((num_keys, 1), (num_keys, num_margins)):
                raise BundleError(
                    f"model.safetensors does not fit config.json: view {i} has {keys.dtype} keys of shape "
                    f"{keys.shape}, weights of shape {weights.shape} and squares of shape {squares.shape} for "
                    f"{num_margins} margins"
                )
            views.append(
                View(NgramVocabulary(keys.astype(np.uint32)), weights.astype(np.float32), squares.astype(np.float32))
            )
        return cls(config, views)


def view_margins(view: View, counts: NgramCounts, logarithmic: bool) -> Floats:
    """Margins [N, K'] of one view."""
    if view.weights.shape[1] == 1:
        keys, values = view.slots

        def kernel(starts: NDArray[np.int64]) -> Floats:
            return _one_margin_kernel(starts, counts.keys, counts.counts, keys, values, logarithmic)  # type: ignore[no-any-return]
    else:

        def kernel(starts: NDArray[np.int64]) -> Floats:
            known, table = view.vocabulary.keys, view.vocabulary.table
            return _margins_kernel(  # type: ignore[no-any-return]
                starts, counts.keys, counts.counts, known, table, view.weights, view.squares, logarithmic
            )

    middle = len(counts) // NUM_THREADS
    if len(counts.keys) < SMALL:
        return kernel(counts.starts)
    with ThreadPoolExecutor(NUM_THREADS) as pool:
        return np.concatenate(list(pool.map(kernel, (counts.starts[: middle + 1], counts.starts[middle:]))))


def as_logits(margins: Floats, config: NgramConfig) -> Floats:
    """Logits [N, K] whose softmax (or, with several labels a text, sigmoid) gives the probabilities."""
    if config.num_margins == config.num_labels:
        return margins
    return np.concatenate([-margins / 2, margins / 2], axis=1)


@njit(nogil=True, cache=True)
def _slots_kernel(known, weights, squares):  # type: ignore[no-untyped-def]
    size = 16
    while size < 2 * len(known):
        size *= 2
    keys = np.zeros(size, np.uint32)
    values = np.zeros((size, 2), np.float32)
    for row in range(len(known)):
        if squares[row] > 0:
            slot = first_slot(known[row], keys)
            while values[slot, 1] > 0:
                slot = (slot + np.uint32(1)) & np.uint32(size - 1)
            keys[slot] = known[row]
            values[slot, 0], values[slot, 1] = weights[row], squares[row]
    return keys, values


@njit(nogil=True, cache=True)
def _one_margin_kernel(starts, keys, counts, slot_keys, slot_values, logarithmic):  # type: ignore[no-untyped-def]
    num_texts = len(starts) - 1
    mask = np.uint32(len(slot_keys) - 1)
    margins = np.zeros((num_texts, 1), np.float32)
    touched = np.float32(0)
    for text in range(num_texts):
        # First a look at every slot that does not wait for the one before: the memory answers many at a time.
        for i in range(starts[text], starts[text + 1]):
            slot = first_slot(keys[i], slot_keys)
            touched += slot_values[slot, 0] + np.float32(slot_keys[slot])
        margin = length = np.float32(0)
        for i in range(starts[text], starts[text + 1]):
            slot = first_slot(keys[i], slot_keys)
            while slot_values[slot, 1] > 0 and slot_keys[slot] != keys[i]:
                slot = (slot + np.uint32(1)) & mask
            value = np.float32(1)
            if logarithmic and counts[i] > 1:
                value += np.log(np.float32(counts[i]))
            margin += value * slot_values[slot, 0]
            length += value * value * slot_values[slot, 1]
        if length > 0:
            margins[text, 0] = margin / np.sqrt(length)
    if np.isnan(touched):  # never: the sum is there so that the first look is not optimised away
        margins[:] = touched
    return margins


@njit(nogil=True, cache=True)
def _margins_kernel(starts, keys, counts, known, table, weights, squares, logarithmic):  # type: ignore[no-untyped-def]
    num_texts, num_margins, num_scales = len(starts) - 1, weights.shape[1], squares.shape[1]
    margins = np.zeros((num_texts, num_margins), np.float32)
    lengths = np.empty(num_scales, np.float32)
    for text in range(num_texts):
        lengths[:] = 0
        for i in range(starts[text], starts[text + 1]):
            row = row_of(keys[i], known, table)
            if row < 0:
                continue
            value = np.float32(1)
            if logarithmic and counts[i] > 1:
                value += np.log(np.float32(counts[i]))
            for k in range(num_margins):
                margins[text, k] += value * weights[row, k]
            for k in range(num_scales):
                lengths[k] += value * value * squares[row, k]
        for k in range(num_margins):
            length = lengths[k if num_scales > 1 else 0]
            if length > 0:
                margins[text, k] /= np.sqrt(length)
    return margins
