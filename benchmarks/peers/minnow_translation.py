"""Minnow learning Multi30k through its own loop: the ``Trainer`` and the ``Lesson`` of ``minnow train``, its defaults.

Clipping and averaging the weights are part of what is timed, measuring on held-out pairs is not; the arithmetic is the
loop's own choice.
"""

import json
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from captions import (
    CLIP,
    DROPOUT,
    GATED_INNER,
    HEADS,
    LAYERS,
    LEARNING_RATE,
    ROWS,
    SMOOTHING,
    SOURCE,
    TARGET,
    VOCAB_SIZE,
    WARM_UP,
    WIDTH,
    arguments,
    sentences,
)
from contender import num_cores

from minnow.data.pairs import Pairs
from minnow.models.transformer_seq2seq import TransformerSeq2Seq, TransformerSeq2SeqConfig
from minnow.tasks.batching import bucketed
from minnow.tasks.translation import Translation
from minnow.text.tokenizer import Tokenizer, TokenizerSettings
from minnow.training.trainer import Trainer
from minnow.training.translating import PairRows, Translating, pair_rows
from minnow.training.translation_recipe import TranslationTraining

Row = dict[str, Any]


def read(data: Path, part: str) -> Pairs:
    sides = [sentences(data, part, language) for language in (SOURCE, TARGET)]
    return Pairs(*sides, [(SOURCE, TARGET)] * len(sides[0]), "multi30k", "")


def two_tokenizers(pairs: Pairs) -> Tokenizer:
    """A vocabulary of words for each side, as the peers have."""
    settings = TokenizerSettings("whitespace", VOCAB_SIZE, lowercase=False, normalization="none", min_frequency=1)
    tokenizer, tokenizer_target = (Tokenizer.train(side, settings) for side in (pairs.sources, pairs.targets))
    tokenizer.target = tokenizer_target
    return tokenizer


def tokens_per_batch(rows: PairRows) -> int:
    """Padded tokens such that a batch has ``ROWS`` sentences on the average."""
    tokens = int(ROWS * rows.lengths.mean())
    for _ in range(3):
        mean_rows = len(rows) / len(bucketed(rows.lengths, tokens, np.random.default_rng(0)))
        tokens = round(tokens * ROWS / mean_rows)
    return tokens


class Watch:
    """Listens to the loop's log and stops it, as Ctrl-C would, after so many seconds that count."""

    def __init__(self, seconds: float):
        self.seconds = seconds
        self.counted: list[Row] = []

    def __call__(self, row: Row) -> None:
        if "batch" not in row or row["step"] < WARM_UP:
            return
        self.counted.append(row)
        if self.counted[-1]["seconds"] - self.counted[0]["seconds"] >= self.seconds:
            raise KeyboardInterrupt

    @property
    def rate(self) -> float:
        """Target tokens a second between the first counted line and the last."""
        first, last = self.counted[0], self.counted[-1]
        tokens = last["tokens_per_second"] * last["seconds"] - first["tokens_per_second"] * first["seconds"]
        return tokens / (last["seconds"] - first["seconds"])


def main() -> None:
    given = arguments(__doc__).parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(num_cores())  # the loop's own workers take a core each
    pairs = read(given.data, "train")
    tokenizer = two_tokenizers(pairs)
    task = Translation(((SOURCE, TARGET),))
    rows = pair_rows(task, tokenizer, pairs)
    model = TransformerSeq2Seq(
        TransformerSeq2SeqConfig(
            vocab_size=tokenizer.vocab_size,
            target_vocab_size=tokenizer.writing.vocab_size,
            hidden_size=WIDTH,
            encoder_layers=LAYERS,
            decoder_layers=LAYERS,
            num_heads=HEADS,
            inner_size=GATED_INNER,
            dropout=DROPOUT,
        )
    )
    settings = TranslationTraining(
        epochs=1000,
        tokens_per_batch=tokens_per_batch(rows),
        learning_rate=LEARNING_RATE,
        label_smoothing=SMOOTHING,
        clip=CLIP,
        metric="loss",
    )
    lesson = Translating(task, tokenizer, rows, read(given.data, "dev"), SMOOTHING, translates=0)
    watch = Watch(given.seconds)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(model, lesson, settings, Path(folder), watch)
        trainer.fit()
    print(
        json.dumps(
            {
                "rates": {"training": watch.rate},
                "rows_per_batch": len(rows) / len(lesson.batches(settings.tokens_per_batch, np.random.default_rng(0))),
                "steps": watch.counted[-1]["step"],
                "parameters": model.num_parameters(),
                "arithmetic": "bfloat16" if trainer.autocast else "float32",
                "versions": {"minnow-lm": version("minnow-lm"), "torch": torch.__version__},
            }
        )
    )


if __name__ == "__main__":
    main()
