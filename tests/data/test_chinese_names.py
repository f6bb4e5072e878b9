"""Chinese names are spelled as their characters are read, and stand where a Chinese source is said in Latin letters."""

import re

import numpy as np
import pytest

from minnow.data import chinese_names
from minnow.data.chinese_names import ChineseNames
from minnow.data.other_names import add_other_names
from minnow.data.pairs import Pairs
from minnow.text import chinese

SOME = 400


def names(vowel: bool | None = None) -> list[chinese_names.MadeUpName]:
    maker, random = ChineseNames(), np.random.default_rng(0)
    return [maker.name(random, vowel) for _ in range(SOME)]


def table(*parts: str) -> dict[str, str]:
    """The syllable of each character, read off the tables letter by letter."""
    found: dict[str, str] = {}
    for sound, characters in re.findall("([a-z]+)([^a-z ]+)", " ".join(parts)):
        for one in characters:
            assert found.setdefault(one, sound) == sound, "one character has one reading"
    return found


def test_each_name_is_spelled_as_its_characters_are_read() -> None:
    sounds = table(chinese_names._SURNAMES, chinese_names._GIVEN, chinese_names._SOUNDS)
    back = {new: old for old, new in chinese_names._IN_TRADITIONAL.items()}
    for written, spelled in names():
        read = "".join(sounds[chr(back.get(ord(one), ord(one)))] for one in written)
        assert spelled.replace(" ", "").lower() == read, (written, spelled)


def test_a_surname_is_spelled_apart_and_a_name_from_abroad_in_one() -> None:
    surnames = table(chinese_names._SURNAMES)
    apart = [name for name in names() if " " in name.spelled]
    in_one = [name for name in names() if " " not in name.spelled]
    assert min(len(apart), len(in_one)) > SOME / 3
    for name in apart:
        assert re.fullmatch("[A-Z][a-z]+ [A-Z][a-z]+", name.spelled)
        assert len(name.written) in (2, 3)
    for name in in_one:
        assert re.fullmatch("[A-Z][a-z]+", name.spelled)
        assert len(name.written) in (2, 3, 4)
        assert name.written[0] not in surnames


def test_the_beginning_is_as_asked() -> None:
    assert all(name.spelled[0] in "AEOY" for name in names(vowel=True))
    assert not any(name.spelled[0] in "AEOY" for name in names(vowel=False))
    assert {name.spelled[0] in "AEO" for name in names()} == {True, False}


def test_some_names_are_in_traditional_characters_and_the_same_when_simplified() -> None:
    pytest.importorskip("opencc")
    simplified = chinese.simplified_characters()
    changed = [written for written, _ in names() if any(one in simplified for one in written)]
    assert SOME / 5 < len(changed) < SOME / 1.5
    for old, new in chinese_names._IN_TRADITIONAL.items():
        assert simplified[chr(new)] == chr(old)


TALK = {"我看见{}了。": "I saw {}.", "这是{}的书。": "This is {}'s book.", "{}是谁？": "Who is {}?"}
KNOWN = (("汤姆", "Tom"), ("玛丽", "Mary"))
SIDES = {
    f"{number}{source}".format(written): f"{number} {target}".format(name)
    for number in range(60)
    for source, target in TALK.items()
    for written, name in KNOWN
} | {f"我们见过{name}。": f"We met {name}." for name in ("Tamara", "Tobias", "Anton", "Alina", "Andrea", "Martin")}
HAN = re.compile("[\u4e00-\u9fff]")


def added(source: str, target: str, turned: bool = False) -> list[tuple[str, str]]:
    """Pairs with another name, the Chinese side first."""
    sides = (list(SIDES), list(SIDES.values()))
    pairs = Pairs(*(sides[::-1] if turned else sides), [(source, target)] * len(SIDES), "talk", "0")
    found, count = add_other_names(pairs, 1, seed=0)
    assert count > len(SIDES) / 2
    more = zip(found.sources[-count:], found.targets[-count:], strict=True)
    return [(b, a) if turned else (a, b) for a, b in more]


def said(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The name of each pair on both sides."""
    found = []
    for source, target in pairs:
        for written, spelled in (*TALK.items(), ("我们见过{}。", "We met {}.")):
            a = re.fullmatch(r"\d*" + re.escape(written).replace(r"\{\}", "(.+)"), source)
            b = re.fullmatch(r"(?:\d+ )?" + re.escape(spelled).replace(r"\{\}", "(.+)"), target)
            if a and b:
                found.append((a[1], b[1]))
    assert len(found) == len(pairs)
    return found


def test_every_second_name_in_a_chinese_source_is_a_chinese_one() -> None:
    found = said(added("zh-Hans", "en"))
    chinese_ones = [(written, spelled) for written, spelled in found if HAN.match(written)]
    assert 0.3 < len(chinese_ones) / len(found) < 0.7
    assert all(spelled.isascii() and written not in dict(KNOWN) for written, spelled in chinese_ones)
    assert all(written == spelled for written, spelled in found if not HAN.match(written))


def test_a_target_in_chinese_takes_letters_and_cantonese_is_no_pinyin() -> None:
    assert all(written == spelled for written, spelled in said(added("en", "zh", turned=True)))
    assert all(written == spelled for written, spelled in said(added("yue", "en")))


def test_into_french_a_name_keeps_whether_it_begins_with_a_vowel() -> None:
    """« d'Anna » and « de Tom »: Tom and Mary begin with none, whom the characters stand for."""

    def vowels(target: str) -> set[bool]:
        ours = [pair for pair in added("zh", target) if HAN.search(pair[0]) and not pair[0].startswith("我们见过")]
        return {spelled[0] in "AEO" for written, spelled in said(ours) if HAN.match(written)}

    assert vowels("en") == {True, False}
    assert vowels("fr") == {False}
