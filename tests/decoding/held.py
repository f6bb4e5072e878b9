"""Whether tokens hold phrases, counted out: what a search that is held to them is checked against."""

from collections.abc import Sequence

import numpy as np

from minnow.decoding.phrases import Borders, Phrase, Spelling


def borderless(vocab_size: int) -> Borders:
    return Borders(np.zeros(vocab_size, bool), np.zeros(vocab_size, bool))


def holds(token_ids: Sequence[int], phrases: Sequence[Phrase], borders: Borders) -> bool:
    """Whether a whole text has all of the phrases."""
    text = tuple(token_ids)
    return all(any(stands_in(text, spelling, borders) for spelling in phrase) for phrase in phrases)


def stands_in(text: tuple[int, ...], spelling: Spelling, borders: Borders) -> bool:
    num_tokens = len(spelling.token_ids)
    for start in range(len(text) - num_tokens + 1):
        end = start + num_tokens
        if text[start:end] == spelling.token_ids:
            begins = start == 0 or not (spelling.starts_word and borders.leaves_open[text[start - 1]])
            ends = end == len(text) or not (spelling.ends_word and borders.goes_on[text[end]])
            if begins and ends:
                return True
    return False
