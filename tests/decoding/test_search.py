"""Search over a model that is small enough to count every text of it."""

import math

import pytest
import torch

from decoding.tables import Table, TableConfig, every_text
from minnow.decoding.rows import LENGTH, STOP, Row
from minnow.decoding.sampling import SamplingSettings, generator_for
from minnow.decoding.search import BeamSettings, Hypothesis, beam_search, read_prompts, sample
from minnow.errors import MinnowError

PROMPTS = [[1, 2], [3], [4, 5, 6, 1], [1, 2]]
END = frozenset({0})


def rows(max_tokens: int = 12, prompts: list[list[int]] = PROMPTS) -> list[Row]:
    return [Row(prompt, max_tokens, generator_for(5, number)) for number, prompt in enumerate(prompts)]


def run(model: Table, texts: list[Row], settings: SamplingSettings, end_ids: frozenset[int] = END) -> list[Row]:
    with torch.inference_mode():
        logits_BV, state = read_prompts(model, [row.prompt for row in texts], torch.device("cpu"))
        for _ in sample(model, logits_BV, state, texts, settings, end_ids):
            pass
    return texts


def test_greedy_takes_the_likeliest_token_each_time() -> None:
    model = Table(TableConfig())
    for row in run(model, rows(), SamplingSettings(temperature=0)):
        text = list(row.prompt)
        for token_id in row.token_ids:
            assert token_id == int(model.next_logits(text).argmax())
            text.append(token_id)
        ended = int(model.next_logits(text).argmax()) == 0
        assert (row.finish_reason == STOP) == (ended and len(row.token_ids) < 12)
        assert row.finish_reason == STOP or len(row.token_ids) == 12


def test_log_probabilities_are_those_of_the_model() -> None:
    model = Table(TableConfig(seed=1))
    for row in run(model, rows(), SamplingSettings(temperature=1.3, top_k=3)):
        text = list(row.prompt)
        for token_id, found in zip(row.token_ids, row.log_probabilities, strict=True):
            assert found == pytest.approx(float(model.next_logits(text).log_softmax(0)[token_id]), abs=1e-5)
            text.append(token_id)


@pytest.mark.parametrize("seed", range(5))
def test_a_row_alone_is_the_row_among_others(seed: int) -> None:
    model = Table(TableConfig(seed=seed))
    together = run(model, rows(), SamplingSettings())
    for number, prompt in enumerate(PROMPTS):
        alone = Row(prompt, 12, generator_for(5, number))
        run(model, [alone], SamplingSettings())
        assert alone.token_ids == together[number].token_ids
        assert alone.finish_reason == together[number].finish_reason


def test_rows_that_have_ended_cost_no_more_steps() -> None:
    model = Table(TableConfig(seed=2))
    texts = [Row([1], most, generator_for(0)) for most in (2, 5, 3)]
    run(model, texts, SamplingSettings(), frozenset())
    assert model.most_rows == [3, 2, 1, 1]
    assert [len(row.token_ids) for row in texts] == [2, 5, 3]
    assert texts[0].token_ids == texts[1].token_ids[:2]


def test_a_caller_may_end_a_row_between_two_steps() -> None:
    model = Table(TableConfig(seed=2))
    first, second = rows(9, [[1], [2]])
    logits_BV, state = read_prompts(model, [[1], [2]], torch.device("cpu"))
    for _ in sample(model, logits_BV, state, [first, second], SamplingSettings()):
        if len(first.token_ids) == 3:
            first.finish_reason = STOP
    assert len(first.token_ids) == 3
    assert len(second.token_ids) == 9
    assert (first.finish_reason, second.finish_reason) == (STOP, LENGTH)


def test_equal_prompts_are_read_once() -> None:
    seen: list[int] = []

    class Counting(Table):
        def prefill(self, token_ids_BS, lengths_B):  # type: ignore[no-untyped-def]
            seen.append(len(lengths_B))
            return super().prefill(token_ids_BS, lengths_B)

    model = Counting(TableConfig())
    logits_BV, state = read_prompts(model, PROMPTS, torch.device("cpu"))
    assert seen == [3]
    assert state.num_rows == 4
    for row, prompt in enumerate(PROMPTS):
        assert torch.equal(logits_BV[row], model.next_logits(prompt))


def test_rows_of_the_model_without_a_token_are_never_chosen() -> None:
    model = Table(TableConfig())
    logits_BV, state = read_prompts(model, [[1]] * 40, torch.device("cpu"))
    texts = [Row([1], 20, generator_for(number)) for number in range(40)]
    for _ in sample(model, logits_BV, state, texts, SamplingSettings(temperature=5.0), END, vocab_size=4):
        pass
    assert set().union(*(row.token_ids for row in texts)) == {1, 2, 3}


