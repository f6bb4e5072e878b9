"""What a model that translates looked at: a weight for each word it wrote and each word it read.

S words of the source · T words of the target · N, M their tokens
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from minnow.bundle.bundle import Bundle
from minnow.decoding.translating import TranslationSettings
from minnow.errors import DataError
from minnow.tasks.base import needed
from minnow.tasks.registry import task_of
from minnow.tasks.translation import Translation, clean
from minnow.text.sentences import sentences_of
from minnow.text.tokenizer import Tokenizer

Floats = NDArray[np.float64]
Spans = list[tuple[int, int]]


@dataclass(frozen=True)
class AttentionMap:
    """One source and its target.

    Attributes:
        source_tokens, target_tokens: words and signs.
        weights_TS: how much each word of the target looked at each of the source; a row adds up to one, less what went
            to the end of the source and to its tag.
    """

    source: str
    target: str
    source_tokens: tuple[str, ...]
    target_tokens: tuple[str, ...]
    weights_TS: Floats

    @property
    def alignment(self) -> tuple[tuple[int, int], ...]:
        """Pairs of word numbers, source and target: each word of the target with the one that it looked at most.

        A word that looked at the end of the source more than at any word has none.
        """
        rest_T = 1 - self.weights_TS.sum(axis=1)
        return tuple(
            (int(row.argmax()), number)
            for number, row in enumerate(self.weights_TS)
            if len(row) and row.max() >= rest_T[number]
        )

    @property
    def aligned_words(self) -> list[tuple[str, str]]:
        """The words of ``alignment``, in the order of the target."""
        return [(self.source_tokens[s], self.target_tokens[t]) for s, t in self.alignment]

    def save(self, path: str | Path) -> Path:
        """Write a picture of it, as the name says a PNG or an SVG; returns its path.

        Raises:
            InputError: another kind of file.
            MinnowError: the plots extra is missing.
            StorageError: the disk refuses.
        """
        from minnow.evaluation.plots import attention_picture, picture_path, save_as

        return save_as(attention_picture(self.source_tokens, self.target_tokens, self.weights_TS), picture_path(path))

    def to_dict(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "target": self.target,
            "source_tokens": list(self.source_tokens),
            "target_tokens": list(self.target_tokens),
            "weights_TS": self.weights_TS.tolist(),
            "alignment": [list(pair) for pair in self.alignment],
        }


def attention_map(bundle: Bundle, source: str, to: str | None = None, target: str | None = None) -> AttentionMap:
    """The attention of a model that translates, while it writes ``target``; without one, what it would write itself.

    Lines look at their own line alone, as they are translated one by one; and so do the sentences of a line that is
    longer than the model has learnt, if the target has as many.

    Raises:
        DataError: the model does not translate, or there is nothing to look at.
    """
    task = task_of(bundle)
    if not isinstance(task, Translation):
        raise DataError(f"this model's task is {task.name.replace('_', ' ')}; attention is shown of translations only")
    tokenizer, language = needed(bundle.tokenizer), task.into(to)
    if not clean(source):
        raise DataError("there is nothing to look at in an empty text; give some words")
    if target is None:
        settings = TranslationSettings()
        target = task.translate(bundle.model, tokenizer, [source], settings, language)[0][0].text
    parts = [
        _weights(bundle.model, task, tokenizer, language, *piece) for piece in _pieces(task, tokenizer, source, target)
    ]
    source_tokens = tuple(word for words, _, _ in parts for word in words)
    target_tokens = tuple(word for _, words, _ in parts for word in words)
    weights_TS = np.zeros((len(target_tokens), len(source_tokens)))
    row, column = 0, 0
    for _, _, part_TS in parts:
        height, width = part_TS.shape
        weights_TS[row : row + height, column : column + width] = part_TS
        row, column = row + height, column + width
    return AttentionMap(clean(source), clean(target), source_tokens, target_tokens, weights_TS)


def _pieces(task: Translation, tokenizer: Tokenizer, source: str, target: str) -> list[tuple[str, str]]:
    """What is translated by itself, with its translation."""
    lines, written = source.splitlines(), target.split("\n")
    if len(lines) != len(written):
        return [(clean(source), clean(target))]
    pieces: list[tuple[str, str]] = []
    for line, translated in zip(lines, written, strict=True):
        sentences, others = [piece for piece, _ in task.pieces(tokenizer, line)], sentences_of(translated)
        pairs = zip(sentences, others, strict=True) if len(sentences) == len(others) else [(line, translated)]
        pieces += [(clean(one), clean(other)) for one, other in pairs]
    return [(one, other) for one, other in pieces if one]


def _weights(
    model: Any, task: Translation, tokenizer: Tokenizer, language: str, source: str, target: str
) -> tuple[tuple[str, ...], tuple[str, ...], Floats]:
    """The words of one piece and of its translation, and what each of these looked at [T, S]."""
    source_ids = task.source_ids(tokenizer, [source], [language])[0]
    target_ids = task.target_ids(tokenizer, [target])[0]
    with torch.inference_mode():
        sides = torch.tensor([source_ids]), torch.tensor([len(source_ids)]), torch.tensor([target_ids])
        weights_MN = model.eval().attention(*sides)[0].double().numpy()
    source_words, target_words = _words(tokenizer, source), _words(tokenizer.writing, target)
    first = 1 if task.tagged else 0
    weights_TS = np.array(
        [
            [weights_MN[start:end, first + left : first + right].sum(axis=1).mean() for left, right in source_words]
            for start, end in target_words
        ]
    ).reshape(len(target_words), len(source_words))
    return (*_spelt(tokenizer, source, target), weights_TS)


def _words(tokenizer: Tokenizer, text: str) -> Spans:
    """First token and the one behind the last of each word. A space that is a token of its own belongs to the word that
    follows, as it does where the two are one token; tokens of one character, which are bytes of it, belong together."""
    spans: Spans = []
    end_of_last, begun = -1, 0
    for number, (start, end) in enumerate(tokenizer.encode(text).offsets):
        if text[start:end].isspace():
            continue
        if start < end_of_last or (start == end_of_last and _inside(text, start)):
            spans[-1] = (spans[-1][0], number + 1)
        else:
            spans.append((begun, number + 1))
        end_of_last, begun = end, number + 1
    return spans


def _inside(text: str, place: int) -> bool:
    """Whether a word goes on at this place: both sides are letters, digits or marks of one, and not Chinese."""
    return 0 < place < len(text) and _of_word(text[place - 1]) and _of_word(text[place])


def _of_word(character: str) -> bool:
    is_part = character.isalnum() or character in "'’-" or unicodedata.category(character)[0] == "M"
    return is_part and not "\u3040" <= character <= "\u9fff"


def _spelt(tokenizer: Tokenizer, source: str, target: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The words of both sides as they stand in the text."""
    found: list[tuple[str, ...]] = []
    for side, text in ((tokenizer, source), (tokenizer.writing, target)):
        offsets: Sequence[tuple[int, int]] = side.encode(text).offsets
        spans = [(offsets[start][0], offsets[end - 1][1]) for start, end in _words(side, text)]
        found.append(tuple(text[start:end].strip() for start, end in spans))
    return found[0], found[1]
