"""Texts drawn for many sources at once: as likely as the model says, each by its own numbers."""

from collections import Counter
from typing import Any

import pytest
import torch
from pairs import SHAPES, net

from decoding.tables import Table, TableConfig, every_text
from minnow.decoding.batched import sample, search
from minnow.decoding.rows import LENGTH, STOP
from minnow.decoding.sampling import SamplingSettings
from minnow.decoding.search import BeamSettings, Hypothesis, read_prompts
from minnow.decoding.translating import TranslationSettings, translate_rows
from minnow.errors import InputError

pytestmark = pytest.mark.usefixtures("one_thread")
ROWS = [[5, 9, 7, 3], [6, 3], [4, 4, 8, 12, 11, 10, 9, 3], [13, 5, 3], [6, 3], [7, 14, 5, 9, 3]]


def drawn(model: Table, num_rows: int, most: int, settings: SamplingSettings, **more: Any) -> list[Hypothesis]:
    numbers_BM = torch.rand(num_rows, most, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    with torch.inference_mode():
        logits_BV, state = read_prompts(model, [[1, 2]] * num_rows, torch.device("cpu"))
        most_B = torch.full((num_rows,), most)
        return [texts[0] for texts in sample(model, logits_BV, state, most_B, settings, numbers_BM, 0, **more)]


def test_texts_come_as_often_as_the_model_says() -> None:
    model = Table(TableConfig(vocab_size=4, seed=2))
    found = Counter(one.token_ids for one in drawn(model, 20_000, 3, SamplingSettings()))
    for one in every_text(model, [1, 2], 3, BeamSettings(1, 0.0)):
        share = float(torch.tensor(one.log_probability).exp())
        assert found[one.token_ids] / 20_000 == pytest.approx(share, abs=0.012)


def test_log_probabilities_are_those_of_the_model() -> None:
    model = Table(TableConfig(seed=3))
    for one in drawn(model, 30, 6, SamplingSettings(temperature=1.5, top_k=3)):
        text, total = [1, 2], 0.0
        for token_id, found in zip(one.token_ids, one.log_probabilities, strict=True):
            own = model.next_logits(text).log_softmax(0)
            assert found == pytest.approx(float(own[token_id]), abs=1e-5)
            assert token_id in own.topk(3).indices
            total += found
            text.append(token_id)
        end = float(model.next_logits(text).log_softmax(0)[0])
        assert one.finish_reason == (STOP if len(one.token_ids) < 6 else LENGTH)
        assert one.log_probability == pytest.approx(total + end * (one.finish_reason == STOP), abs=1e-4)


def test_a_draw_without_warmth_takes_the_likeliest() -> None:
    model = Table(TableConfig(seed=4))
    with torch.inference_mode():
        logits_BV, state = read_prompts(model, [[1, 2]], torch.device("cpu"))
        (greedy,) = search(model, logits_BV, state, torch.tensor([9]), BeamSettings(1), 0)
    assert drawn(model, 2, 9, SamplingSettings(temperature=0))[1].token_ids == greedy[0].token_ids
    assert drawn(model, 2, 9, SamplingSettings(top_k=1))[0].token_ids == greedy[0].token_ids


def test_what_may_not_be_written_is_not_drawn() -> None:
    found = drawn(Table(TableConfig()), 200, 5, SamplingSettings(), banned_ids=torch.tensor([1, 3]), vocab_size=6)
    assert {token_id for one in found for token_id in one.token_ids} == {2, 4, 5}


@pytest.mark.parametrize("kind", ["transformer", "general"])
def test_a_row_gets_the_same_whatever_batch_it_comes_in(kind: str) -> None:
    assert kind in SHAPES
    model, settings = net(kind, 16, seed=1), TranslationSettings(sample=True, seed=7)
    together = translate_rows(model, ROWS, settings, 3)
    for rows_at_once in (1, 2, 5):
        again = translate_rows(model, ROWS, settings, 3, rows_at_once=rows_at_once)
        assert [texts[0].token_ids for texts in again] == [texts[0].token_ids for texts in together]
    assert together[1][0].token_ids != together[4][0].token_ids, "equal sources at different places"
    other = translate_rows(model, ROWS, TranslationSettings(sample=True, seed=8), 3)
    assert [texts[0].token_ids for texts in other] != [texts[0].token_ids for texts in together]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"seed": 1}, "temperature, top_k and seed are of a draw; add sample"),
        ({"temperature": 0.5}, "are of a draw"),
        ({"sample": True, "n_best": 2}, "a draw gives one text for each source, but got n_best=2"),
        ({"sample": True, "temperature": -1.0}, "temperature must lie between 0 and 100"),
        ({"sample": True, "top_k": -1}, "top_k must be a whole number from 0"),
    ],
)
def test_settings_that_cannot_be_say_what_would_do(said: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        TranslationSettings(**said)
