"""Phrases in the tokens of every kind of tokenizer, and where words begin and end."""

import numpy as np
import pytest

from decoding.held import holds
from minnow.decoding.phrases import Borders, Speller, Spelling
from minnow.errors import InputError
from minnow.text.kinds import KINDS
from minnow.text.tokenizer import Tokenizer, TokenizerSettings

TEXTS = [
    "The old bicycle (an e-bike) of 12 riders.",
    "The bicycles, 123 of them: a bicycle-shop.",
    "我的自行车很旧。",
    "old riders e-bike",
]
SILENT = (0, 1, 2)


def tokenizer(kind: str, vocab_size: int = 400) -> Tokenizer:
    settings = TokenizerSettings(kind=kind, vocab_size=vocab_size, lowercase=False, min_frequency=1)
    return Tokenizer.train(TEXTS, settings)


def held(made: Tokenizer, text: str, *translations: str) -> bool:
    speller = Speller(made, SILENT)
    return holds(made.encode_ids([text])[0], speller.phrases([translations]), speller.borders)


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_holds_the_words_that_stand_in_it_wherever_they_stand(kind: str) -> None:
    made = tokenizer(kind)
    for text in ("bicycle", "The bicycle", "bicycle of riders", "old bicycle of 12"):
        assert held(made, text, "bicycle"), text
        assert not held(made, text, "old bicycle of riders")
    assert held(made, "The old bicycle of 12", "riders", "old bicycle")
    assert not held(made, "The old e-bike", "bicycle")


@pytest.mark.parametrize("kind", ["bpe", "unigram", "character"])
@pytest.mark.parametrize("vocab_size", [270, 400])
def test_a_part_of_a_word_or_of_a_number_is_not_the_word(kind: str, vocab_size: int) -> None:
    made = tokenizer(kind, vocab_size)
    assert not held(made, "The bicycles", "bicycle")
    assert not held(made, "of 123 riders", "12")
    assert not held(made, "of 123 riders", "23")
    assert held(made, "The bicycles, a bicycle-shop", "bicycle")
    assert held(made, "(12)", "12")
    assert held(made, "a bicycle.", "bicycle")


@pytest.mark.parametrize("kind", ["character", "word"])
def test_chinese_characters_have_no_borders(kind: str) -> None:
    made = tokenizer(kind)
    assert held(made, "我的自行车很旧", "自行车")
    assert not held(made, "我的车", "自行车")


def test_a_word_piece_that_goes_on_makes_another_word() -> None:
    made = tokenizer("wordpiece", 60)
    assert any(token.startswith("##") for token in made.vocabulary)
    assert not held(made, "bicycles", "bicycle")
    assert held(made, "bicycle riders", "bicycle")


def test_a_word_is_spelt_alone_and_behind_a_space() -> None:
    made = tokenizer("bpe")
    (phrase,) = Speller(made, SILENT).phrases([("bicycle",)])
    assert [made.decode(spelling.token_ids) for spelling in phrase] == ["bicycle", " bicycle"]
    assert [(one.starts_word, one.ends_word) for one in phrase] == [(True, True), (False, True)]
    (several,) = Speller(made, SILENT).phrases([("bicycle", "车")])
    assert [made.decode(spelling.token_ids) for spelling in several] == ["bicycle", " bicycle", "车", " 车"]
    assert [(one.starts_word, one.ends_word) for one in several[2:]] == [(False, False)] * 2


def test_what_the_vocabulary_cannot_spell_is_refused() -> None:
    for kind in ("word", "character", "unigram", "wordpiece", "whitespace"):
        with pytest.raises(InputError, match=rf"cannot write 'Ñandú', for its vocabulary \({kind}\) has no tokens"):
            Speller(tokenizer(kind), SILENT).phrases([("Ñandú",)])
    assert Speller(tokenizer("bpe"), SILENT).phrases([("Ñandú",)])
    assert held(tokenizer("word"), "The bicycle", "Ñandú", "bicycle"), "one of several is enough"


def test_a_text_cannot_be_held_to_any_number_of_phrases() -> None:
    speller = Speller(tokenizer("character"), SILENT)
    with pytest.raises(InputError, match=r"phrases of 512 tokens together, but .* have 6,010; cut the source"):
        speller.phrases([("riders" * 100,)] * 10)


def test_only_a_whole_spelling_between_its_borders_counts() -> None:
    goes_on, leaves_open = np.zeros(9, bool), np.zeros(9, bool)
    goes_on[8], leaves_open[7] = True, True
    borders = Borders(goes_on, leaves_open)
    word = (Spelling((4, 5), starts_word=True, ends_word=True),)
    assert [holds(text, (word,), borders) for text in ((4, 5), (6, 4, 5, 6), (4, 5, 8), (7, 4, 5), (4, 6, 5))] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert holds((4, 5, 8, 4, 5), (word,), borders)
    assert holds((7, 4, 5, 8), ((Spelling((4, 5)),),), borders)
    assert not holds((4, 5), (word, (Spelling((6,)),)), borders)
    assert holds((), (), borders)
