"""What a model that translates learns from: each token of each target, once and alike, and scores of what it writes."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from pairs import SHAPES, net, tokenizer
from torch.nn import functional as F

from minnow.bundle.bundle import Bundle
from minnow.data.pairs import Pairs
from minnow.decoding.translating import TranslationSettings
from minnow.evaluation.measure import measure_translation
from minnow.tasks.translation import Translation, tags
from minnow.training.translating import MOST_TOKENS, PairRows, Translating, pair_rows
from minnow.training.translation_recipe import METRICS

pytestmark = pytest.mark.usefixtures("one_thread")
CPU = torch.device("cpu")
SOURCES = ["Hello there", "world", "Good day there, world", "day.", "Hello", "你好 world", "there, there", "Good"]
TARGETS = ["there Hello", "world.", "你好", "day day day day day", "Hello, world", "好你", "a", "Good day!"]
DIRECTIONS = [("en", "de"), ("en", "zh")] * 4
TASK = Translation((("en", "de"), ("en", "zh")), tagged=True)
READING = tokenizer().with_special_tokens(tags(TASK.targets))
PAIRS = Pairs(SOURCES, TARGETS, DIRECTIONS, "pairs", "0" * 64)


@pytest.fixture(params=SHAPES)
def model(request: pytest.FixtureRequest) -> Any:
    return net(request.param, READING.vocab_size)


def lesson(smoothing: float = 0.0, **more: Any) -> Translating:
    return Translating(TASK, READING, pair_rows(TASK, READING, PAIRS), PAIRS, smoothing, **more)


def plain(model: Any, smoothing: float = 0.0) -> list[torch.Tensor]:
    """The losses of each pair's tokens, one pair after another and without padding."""
    rows = pair_rows(TASK, READING, PAIRS)
    losses = []
    for row in range(len(rows)):
        source, target = (torch.from_numpy(side.row(row)).long()[None] for side in (rows.sources, rows.targets))
        logits_1TV = model(source, torch.tensor([source.shape[1]]), target)
        losses.append(F.cross_entropy(logits_1TV[0], target[0], reduction="none", label_smoothing=smoothing))
    return losses


