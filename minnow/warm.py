"""Compiles the kernels, so that the first command a person types does not wait: ``python -m minnow.warm``."""

import numpy as np

from minnow.models.ngram import NgramConfig, NgramModel, ViewConfig
from minnow.text.ngrams import count_ngrams
from minnow.training.linear import LinearSettings, fit_view, signs_of


def compile_kernels() -> None:
    """Run every kernel on a few words; numba keeps what it compiled beside the source or in the user's cache."""
    texts = ["up and up", "down and down", "up", "down"]
    label_ids = [(0,), (1,), (0,), (1,)]
    for view in (ViewConfig(2), ViewConfig(2, 1, 3, logarithmic=True)):
        config = NgramConfig(2, (view,))
        counts = count_ngrams(texts, view.ngrams)
        costs = np.ones(len(texts), np.float32)
        fitted = fit_view(counts, signs_of(label_ids, config), costs, view, LinearSettings(), seed=0)
        NgramModel(config, [fitted])([counts])


if __name__ == "__main__":
    compile_kernels()
