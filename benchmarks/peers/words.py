"""Texts as the last words of each, numbered by frequency: the input of the small LSTM in Keras and in plain torch."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

VOCAB_SIZE, NUM_WORDS = 1000, 100  # the literature's small setting
EMBEDDING_SIZE, HIDDEN_SIZE, ROWS_PER_BATCH = 50, 100, 32
_NO_WORD = re.compile(r"[^a-z0-9' ]+")


def words(text: str) -> list[str]:
    return _NO_WORD.sub(" ", text.lower().replace("<br />", " ")).split()


class Words:
    """Ids of the most frequent words: 0 is padding, on the left, and 1 any other word."""

    def __init__(self, documents: Sequence[Sequence[str]]):
        counts = Counter(word for document in documents for word in document)
        self.ids = {word: i for i, (word, _) in enumerate(counts.most_common(VOCAB_SIZE - 2), start=2)}

    def encode(self, documents: Sequence[Sequence[str]]) -> NDArray[np.int32]:
        """Ids [N, S]."""
        encoded = np.zeros((len(documents), NUM_WORDS), np.int32)
        for row, document in enumerate(documents):
            ids = [self.ids.get(word, 1) for word in document[-NUM_WORDS:]]
            if ids:
                encoded[row, -len(ids) :] = ids
        return encoded

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(self.ids), encoding="utf-8")
