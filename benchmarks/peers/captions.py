"""Multi30k as every contender of ``translation.py`` learns it, German into English, and the shape that all train.

Nothing but the standard library is imported here, so that each contender runs in an environment of its own.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

SOURCE, TARGET = "de", "en"
VOCAB_SIZE = 8000  # of each side, special tokens included
WIDTH, LAYERS, HEADS = 256, 3, 8
INNER = 1024  # of a feed-forward layer of two matrices
GATED_INNER = 688  # of one with three: as many weights, rounded up to a multiple of 8
ROWS = 64  # sentences of a batch
DROPOUT = SMOOTHING = 0.1
CLIP = 1.0
LEARNING_RATE = 5e-4
WARM_UP = 5  # steps that are not counted

PAD, UNKNOWN, BEGIN, END = range(4)


def arguments(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("data", type=Path, help="folder with train.de, train.en, dev.de and dev.en")
    parser.add_argument("--seconds", type=float, default=20.0, help="of training, less the first steps")
    return parser


def sentences(data: Path, part: str, language: str) -> list[str]:
    """One a line, in words with single spaces between them."""
    return (data / f"{part}.{language}").read_text(encoding="utf-8").splitlines()


def word_ids(lines: Sequence[str]) -> list[list[int]]:
    """Ids of the most frequent words; the others are one unknown word."""
    rows = [line.split() for line in lines]
    counts = Counter(word for row in rows for word in row)
    ids = {word: number for number, (word, _) in enumerate(counts.most_common(VOCAB_SIZE - END - 1), start=END + 1)}
    return [[ids.get(word, UNKNOWN) for word in row] for row in rows]
