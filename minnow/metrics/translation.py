"""How near translations come to what people wrote: BLEU, chrF and the share that are the same, counted row by row.

N rows · C counts. BLEU and chrF are sacreBLEU's; ``counted.py`` makes intervals and tests of them.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from minnow.errors import DataError, InputError, MinnowError
from minnow.metrics.classification import ratio
from minnow.metrics.counted import Counted
from minnow.text.language import CHINESE, primary, sets_spaces

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SCORES = ("bleu", "chrf", "tokenised_bleu", "exact_match")
BLEU_ORDER = 4  # words of the longest n-gram
CHRF_ORDER = 6  # characters of the longest n-gram
CHRF_BETA = 2  # recall weighs so many times as much as precision


def translation_scores(
    hypotheses: Sequence[str], *references: Sequence[str], language: str, names: Sequence[str] = SCORES
) -> dict[str, Counted]:
    """``bleu``, ``chrf``, ``tokenised_bleu`` and ``exact_match`` of N translations into one language, or some of them.

    Raises:
        DataError: no rows.
        InputError: the translate extra is missing.
        MinnowError: not one reference a row in each of ``references``.
    """
    counters: dict[str, Callable[..., Counted]] = {
        "bleu": partial(bleu, language=language),
        "chrf": chrf,
        "tokenised_bleu": partial(tokenised_bleu, language=language),
        "exact_match": exact_match,
    }
    return {name: counters[name](hypotheses, *references) for name in names}


def bleu(hypotheses: Sequence[str], *references: Sequence[str], language: str) -> Counted:
    """BLEU with capitals, 0 to 100 (Papineni et al. 2002; Post 2018).

    Words are those of WMT's ``13a``; Chinese is cut into characters by ``zh``, other languages without spaces by
    ``char``. sacreBLEU would take a morphological analyser for Japanese and Korean where one is installed, but a score
    should not depend on that.

    Args:
        hypotheses: N translations, as they are to be read.
        references: of each row, one or several lists of N.
        language: that was translated into, ISO 639-1; a region or script behind it, as in ``zh-Hans``, does not matter.

    Raises:
        DataError, InputError, MinnowError: as ``translation_scores``.
    """
    return _count_bleu(_bleu_metric(tokenize=bleu_tokenizer(language)), hypotheses, references)


def tokenised_bleu(hypotheses: Sequence[str], *references: Sequence[str], language: str) -> Counted:
    """BLEU as older papers print it: ``multi-bleu.perl`` over lower-cased text in the words of the Moses tokenizer.

    Both sides are cut by sacremoses (hyphens inside words too, nothing escaped). A language without spaces, for which
    Moses has no rules, is cut as in ``bleu``. Nothing is smoothed: one order of n-grams without a match makes it 0.
    The arguments and errors are those of ``bleu``.
    """
    multi_bleu = {"lowercase": True, "smooth_method": "none"}
    tokenizer = bleu_tokenizer(language)
    if tokenizer != "13a":
        return _count_bleu(_bleu_metric(tokenize=tokenizer, **multi_bleu), hypotheses, references)
    moses = _package("sacremoses")
    words = moses.MosesTokenizer(primary(language)).tokenize
    hypotheses, *references_in_words = (
        [words(text, aggressive_dash_splits=True, escape=False, return_str=True) for text in side]
        for side in (hypotheses, *references)
    )
    return _count_bleu(
        _bleu_metric(tokenize="none", **multi_bleu),
        hypotheses,
        references_in_words,
        tok=f"moses-{primary(language)}",
        sacremoses=moses.__version__,
    )


def chrf(hypotheses: Sequence[str], *references: Sequence[str]) -> Counted:
    """chrF2, 0 to 100: F of n-grams of 1 to 6 characters, white space left out (Popović 2015, 2016).

    Of several references of a row, the one that it scores best with counts. Unlike BLEU it says something about a
    row alone, too.

    sacreBLEU hands out the score of a corpus but not what it counted, so the counting is done here;
    ``tests/references/test_sacrebleu.py`` holds it to sacreBLEU's numbers. The errors are those of ``bleu``.
    """
    from_sacrebleu = _package("sacrebleu").metrics.CHRF(char_order=CHRF_ORDER, word_order=0, beta=CHRF_BETA)
    _check(hypotheses, references)
    counts_MNC = np.array(
        [[_chrf_counts(*pair) for pair in zip(hypotheses, side, strict=True)] for side in references], np.int64
    )
    best_N = np.array([_chrf_scores(counts_NC) for counts_NC in counts_MNC]).argmax(axis=0)
    # It knows its signature once it has seen how many references a row has.
    from_sacrebleu.corpus_score(hypotheses[:1], [side[:1] for side in references])
    return Counted(counts_MNC[best_N, np.arange(len(best_N))], _chrf_scores, str(from_sacrebleu.get_signature()))


def exact_match(hypotheses: Sequence[str], *references: Sequence[str]) -> Counted:
    """Translations in a hundred that are a reference to the letter, white space around both left out.

    Capitals, punctuation and white space between words count. The errors are those of ``bleu``.
    """
    _check(hypotheses, references)
    counts = [
        [any(hypothesis.strip() == text.strip() for text in texts), 1]
        for hypothesis, *texts in zip(hypotheses, *references, strict=True)
    ]
    return Counted(np.array(counts, np.int64), _shares, f"nrefs:{len(references)}|case:mixed|space:stripped")


def length_ratio(bleu: Counted) -> float:
    """The words of all translations over those of the references; below 1 the brevity penalty of BLEU sets in."""
    given, wanted = bleu.counts[:, -2:].sum(axis=0)
    return float(ratio(given, wanted))


def check_scores() -> None:
    """InputError where the translate extra, which every score but chrF and exact match needs, is missing."""
    for name in ("sacrebleu", "sacremoses"):
        _package(name)


def bleu_tokenizer(language: str) -> str:
    """sacreBLEU's name of what cuts a language into the words of BLEU."""
    if sets_spaces(language):
        return "13a"
    return "zh" if primary(language) in CHINESE else "char"


