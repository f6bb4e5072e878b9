"""Repair of texts: damage goes, words stay, twice is once."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minnow.text.clean import CleaningRules, drop_reason, normalise, repair

RULES = CleaningRules()
marked = st.lists(
    st.sampled_from(
        ["<br />", "<p>", "</b>", "&amp;", "&lt;", "&gt;", "&#39;", "<3", "a < b", "é", "Ã©", "\u200d",
         "\u200b", "\r\n", "\x07", "  ", "\u3000", "<script>", "</script>", "word", "好", "👩\u200d🚀", "\ud800",
         "&", "<", ">", ";", "nbsp"]
    ),
    max_size=12,
).map("".join)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "repaired"),
    [
        ("one<br /><br />two", "one\n\ntwo"),
        ("<p>A <b>fine</b> film</p><p>Go!</p>", "A fine film\n\nGo!"),
        ("a < b and b > c, I <3 you, <unk> and <name>", "a < b and b > c, I <3 you, <unk> and <name>"),
        ("if x<a and y>b then", "if x<a and y>b then"),
        ('AT&amp;T &lt;A HREF="x"&gt;here&lt;/A&gt; &#39;now&#39; &quot;', "AT&T here 'now' \""),
        ("AT&T &copy;right &notaname; R&D;", "AT&T ©right &notaname; R&D;"),
        ("a<script>alert('x < y')</script>b<!-- gone -->c", "a b c"),
        ("cafÃ© â€œyesâ€\x9d", "café “yes”"),
        ("“curly” ‘quotes’ stay … as ﬁne ＷＩＤＥ", "“curly” ‘quotes’ stay … as ﬁne ＷＩＤＥ"),
        ("zero\u200bwidth\ufeff bell\x07 soft\u00adhyphen", "zerowidth bell softhyphen"),
        ("👩\u200d🚀 می\u200cخواهم a\u200db", "👩\u200d🚀 می\u200cخواهم ab"),
        ("  many \t spaces\u3000here\r\n\r\n\r\n\r\nand\x0blines  ", "many spaces here\n\nand\nlines"),
        ("\ufeff做父母一定要有　刘墉这样的心态", "做父母一定要有 刘墉这样的心态"),
    ],
)
def test_damage_is_undone(text: str, repaired: str) -> None:
    assert repair(text, RULES) == repaired


@settings(max_examples=300)
@given(marked | st.text(max_size=40))
def test_repairing_twice_is_repairing_once(text: str) -> None:
    once = repair(text, RULES)
    assert repair(once, RULES) == once


@settings(max_examples=200)
@given(st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="<&"), max_size=60))
def test_clean_text_only_loses_surplus_spaces(text: str) -> None:
    assert repair(text, RULES) == " ".join(text.split())


@settings(max_examples=200)
@given(st.text(st.characters(max_codepoint=0x2FFF, exclude_characters="&", exclude_categories=["Cs"]), max_size=40))
def test_repair_never_invents(text: str) -> None:
    """Without entities and mojibake every character of the result stands in the text, in the same order."""
    rules = CleaningRules(fix_encoding=False)
    left = iter(text)
    for character in repair(text, rules):
        if not character.isspace():
            assert character in left


def test_line_breaks_can_be_folded() -> None:
    assert repair("a<br>b\nc", CleaningRules(keep_line_breaks=False)) == "a b c"


@pytest.mark.parametrize(
    ("text", "rules", "reason"),
    [
        ("fine", RULES, None),
        (" \n", RULES, "empty"),
        ("ab", CleaningRules(min_characters=3), "too_short"),
        ("abcd", CleaningRules(max_characters=3), "too_long"),
        ("Das ist ein langer deutscher Satz über das Wetter", CleaningRules(languages=("en",)), "language"),
        ("This is a sentence about the weather of today", CleaningRules(languages=("en",)), None),
        ("ok :)", CleaningRules(languages=("zh",)), None),
    ],
)
def test_useless_texts_have_a_reason(text: str, rules: CleaningRules, reason: str | None) -> None:
    assert drop_reason(text, rules) == reason


@pytest.mark.parametrize(
    ("text", "other"), [("A  B\n", "a b"), ("Ａ１", "a1"), (" x\u3000y ", "x y"), ("plain", "PLAIN")]
)
def test_texts_are_equal_after_normalising(text: str, other: str) -> None:
    assert normalise(text) == normalise(other)


@given(st.text(max_size=40))
def test_normalising_folds_all_whitespace(text: str) -> None:
    assert normalise(text) == " ".join(normalise(text).split())


@pytest.mark.parametrize(
    "text",
    [
        "<" * 50_000,
        "<a " * 20_000,
        "<br" + " " * 50_000,
        "<" + " " * 50_000,
        "<a" + " b=c" * 10_000,
        "&amp;" * 20_000,
        "&" + "amp;" * 20_000,
        "<script>" * 5_000,
        "<!--" * 10_000,
    ],
    ids=lambda text: text[:10],
)
def test_hostile_markup_takes_no_time(text: str) -> None:
    began = time.process_time()
    repair(text, RULES)
    assert time.process_time() - began < 2  # a quadratic step takes far longer
