"""Many sources to their targets: each as if it were alone, in their order, within their room."""

from typing import Any

import pytest
import torch
from pairs import SHAPES, Echo, net

from minnow.decoding.search import BeamSettings, Hypothesis, beam_search
from minnow.decoding.translating import TranslationSettings, translate_rows
from minnow.errors import InputError, MinnowError

pytestmark = pytest.mark.usefixtures("one_thread")
ROWS = [[5, 9, 7, 3], [6, 3], [4, 4, 8, 12, 11, 10, 9, 3], [13, 5, 3], [6, 3], [7, 14, 5, 9, 3]]
END = 3


@pytest.fixture(params=SHAPES)
def model(request: pytest.FixtureRequest) -> Any:
    return net(request.param, 16, seed=1)


def scores(texts: list[list[Hypothesis]]) -> list[Any]:
    return [pytest.approx([one.score for one in some], abs=1e-4) for some in texts]


@pytest.mark.parametrize("beam", [1, 3])
def test_a_source_alone_is_the_source_among_others(model: Any, beam: int) -> None:
    settings = TranslationSettings(beam, n_best=beam)
    together = translate_rows(model, ROWS, settings, END)
    assert [[one.score for one in some] for some in together] == scores(
        [translate_rows(model, [row], settings, END)[0] for row in ROWS]
    )
    assert together[1][0].token_ids == together[4][0].token_ids
    for rows_at_once in (1, 2, 5):
        again = translate_rows(model, ROWS, settings, END, rows_at_once=rows_at_once)
        assert [[one.score for one in some] for some in again] == scores(together)


def test_a_target_is_what_a_beam_search_for_its_source_finds(model: Any) -> None:
    settings = TranslationSettings(4, length_penalty=0.7, n_best=4)
    for row, found in zip(ROWS, translate_rows(model, ROWS, settings, END), strict=True):
        with torch.inference_mode():
            logits_1V, state = model.prefill(torch.tensor([row]), torch.tensor([len(row)]))
            most = settings.most_tokens(len(row))
            alone = beam_search(model, logits_1V, state, most, BeamSettings(4, 0.7), frozenset({END}))
        assert [one.score for one in found] == pytest.approx([one.score for one in alone], abs=1e-4)
        assert found[0].token_ids == alone[0].token_ids


def test_log_probabilities_are_those_of_the_whole_target(model: Any) -> None:
    """The model reads source and target anew in one go."""
    for row, (found, *_) in zip(ROWS, translate_rows(model, ROWS, TranslationSettings(3), END), strict=True):
        written = [*found.token_ids, END] if found.finish_reason == "stop" else list(found.token_ids)
        with torch.inference_mode():
            logits_1TV = model(torch.tensor([row]), torch.tensor([len(row)]), torch.tensor([written]))
        steps = logits_1TV.log_softmax(-1)[0, torch.arange(len(written)), torch.tensor(written)].tolist()
        assert list(found.log_probabilities) == pytest.approx(steps[: len(found.token_ids)], abs=1e-4)
        assert found.log_probability == pytest.approx(sum(steps), abs=1e-3)


def test_a_target_has_as_much_room_as_its_source_gives() -> None:
    rows = [[5] * length for length in (1, 4, 9)]  # which never end
    for settings, room in (
        (TranslationSettings(1, max_ratio=1.5, max_extra=2), [3, 8, 15]),
        (TranslationSettings(2, max_ratio=0.1, max_extra=1), [1, 1, 1]),
        (TranslationSettings(2, max_ratio=0.1, max_extra=0), [0, 0, 0]),
    ):
        found = translate_rows(Echo(16), rows, settings, END)
        assert [len(texts[0].token_ids) for texts in found] == room
        assert {texts[0].finish_reason for texts in found} == {"length"}


def test_whoever_waits_is_told_of_every_row() -> None:
    told: list[int] = []
    translate_rows(Echo(16), ROWS, TranslationSettings(1), END, rows_at_once=4, advance=told.append)
    assert sorted(told) == [2, 4]
    assert translate_rows(Echo(16), [], TranslationSettings(), END) == []


def test_as_many_texts_are_given_as_were_asked_for() -> None:
    for n_best in (1, 2, 4):
        found = translate_rows(Echo(16), ROWS, TranslationSettings(4, n_best=n_best), END)
        assert [len(texts) for texts in found] == [n_best] * len(ROWS)
        assert [texts[0].token_ids for texts in found] == [tuple(row[:-1]) for row in ROWS]


def test_of_targets_that_spell_the_same_the_best_stays() -> None:
    settings = TranslationSettings(4, n_best=4)
    every = translate_rows(Echo(16), ROWS, settings, END)
    found = translate_rows(Echo(16), ROWS, settings, END, text_of=len)
    for texts, kept in zip(every, found, strict=True):
        first = {len(one.token_ids): one.token_ids for one in reversed(texts)}
        assert [one.token_ids for one in kept] == sorted(first.values(), key=[one.token_ids for one in texts].index)
    assert sum(map(len, found)) < sum(map(len, every))


@pytest.mark.parametrize("settings", [TranslationSettings(3), TranslationSettings(1), TranslationSettings(sample=True)])
def test_a_model_that_gives_no_numbers_is_told_of(model: Any, settings: TranslationSettings) -> None:
    with torch.no_grad():
        next(model.parameters())[5, 0] = float("nan")
    with pytest.raises(MinnowError, match="gives no numbers"):
        translate_rows(model, ROWS, settings, END)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"beam": 0}, "beam must be a whole number from 1 to 64, but got 0; try 4"),
        ({"beam": 2.5}, "beam must be a whole number from 1 to 64, but got 2.5"),
        ({"beam": "4"}, "but got '4'"),
        ({"beam": True}, "but got True"),
        ({"beam": 65}, "but got 65"),
        ({"n_best": 0}, "n_best must be a whole number from 1 to 4, but got 0; ask for fewer or widen the beam"),
        ({"n_best": 1.5}, "n_best must be a whole number"),
        ({"sample": True, "top_k": 1.5}, "top_k must be a whole number"),
        ({"sample": True, "seed": 1.5}, "seed must be a whole number"),
        ({"sample": True, "seed": -1}, "seed must be a whole number from 0"),
        ({"first": -1}, "first must be a whole number from 0"),
        ({"length_penalty": "1"}, "length_penalty must lie between 0 and 10"),
        ({"max_ratio": "2"}, "max_ratio must lie between"),
        ({"max_extra": 2.5}, "max_extra must be a whole number from 0 to 10,000, but got 2.5"),
        ({"n_best": 5}, "but got 5"),
        ({"sample": True, "length_penalty": 0.5}, "length_penalty weighs the texts of a search"),
        ({"length_penalty": -0.1}, "length_penalty must lie between 0 and 10"),
        ({"length_penalty": float("nan")}, "but got length_penalty=nan"),
        ({"max_ratio": 0}, "max_ratio must be above 0"),
        ({"max_ratio": float("inf")}, "but got max_ratio=inf"),
        ({"max_ratio": float("nan")}, "but got max_ratio=nan"),
        ({"max_extra": -1}, "max_extra must be a whole number from 0 to 10,000, but got -1"),
        ({"max_extra": 10**9}, "max_extra"),
    ],
)
def test_settings_that_cannot_be_say_what_would_do(said: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        TranslationSettings(**said)
