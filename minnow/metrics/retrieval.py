"""Which vectors are near to which, and how often a text's translation is the nearest of all.

N texts · Q queries · D dimensions · C neighbours
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minnow.errors import DataError, InputError, MinnowError

Floats = NDArray[np.floating[Any]]
COSINES_AT_ONCE = 4_000_000  # bounds the memory of a comparison at 16 MB
SAME = 1e-6  # cosines that differ by less are of equal texts


@dataclass(frozen=True)
class Retrieval:
    """How often the nearest text of the other language is the translation (precision at 1), 0 to 1.

    Attributes:
        forward: for sources, among all targets.
        backward: for targets, among all sources.
        rows: pairs.
    """

    forward: float
    backward: float
    rows: int


def retrieval(sources_ND: Floats, targets_ND: Floats, centred: bool = True) -> Retrieval:
    """The precision of finding row n of one side by the cosine to row n of the other.

    Encoders that read several languages set each language apart: all its vectors have a part in common, which says
    nothing of what a text means. Centring takes it away, the mean of each side (Libovický et al. 2020, "On the Language
    Neutrality of Pre-trained Multilingual Representations", section 3.1).

    Args:
        sources_ND, targets_ND: vectors of any length; those of equal texts are equal, and each of them is right.
        centred: subtract the mean of each side first.

    Raises:
        DataError: no rows.
        MinnowError: the shapes differ.
    """
    if sources_ND.shape != targets_ND.shape or sources_ND.ndim != 2:
        raise MinnowError(f"both sides need a vector a row, but got shapes {sources_ND.shape} and {targets_ND.shape}")
    if not len(sources_ND):
        raise DataError("there are no pairs to find again; give a file with at least one pair of texts")
    sides = [units(centre(side) if centred else side) for side in (sources_ND, targets_ND)]
    own_N = np.einsum("nd,nd->n", *sides)
    forward, backward = (_found(queries_ND, texts_ND, own_N) for queries_ND, texts_ND in (sides, sides[::-1]))
    return Retrieval(forward, backward, len(own_N))


def nearest(queries_QD: Floats, vectors_ND: Floats, count: int) -> tuple[NDArray[np.int64], Floats]:
    """The rows of the ``count`` vectors of the highest cosine with each query, highest first, and the cosines [Q, C].

    Equal ones stand in their order; C is at most N.

    Raises:
        InputError: ``count`` is below 1.
    """
    if count < 1:
        raise InputError(f"count must be at least 1, but got count={count}; try 5")
    best = min(count, len(vectors_ND))
    rows_QC = np.zeros((len(queries_QD), best), np.int64)
    cosines_QC = np.zeros((len(queries_QD), best), np.float32)
    units_ND = units(vectors_ND)
    for some in _portions(len(queries_QD), len(vectors_ND)) if best else ():
        cosines_PN = units(queries_QD[some]) @ units_ND.T
        edges_P1 = np.partition(cosines_PN, -best, axis=1)[:, -best, None]
        for query, cosines_N, edge in zip(range(some.start, some.stop), cosines_PN, edges_P1, strict=True):
            rows = np.flatnonzero(cosines_N >= edge)
            rows_QC[query] = rows[np.argsort(-cosines_N[rows], kind="stable")][:best]
            cosines_QC[query] = cosines_N[rows_QC[query]]
    return rows_QC, cosines_QC


def centre(vectors_ND: Floats) -> Floats:
    """The vectors without their mean, which is what they have in common."""
    return np.asarray(vectors_ND - vectors_ND.mean(axis=0, keepdims=True))


def units(vectors_ND: Floats) -> NDArray[np.float32]:
    """The vectors at length 1, as float32; those of length 0 stay."""
    lengths_N1 = np.linalg.norm(vectors_ND, axis=1, keepdims=True)
    return np.asarray(vectors_ND / np.where(lengths_N1 > 0, lengths_N1, 1), np.float32)


def _found(queries_ND: Floats, texts_ND: Floats, own_N: Floats) -> float:
    """The share of rows with no other of a higher cosine than the row's own."""
    best_N = np.concatenate([(queries_ND[some] @ texts_ND.T).max(axis=1) for some in _portions(*[len(own_N)] * 2)])
    return float((own_N >= best_N - SAME).mean())


def _portions(num_queries: int, num_texts: int) -> list[slice]:
    """The queries in portions whose cosines stay within the memory bound."""
    size = max(1, COSINES_AT_ONCE // max(num_texts, 1))
    return [slice(first, min(first + size, num_queries)) for first in range(0, num_queries, size)]
