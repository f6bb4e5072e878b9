"""What the scores of translations promise; ``references/test_sacrebleu.py`` holds their values to sacreBLEU's."""

import sys
from collections.abc import Callable
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minnow.errors import DataError, InputError, MinnowError
from minnow.metrics.counted import Counted, intervals_of_counts, pooled
from minnow.metrics.translation import bleu, chrf, exact_match, length_ratio, tokenised_bleu, translation_scores

pytest.importorskip("sacrebleu")
pytest.importorskip("sacremoses")

GERMAN = [
    "Der alte Hafen liegt gleich hinter dem Markt.",
    "Wir haben gestern zwei Stunden auf den Zug gewartet!",
    "Das rot-weiße Boot gehört dem Nachbarn meiner Tante.",
]
CHINESE = ["老港口就在市场后面。", "我们昨天等火车等了两个小时！", "红白相间的船是我姨妈邻居的。"]
few = settings(max_examples=30)
sentences = st.lists(st.sampled_from(["der", "die", "Boot", "Zug", "liegt", ".", ","]), max_size=9).map(" ".join)
pairs = st.lists(st.tuples(sentences, sentences), min_size=1, max_size=6)


def every(hypotheses: list[str], *references: list[str]) -> list[float]:
    return [score.value for score in translation_scores(hypotheses, *references, language="de").values()]


@pytest.mark.parametrize(("texts", "language"), [(GERMAN, "de"), (CHINESE, "zh"), (CHINESE, "ja")])
def test_what_people_wrote_scores_100(texts: list[str], language: str) -> None:
    scores = translation_scores(texts, texts, language=language)
    assert list(scores) == ["bleu", "chrf", "tokenised_bleu", "exact_match"]
    assert [score.value for score in scores.values()] == pytest.approx([100, 100, 100, 100])
    assert length_ratio(scores["bleu"]) == 1


@few
@given(pairs, st.randoms())
def test_the_order_of_the_rows_does_not_matter(pairs: list[tuple[str, str]], random: Random) -> None:
    there = every(*map(list, zip(*pairs, strict=True)))
    random.shuffle(pairs)
    assert every(*map(list, zip(*pairs, strict=True))) == there
    assert all(0 <= score <= 100 + 1e-9 for score in there)


@few
@given(pairs)
def test_chrf_of_a_row_takes_the_reference_that_it_comes_nearest_to(pairs: list[tuple[str, str]]) -> None:
    first, second = map(list, zip(*pairs, strict=True))
    hypotheses = GERMAN[:1] * len(pairs)
    both = chrf(hypotheses, first, second).per_row()
    alone = [chrf(hypotheses, side).per_row() for side in (first, second)]
    assert both.tolist() == np.maximum(*alone).tolist()


