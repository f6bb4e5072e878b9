"""Does a confidence of 0.8 mean right four times in five? N rows · K labels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

HIGHEST_TEMPERATURE = 50.0


@dataclass(frozen=True)
class Bin:
    """The rows whose confidence lies above ``low`` and up to ``high``: how many, how sure, and how often right."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


def softmax(logits_NK: ArrayLike, temperature: float = 1.0) -> Floats:
    """Probabilities that add up to 1 a row, from logits divided by ``temperature``."""
    scaled = np.asarray(logits_NK, np.float64) / temperature
    exponentials = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))


def sigmoid(logits_NK: ArrayLike, temperature: float = 1.0) -> Floats:
    """A probability for each label on its own, from logits divided by ``temperature``."""
    # The hyperbolic tangent never overflows, where exp(-x) does.
    return 0.5 * (1 + np.tanh(0.5 * np.asarray(logits_NK, np.float64) / temperature))


def fit_temperature(logits_NK: ArrayLike, references: ArrayLike) -> float:
    """The temperature that makes ``softmax`` or ``sigmoid`` of the logits most likely (Guo et al. 2017).

    ``references`` are label ids [N] for a softmax over labels, or a 0/1 matrix [N, K] for a sigmoid each.
    The loss is convex in 1 / temperature, so Newton's method inside a shrinking bracket always ends; the result lies
    within 1/50 … 50. A prior worth one row, 1 / temperature ~ Normal(1, 1), keeps a small or faultless validation
    part from asking for a temperature of zero; from a hundred rows on it cannot be noticed.

    Raises:
        ValueError: no rows, shapes that do not fit, or logits that are not finite.
    """
    logits, truth = np.asarray(logits_NK, np.float64), np.asarray(references)
    if logits.ndim != 2 or truth.shape not in (logits.shape[:1], logits.shape) or truth.size == 0:
        raise ValueError(f"logits [N, K] need references [N] or [N, K], but got {logits.shape} and {truth.shape}")
    if not np.isfinite(logits).all():
        raise ValueError("logits must be finite")
    derivatives = _softmax_derivatives if truth.ndim == 1 else _sigmoid_derivatives
    low, high, inverse = 1 / HIGHEST_TEMPERATURE, HIGHEST_TEMPERATURE, 1.0
    for _ in range(60):
        slope, curvature = derivatives(logits, truth, inverse)
        slope, curvature = slope + (inverse - 1), curvature + 1
        low, high = (low, inverse) if slope > 0 else (inverse, high)
        newton = inverse - slope / curvature
        step = newton if low < newton < high else (low * high) ** 0.5
        if abs(step - inverse) <= 1e-8 * inverse:
            break
        inverse = step
    return 1 / inverse


def _softmax_derivatives(logits_NK: Floats, references_N: NDArray[np.int64], inverse: float) -> tuple[float, float]:
    """First and second derivative of the summed cross entropy in 1 / temperature."""
    probabilities = softmax(logits_NK * inverse)
    mean_N = (probabilities * logits_NK).sum(axis=1)
    square_N = (probabilities * logits_NK**2).sum(axis=1)
    reached_N = logits_NK[np.arange(len(logits_NK)), references_N]
    return float((mean_N - reached_N).sum()), float((square_N - mean_N**2).sum())


def _sigmoid_derivatives(logits_NK: Floats, references_NK: NDArray[np.int64], inverse: float) -> tuple[float, float]:
    """The same for the summed binary cross entropies."""
    probabilities = sigmoid(logits_NK * inverse)
    slope = (logits_NK * (probabilities - references_NK)).sum()
    return float(slope), float((logits_NK**2 * probabilities * (1 - probabilities)).sum())


def reliability_bins(confidences_N: ArrayLike, correct_N: ArrayLike, bins: int = 15) -> list[Bin]:
    """The rows sorted into ``bins`` equal spans of confidence; spans that hold no row are left out."""
    confidences = np.asarray(confidences_N, np.float64).ravel()
    correct = np.asarray(correct_N, np.float64).ravel()
    place_N = np.clip(np.ceil(confidences * bins) - 1, 0, bins - 1).astype(np.int64)
    counts = np.bincount(place_N, minlength=bins)
    sure = np.bincount(place_N, weights=confidences, minlength=bins)
    right = np.bincount(place_N, weights=correct, minlength=bins)
    return [
        Bin(b / bins, (b + 1) / bins, int(counts[b]), float(sure[b] / counts[b]), float(right[b] / counts[b]))
        for b in range(bins)
        if counts[b]
    ]


def error_of_bins(bins: Sequence[Bin]) -> float:
    """The expected calibration error: the gap between confidence and accuracy, averaged over the rows (Naeini et al.
    2015; Guo et al. 2017)."""
    rows = sum(b.count for b in bins)
    return sum(b.count * abs(b.accuracy - b.confidence) for b in bins) / max(rows, 1)