def test_rows_are_the_tagged_source_and_the_target_with_its_end() -> None:
    rows = pair_rows(TASK, READING, PAIRS)
    assert len(rows) == 8
    for row, (source, target, (_, language)) in enumerate(zip(SOURCES, TARGETS, DIRECTIONS, strict=True)):
        assert rows.sources.row(row).tolist() == TASK.source_ids(READING, [source], [language])[0]
        assert rows.targets.row(row).tolist() == [*READING.encode_ids([target])[0], READING.eos_id]
        assert rows.lengths[row] == max(len(rows.sources.row(row)), len(rows.targets.row(row)))
    chosen: PairRows = rows.chosen([5, 2])
    assert [side.row(0).tolist() for side in (chosen.sources, chosen.targets)] == [
        side.row(5).tolist() for side in (rows.sources, rows.targets)
    ]


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_the_mean_over_all_tokens(model: Any, smoothing: float) -> None:
    losses = plain(model, smoothing)
    for rows in ([0, 1, 2, 3, 4, 5, 6, 7], [2, 5], [7]):
        found = lesson(smoothing).loss(model, np.array(rows), CPU)
        torch.testing.assert_close(found, torch.cat([losses[row] for row in rows]).mean(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", SHAPES)
def test_two_readings_of_a_batch_are_two_losses_and_what_is_between_them(kind: str) -> None:
    model, rows = net(kind, READING.vocab_size, dropout=0.3), np.array([2, 5, 0])
    nothing_dropped = lesson(0.1).loss(model, rows, CPU)
    torch.testing.assert_close(lesson(0.1, r_drop=5.0).loss(model, rows, CPU), nothing_dropped)
    one, more, most = (_seeded_loss(model.train(), r_drop, rows) for r_drop in (1e-9, 5.0, 10.0))
    assert more > one + 0.1
    torch.testing.assert_close(most - one, 2 * (more - one), rtol=1e-3, atol=1e-4)


def _seeded_loss(model: Any, r_drop: float, rows: Any) -> torch.Tensor:
    torch.manual_seed(0)
    return lesson(0.1, r_drop=r_drop).loss(model, rows, CPU)


def test_parts_of_a_batch_weigh_as_many_as_their_tokens(model: Any) -> None:
    one, batch = lesson(0.1), np.arange(8)
    parts = [batch[0::2], batch[1::2]]
    weights = [one.weight(part) for part in parts]
    together = sum(weight * one.loss(model, part, CPU) for weight, part in zip(weights, parts, strict=True))
    torch.testing.assert_close(together / sum(weights), one.loss(model, batch, CPU), rtol=1e-4, atol=1e-5)
    assert weights == [one.tokens(part) for part in parts]
    assert sum(weights) == one.num_tokens == sum(map(len, plain(model)))


def test_a_pass_has_every_row_once_in_batches_of_bounded_size() -> None:
    one = lesson()
    lengths = one.train.lengths
    for seed in range(3):
        batches = one.batches(30, np.random.default_rng(seed))
        assert sorted(row for batch in batches for row in batch.tolist()) == list(range(8))
        assert all(len(batch) == 1 or len(batch) * lengths[batch].max() <= 30 for batch in batches)
    assert len(one.batches(10_000, np.random.default_rng(0))) == 1


def test_each_pass_reads_the_words_in_other_pieces_and_a_seed_repeats_them() -> None:
    one, kept = lesson(bpe_dropout=0.5), lesson().train
    passes = []
    for seed in (1, 2, 1):
        assert sorted(row for batch in one.batches(30, np.random.default_rng(seed)) for row in batch) == list(range(8))
        rows = one.train
        passes.append([side.ids.tolist() for side in (rows.sources, rows.targets)])
        for drawn, whole in ((rows.sources, kept.sources), (rows.targets, kept.targets)):
            texts = [[READING.decode(side.row(row).tolist()) for row in range(8)] for side in (drawn, whole)]
            assert texts[0] == texts[1]
            assert len(drawn.ids) > len(whole.ids)
        assert [rows.sources.row(row)[0] for row in range(8)] == [kept.sources.row(row)[0] for row in range(8)]
        assert all(rows.targets.row(row)[-1] == READING.eos_id for row in range(8))
    assert passes[0] == passes[2] != passes[1]


@pytest.mark.parametrize("bpe_dropout", [0.0, 0.5])
def test_pairs_are_drawn_anew_for_each_pass_behind_those_that_are_given(bpe_dropout: float) -> None:
    given = lesson().train
    one = lesson(bpe_dropout=bpe_dropout, draw_more=lambda random: PAIRS.chosen(random.integers(8, size=3)))
    passes = []
    for seed in (1, 2, 1):
        batches = one.batches(30, np.random.default_rng(seed))
        assert sorted(row for batch in batches for row in batch.tolist()) == list(range(11))
        rows = one.train
        texts = [READING.decode(rows.targets.row(row).tolist()) for row in range(11)]
        assert texts[:8] == [READING.decode(given.targets.row(row).tolist()) for row in range(8)]
        assert set(texts[8:]) <= set(texts[:8])
        passes.append([side.ids.tolist() for side in (rows.sources, rows.targets)])
    assert passes[0] == passes[2] != passes[1]


def test_what_is_drawn_and_too_long_is_left_out() -> None:
    long = replace(PAIRS.chosen([0, 1]), targets=["day " * MOST_TOKENS, "day"])
    one = lesson(draw_more=lambda _: long)
    assert sum(len(batch) for batch in one.batches(30, np.random.default_rng(0))) == 9
    assert len(one.train.targets.row(8)) < 9


@pytest.mark.parametrize("training", [True, False])
def test_it_is_measured_by_the_loss_and_by_what_it_writes(model: Any, training: bool) -> None:
    scores = lesson(0.3).measure(model.train(training))
    assert model.training == training
    assert scores["loss"] == pytest.approx(float(torch.cat(plain(model)).detach().mean()), rel=1e-4)
    bundle = Bundle(model, TASK.to_dict(), READING)
    report = measure_translation(bundle, PAIRS, "m", settings=TranslationSettings(1))
    assert scores["chrf"] == pytest.approx(report.scores["chrf"])
    assert scores["bleu"] == pytest.approx(report.scores["bleu"])


def test_all_that_an_epoch_may_be_chosen_by_is_measured() -> None:
    model = net("general", READING.vocab_size)
    assert set(lesson().measure(model)) == set(METRICS)
    into = [target for _, target in DIRECTIONS]
    written = [best[0].text for best in TASK.translate(model, READING, SOURCES, TranslationSettings(1), into)]
    pairs = replace(PAIRS, targets=[f"{text} " if row % 4 else "other" for row, text in enumerate(written)])
    most = Translating(TASK, READING, pair_rows(TASK, READING, PAIRS), pairs, 0.0)
    assert most.measure(model)["exact_match"] == 75


def test_of_many_pairs_so_many_are_translated_from_the_first_to_the_last() -> None:
    assert lesson(translates=3).asked.sources == [SOURCES[0], SOURCES[4], SOURCES[7]]
    assert lesson(translates=1000).asked.sources == SOURCES
    none = lesson(translates=0).measure(net("general", READING.vocab_size))
    assert set(none) == {"loss"}


def test_the_loss_falls_where_it_is_followed(model: Any) -> None:
    one = lesson()
    before = float(one.loss(model, np.arange(8), CPU).detach())
    optimizer = torch.optim.Adam(model.train().parameters(), 0.01)
    for _ in range(8):
        optimizer.zero_grad()
        loss = one.loss(model, np.arange(8), CPU)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert float(one.loss(model, np.arange(8), CPU).detach()) < 0.7 * before
