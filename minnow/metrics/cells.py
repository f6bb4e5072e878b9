"""Rows that came out alike, counted together, so that resampling a data set costs what its distinct outcomes cost.

N rows · M cells (distinct outcomes) · K labels · R resamples. A cell is a reference with the prediction of one system,
or of two that are compared. 25,000 rows with two labels have 4 cells, and every score follows from their counts.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minnow.metrics.classification import Tally

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

NUMBERS_AT_ONCE = 4_000_000  # bounds the memory of a resampling at 32 MB a matrix


@dataclass(frozen=True)
class Cells:
    """The distinct outcomes: ``counts`` [M], ``references`` [M, K] and a 0/1 matrix [M, K] for each system."""

    counts: NDArray[np.int64]
    references: Flags
    predictions: tuple[Flags, ...]


def cells_of_labels(references_N: ArrayLike, *predictions_N: ArrayLike, num_labels: int) -> Cells:
    """The cells of one label a row; all ids lie in 0 … K - 1."""
    columns = [np.asarray(column, np.int64) for column in (references_N, *predictions_N)]
    keys = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        keys = keys * num_labels + column
    _, first, counts = np.unique(keys, return_index=True, return_counts=True)
    references, *predictions = (np.eye(num_labels, dtype=bool)[column[first]] for column in columns)
    return Cells(counts, references, tuple(predictions))


def cells_of_indicators(references_NK: ArrayLike, *predictions_NK: ArrayLike) -> Cells:
    """The cells of any number of labels a row, from 0/1 matrices [N, K]."""
    matrices = [np.asarray(matrix, bool) for matrix in (references_NK, *predictions_NK)]
    never_N1 = np.zeros((len(matrices[0]), 1), bool)  # so that rows have a key where there is no label at all
    packed = np.ascontiguousarray(np.packbits(np.concatenate([*matrices, never_N1], axis=1), axis=1))
    keys = packed.view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, first, counts = np.unique(keys, return_index=True, return_counts=True)
    references, *predictions = (matrix[first] for matrix in matrices)
    return Cells(counts, references, tuple(predictions))


def tally(cells: Cells, counts: Floats, system: int = 0) -> Tally:
    """The tally of a data set that holds each cell ``counts`` [..., M] times."""
    predictions = cells.predictions[system]
    right_M = (cells.references == predictions).all(axis=1).astype(np.float64)
    return Tally(
        hits=summed(counts, cells.references & predictions),
        predicted=summed(counts, predictions),
        actual=summed(counts, cells.references),
        right=counts @ right_M,
        rows=counts.sum(axis=-1),
    )


def summed(counts: Floats, values_MK: NDArray[Any]) -> Floats:
    """Small whole numbers of each cell, over cells that stand ``counts`` [..., M] times: [..., K].

    They become floats, in which a product is fast, by so many cells at once as the memory bound allows.
    """
    num_cells, num_labels = values_MK.shape
    portion = max(1, NUMBERS_AT_ONCE // max(num_labels, 1))
    sums = np.zeros((*counts.shape[:-1], num_labels))
    for first in range(0, num_cells, portion):
        part = slice(first, first + portion)
        sums += counts[..., part] @ values_MK[part].astype(np.float64)
    return sums


def resamples(counts_M: NDArray[np.int64], num_resamples: int, rng: np.random.Generator) -> Floats:
    """How often each cell stands in each of R bootstrap samples of the rows: [R, M], every line with the sum N.

    Drawing N rows with replacement (Efron 1979) and counting cells is one multinomial draw over the cells. With few
    cells that draw is cheap; with nearly as many cells as rows, drawing the rows themselves is cheaper. Same law.
    """
    num_rows = int(counts_M.sum())
    if len(counts_M) * 8 <= num_rows:
        return rng.multinomial(num_rows, counts_M / num_rows, size=num_resamples).astype(np.float64)
    cell_of_row = np.repeat(np.arange(len(counts_M)), counts_M)
    drawn = np.empty((num_resamples, len(counts_M)))
    for line in drawn:
        line[:] = np.bincount(cell_of_row[rng.integers(num_rows, size=num_rows)], minlength=len(counts_M))
    return drawn


def portions(num_resamples: int, num_cells: int) -> list[int]:
    """``num_resamples`` cut into portions whose matrices stay within the memory bound."""
    portion = max(1, NUMBERS_AT_ONCE // max(num_cells, 1))
    whole, rest = divmod(num_resamples, portion)
    return [portion] * whole + [rest] * (rest > 0)
