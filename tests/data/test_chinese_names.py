"""Chinese names are spelled as their characters are read, and stand where a Chinese source is said in Latin letters."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from minnow.data import chinese_names
from minnow.data.chinese_names import ChineseNames, MadeUpName, traditional_share
from minnow.data.name_places import Place
from minnow.data.other_names import _MadeUp, add_other_names
from minnow.data.pairs import Pairs
from minnow.text import chinese

SOME = 400
TABLES = (chinese_names._SURNAMES, chinese_names._GIVEN, chinese_names._SOUNDS)


def names(vowel: bool | None = None, traditional: float = 0.5, texts: Sequence[str] = ()) -> list[MadeUpName]:
    maker, random = ChineseNames(texts), np.random.default_rng(0)
    found = [maker.name(random, vowel, traditional) for _ in range(SOME)]
    return [name for name in found if name is not None]


def table(*parts: str) -> dict[str, str]:
    """The syllable of each character, read off the tables letter by letter."""
    found: dict[str, str] = {}
    for sound, characters in re.findall("([a-z]+)([^a-z ]+)", " ".join(parts)):
        for one in characters:
            assert found.setdefault(one, sound) == sound, "one character has one reading"
    return found


def test_each_name_is_spelled_as_its_characters_are_read() -> None:
    sounds = table(*TABLES)
    back = {new: old for old, new in chinese_names._AS_TRADITIONAL.items()}
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
    assert {name.spelled[0] for name in names(vowel=True)} == set("AE")
    assert not {name.spelled[0] for name in names(vowel=False)} & set("AEO")
    assert {name.spelled[0] in "AEO" for name in names()} == {True, False}


def test_names_are_in_the_script_that_is_asked_for() -> None:
    opencc = pytest.importorskip("opencc")
    simplified = chinese.simplified_characters()

    def share(traditional: float) -> float:
        found = names(traditional=traditional)
        return sum(any(one in simplified for one in written) for written, _ in found) / len(found)

    assert share(0) == 0 < share(0.5) < share(1)
    for old, new in chinese_names._AS_TRADITIONAL.items():
        assert simplified[chr(new)] == chr(old)
    turned = opencc.OpenCC("s2t").convert
    same = {one for one in table(*TABLES) if turned(one) != one and ord(one) not in chinese_names._AS_TRADITIONAL}
    assert same == set("范于余峰岩里"), "as a surname, in a name or for a sound written so in both scripts"


def test_a_code_tells_the_script() -> None:
    assert [traditional_share(code) for code in ("zh", "zh-Hant", "zh_TW", "zh-CN", "zho_Hans")] == [0.5, 1, 1, 0, 0]


def test_what_the_texts_hold_is_no_made_up_name() -> None:
    plain = names(traditional=0)
    short = [written for written, _ in plain if len(written) == 2]
    for texts in (["".join(short)], [one.translate(chinese_names._AS_TRADITIONAL) for one in short]):
        assert not set(short) & {written for written, _ in names(traditional=0, texts=texts)}
    everywhere = Pairs(["".join(short)], ["I love Tom."], [("zh", "en")], "talk", "0")
    made, random = _MadeUp([Place(0, "Tom", "汤姆", "Tom")], everywhere), np.random.default_rng(0)
    drawn = [made.instead(Place(0, "Tom", "汤姆", "Tom"), random) for _ in range(SOME)]
    assert not {place.source for place in drawn if place} & set(short)


TALK = {"我看见{}了。": "I saw {}.", "这是{}的书。": "This is {}'s book.", "{}是谁？": "Who is {}?"}
MET = ("我们见过{}。", "We met {}.")
KNOWN = (("汤姆", "Tom"), ("玛丽", "Mary"))
SIDES = {
    f"{number}{source}".format(written): f"{number} {target}".format(name)
    for number in range(60)
    for source, target in TALK.items()
    for written, name in KNOWN
} | {MET[0].format(name): MET[1].format(name) for name in ("Tamara", "Tobias", "Anton", "Alina", "Andrea", "Martin")}
HAN = re.compile("[\u4e00-\u9fff]")


def added(source: str, target: str, sides: Mapping[str, str] = SIDES, turned: bool = False) -> list[tuple[str, str]]:
    """Pairs with another name, the Chinese side first."""
    both = (list(sides), list(sides.values()))
    pairs = Pairs(*(both[::-1] if turned else both), [(source, target)] * len(sides), "talk", "0")
    found, count = add_other_names(pairs, 1, seed=0)
    assert count > len(sides) / 2
    more = zip(found.sources[-count:], found.targets[-count:], strict=True)
    return [(b, a) if turned else (a, b) for a, b in more]


def said(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The name of each pair on both sides."""
    found = []
    for source, target in pairs:
        for written, spelled in (*TALK.items(), MET):
            a = re.fullmatch(r"\d*" + re.escape(written).replace(r"\{\}", "(.+)"), source)
            b = re.fullmatch(r"(?:\d+ )?" + re.escape(spelled).replace(r"\{\}", "(.+)"), target)
            if a and b:
                found.append((a[1], b[1]))
    assert len(found) == len(pairs)
    return found


