"""What a language model is asked while it trains: a part from all over the text, by one process or by several."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from minnow.training.distributed import World
from minnow.training.held_out import HeldOutText, turns
from minnow.training.instruction import AnswerRows, HeldOutAnswers
from minnow.training.objectives import Masked, causal
from training.language_runs import SETTINGS, VALIDATION


def held_out(text: Any, carries: bool, world: World | None = None) -> HeldOutText:
    return HeldOutText(text, causal, SETTINGS, world or World(), carries)


def test_scores_follow_from_the_loss_and_what_the_text_holds() -> None:
    scores, counts = held_out(VALIDATION, carries=False).scores(2.5), VALIDATION.counts
    assert scores["perplexity"] == pytest.approx(2.718281828**2.5, rel=1e-6)
    assert scores["bits_per_byte"] == pytest.approx(2.5 * counts.tokens / counts.bytes / 0.6931472, rel=1e-6)
    assert scores["word_perplexity"] == pytest.approx(scores["perplexity"] ** (counts.tokens / counts.words), rel=1e-6)


class Numbered:
    """A text whose tokens say where they stand."""

    num_tokens = 1001

    def read(self, start: int, length: int) -> Any:
        return np.arange(start, start + length)


@pytest.mark.parametrize("carries", [False, True])
def test_a_part_of_the_text_comes_from_all_over_it(carries: bool) -> None:
    held = held_out(Numbered(), carries)
    read = np.concatenate([question.asked.inputs.ravel() for question in held.questions(250)])
    assert len(set(read)) == len(read)
    assert 200 < len(read) < 450
    assert read.min() < 50
    assert read.max() > 900
    whole = np.concatenate([question.asked.inputs.ravel() for question in held.questions(held.num_tokens)])
    assert len(whole) > 980


def test_memory_goes_on_where_the_text_does() -> None:
    carried, fresh = ([q.begins for q in held_out(Numbered(), carries).questions(1000)] for carries in (True, False))
    assert carried == [True] + [False] * (len(carried) - 1)
    assert all(fresh)


def test_processes_ask_equally_often_and_each_group_counts_once() -> None:
    groups = list(range(7))
    asked = [list(turns(groups, World(rank, 3))) for rank in range(3)]
    assert {len(one) for one in asked} == {3}
    assert sorted(group for one in asked for group, weight in one if weight) == groups


def test_a_text_is_shared_out_unless_memory_goes_through_it() -> None:
    parts = [held_out(Numbered(), carries=False, world=World(rank, 2)) for rank in range(2)]
    assert all(part.shared for part in parts)
    read = [{int(x) for q in part.questions(1000) if q.weight for x in q.asked.inputs.ravel()} for part in parts]
    assert not read[0] & read[1]
    assert len(read[0] | read[1]) > 980
    assert not held_out(Numbered(), carries=True).shared


def test_conversations_are_shared_out_whatever_the_model() -> None:
    rows = [np.array([~1, 2, 10 + row]) for row in range(5)]
    parts = [HeldOutAnswers(AnswerRows(rows, 0), 2, World(rank, 2)) for rank in range(2)]
    assert all(part.shared for part in parts)
    counted = [q for part in parts for q in part.questions(part.num_tokens) if q.weight]
    assert sorted(int(said) for question in counted for said in question.asked.targets[:, -1]) == [10, 11, 12, 13, 14]


def test_as_many_rows_are_asked_at_once_as_are_learnt_from() -> None:
    said = replace(SETTINGS, batch_rows=8, accumulation=2)
    for world, most in ((World(), 4), (World(rank=1, size=2), 2)):
        held = HeldOutText(Numbered(), causal, said, world, carries=False)  # type: ignore[arg-type]
        assert max(len(question.asked.inputs) for question in held.questions(500)) == most


def test_what_is_hidden_hangs_on_neither_processes_nor_parts() -> None:
    masked = Masked(2000, 1999, (1999,))

    def hidden(world: World, **said: Any) -> set[tuple[int, ...]]:
        held = HeldOutText(Numbered(), masked, replace(SETTINGS, **said), world, carries=False)  # type: ignore[arg-type]
        return {tuple(row) for question in held.questions(600) if question.weight for row in question.asked.targets}

    alone = hidden(World())
    assert len(alone) > 40
    assert hidden(World(), accumulation=4) == alone
    assert hidden(World(0, 2)) | hidden(World(1, 2)) == alone
