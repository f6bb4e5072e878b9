"""Two pairs in one: one sentence behind another, or behind a comma without the capital that only a beginning has."""

import re

import numpy as np
import pytest

from minnow.data.joined_pairs import LONGEST_OPENING, Joiner
from minnow.data.pairs import Pairs

SIDES = {
    "Hello!": "Bonjour !",
    "Thank you.": "Merci.",
    "How are you?": "Comment allez-vous ?",
    "I know how you feel.": "Je sais comment vous allez.",
    "You know that I know Tom.": "Vous savez que je connais Tom.",
    "Tom waits for you.": "Tom vous attend.",
}


def pairs(sides: dict[str, str] = SIDES, direction: tuple[str, str] = ("en", "fr")) -> Pairs:
    return Pairs(list(sides), list(sides.values()), [direction] * len(sides), "talk", "0")


def drawn(given: Pairs, count: int = 6, seed: int = 0) -> Pairs:
    return Joiner(given).drawn(count, np.random.default_rng(seed))


def many(given: Pairs) -> dict[str, str]:
    found = drawn(given, 400)
    assert set(found.directions) <= set(given.directions)
    assert len(found.sources) == len(found.targets) == len(found.directions)
    return dict(zip(found.sources, found.targets, strict=True))


def test_both_sides_are_joined_in_the_same_way() -> None:
    found = many(pairs())
    assert found["Hello, how are you?"] == "Bonjour, comment allez-vous ?"
    assert found["How are you? Thank you."] == "Comment allez-vous ? Merci."
    for source, target in found.items():
        if ", " in source:
            opening, _, rest = target.partition(", ")
            assert opening in ("Bonjour", "Merci"), "what is long or asks stands before no comma"
            assert rest
        else:
            first = next(one for one in SIDES if source.startswith(f"{one} "))
            assert target == f"{SIDES[first]} {SIDES[source.removeprefix(f'{first} ')]}"
    sources = drawn(pairs(), 1000).sources
    assert 0.4 < sum(", " in source for source in sources) / len(sources) < 0.6


def test_a_capital_stays_where_the_word_has_it_inside_sentences() -> None:
    found = many(pairs())
    assert found["Hello, I know how you feel."] == "Bonjour, je sais comment vous allez."
    assert found["Thank you, Tom waits for you."] == "Merci, Tom vous attend."
    assert found["Hello, you know that I know Tom."] == "Bonjour, vous savez que je connais Tom."


def test_nouns_of_german_keep_theirs() -> None:
    sides = {"Stop.": "Halt.", "The dog barks.": "Der Hund bellt.", "Dogs bark.": "Hunde bellen."}
    given = pairs({**sides, "I see dogs and the cat.": "Ich sehe Hunde und der Katze."}, ("en", "de"))
    found = many(given)
    assert found["Stop, dogs bark."] == "Halt, Hunde bellen."
    assert found["Stop, the dog barks."] == "Halt, der Hund bellt."


def test_chinese_has_marks_of_its_own_and_no_spaces() -> None:
    found = many(pairs({"Hello.": "你好。", "How are you?": "你好嗎？", "I know how.": "我知道。"}, ("en", "zh")))
    assert found["Hello, how are you?"] == "你好，你好嗎？"
    assert found["How are you? Hello."] == "你好嗎？你好。"


def test_only_pairs_of_one_direction_meet() -> None:
    one, other = pairs(), pairs({turned: given for given, turned in SIDES.items()}, ("fr", "en"))
    both = Pairs(
        one.sources + other.sources, one.targets + other.targets, one.directions + other.directions, "talk", "0"
    )
    found = drawn(both, 100)
    assert set(found.directions) == {("en", "fr"), ("fr", "en")}
    for source, target, direction in zip(found.sources, found.targets, found.directions, strict=True):
        english = source if direction == ("en", "fr") else target
        assert re.search(r"\b(you|thank|hello)\b", english, re.IGNORECASE), (source, target)
        assert not re.search(r"\b(vous|merci|bonjour)\b", english, re.IGNORECASE), (source, target)


@pytest.mark.parametrize(
    "opening",
    [
        *("Well?", "Well...", "Well?!", "Well", "Well….", "Hm . . .", "Quoi ? !"),
        *("Oh  !", "! .", "5 p.m.", '"Hi.', "¡Hola!"),
    ],
)
def test_what_is_no_plain_statement_stands_before_no_comma(opening: str) -> None:
    found = many(pairs({opening: opening, "It rains. It does.": "Il pleut. Si."}))
    assert not any("," in source + target for source, target in found.items())


@pytest.mark.parametrize(
    ("code", "opening", "comma"),
    [("zh", "好。", "，"), ("zh", "好!", "，"), ("ja", "はい。", "、"), ("ar", "نعم.", "، "), ("target", "好！", "，")],
)
def test_a_comma_is_that_of_its_language(code: str, opening: str, comma: str) -> None:
    found = many(pairs({"Hello.": opening, "How are you?": "嗎？"}, ("en", code)))
    assert found["Hello, How are you?"] == f"{opening[:-1]}{comma}嗎？"


@pytest.mark.parametrize(
    ("code", "first", "space"),
    [
        ("zh", "你好吗?", ""),
        ("zh", "他说：“你好。”", ""),
        ("th", "ไหม", " "),
        ("source", "你好。", ""),
        ("en", "Hi!", " "),
    ],
)
def test_sentences_stand_apart_as_a_translation_joins_them(code: str, first: str, space: str) -> None:
    """So that a text is read as it was learnt; see ``sentence_space``."""
    found = many(pairs({"Where is it?": first, "What is it?": "那是什么？"}, ("en", code)))
    assert found["Where is it? What is it?"] == f"{first}{space}那是什么？"


def test_openings_are_short_on_both_sides() -> None:
    long = "Merci" + "i" * LONGEST_OPENING + "."
    assert not any("," in source for source in many(pairs({"Thanks.": long, "It is good to rain.": "Il pleut bien."})))


@pytest.mark.parametrize(("chinese", "is_short"), [("早上好。", True), ("你现在好吗。", False)])
def test_a_sign_says_as_much_as_some_letters(chinese: str, is_short: bool) -> None:
    found = many(pairs({"Hello.": chinese, "It is good to rain.": "下雨好"}, ("en", "zh")))
    assert any("," in source for source in found) == is_short


def test_no_pair_is_joined_to_itself() -> None:
    assert set(many(pairs({"A?": "B?", "C?": "D?"}))) == {"A? C?", "C? A?"}
    assert "Hi, Hi." not in many(pairs({"Hi.": "Oh.", "Well.": "Bon."}))
    alone = pairs({"Hello!": "Bonjour !"})
    both = Pairs(["Hello!", "Hola!"], ["Bonjour !", "Bonjour !"], [("en", "fr"), ("es", "fr")], "talk", "0")
    assert len(drawn(alone)) == len(drawn(both)) == 0


def test_the_random_numbers_decide_and_as_many_come_as_were_asked_for() -> None:
    assert drawn(pairs(), 50, seed=3) == drawn(pairs(), 50, seed=3)
    assert drawn(pairs(), 50, seed=3) != drawn(pairs(), 50, seed=4)
    assert [len(drawn(pairs(), count)) for count in (0, 1, 50)] == [0, 1, 50]
