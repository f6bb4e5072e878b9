"""A search that is held to phrases finds the best text among all that have them, and never one without.

V vocabulary
"""

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from pairs import SHAPES, Echo, net
from torch import Tensor

from decoding.held import borderless, holds
from decoding.tables import Table, TableConfig, every_text
from minnow.decoding import batched, constrained_beams
from minnow.decoding.batched import MOST_BEAMS
from minnow.decoding.constrained_beams import Sight, beams_for, needed
from minnow.decoding.phrases import Borders, Phrase, Spelling
from minnow.decoding.rows import LENGTH
from minnow.decoding.search import BeamSettings, Hypothesis, read_prompts
from minnow.decoding.translating import Required, TranslationSettings, translate_rows

pytestmark = pytest.mark.usefixtures("one_thread")
PROMPTS = [[1, 2], [3], [4, 5, 6, 1], [1, 2], [6, 6]]
CLOSE = 1e-4
END = 0


def found(
    model: Table,
    phrases: list[tuple[Phrase, ...]],
    num_beams: int,
    most: list[int],
    prompts: list[list[int]] = PROMPTS,
    borders: Borders | None = None,
    length_penalty: float = 0.0,
    **more: Any,
) -> list[list[Hypothesis]]:
    with torch.inference_mode():
        logits_BV, state = read_prompts(model, prompts, torch.device("cpu"))
        return constrained_beams.search(
            model,
            logits_BV,
            state,
            torch.tensor(most),
            torch.full((len(most),), 6),
            BeamSettings(num_beams, length_penalty),
            END,
            phrases,
            borders or borderless(logits_BV.shape[1]),
            **more,
        )


def some_phrases(random_: random.Random, vocab_size: int) -> tuple[Phrase, ...]:
    """One or two, each of one or two spellings with borders of all kinds, and one that may stand anywhere."""

    def spelling() -> Spelling:
        token_ids = tuple(random_.randrange(1, vocab_size) for _ in range(random_.randint(1, 2)))
        return Spelling(token_ids, random_.random() < 0.4, random_.random() < 0.5)

    spelt = [[spelling() for _ in range(random_.randint(1, 2))] for _ in range(random_.randint(1, 2))]
    return tuple((*phrase, Spelling(phrase[0].token_ids)) for phrase in spelt)


def some_borders(random_: random.Random, vocab_size: int) -> Borders:
    masks = [[False, *(random_.random() < 0.3 for _ in range(vocab_size - 1))] for _ in range(2)]
    return Borders(*map(np.array, masks))


@pytest.mark.parametrize("seed", range(25))
def test_a_beam_that_is_wide_enough_finds_the_best_texts_of_all_that_have_the_phrases(seed: int) -> None:
    random_ = random.Random(seed)
    model, phrases = Table(TableConfig(vocab_size=4, seed=seed)), some_phrases(random_, 4)
    borders = some_borders(random_, 4)
    every = every_text(model, [1, 2], 5, BeamSettings(1, 0.0))
    best = sorted((one for one in every if holds(one.token_ids, phrases, borders)), key=lambda one: -one.score)[:10]
    (ours,) = found(model, [phrases], 400, [5], [[1, 2]], borders)
    assert all(holds(one.token_ids, phrases, borders) for one in ours)
    assert [one.score for one in ours[:10]] == pytest.approx([one.score for one in best], abs=CLOSE)
    assert ours[0].token_ids == best[0].token_ids or best[0].score - best[1].score < CLOSE
    for one in ours[:10]:
        assert one.log_probability == pytest.approx(one.score, abs=CLOSE)


@pytest.mark.parametrize("num_beams", [1, 2, 4])
def test_every_text_has_its_phrases_however_narrow_the_beam_and_short_the_room(num_beams: int) -> None:
    for seed in range(20):
        random_ = random.Random(seed)
        model = Table(TableConfig(seed=seed))
        phrases, borders = [some_phrases(random_, 7) for _ in PROMPTS], some_borders(random_, 7)
        most = [needed(one) + random_.randint(0, 4) for one in phrases]
        for texts, asked, room in zip(
            found(model, phrases, num_beams, most, borders=borders, length_penalty=1.0), phrases, most, strict=True
        ):
            assert texts
            assert all(holds(one.token_ids, asked, borders) and len(one.token_ids) <= room for one in texts)