def _count_bleu(
    metric: "BLEU", hypotheses: Sequence[str], references: Sequence[Sequence[str]], **signed: str
) -> Counted:
    """Matching and all n-grams by order, and both lengths, of each row; a corpus of one row tells them.

    ``signed``: what the signature should say besides, or instead.
    """
    _check(hypotheses, references)
    rows = [
        metric.corpus_score([hypothesis], [[text] for text in texts])
        for hypothesis, *texts in zip(hypotheses, *references, strict=True)
    ]
    counts = np.array([[*row.counts, *row.totals, row.sys_len, row.ref_len] for row in rows], np.int64)
    signature = metric.get_signature()
    for key, value in signed.items():
        signature.update(key, value)
    return Counted(counts, partial(_bleu_scores, metric), str(signature))


def _bleu_scores(metric: "BLEU", counts_RC: Ints) -> Floats:
    scores = [
        metric.compute_bleu(
            line[:BLEU_ORDER], line[BLEU_ORDER:-2], line[-2], line[-1], smooth_method=metric.smooth_method
        ).score
        for line in counts_RC.tolist()
    ]
    return np.array(scores, np.float64)


def _chrf_counts(hypothesis: str, reference: str) -> list[int]:
    """For each order: n-grams of the hypothesis, of the reference, and those that match."""
    counts = []
    given, wanted = "".join(hypothesis.split()), "".join(reference.split())
    for order in range(1, CHRF_ORDER + 1):
        in_given, in_wanted = _character_ngrams(given, order), _character_ngrams(wanted, order)
        matching = sum(min(count, in_wanted[ngram]) for ngram, count in in_given.items() if ngram in in_wanted)
        # An order that the reference is too short for says nothing against the hypothesis.
        counts += [in_given.total() if in_wanted else 0, in_wanted.total(), matching]
    return counts


def _chrf_scores(counts_RC: Ints) -> Floats:
    """Means of precision and recall over the orders that both sides have, put together (Popović 2015, equation 1)."""
    given, wanted, matching = (counts_RC[:, place::3] for place in range(3))
    orders = ((given > 0) & (wanted > 0)).sum(axis=1)
    precision, recall = (ratio(ratio(matching, side).sum(axis=1), orders) for side in (given, wanted))
    weight = CHRF_BETA**2
    return 100 * ratio((1 + weight) * precision * recall, weight * precision + recall)


def _shares(counts_RC: Ints) -> Floats:
    return 100 * ratio(counts_RC[:, 0], counts_RC[:, 1])


def _character_ngrams(text: str, order: int) -> Counter[str]:
    return Counter(text[start : start + order] for start in range(len(text) - order + 1))


def _check(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> None:
    if not hypotheses:
        raise DataError("there are no translations to score; give a file with at least one pair of texts")
    lengths = [len(side) for side in references]
    if not references or set(lengths) != {len(hypotheses)}:
        raise MinnowError(
            f"every translation needs its reference, but there are {len(hypotheses)} translations and "
            f"{' and '.join(map(str, lengths)) or 'no'} references"
        )


def _bleu_metric(**settings: Any) -> "BLEU":
    # Not forced, it warns of texts that end in a lone full stop: they look as if they were cut into words already.
    metric: BLEU = _package("sacrebleu").metrics.BLEU(force=True, **settings)
    return metric


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise InputError(
            "scores of translations need sacrebleu and sacremoses; pip install 'minnow-lm[translate]'"
        ) from error