def test_a_model_that_gives_no_numbers_is_told_of() -> None:
    model = Table(TableConfig())
    with torch.no_grad():
        model.weight[2, 3] = float("nan")
    with pytest.raises(MinnowError, match="gives no numbers"):
        run(model, rows(5, [[2, 3]]), SamplingSettings())
    with pytest.raises(MinnowError, match="gives no numbers"):
        search(model, [2, 3], 5, BeamSettings(2))


def test_log_probabilities_are_those_among_all_rows_of_the_model() -> None:
    """Also of those that are never chosen, because the tokenizer has no token for them."""
    model = Table(TableConfig(seed=1))
    logits_BV, state = read_prompts(model, [[1, 2]], torch.device("cpu"))
    (row,) = rows(4, [[1, 2]])
    for _ in sample(model, logits_BV, state, [row], SamplingSettings(temperature=5.0), END, vocab_size=4):
        pass
    (best, *_) = beam_search(model, logits_BV, state, 4, BeamSettings(3), END, vocab_size=4)
    for token_ids, found in ((row.token_ids, row.log_probabilities), (best.token_ids, best.log_probabilities)):
        assert token_ids
        text = [1, 2]
        for token_id, one in zip(token_ids, found, strict=True):
            assert one == pytest.approx(float(model.next_logits(text).log_softmax(0)[token_id]), abs=1e-5)
            text.append(token_id)


# Beam search


def search(model: Table, prompt: list[int], max_tokens: int, settings: BeamSettings) -> list[Hypothesis]:
    with torch.inference_mode():
        logits_1V, state = read_prompts(model, [prompt], torch.device("cpu"))
        return beam_search(model, logits_1V, state, max_tokens, settings, END)


@pytest.mark.parametrize("length_penalty", [0.0, 0.7, 1.0, 2.0])
@pytest.mark.parametrize("seed", range(3))
def test_a_beam_that_is_wide_enough_finds_the_best_texts_of_all(seed: int, length_penalty: float) -> None:
    model = Table(TableConfig(vocab_size=4, seed=seed))
    settings = BeamSettings(200, length_penalty)
    best = sorted(every_text(model, [1, 2], 4, settings), key=lambda one: -one.score)
    found = search(model, [1, 2], 4, settings)
    assert [one.token_ids for one in found[:10]] == [one.token_ids for one in best[:10]]
    for one, other in zip(found[:10], best[:10], strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-5)
        assert one.finish_reason == other.finish_reason
        assert one.log_probabilities == pytest.approx(other.log_probabilities, abs=1e-5)


@pytest.mark.parametrize("seed", range(6))
def test_a_beam_of_one_is_greedy_and_a_wider_one_is_no_worse_in_probability(seed: int) -> None:
    model = Table(TableConfig(seed=seed))
    (greedy,) = run(model, rows(6, [[1, 2]]), SamplingSettings(temperature=0), frozenset())
    with torch.inference_mode():
        logits_1V, state = read_prompts(model, [[1, 2]], torch.device("cpu"))
        narrow = beam_search(model, logits_1V, state, 6, BeamSettings(1))[0]
        wide = beam_search(model, logits_1V, state, 6, BeamSettings(2_000))[0]
    assert list(narrow.token_ids) == greedy.token_ids
    assert wide.log_probability >= narrow.log_probability - 1e-5


def test_the_search_ends_when_nothing_better_can_come() -> None:
    """The end is so likely that no longer text can win, so no step past the first is taken for a beam of one."""
    model = Table(TableConfig(vocab_size=4))
    with torch.no_grad():
        model.weight[..., 0] = 20.0
    search(model, [1], 1_000, BeamSettings(1, 0.0))
    assert model.num_steps == 0
    assert math.isclose(search(model, [1], 1_000, BeamSettings(1, 0.0))[0].log_probability, 0.0, abs_tol=1e-6)


def test_a_hook_ends_texts() -> None:
    model = Table(TableConfig())
    logits_1V, state = read_prompts(model, [[1]], torch.device("cpu"))
    with torch.inference_mode():
        found = beam_search(model, logits_1V, state, 9, BeamSettings(3), END, complete=lambda ids: 3 in ids)
    assert any(one.token_ids[-1:] == (3,) for one in found)
    assert all(3 not in one.token_ids[:-1] for one in found)