@pytest.mark.parametrize("length_penalty", [0.0, 0.7, 2.0])
def test_without_phrases_it_is_the_search_without_them(length_penalty: float) -> None:
    for seed in range(4):
        model = Table(TableConfig(seed=seed))
        most, settings = [6, 9, 3, 12, 0], BeamSettings(3, length_penalty)
        with torch.inference_mode():
            logits_BV, state = read_prompts(model, PROMPTS, torch.device("cpu"))
            plain = batched.search(model, logits_BV, state, torch.tensor(most), settings, END)
        ours = found(model, [()] * 5, 3, most, length_penalty=length_penalty)
        for one, other in zip(ours, plain, strict=True):
            assert [text.score for text in one] == pytest.approx([text.score for text in other], abs=CLOSE)


def test_a_source_alone_is_the_source_among_others() -> None:
    """Also beside those that are followed by more beams, and have more and longer spellings."""
    for seed in range(12):
        model, random_ = Table(TableConfig(seed=seed)), random.Random(seed)
        phrases = [some_phrases(random_, 7) for _ in PROMPTS[:-2]]
        long = [Spelling(tuple(random_.randrange(1, 7) for _ in range(5))) for _ in range(4)]
        phrases += [(), tuple((one,) for one in long)]
        most = [9, 12, 7, 12, 30]
        together = found(model, phrases, 2, most, length_penalty=1.0)
        for texts, prompt, asked, room in zip(together, PROMPTS, phrases, most, strict=True):
            (alone,) = found(model, [asked], 2, [room], [prompt], length_penalty=1.0)
            assert [one.token_ids for one in texts] == [one.token_ids for one in alone]
            assert [one.score for one in texts] == pytest.approx([one.score for one in alone], abs=CLOSE)


def test_what_may_not_be_written_is_not_written() -> None:
    model = Table(TableConfig(seed=1))
    phrases: list[tuple[Phrase, ...]] = [((Spelling((2, 3)),),)] * 5
    for texts in found(model, phrases, 4, [9] * 5, banned_ids=torch.tensor([1, 5]), vocab_size=6):
        assert all(set(one.token_ids) <= {2, 3, 4} for one in texts)


def test_phrases_may_share_tokens() -> None:
    """One text can have both in three tokens."""
    phrases = ((Spelling((1, 2)),), (Spelling((2, 3)),))
    (texts,) = found(Table(TableConfig(vocab_size=4)), [phrases], 200, [3], [[1]])
    assert {one.token_ids for one in texts} == {(1, 2, 3)}
    assert texts[0].finish_reason == LENGTH


def test_a_dear_phrase_makes_no_text_longer() -> None:
    """The end is likely at once, what follows the phrase goes on for ever nearly for free."""
    model = Table(TableConfig(vocab_size=4))
    with torch.no_grad():
        model.weight[:] = torch.tensor([4.0, 0.0, -30.0, 0.0])
        model.weight[:, 3, 3] = 9.0
    (texts,) = found(model, [((Spelling((2,)),),)], 4, [60], [[1]], length_penalty=1.0)
    assert texts[0].token_ids == (2,)


def test_beams_grow_with_what_is_to_be_written() -> None:
    phrases = ((Spelling((1, 2)), Spelling((3,))), (Spelling((2,)),))
    assert needed(phrases) == 3
    assert [beams_for(phrases[:count], 4) for count in range(3)] == [4, 10, 11]
    assert beams_for(phrases * 50, 4) == MOST_BEAMS
    assert beams_for(phrases * 50, 200) == 200


# Where phrases are placed


