"""Names in another script are told from what only stands beside them."""

import random

from minnow.data.renderings import renderings

TALK = ("看见{}了", "{}很高", "这是{}的书", "我不认识{}", "给{}打电话", "{}不在家", "谁是{}？", "{}，你好！")


def met(*written: str, rows: int = 30) -> tuple[list[list[str]], list[str]]:
    """Rows of a name that is written in these ways, each in many settings."""
    return [["X"]] * rows, [TALK[row % len(TALK)].format(written[row % len(written)]) for row in range(rows)]


def found(names: list[list[str]], texts: list[str]) -> tuple[str, ...]:
    return renderings(names, texts).get("X", ())


def test_a_name_is_what_stands_across_from_it_and_nowhere_else() -> None:
    for written in ("汤姆", "波士顿", "亚历山大", "アレクサンダー", "อเล็กซาน"):
        names, texts = met(written)
        others = [text.format("他们") for text in TALK * 9]
        assert found([*names, *[[]] * len(others)], [*texts, *others]) == (written,)


def test_there_may_be_several_ways_to_write_it() -> None:
    names, texts = met("汤姆", "湯姆", "汤姆")
    assert found(names, texts) == ("汤姆", "湯姆")


def test_what_others_have_across_from_it_too_is_no_name() -> None:
    names, texts = met("先生")
    assert found([*names, *[[]] * 30], texts * 2) == ()


def test_a_part_of_a_name_is_none_and_neither_is_a_name_with_what_stands_beside_it() -> None:
    names, texts = met("波士顿", "波士頓")  # 波士 stands in every row
    assert set(found(names, texts)) <= {"波士顿", "波士頓"}
    names, texts = met("日本")
    often = [["X"]] * 20, ["我在日本见过"] * 20
    others = [[]] * 9, ["日本人很好"] * 9  # so that 日本 alone is not sure, and 在日本 must not take its place
    sides = ([*one, *two, *three] for one, two, three in zip((names, texts), often, others, strict=True))
    assert found(*sides) == ()


def test_of_a_name_that_is_too_long_no_part_is_taken() -> None:
    assert found(*met("アレクサンドロビッチ")) == ()


def test_rows_of_other_languages_do_not_count() -> None:
    names, texts = met("汤姆", rows=24)
    assert found([*names, *[["X"]] * 400], [*texts, *["Voici Thomas."] * 400]) == ("汤姆",)


def test_few_rows_prove_nothing_and_scripts_with_spaces_have_none() -> None:
    names, texts = met("汤姆", rows=9)
    assert found(names, texts) == ()
    assert found([["X"]] * 40, ["Voici Thomas, qui rit."] * 40) == ()
    assert renderings([], []) == {}


def test_the_order_of_rows_changes_nothing() -> None:
    names, texts = met("汤姆", "湯姆", "汤姆")
    shuffled = texts[:]
    random.Random(3).shuffle(shuffled)
    assert found(names, shuffled) == found(names, texts)
