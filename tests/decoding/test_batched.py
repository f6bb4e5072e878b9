"""A search over many sources at once gives each what a search for it alone gives.

B rows · V vocabulary
"""

from typing import Any

import pytest
import torch
from torch import Tensor

from decoding.tables import Table, TableConfig, every_text
from minnow.decoding.batched import search
from minnow.decoding.rows import LENGTH, STOP
from minnow.decoding.search import BeamSettings, Hypothesis, beam_search, read_prompts

pytestmark = pytest.mark.usefixtures("one_thread")
PROMPTS = [[1, 2], [3], [4, 5, 6, 1], [1, 2], [6, 6]]
MOST = [7, 1, 12, 3, 0]
CLOSE = 1e-4


def found(
    model: Table, settings: BeamSettings, prompts: list[list[int]] = PROMPTS, most: list[int] = MOST, **more: Any
) -> list[list[Hypothesis]]:
    with torch.inference_mode():
        logits_BV, state = read_prompts(model, prompts, torch.device("cpu"))
        return search(model, logits_BV, state, torch.tensor(most), settings, 0, **more)


def alone(model: Table, prompt: list[int], most: int, settings: BeamSettings, **more: Any) -> list[Hypothesis]:
    with torch.inference_mode():
        logits_1V, state = read_prompts(model, [prompt], torch.device("cpu"))
        return beam_search(model, logits_1V, state, most, settings, frozenset({0}), **more)


def assert_alike(ours: list[Hypothesis], theirs: list[Hypothesis]) -> None:
    """The same scores; and where no other score is as near as rounding, the same texts."""
    assert [one.score for one in ours] == pytest.approx([one.score for one in theirs], abs=CLOSE)
    for one, other in zip(ours, theirs, strict=True):
        if sum(abs(third.score - other.score) < CLOSE for third in theirs) == 1:
            assert one.token_ids == other.token_ids
            assert one.finish_reason == other.finish_reason
            assert one.log_probability == pytest.approx(other.log_probability, abs=CLOSE)
            assert one.log_probabilities == pytest.approx(other.log_probabilities, abs=CLOSE)


@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 1.0, 2.0])
@pytest.mark.parametrize("num_beams", [2, 4, 9])
def test_each_source_gets_what_a_beam_search_for_it_alone_finds(num_beams: int, length_penalty: float) -> None:
    settings = BeamSettings(num_beams, length_penalty)
    for seed in range(4):
        model = Table(TableConfig(seed=seed))
        for ours, prompt, most in zip(found(model, settings), PROMPTS, MOST, strict=True):
            if most:
                assert_alike(ours, alone(model, prompt, most, settings))


@pytest.mark.parametrize("num_beams", [1, 3])
def test_a_source_alone_is_the_source_among_others(num_beams: int) -> None:
    settings = BeamSettings(num_beams, 0.8)
    for seed in range(4):
        model = Table(TableConfig(seed=seed))
        for together, prompt, most in zip(found(model, settings), PROMPTS, MOST, strict=True):
            assert_alike(together, found(model, settings, [prompt], [most])[0])


@pytest.mark.parametrize("length_penalty", [0.0, 0.7, 1.0, 2.0])
def test_beams_that_hold_every_text_find_the_best_of_all(length_penalty: float) -> None:
    settings = BeamSettings(200, length_penalty)
    for seed in range(3):
        model = Table(TableConfig(vocab_size=4, seed=seed))
        prompts, most = [[1, 2], [3], [2, 2]], [4, 2, 3]
        for ours, prompt, longest in zip(found(model, settings, prompts, most), prompts, most, strict=True):
            best = sorted(every_text(model, prompt, longest, settings), key=lambda one: -one.score)
            assert_alike(ours[:10], best[:10])
            num_texts = sum(3**length for length in range(longest + 1))
            assert len(ours) == min(200, num_texts)
            assert len({(one.token_ids, one.finish_reason) for one in ours}) == len(ours)


@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
def test_with_one_beam_the_likeliest_token_is_taken_at_each_step(length_penalty: float) -> None:
    for seed in range(4):
        model = Table(TableConfig(seed=seed))
        for (ours,), prompt, most in zip(found(model, BeamSettings(1, length_penalty)), PROMPTS, MOST, strict=True):
            text, steps = list(prompt), []
            while len(text) - len(prompt) < most:
                own_V = model.next_logits(text).log_softmax(0)
                token = int(own_V.argmax())
                if token == 0:
                    steps.append(float(own_V[0]))
                    break
                text.append(token)
                steps.append(float(own_V[token]))
            written = text[len(prompt) :]
            assert list(ours.token_ids) == written
            assert ours.finish_reason == (STOP if len(steps) > len(written) else LENGTH)
            assert ours.log_probabilities == pytest.approx(steps[: len(written)], abs=1e-5)
            assert ours.log_probability == pytest.approx(sum(steps), abs=CLOSE)
            assert ours.score == pytest.approx(sum(steps) / max(1, len(steps)) ** length_penalty, abs=CLOSE)