class Reading(Table):
    """Looks from one position of its source to the next, whatever it writes."""

    def look(self, token_ids_B: Tensor, state: Any) -> tuple[Tensor, Tensor, Any]:
        logits_BV, state = self.step(token_ids_B, state)
        return logits_BV, self.looks(self.num_steps, len(token_ids_B)), state

    def looks(self, place: int, num_rows: int) -> Tensor:
        looks_BS = torch.full((num_rows, 12), 0.01)
        looks_BS[:, min(place, 11)] = 0.89
        return looks_BS


def placed(model: Reading, phrases: tuple[Phrase, ...], places: list[list[int]], **more: Any) -> tuple[int, ...]:
    """The best text of a source at whose positions these phrases belong."""
    places_BPS = torch.zeros(1, len(phrases), 12, dtype=torch.bool)
    for number, positions in enumerate(places):
        places_BPS[0, number, positions] = True
    model.num_steps = 0
    sight = Sight(model.look, model.looks(0, 1), places_BPS)
    return found(model, [phrases], 4, [12], [[1, 2]], length_penalty=1.0, sight=sight, **more)[0][0].token_ids


@pytest.mark.parametrize("seed", range(8))
def test_a_phrase_begins_where_the_model_looks_at_what_it_translates(seed: int) -> None:
    model = Reading(TableConfig(vocab_size=10, seed=seed))
    with torch.no_grad():
        model.weight[..., 0] -= 4.0  # texts are long enough
        model.weight[..., 7:] = -9.0  # what it would never say
    both = (Spelling((7, 8)),), (Spelling((9, 9)), Spelling((9,)))
    for at in (0, 3, 5):
        assert placed(model, both[:1], [[at]])[at : at + 2] == (7, 8)
        assert placed(model, both[:1], [[at, 9]]).index(7) in (at, 9)
    written = placed(model, both, [[4], [1]])
    assert written[1] == 9
    assert written[4:6] == (7, 8)


@pytest.mark.parametrize("seed", range(5))
def test_a_phrase_is_not_begun_over_and_over_by_a_model_that_repeats_itself(seed: int) -> None:
    model = Reading(TableConfig(vocab_size=10, seed=seed))
    with torch.no_grad():
        model.weight[..., 0] -= 4.0
        model.weight[..., 7:] = -9.0
        model.weight[:, 7, 7] = 12.0  # once it has said it, it goes on to
    text = placed(model, ((Spelling((7, 8)),),), [[3]])
    assert text[3:5] == (7, 8)
    assert text.count(7) == 1


@pytest.mark.parametrize("seed", range(8))
def test_how_unlikely_a_phrase_is_says_nothing_of_its_place_but_of_its_forms(seed: int) -> None:
    even, uneven = (Reading(TableConfig(vocab_size=10, seed=seed)) for _ in range(2))
    noise = 8 * torch.randn(even.weight.shape[:-1], generator=torch.manual_seed(seed))
    with torch.no_grad():
        for model in (even, uneven):
            model.weight[..., 0] -= 4.0
            model.weight[..., 7:] = -40.0
        uneven.weight[..., 7:] += noise[..., None]
        uneven.weight[..., 9] += 1.0
        for model in (even, uneven):  # what comes behind one form may come behind the other
            model.weight[:, 9], model.weight[9] = model.weight[:, 8].clone(), model.weight[8].clone()
    first, second = Spelling((8,)), Spelling((9,))
    for one in (first, second):
        assert placed(uneven, ((one,),), [[3, 4]]) == placed(even, ((one,),), [[3, 4]])
    assert placed(uneven, ((first, second),), [[3, 4]]) == placed(even, ((second,),), [[3, 4]])


def test_a_phrase_that_belongs_nowhere_is_placed_as_without_sight() -> None:
    for seed in range(5):
        model = Reading(TableConfig(seed=seed))
        phrases = ((Spelling((3, 2)),), (Spelling((5,)),))
        without = found(model, [phrases], 4, [12], [[1, 2]], length_penalty=1.0)[0][0].token_ids
        assert placed(model, phrases, [[], []]) == without