def in_characters(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(written, spelled) for written, spelled in said(pairs) if HAN.match(written)]


@pytest.mark.parametrize("code", ["zh-Hans", "cmn", "zho_Hans"])
def test_every_second_name_in_a_chinese_source_is_a_chinese_one(code: str) -> None:
    found = said(added(code, "en"))
    chinese_ones = [(written, spelled) for written, spelled in found if HAN.match(written)]
    assert 0.3 < len(chinese_ones) / len(found) < 0.7
    assert all(spelled.isascii() for _, spelled in chinese_ones)
    assert all(written == spelled for written, spelled in found if not HAN.match(written))


def test_into_chinese_and_from_cantonese_names_stay_in_letters() -> None:
    assert all(written == spelled for written, spelled in said(added("en", "zh", turned=True)))
    for code in ("yue", "zh-yue"):
        assert not in_characters(added(code, "en"))


@pytest.mark.parametrize(
    ("target", "spelled"),
    [("ja", "{}に会いました。"), ("zh-Hant", "我們見過{}。"), ("ru", "Мы видели {}."), ("vi", "Chung toi gap {}.")],
)
def test_a_target_that_takes_no_pinyin_gets_letters_alone(target: str, spelled: str) -> None:
    sides = {
        f"{number}我们见过{name}。": f"{number} {spelled}".format(name)
        for number in range(20)
        for name in ("Tamara", "Tobias", "Anton", "Alina", "Andrea", "Martin")
    }
    assert not any(re.search("见过[\u4e00-\u9fff]", source) for source, _ in added("zh", target, sides))
    ours = {source: f"Nous avons vu {re.findall('[A-Z][a-z]+', source)[0]}." for source in sides}
    assert any(re.search("见过[\u4e00-\u9fff]", source) for source, _ in added("zh", "fr", ours))


def test_a_part_of_a_longer_name_in_letters_is_no_place_for_characters() -> None:
    sides = {
        f"{number}我们见过{name} Hanks。": f"{number} We met {name} Hanks."
        for number in range(20)
        for name in ("Tamara", "Tobias", "Anton", "Alina", "Andrea", "Martin")
    }
    for source, _ in added("zh", "en", sides):
        assert not re.search("见过.*[\u4e00-\u9fff].*。", source)


def test_a_name_begins_with_a_vowel_where_what_stands_before_it_asks_for_one() -> None:
    """« d'Anna », « de Tom » and "an Anna fan"; Tom and Mary, whom the characters stand for, begin with none."""
    ours = [(a, b) for a, b in added("zh", "en") if "我们见过" not in a]
    assert {spelled[0] in "AEO" for _, spelled in in_characters(ours)} == {True, False}
    ours = [(a, b) for a, b in added("zh", "fr") if "我们见过" not in a]
    assert {spelled[0] in "AEO" for _, spelled in in_characters(ours)} == {False}
    for name, article in (("Anton", "an"), ("Tobias", "a")):
        sides = {f"{number}他是{name}迷。": f"{number} He is {article} {name} fan." for number in range(200)}
        more = added("zh", "en", sides | {f"我们见过{one}。": f"We met {one}." for one in ("Alina", "Martin", "Otto")})
        spelled = {found[1][0] for _, b in more if (found := re.search(r"is an? (\w+) ?\w* fan", b))}
        assert {one in "AEIOU" for one in spelled} == {article == "an"}
