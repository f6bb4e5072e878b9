"""Rows that are compared with one another: none alone, and a norm that fits the weights that answer."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from minnow.models.encoder_classifier import EncoderClassifier, EncoderClassifierConfig
from minnow.models.rnn_lm import RnnLMConfig
from minnow.tasks.batching import TokenRows, token_outputs
from minnow.training.classification_recipe import TrainingSettings
from minnow.training.journal import read_journal
from minnow.training.labelled import LabelledRows
from minnow.training.normed_labelling import FEWEST_ROWS, MEASURED_ROWS, NormedLabelling, with_rows_to_compare
from minnow.training.replicas import num_workers_for
from minnow.training.trainer import Trainer
from training.test_trainer import TASK, TRAIN, VALIDATION


def model(seed: int = 0) -> EncoderClassifier:
    torch.manual_seed(seed)
    encoder = RnnLMConfig(vocab_size=int(TRAIN.tokens.ids.max()) + 1, embedding_size=8, hidden_size=8).to_dict()
    return EncoderClassifier(EncoderClassifierConfig(encoder, len(TASK.labels), head_size=8, batch_norm=True))


def lesson(tokens: TokenRows) -> NormedLabelling:
    answers = LabelledRows(tokens, np.zeros(len(tokens), np.int64), [(0,)] * len(tokens))
    return NormedLabelling(TASK, answers, VALIDATION)


@pytest.mark.parametrize("lengths", [[50] * 40, [3] * 30 + [90] * 9, [60, 1], [7]], ids=str)
def test_no_row_learns_alone(lengths: list[int]) -> None:
    batches = lesson(TokenRows.of([[1] * length for length in lengths])).batches(64, np.random.default_rng(0))
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    assert min(map(len, batches)) >= min(FEWEST_ROWS, len(lengths))
    assert max(map(len, batches)) < max(2 * FEWEST_ROWS, FEWEST_ROWS + 64 // min(lengths))


def test_a_core_gets_rows_to_compare_or_none(tmp_path: Path) -> None:
    settings = TrainingSettings(precision="float32")
    trainer = Trainer(model(), NormedLabelling(TASK, TRAIN, VALIDATION), settings, tmp_path, lambda _: None)
    for count in range(1, 30):
        parts = [len(part) for part in trainer._split(np.arange(count))]
        assert sum(parts) == count
        assert min(parts) >= min(FEWEST_ROWS, count)
    trainer.replicas.close()


def test_batches_of_open_size_hold_about_eight_rows_for_each_core() -> None:
    cores = num_workers_for(torch.device("cpu"))
    rows = TokenRows.of([[1] * 256] * 100)
    settings = with_rows_to_compare(TrainingSettings(device="cpu"), rows)
    sizes = [len(batch) for batch in lesson(rows).batches(settings.tokens_per_batch, np.random.default_rng(0))]
    assert sorted(sizes)[1] == 8 * cores  # the smallest is what was left over
    assert with_rows_to_compare(TrainingSettings(tokens_per_batch=64), rows).tokens_per_batch == 64
    assert with_rows_to_compare(TrainingSettings(), TokenRows.of([[1] * 9_000] * 9)).tokens_per_batch <= 16_384


def test_what_is_measured_is_true_of_the_weights_at_that_time() -> None:
    taught, other = model(0), model(1)
    normed = NormedLabelling(TASK, TRAIN, VALIDATION)
    first = normed.measure(taught)
    rows = TRAIN.tokens.spread(MEASURED_ROWS)
    features = torch.from_numpy(token_outputs(taught, taught.features, 24, rows))
    torch.testing.assert_close(taught.batch_norm.mean_D, features.mean(0))  # type: ignore[union-attr]
    taught.load_state_dict(other.state_dict())
    second = normed.measure(taught)
    assert second != first
    assert normed.measure(other) == second


def test_the_weights_that_are_kept_answer_as_they_were_validated(tmp_path: Path) -> None:
    """Those of the first epoch here, while the last validation was of others."""

    class FirstIsBest(NormedLabelling):
        scored = 0

        def measure(self, model: Any) -> dict[str, float]:
            self.scored += 1
            return super().measure(model) | {"accuracy": 1.0 / self.scored}

    settings = TrainingSettings(epochs=3, learning_rate=0.03, tokens_per_batch=128, precision="float32")
    taught, normed = model(), FirstIsBest(TASK, TRAIN, VALIDATION)
    Trainer(taught, normed, settings, tmp_path, lambda _: None).fit()
    journal = read_journal(tmp_path / "journal.jsonl")
    assert len({row["validation_loss"] for row in journal}) == 3
    before = {name: buffer.clone() for name, buffer in taught.named_buffers()}
    normed.settle(taught)
    assert any((buffer != before[name]).any() for name, buffer in taught.named_buffers())
    assert NormedLabelling(TASK, TRAIN, VALIDATION).measure(taught)["loss"] == pytest.approx(
        journal[0]["validation_loss"]
    )
