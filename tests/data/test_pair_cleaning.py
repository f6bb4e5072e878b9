"""Cleaning pairs: planted faults go by their reason, good pairs stay, and every pair is accounted for."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minnow.data.catalog import find, present
from minnow.data.pair_cleaning import REASONS, PairCleaningSettings, clean_pairs, judge_pairs
from minnow.data.pairs import Pairs, load_pairs
from minnow.errors import InputError

DIRECTION = ("en", "de")
GOOD = [
    ("A man is walking his dog along the river.", "Ein Mann geht mit seinem Hund am Fluss spazieren."),
    ("Two children are playing in the snow.", "Zwei Kinder spielen im Schnee."),
    ("A woman in a red coat is waiting for the bus.", "Eine Frau in einem roten Mantel wartet auf den Bus."),
    ("Some workers are repairing the road at night.", "Einige Arbeiter reparieren nachts die Straße."),
    ("Taxi!", "Taxi!"),
    ("Go.", "Geh los."),
    ("No way!", "Das kommt ja überhaupt nicht in Frage!"),
]
FAULTS = {
    "empty": ("A boy is laughing.", " "),
    "copy": ("The girl is reading a book.", "the girl is reading  a book."),
    "too_long": ("again and again " * 200, "immer und immer wieder " * 120),
    "length_ratio": ("Two cats are sleeping on the warm roof of a car.", "@@"),
    "language": ("Three boys are running.", "Trois garçons courent vers la plage avec leurs amis."),
    "duplicate": GOOD[0],
}
OFF = {
    "empty": PairCleaningSettings(empty=False),
    "copy": PairCleaningSettings(copies=False, language_confidence=0),
    "too_long": PairCleaningSettings(max_characters=0),
    "length_ratio": PairCleaningSettings(max_length_ratio=0),
    "language": PairCleaningSettings(language_confidence=0),
    "duplicate": PairCleaningSettings(duplicates=False),
}
on_this_machine = pytest.mark.skipif(
    not (present(find("multi30k")) and present(find("tatoeba-eng-fra"))), reason="the sets are not on this machine"
)


def made(rows: list[tuple[str, str]], direction: tuple[str, str] = DIRECTION) -> Pairs:
    return Pairs([source for source, _ in rows], [target for _, target in rows], [direction] * len(rows), "mine", "0")


def rows(pairs: Pairs) -> list[tuple[str, str]]:
    return list(zip(pairs.sources, pairs.targets, strict=True))


def test_good_pairs_stay() -> None:
    cleaned, counts = clean_pairs(made(GOOD), PairCleaningSettings())
    assert rows(cleaned) == GOOD
    assert counts == {"rows": 7, "kept": 7, "dropped": 0, **dict.fromkeys(REASONS, 0)}
    assert cleaned.notes == ()


def test_a_japanese_text_may_look_chinese() -> None:
    pairs = made([("Preamble of the Constitution of Japan", "日本国憲法前文")], ("en", "ja"))
    assert len(clean_pairs(pairs, PairCleaningSettings())[0]) == 1
    assert len(clean_pairs(replace(pairs, directions=[("en", "ko")]), PairCleaningSettings())[0]) == 0


def test_every_planted_fault_goes_by_its_own_reason() -> None:
    planted = made([*GOOD, *FAULTS.values()])
    cleaned, counts = clean_pairs(planted, PairCleaningSettings())
    assert rows(cleaned) == GOOD
    assert counts == {"rows": 13, "kept": 7, "dropped": 6, **dict.fromkeys(REASONS, 1)}
    (note,) = cleaned.notes
    assert note.startswith("6 of 13 pairs left out: 1 with an empty side, ")
    assert all(f"1 {reason}" in note for reason in REASONS.values())


def test_every_pair_that_goes_is_told_with_its_row() -> None:
    planted = made([FAULTS["copy"], *GOOD, FAULTS["empty"], FAULTS["duplicate"]])
    judged = judge_pairs(planted, PairCleaningSettings(language_confidence=0))
    assert judged.dropped(planted).rows(named=True) == [
        {"row": row, "reason": name, "languages": ["en", "de"], "source": FAULTS[name][0], "target": FAULTS[name][1]}
        for row, name in ((1, "copy"), (9, "empty"), (10, "duplicate"))
    ]
    assert rows(planted.chosen(judged.kept.nonzero()[0])) == GOOD
    assert judge_pairs(made(GOOD), PairCleaningSettings()).dropped(made(GOOD)).rows() == []


@pytest.mark.parametrize("name", FAULTS)
def test_every_filter_can_be_switched_off(name: str) -> None:
    cleaned, counts = clean_pairs(made([*GOOD, FAULTS[name]]), OFF[name])
    assert rows(cleaned) == [*GOOD, FAULTS[name]]
    assert name not in counts
    assert counts["dropped"] == 0


def test_chinese_has_fewer_characters_and_that_is_usual() -> None:
    chinese = [("I have never seen such a beautiful sunset.", "我从没见过这么美的日落。")] * 3
    chinese += [("Could you tell me the way to the station?", "你能告诉我去车站的路吗？")] * 3
    faulty = [("Where is it?", "请问你能告诉我去最近的火车站应该怎么走吗，我已经在这里找了很久了，谢谢。")]
    only_length = PairCleaningSettings(language_confidence=0, duplicates=False)
    assert clean_pairs(made(chinese + faulty, ("en", "zh")), only_length)[1]["length_ratio"] == 1
    english = [("Comment allez-vous ce matin ?", "How are you this morning?")] * 8  # usual elsewhere, so odd beside it
    both = made(chinese, ("en", "zh"))
    mixed = replace(
        both,
        sources=[*both.sources, *(source for source, _ in english)],
        targets=[*both.targets, *(target for _, target in english)],
        directions=[*both.directions, *[("fr", "en")] * 8],
    )
    assert clean_pairs(mixed, only_length)[1]["dropped"] == 0


@settings(max_examples=60)
@given(st.lists(st.integers(1, 300), min_size=1, max_size=9), st.integers(1, 12))
def test_the_usual_ratio_is_no_fault_whatever_it_is(lengths: list[int], ratio: int) -> None:
    texts = [("a" * length, "b" * (length * ratio)) for length in lengths]
    asked = PairCleaningSettings(max_characters=0, max_length_ratio=1.001, language_confidence=0)
    assert clean_pairs(made(texts), asked)[1]["length_ratio"] == 0


@settings(max_examples=60)
@given(st.lists(st.tuples(st.text("ab ", max_size=60), st.text("ab ", max_size=60)), max_size=12))
def test_pairs_are_judged_alike_in_both_directions_and_all_are_counted(texts: list[tuple[str, str]]) -> None:
    asked = PairCleaningSettings(language_confidence=0, max_length_ratio=1.4142)  # which no pair has exactly
    cleaned, counts = clean_pairs(made(texts), asked)
    turned, turned_counts = clean_pairs(made([(target, source) for source, target in texts], ("de", "en")), asked)
    assert turned_counts == counts
    assert rows(turned) == [(target, source) for source, target in rows(cleaned)]
    assert counts["rows"] == len(texts) == counts["kept"] + counts["dropped"]
    assert counts["dropped"] == sum(count for name, count in counts.items() if name in REASONS)


def test_the_same_pair_in_the_other_direction_is_no_duplicate() -> None:
    both = Pairs(["Taxi!"] * 3, ["Taxi!"] * 3, [DIRECTION, ("de", "en"), DIRECTION], "mine", "0")
    cleaned, counts = clean_pairs(both, PairCleaningSettings())
    assert (cleaned.directions, counts["duplicate"]) == ([DIRECTION, ("de", "en")], 1)


def test_what_the_detector_cannot_know_is_not_judged() -> None:
    french = "Trois garçons courent vers la plage avec leurs amis."
    for direction in (("en", "xx"), ("en", "deu"), ("source", "target")):
        assert clean_pairs(made([(GOOD[0][0], french)], direction), PairCleaningSettings())[1]["dropped"] == 0
    assert clean_pairs(made([(GOOD[0][0], french)], ("en-GB", "de_AT")), PairCleaningSettings())[1]["language"] == 1
    assert clean_pairs(made([("Go on!", "Allez !")]), PairCleaningSettings())[1]["dropped"] == 0


def test_progress_is_told() -> None:
    calls: list[tuple[str, int, int]] = []
    clean_pairs(made(GOOD), PairCleaningSettings(), lambda *call: calls.append(call))
    assert calls == [("language", 0, 7)]


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        ("max_characters", -1, "must be 1 or more, but got -1; try 2000"),
        ("max_length_ratio", 1.0, "must be above 1, but got 1.0; try 3"),
        ("language_confidence", 2.0, "must lie between 0 and 1, but got 2.0; try 0.8"),
    ],
)
def test_a_setting_out_of_bounds_is_refused(setting: str, value: float, says: str) -> None:
    with pytest.raises(InputError, match=says):
        PairCleaningSettings(**{setting: value})  # type: ignore[arg-type]


@on_this_machine
def test_clean_sets_stay_whole() -> None:
    captions = load_pairs("multi30k", languages=("en", "de"))
    cleaned, counts = clean_pairs(captions, PairCleaningSettings(language_confidence=0))
    assert {name: count for name, count in counts.items() if count and name in REASONS} == {
        "length_ratio": 2,  # their German side is "@@"
        "duplicate": 3,
    }
    every_tenth = cleaned.chosen(range(0, len(cleaned), 10))
    assert clean_pairs(every_tenth, PairCleaningSettings())[1]["dropped"] == 0
    _, counts = clean_pairs(load_pairs("tatoeba-eng-fra", part="all"), PairCleaningSettings(language_confidence=0))
    assert (counts["dropped"], counts["duplicate"]) == (142, 142)  # most differ in the kind of a space
