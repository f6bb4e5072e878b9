"""The mistakes worth reading first: those the model was surest of, grouped by what was taken for what."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from minnow.evaluation.outcomes import Outcomes

SHOWN_CHARACTERS = 280


def worst_confusions(
    texts: Sequence[str], found: Outcomes, num_pairs: int = 20, num_examples: int = 3
) -> list[dict[str, Any]]:
    """The most frequent confusions, each with its surest mistakes, as rows of a table.

    Each row has ``text`` (cut to 280 characters), ``row`` (from 0), ``reference`` and ``prediction`` (names, joined by
    a comma), ``confidence`` (of what was wrongly said), ``pair`` and ``pair_count`` (how often this confusion occurs).
    Where a text may bear several labels a pair is ``missed NAME`` or ``wrongly NAME``.
    """
    mistakes = _mistakes_by_label(found) if found.multi_label else _mistakes_by_pair(found)
    counts = Counter(pair for pair, _, _ in mistakes)
    order = {pair: place for place, (pair, _) in enumerate(counts.most_common(num_pairs))}
    chosen = sorted((m for m in mistakes if m[0] in order), key=lambda m: (order[m[0]], -m[2], m[1]))
    taken: Counter[str] = Counter()
    table = []
    for pair, row, confidence in chosen:
        taken[pair] += 1
        if taken[pair] <= num_examples:
            table.append(
                _table_row(texts, found, row) | {"confidence": confidence, "pair": pair, "pair_count": counts[pair]}
            )
    return table


def _mistakes_by_pair(found: Outcomes) -> list[tuple[str, int, float]]:
    """(pair, row, confidence) of each row whose one label is wrong."""
    names, references, predictions = found.names, found.reference_ids(), found.predicted_ids()
    return [
        (f"{names[references[n]]} → {names[predictions[n]]}", int(n), float(found.probabilities[n, predictions[n]]))
        for n in np.flatnonzero(~found.right)
    ]


def _mistakes_by_label(found: Outcomes) -> list[tuple[str, int, float]]:
    """(pair, row, confidence) of each wrong yes or no; a label the model has never seen was refused with certainty."""
    num_labels = len(found.labels)
    mistakes = []
    for n, k in np.argwhere(found.references != found.predictions):
        probability = float(found.probabilities[n, k]) if k < num_labels else 0.0
        missed = bool(found.references[n, k])
        pair = f"{'missed' if missed else 'wrongly'} {found.names[k]}"
        mistakes.append((pair, int(n), 1 - probability if missed else probability))
    return mistakes


def _table_row(texts: Sequence[str], found: Outcomes, row: int) -> dict[str, Any]:
    return {
        "text": shown(texts[row]),
        "row": row,
        "reference": ", ".join(found.names[k] for k in np.flatnonzero(found.references[row])),
        "prediction": ", ".join(found.names[k] for k in np.flatnonzero(found.predictions[row])),
    }


def shown(text: str) -> str:
    """A text as a table of a report has it: on one line, cut to 280 characters."""
    text = " ".join(text.split())
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
