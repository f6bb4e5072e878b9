"""The first word of a sentence as it would be spelled inside one."""

import pytest

from minnow.text.truecase import Truecaser

ENGLISH = [
    "Right. It works.",
    "Wrong. It fails!",
    "Stop! It burns.",
    "It was. “It was not.”",
    "He knows it.",
    "You know that I know Tom.",
    "Come at ten o'clock.",
    "Where is he?",
    "He doesn't know.",
]


@pytest.mark.parametrize(
    ("sentence", "inside"),
    [
        ("It rains.", "it rains."),  # every other capital of it begins a sentence, that behind a quotation mark too
        ("I rain.", "I rain."),
        ("Tom rains.", "Tom rains."),
        ("He is Tom.", "he is Tom."),
        ("Rain is wet.", "Rain is wet."),  # a word that is not known
        ("O'Brien rains.", "O'Brien rains."),
        ("O'clock is no time.", "o'clock is no time."),
        ("“It rains.”", "“It rains.”"),
        ("10 it is.", "10 it is."),
        ("IT rains.", "IT rains."),
        ("T-shirts rain.", "T-shirts rain."),
        ("", ""),
        ("...", "..."),
    ],
)
def test_a_first_word_has_the_case_that_it_mostly_has_elsewhere(sentence: str, inside: str) -> None:
    assert Truecaser(ENGLISH).truecased(sentence) == inside


def test_nouns_of_german_keep_their_capital_and_words_of_french_lose_it_before_an_apostrophe() -> None:
    german = Truecaser(["Ich sehe Hunde und der Katze gefällt das."])
    assert german.truecased("Hunde bellen.") == "Hunde bellen."
    assert german.truecased("Der Hund bellt.") == "der Hund bellt."
    french = Truecaser(["Il y a l'école et les arbres."])
    assert french.truecased("L'école est là.") == "l'école est là."


def test_a_mark_before_a_sentence_stays_there_and_signs_without_case_stay_as_they_are() -> None:
    assert Truecaser(["Dime cómo estás."]).truecased("¿Cómo estás?") == "¿cómo estás?"
    assert Truecaser(["我知道。"]).truecased("你好嗎？") == "你好嗎？"
