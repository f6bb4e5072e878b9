"""Scores of translations beside sacreBLEU, to the last digit, and its tests of two systems as near as chance allows."""

import gzip
import os
import random
from collections import Counter
from math import exp, log
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minnow.metrics.counted import Counted, intervals_of_counts, paired_tests_of_counts
from minnow.metrics.translation import bleu, chrf, tokenised_bleu

sacrebleu = pytest.importorskip("sacrebleu")
sacremoses = pytest.importorskip("sacremoses")
significance = pytest.importorskip("sacrebleu.significance")

MULTI30K = Path(os.environ.get("MINNOW_DATA", "data")) / "multi30k"
on_this_machine = pytest.mark.skipif(not MULTI30K.is_dir(), reason="multi30k is not on this machine")
few = settings(max_examples=40)
seeds = st.integers(0, 2**32 - 1)

# Written for these tests, with what tokenizers trip over.
GERMAN = [
    "Der alte Hafen liegt gleich hinter dem Markt, etwa 1,5 km von hier.",
    "Wir haben gestern zwei Stunden auf den Zug gewartet!",
    "Das rot-weiße Boot gehört dem Nachbarn meiner Tante (nicht mir).",
    "„Kommst du mit?“, fragte sie um 9.30 Uhr; er schwieg ...",
    "Ja.",
    "R&D kostet &quot;nur&quot; 1.000 € – z. B. für Dr. Meyer's Büro.",
]
CHINESE = [
    "老港口就在市场后面，离这里1.5公里。",
    "我们昨天等火车等了两个小时！",
    "“你来吗？”她问。他没有说话……",
    "好。",
]


def noisy(texts: list[str], seed: int, rate: float = 0.4) -> list[str]:
    """The texts with words left out, said twice and misspelt."""
    stream = random.Random(seed)

    def changed(word: str) -> list[str]:
        return stream.choice([[], [word, word], [word[::-1]]]) if stream.random() < rate else [word]

    return [" ".join(part for word in text.split() for part in changed(word)) for text in texts]


def multi30k(language: str, part: str = "test_2016_flickr") -> list[str]:
    with gzip.open(MULTI30K / f"{part}.{language}.gz", "rt", encoding="utf-8") as lines:
        return [line.rstrip("\n") for line in lines]


@few
@given(seeds, st.integers(1, 3), st.floats(0, 1))
def test_any_rows_and_references_have_their_scores(seed: int, num_references: int, rate: float) -> None:
    texts = random.Random(seed).choices(GERMAN, k=5)
    hypotheses, references = noisy(texts, seed, rate), [noisy(texts, seed + 1 + n, 0.2) for n in range(num_references)]
    assert bleu(hypotheses, *references, language="de").value == sacrebleu.corpus_bleu(hypotheses, references).score
    assert chrf(hypotheses, *references).value == sacrebleu.corpus_chrf(hypotheses, references).score
    for n, score in enumerate(chrf(hypotheses, *references).per_row()):
        assert score == sacrebleu.sentence_chrf(hypotheses[n], [side[n] for side in references]).score


@few
@given(seeds, st.sampled_from([("zh", "zh"), ("ja", "char")]))
def test_texts_without_spaces_have_their_scores(seed: int, cut: tuple[str, str]) -> None:
    language, tokenizer = cut
    texts = random.Random(seed).choices(CHINESE, k=4)
    hypotheses = ["".join(noisy([" ".join(text)], seed)).replace(" ", "") for text in texts]
    expected = sacrebleu.corpus_bleu(hypotheses, [texts], tokenize=tokenizer)
    assert bleu(hypotheses, texts, language=language).value == expected.score
    assert chrf(hypotheses, texts).value == sacrebleu.corpus_chrf(hypotheses, [texts]).score