def test_of_many_spellings_those_that_belong_here_are_tried() -> None:
    """Though all the others are likelier."""
    model = Reading(TableConfig(vocab_size=30, seed=0))
    with torch.no_grad():
        model.weight[..., 0] -= 4.0
        model.weight[..., 29] = -9.0
    phrases: tuple[Phrase, ...] = ((Spelling((29,)),), tuple(Spelling((token,)) for token in range(10, 26)))
    assert placed(model, phrases, [[2], [7]])[2] == 29


# Through translate_rows: rows are searched for again only where what was found has not what it must

ROWS = [[5, 9, 7, 3], [6, 3], [4, 4, 8, 12, 11, 10, 9, 3], [13, 5, 3], [6, 3], [7, 14, 5, 9, 3]]


def required(phrases: list[tuple[Phrase, ...]]) -> Required:
    borders = borderless(16)
    return Required(phrases, borders, lambda row, token_ids: holds(token_ids, phrases[row], borders))


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("beam", [1, 3])
def test_targets_have_their_phrases_whatever_the_net(kind: str, beam: int) -> None:
    model, random_ = net(kind, 16, seed=1), random.Random(beam)
    settings = TranslationSettings(beam)
    plain = translate_rows(model, ROWS, settings, 3)
    phrases: list[tuple[Phrase, ...]] = [((Spelling((random_.randint(4, 15), 8)),), (Spelling((11,)),)) for _ in ROWS]
    phrases[1] = ()
    phrases[2] = ((Spelling(plain[2][0].token_ids[:2]),),)
    told: list[int] = []
    held = translate_rows(model, ROWS, settings, 3, required=required(phrases), advance=told.append)
    assert sum(told) == len(ROWS)
    for texts, asked in zip(held, phrases, strict=True):
        assert holds(texts[0].token_ids, asked, borderless(16))
        steps = texts[0].log_probabilities
        assert texts[0].log_probability <= sum(steps) + CLOSE
    assert [held[row][0].token_ids for row in (1, 2)] == [plain[row][0].token_ids for row in (1, 2)]


@pytest.mark.parametrize("kind", SHAPES)
def test_a_net_is_told_where_the_phrases_stand(kind: str) -> None:
    """Each of its sources looks at what was said of it; all that is known stays held to."""
    model, settings = net(kind, 16, seed=1), TranslationSettings(3)
    phrases: list[tuple[Phrase, ...]] = [((Spelling((11, 8)),), (Spelling((9,)),))] * len(ROWS)
    places = [[[0], [len(row) - 1]] for row in ROWS]
    told = replace(required(phrases), places=places)
    together = translate_rows(model, ROWS, settings, 3, required=told)
    assert all(holds(texts[0].token_ids, phrases[0], borderless(16)) for texts in together)
    for row, texts, place in zip(ROWS, together, places, strict=True):
        alone = replace(required(phrases[:1]), places=[place])
        ((best, *_),) = translate_rows(model, [row], settings, 3, required=alone)
        assert best.score == pytest.approx(texts[0].score, abs=CLOSE)
    without = translate_rows(model, ROWS, settings, 3, required=required(phrases))
    assert [texts[0].token_ids for texts in without] != [texts[0].token_ids for texts in together]


def test_rows_that_have_their_phrases_are_read_once() -> None:
    model = Echo(16)
    rows = [[5, 9, 7, 3], [6, 3], [8, 8, 3]]
    asked: list[tuple[Phrase, ...]] = [((Spelling((9, 7)),),), ((Spelling((10,)),),), ()]
    texts = translate_rows(model, rows, TranslationSettings(2), 3, required=required(asked))
    assert [row for row in model.read if row == [6, 3]] == [[6, 3]] * 2
    assert len(model.read) == 4
    assert texts[0][0].token_ids == (5, 9, 7)
    assert 10 in texts[1][0].token_ids
    assert texts[2][0].token_ids == (8, 8)


def test_all_of_the_best_have_the_phrases() -> None:
    asked: list[tuple[Phrase, ...]] = [((Spelling((9,)),),)]
    texts = translate_rows(Echo(16), [[5, 9, 7, 3]], TranslationSettings(4, n_best=4), 3, required=required(asked))
    assert len(texts[0]) > 1
    assert all(9 in one.token_ids for one in texts[0])