@pytest.mark.parametrize("num_beams", [1, 2, 5])
def test_texts_come_best_first_and_add_up(num_beams: int) -> None:
    settings = BeamSettings(num_beams, 1.3)
    for seed in range(5):
        model = Table(TableConfig(seed=seed))
        for texts, prompt, most in zip(found(model, settings), PROMPTS, MOST, strict=True):
            assert 1 <= len(texts) <= num_beams
            assert [one.score for one in texts] == sorted((one.score for one in texts), reverse=True)
            for one in texts:
                assert len(one.token_ids) == len(one.log_probabilities) <= most
                assert 0 not in one.token_ids
                end = 0.0
                if one.finish_reason == STOP:
                    end = float(model.next_logits([*prompt, *one.token_ids]).log_softmax(0)[0])
                else:
                    assert len(one.token_ids) == most
                assert one.log_probability == pytest.approx(sum(one.log_probabilities) + end, abs=CLOSE)
                num_counted = max(1, len(one.token_ids) + (one.finish_reason == STOP))
                assert one.score == pytest.approx(one.log_probability / num_counted**1.3, abs=CLOSE)


@pytest.mark.parametrize("num_beams", [1, 4])
def test_a_banned_token_is_never_written_and_leaves_the_others_probabilities_alone(num_beams: int) -> None:
    settings = BeamSettings(num_beams)
    for seed in range(4):
        model = Table(TableConfig(seed=seed))
        for texts, prompt in zip(found(model, settings, banned_ids=torch.tensor([2, 5])), PROMPTS, strict=True):
            for one in texts:
                assert not {2, 5} & set(one.token_ids)
                text = list(prompt)
                for token, step in zip(one.token_ids, one.log_probabilities, strict=True):
                    assert step == pytest.approx(float(model.next_logits(text).log_softmax(0)[token]), abs=1e-5)
                    text.append(token)


@pytest.mark.parametrize("num_beams", [1, 4])
def test_tokens_that_there_are_not_are_never_written(num_beams: int) -> None:
    """And the texts are those of a model that makes them impossible."""
    settings = BeamSettings(num_beams)
    model = Table(TableConfig())
    with torch.no_grad():
        model.weight[..., 5:] += 3
    texts = found(model, settings, vocab_size=5)
    assert {token for some in texts for one in some for token in one.token_ids} <= {1, 2, 3, 4}
    banned = found(model, settings, banned_ids=torch.tensor([5, 6]))
    assert [[one.token_ids for one in some] for some in texts] == [[one.token_ids for one in some] for some in banned]


def test_where_there_are_fewer_texts_than_beams_all_of_them_are_given() -> None:
    model = Table(TableConfig(vocab_size=3))
    (texts,) = found(model, BeamSettings(8), [[1]], [2], banned_ids=torch.tensor([2]))
    assert sorted((one.token_ids, one.finish_reason) for one in texts) == [((), STOP), ((1,), STOP), ((1, 1), LENGTH)]


def test_no_sources_are_no_work() -> None:
    model = Table(TableConfig())
    assert search(model, torch.zeros(0, 7), None, torch.tensor([], dtype=torch.long), BeamSettings(3), 0) == []
    assert model.num_steps == 0


@pytest.mark.parametrize("num_beams", [1, 3])
def test_sources_that_are_done_cost_no_more_steps(num_beams: int) -> None:
    model = Table(TableConfig(seed=2))
    with torch.no_grad():
        model.weight[..., 0] = -50.0  # nobody ends before all that may be written is written
    found(model, BeamSettings(num_beams), [[1], [2], [3]], [2, 5, 3])
    assert model.most_rows == [num_beams * count for count in (3, 2, 1, 1)], "no step behind the last token"


@pytest.mark.parametrize("num_beams", [1, 3])
def test_a_text_that_has_all_it_may_have_is_cut_though_the_model_would_end_there(num_beams: int) -> None:
    model = Table(TableConfig(vocab_size=4))
    with torch.no_grad():
        model.weight[:] = torch.tensor([-9.0, 9.0, 0.0, 0.0])
        model.weight[1, 1] = torch.tensor([20.0, 0.0, 0.0, 0.0])
    for most, reason, num_steps in ((1, LENGTH, 0), (2, STOP, 1)):
        model.num_steps = 0
        ((best, *_),) = found(model, BeamSettings(num_beams), [[1]], [most])
        assert (best.token_ids, best.finish_reason, model.num_steps) == ((1,), reason, num_steps)


def test_a_search_ends_when_nothing_better_can_come() -> None:
    """The end is so likely that no longer text can win, so no step is taken at all."""
    model = Table(TableConfig(vocab_size=4))
    with torch.no_grad():
        model.weight[..., 0] = 20.0
    (texts,) = found(model, BeamSettings(1, 0.0), [[1]], [1000])
    assert (texts[0].token_ids, model.num_steps) == ((), 0)
    (texts,) = found(model, BeamSettings(2, 0.0), [[1]], [1000])
    assert texts[0].token_ids == ()
    assert model.num_steps <= 2


def test_a_memory_is_asked_for_rows_of_one_source_side_by_side() -> None:
    """By which models keep one memory for all beams of a source."""

    class Watched:
        def __init__(self, sources: Tensor):
            self.sources = sources

        def select(self, rows: Tensor) -> "Watched":
            chosen = self.sources[rows]
            _, counts = torch.unique_consecutive(chosen, return_counts=True)
            assert set(counts.tolist()) == {3}
            return Watched(chosen)

    class Random:
        def step(self, token_ids: Tensor, state: Watched) -> tuple[Tensor, Watched]:
            assert len(token_ids) == len(state.sources)
            return torch.randn(len(token_ids), 6, generator=random), state

    random = torch.Generator().manual_seed(0)
    logits_BV = torch.randn(4, 6, generator=random)
    most = torch.tensor([2, 6, 4, 9])
    texts = search(Random(), logits_BV, Watched(torch.arange(4)), most, BeamSettings(3), 0)
    assert len(texts) == 4