@on_this_machine
@pytest.mark.parametrize("language", ["en", "de", "fr"])
def test_image_captions_have_their_scores_and_signatures(language: str) -> None:
    references = multi30k(language)
    hypotheses = noisy(references, seed=0)
    for ours, metric in (
        (bleu(hypotheses, references, language=language), sacrebleu.metrics.BLEU()),
        (chrf(hypotheses, references), sacrebleu.metrics.CHRF()),
    ):
        assert ours.value == metric.corpus_score(hypotheses, [references]).score
        assert ours.signature == str(metric.get_signature())


def multi_bleu(hypotheses: list[str], references: list[str]) -> float:
    """BLEU of texts in words, as the formula of Papineni et al. (2002) has it and multi-bleu.perl computes it."""
    matching, given_ngrams, lengths = Counter[int](), Counter[int](), Counter[str]()
    for sides in zip(hypotheses, references, strict=True):
        given_words, wanted_words = (side.split() for side in sides)
        lengths.update(given=len(given_words), wanted=len(wanted_words))
        for order in range(1, 5):
            ours, theirs = (
                Counter(tuple(words[at : at + order]) for at in range(len(words) - order + 1))
                for words in (given_words, wanted_words)
            )
            matching[order] += (ours & theirs).total()
            given_ngrams[order] += ours.total()
    if not all(matching[order] for order in range(1, 5)):
        return 0.0
    precision = sum(log(matching[order] / given_ngrams[order]) for order in range(1, 5)) / 4
    return 100 * exp(precision + min(0.0, 1 - lengths["wanted"] / lengths["given"]))


def in_words(texts: list[str], language: str) -> list[str]:
    cut = sacremoses.MosesTokenizer(lang=language).tokenize
    return [" ".join(cut(text, aggressive_dash_splits=True, escape=False)).lower() for text in texts]


@few
@given(seeds, st.floats(0, 1))
def test_the_older_score_is_that_of_the_formula(seed: int, rate: float) -> None:
    texts = random.Random(seed).choices(GERMAN, k=5)
    hypotheses = noisy(texts, seed, rate)
    expected = multi_bleu(in_words(hypotheses, "de"), in_words(texts, "de"))
    assert tokenised_bleu(hypotheses, texts, language="de").value == pytest.approx(expected, rel=1e-12)


def two_systems() -> tuple[list[str], list[str], list[str]]:
    references = [text for seed in range(60) for text in noisy(GERMAN, seed, 0.1)]
    return references, noisy(references, 1, 0.40), noisy(references, 2, 0.42)


def scores(hypotheses: list[str], references: list[str]) -> dict[str, Counted]:
    return {"BLEU": bleu(hypotheses, references, language="de"), "chrF2": chrf(hypotheses, references)}


def their_test(kind: str, num_samples: int) -> dict[str, list[Any]]:
    references, *systems = two_systems()
    metrics = {"BLEU": sacrebleu.metrics.BLEU(), "chrF2": sacrebleu.metrics.CHRF()}
    named = list(zip("ab", systems, strict=True))
    found: dict[str, list[Any]] = significance.PairedTest(named, metrics, [references], kind, num_samples)()[1]
    return found


def test_the_intervals_are_as_wide_as_theirs() -> None:
    references, a, _ = two_systems()
    intervals = intervals_of_counts(scores(a, references))
    for name, (theirs, _) in their_test("bs", 1000).items():
        if name != "System":
            low, high = intervals[name]
            assert (low + high) / 2 == pytest.approx(theirs.mean, abs=0.25)
            assert (high - low) / 2 == pytest.approx(theirs.ci, rel=0.12)


def test_the_difference_is_as_unlikely_as_theirs() -> None:
    references, a, b = two_systems()
    tests = paired_tests_of_counts(scores(a, references), scores(b, references), num_resamples=4000)
    by_randomisation, by_bootstrap = their_test("ar", 4000), their_test("bs", 4000)
    for name, ours in tests.items():
        first, second = by_randomisation[name]
        assert ours.difference == first.score - second.score
        assert ours.p_value == pytest.approx(second.p_value, abs=0.03)
        # Theirs looks at the side of the better system alone, and ours at both.
        assert ours.bootstrap_p_value == pytest.approx(2 * by_bootstrap[name][1].p_value, abs=0.04)