def test_bleu_finds_its_words_in_any_reference() -> None:
    halves = [text[: len(text) // 2] for text in GERMAN], [text[len(text) // 2 :] for text in GERMAN]
    both, one, other = (bleu(GERMAN, *sides, language="de").value for sides in (halves, halves[:1], halves[1:]))
    assert both > max(one, other)
    assert bleu(GERMAN, *halves, language="de").signature.startswith("nrefs:2|")


def test_bleu_minds_capitals_and_the_older_score_does_not() -> None:
    shouted = [text.upper() for text in GERMAN]
    assert bleu(shouted, GERMAN, language="de").value < 40
    assert tokenised_bleu([text.replace("ß", "SS") for text in shouted], GERMAN, language="de").value > 80


def test_the_older_score_is_zero_without_a_single_run_of_four_words() -> None:
    hypotheses = ["Der alte Hafen liegt hinter dem Markt ."]
    references = ["Der alte Hafen war hinter dem Fluss ."]
    assert bleu(hypotheses, references, language="de").value > 0
    assert tokenised_bleu(hypotheses, references, language="de").value == 0


def test_moses_parts_words_at_hyphens_and_apostrophes_by_language() -> None:
    def words(text: str, language: str) -> int:
        return int(tokenised_bleu([text], [text], language=language).counts[0, -2])

    assert words("rot-weiß", "de") == 3
    assert words("l'homme d'aujourd'hui", "fr") == 5
    assert words("we don't", "en") == 3
    assert words("we don't", "en-GB") == 3


@pytest.mark.parametrize(
    ("language", "cut"),
    [
        ("zh", "zh"),
        ("zh-Hant", "zh"),
        ("ZH_CN", "zh"),
        ("zho_Hans", "zh"),
        ("ja", "char"),
        ("th", "char"),
        ("de", "13a"),
    ],
)
def test_languages_without_spaces_are_counted_in_characters(language: str, cut: str) -> None:
    assert f"|tok:{cut}|" in bleu(CHINESE, CHINESE, language=language).signature
    one_wrong = [text.replace("等", "坐") for text in CHINESE]
    assert (bleu(one_wrong, CHINESE, language=language).value > 50) == (cut != "13a")
    older = tokenised_bleu(one_wrong, CHINESE, language=language)
    assert f"|tok:{'moses-de' if cut == '13a' else cut}|" in older.signature
    assert "|case:lc|" in older.signature
    assert "|smooth:none|" in older.signature


def test_empty_translations_are_counted_and_score_nothing() -> None:
    empty = [""] * len(GERMAN)
    scores = translation_scores(empty, GERMAN, language="de")
    assert [score.value for score in scores.values()] == [0, 0, 0, 0]
    assert length_ratio(scores["bleu"]) == 0
    partly = translation_scores([GERMAN[0], "", " "], GERMAN, language="de")
    assert all(0 < score.value < 60 for score in partly.values())
    assert partly["chrf"].per_row()[1:].tolist() == [0, 0]


def test_one_row_is_enough() -> None:
    scores = translation_scores(GERMAN[:1], GERMAN[:1], language="de")
    assert [score.value for score in scores.values()] == pytest.approx([100, 100, 100, 100])


def test_two_empty_texts_are_the_same_and_score_nothing_else() -> None:
    assert every([""], [""]) == [0, 0, 0, 100]


def test_texts_are_the_same_to_the_letter_but_for_white_space_around_them() -> None:
    references = ["2026-11-26", "drei zwei eins", "Anna", "Ende."]
    hypotheses = [" 2026-11-26\n", "drei  zwei eins", "anna", "Ende"]
    found = exact_match(hypotheses, references)
    assert found.per_row().tolist() == [100, 0, 0, 0]
    assert found.value == 25


def test_texts_are_the_same_as_any_reference_and_are_counted_over_all_rows() -> None:
    first, second = ["eins", "zwei", "drei"], ["1", "2", "3"]
    both = exact_match(["1", "zwei", "vier"], first, second)
    assert both.per_row().tolist() == [100, 100, 0]
    assert pooled([both, exact_match(["a"] * 3, first, second)]).value == pytest.approx(100 / 3)
    low, high = intervals_of_counts({"exact_match": both})["exact_match"]
    assert 0 <= low < both.value < high <= 100


SCORES: list[Callable[..., Counted]] = [
    lambda hypotheses, *references: bleu(hypotheses, *references, language="de"),
    lambda hypotheses, *references: tokenised_bleu(hypotheses, *references, language="de"),
    lambda hypotheses, *references: tokenised_bleu(hypotheses, *references, language="zh"),
    chrf,
    exact_match,
]


@pytest.mark.parametrize("score", SCORES)
def test_sides_that_do_not_fit_are_refused(score: Callable[..., Counted]) -> None:
    with pytest.raises(DataError, match="no translations to score"):
        score([], [])
    with pytest.raises(MinnowError, match="1 translations and 2 references"):
        score(["a"], ["a", "b"])
    with pytest.raises(MinnowError, match="2 translations and 2 and 1 references"):
        score(["a", "b"], ["a", "b"], ["a"])
    with pytest.raises(MinnowError, match="1 translations and no references"):
        score(["a"])


@pytest.mark.parametrize("package", ["sacrebleu", "sacremoses"])
def test_without_the_translate_extra_the_command_that_installs_it_is_named(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=r"pip install 'minnow-lm\[translate\]'"):
        translation_scores(GERMAN, GERMAN, language="de")
