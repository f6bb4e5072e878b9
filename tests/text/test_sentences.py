"""Lines in sentences, sentences in parts."""

import pytest

from minnow.text.sentences import parts_of, sentences_of


@pytest.mark.parametrize(
    ("line", "sentences"),
    [
        ("It rains. Mr. Smith stays in. Why?", ["It rains.", "Mr. Smith stays in.", "Why?"]),
        ("«Il pleut.» Il reste. ", ["«Il pleut.»", "Il reste."]),
        ("下雨了。他说：“走吧。”然后走了！真的？", ["下雨了。", "他说：“走吧。”然后走了！", "真的？"]),
        ("बारिश है। वह घर में है।", ["बारिश है।", "वह घर में है।"]),
        ("3.5 litres", ["3.5 litres"]),
        ("", []),
    ],
)
def test_a_sentence_ends_behind_its_marks_and_what_closes_there(line: str, sentences: list[str]) -> None:
    assert sentences_of(line) == sentences


@pytest.mark.parametrize(
    ("sentence", "most", "parts"),
    [
        ("one two, three four five six", 4, ["one two,", "three four five six"]),
        ("one, two three four five six seven", 4, ["one, two three", "four five six seven"]),
        ("one two three four five", 2, ["one two", "three", "four five"]),
        ("一个人走路，两只狗跑步，三只猫睡觉", 12, ["一个人走路，", "两只狗跑步，三只猫睡觉"]),
        ("一二三四五六七八", 4, ["一二三四", "五六七八"]),
        ("1,000,000,000", 8, ["1,000,", "000,000"]),
        (" one two ", 1, [" one", "two "]),
        ("", 3, [""]),
    ],
)
def test_a_long_sentence_is_cut_where_a_clause_or_a_word_ends(sentence: str, most: int, parts: list[str]) -> None:
    def is_short(text: str) -> bool:
        return len(text.split() if " " in sentence else text) <= most

    assert parts_of(sentence, is_short) == parts
