"""What a source asks of its translation: terms of a glossary, numbers and codes."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minnow.errors import InputError, UnknownNameError
from minnow.text.terms import Terms, normal, stands_in

GLOSSARY = {
    "bicycle": "Fahrrad",
    "mountain bicycle": "Mountainbike",
    "US": "USA",
    "ice-cream": ["Eis", "Speiseeis"],
    "C++": "C++",
    "自行车": "bicycle",
    "自行": "oneself",
}


def required(source: str, keep: tuple[str, ...] = ()) -> list[str]:
    return ["|".join(one) for one in Terms(GLOSSARY, keep).places(source)]


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("A bicycle, a BICYCLE!", ["Fahrrad"]),
        ("Bicycles and motorbicycle", []),
        ("The mountain  bicycle beside a bicycle", ["Mountainbike", "Fahrrad"]),
        ("a bicycle-shop", ["Fahrrad"]),
        ("in the US, not for us", ["USA"]),
        ("for us", []),
        ("Ice-Cream", ["Eis|Speiseeis"]),
        ("ice cream", []),
        ("C++ and C", ["C++"]),
        ("我的自行车很旧", ["bicycle"]),
        ("自行其是", ["oneself"]),
        ("", []),
    ],
)
def test_terms_are_whole_words_and_the_longest_counts(source: str, wanted: list[str]) -> None:
    assert required(source) == wanted


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("3 of 3 men at 10:30 ran 1,000.5 miles.", ["3", "10:30", "1,000.5"]),
        ("Born on 24/12/2020, $5, 50%, -7.", ["24/12/2020", "5", "50", "7"]),
        ("the 3rd, the 80s, an mp3, A320", []),
        ("a 3-year-old", ["3"]),
        ("On 2027-01-31, call 030-555-0199, 3-4 times.", ["2027-01-31", "030-555-0199", "3", "4"]),
        ("有3个人", ["3"]),
        ("no number", []),
    ],
)
def test_numbers_stay_as_they_stand(source: str, wanted: list[str]) -> None:
    assert required(source, ("numbers",)) == wanted


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("The A320-B2, an MP3 and COVID-19.", ["A320-B2", "MP3", "COVID-19"]),
        ("NASA, 2nd, x86, iPhone", []),
        ("See https://x.org/a?b=1, (www.foo.com/x).", ["https://x.org/a?b=1", "www.foo.com/x"]),
        ("me.too+1@mail.x.org wrote @joe_b #fun", ["me.too+1@mail.x.org", "@joe_b", "#fun"]),
        ("见 https://x.y/z，谢谢A320。", ["https://x.y/z", "A320"]),
    ],
)
def test_codes_stay_as_they_stand(source: str, wanted: list[str]) -> None:
    assert required(source, ("codes",)) == wanted


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("My friend Anna Schmidt meets Bob in Timbuktu.", ["Anna Schmidt", "Bob", "Timbuktu"]),
        ("Bicyclers meet O'Neill-Smith. Bicyclers!", ["O'Neill-Smith"]),
        ("Anna Schmidt meets Mr. Łukasz", ["Anna Schmidt", "Łukasz"]),
        ('He said: "Bicyclers!" In Boston.', []),
        ("我叫Annika。", ["Annika"]),
        ("He said I'm Anna's friend, d'Ulm", ["Anna", "Ulm"]),
        ("no name, a mcDonald", []),
    ],
)
def test_names_stay_as_they_stand_where_the_model_does_not_know_them(source: str, wanted: list[str]) -> None:
    terms = Terms(GLOSSARY, ("names",), {"Boston", "In", "Mr", "My", "He", "I"}.__contains__)
    assert ["|".join(one) for one in terms.places(source)] == wanted
    assert terms
    assert list(Terms({"Bob": "Robert"}, "names").places("with Bob Schmidt")) == [("Robert",), ("Schmidt",)]


def test_what_is_part_of_something_longer_is_not_asked_for_beside_it() -> None:
    terms = Terms({"seven dwarfs": "sieben Zwerge", "7 dwarfs": "sieben Zwerge"}, ("numbers", "codes"))
    assert list(terms.places("7 dwarfs and 7 B-52")) == [("sieben Zwerge",), ("B-52",), ("7",)]


def test_the_places_are_those_of_the_terms_in_the_normal_text() -> None:
    source = "A  bike,  two BIKES? my bike: 7 of 7 A320"
    terms = Terms({"bike": "Rad", "two bikes": ["zwei Räder", "2 Räder"]}, ("numbers", "codes"))
    found = terms.places(source)
    shown = {term: [normal(source)[start:end] for start, end in spans] for term, spans in found.items()}
    assert shown == {
        ("Rad",): ["bike", "bike"],
        ("zwei Räder", "2 Räder"): ["two BIKES"],
        ("A320",): ["A320"],
        ("7",): ["7", "7"],
    }


def test_a_spelling_that_is_a_term_itself_goes_before_one_that_folds_to_the_same() -> None:
    both = Terms({"straße": "road", "strasse": "way"})
    assert list(both.places("Die Straße und die strasse")) == [("road",), ("way",)]
    assert list(Terms({"strasse": "way"}).places("die Straße")) == [("way",)]


def test_a_term_that_is_written_in_two_forms_has_the_translations_of_both() -> None:
    twice = Terms({"caf\u00e9": "coffee house", "cafe\u0301": ["coffee shop", "coffee house"]})
    assert list(twice.places("un café")) == [("coffee house", "coffee shop")]


def test_nothing_is_asked_for_without_a_glossary_or_anything_to_keep() -> None:
    assert not Terms()
    assert Terms({"a": "b"})
    assert Terms(keep=("codes",))
    assert list(Terms().places("3 bicycles A320")) == []
    assert list(Terms(keep="numbers").places("3 of A320")) == [("3",)]


@pytest.mark.parametrize("glossary", [{"": "x"}, {"  ": "x"}, {"x": ""}, {"x": []}, {"x": ["y", " "]}])
def test_an_empty_term_or_translation_is_refused(glossary: dict[str, str]) -> None:
    with pytest.raises(InputError, match="must hold some text, but got"):
        Terms(glossary)


def test_an_unknown_kind_to_keep_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="unknown kind of word to keep 'number'; did you mean 'numbers'"):
        Terms(keep=("number",))


@pytest.mark.parametrize(
    ("text", "phrase", "there"),
    [
        ("Das Fahrrad.", "Fahrrad", True),
        ("Die Fahrräder", "Fahrrad", False),
        ("Das Leihfahrrad", "fahrrad", False),
        ("Leihfahrrad, fahrrad", "fahrrad", True),
        ("12 und 123", "12", True),
        ("123", "12", False),
        ("我的自行车很旧", "自行车", True),
        ("C++17", "C++", True),
        ("Bicycle broken. It rains.", "bicycle", True),
        ("It rains. Bicycle broken.", "bicycle", True),
        ("The Bicycle", "bicycle", False),
        ("यह कमी बड़ी है", "कम", False),
        ("यह कम है", "कम", True),
        ("", "x", False),
        ("x", "", False),
    ],
)
def test_a_phrase_stands_in_a_text_as_whole_words(text: str, phrase: str, there: bool) -> None:
    assert stands_in(text, phrase) == there


@given(st.text(alphabet="ab1 .,-@#/A自", max_size=60))
def test_what_is_kept_stands_in_the_source(source: str) -> None:
    for (kept,) in list(Terms(keep=("numbers", "codes")).places(source)):
        assert stands_in(" ".join(source.split()), kept)


@pytest.mark.parametrize("piece", ["a", "a-", "1 ", "1,", "a@", "https://", "A1-", "a.", "#"])
def test_no_line_takes_long(piece: str) -> None:
    began = time.process_time()
    list(Terms(GLOSSARY, ("numbers", "codes")).places(piece * 20_000))
    assert time.process_time() - began < 5
