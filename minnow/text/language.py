"""Which language a text is in: its script decides where that is enough, else py3langid's naive Bayes over byte n-grams.

Lui and Baldwin, "langid.py: An Off-the-shelf Language Identification Tool", ACL 2012 demos.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from minnow.errors import InputError, nearest

MANDARIN = frozenset({"zh", "zho", "chi", "cmn"})
CHINESE = MANDARIN | {"yue", "wuu", "lzh"}
JAPANESE = frozenset({"ja", "jpn"})
# Thai, Lao, Khmer, Burmese, Tibetan and Dzongkha set no spaces between words either.
_UNSPACED = CHINESE | JAPANESE | {"th", "tha", "lo", "lao", "km", "khm", "my", "mya", "bo", "bod", "dz", "dzo"}
MAX_CHARACTERS = 2000
MIN_LETTERS = 12
# Scripts as classes of an expression.
HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
KANA = "\u3041-\u309f\u30a0-\u30ff"
_HAN = re.compile(f"[{HAN}]")
_KANA = re.compile(f"[{KANA}]")
_HANGUL = re.compile("[\uac00-\ud7af\u1100-\u11ff]")
_NOISE = re.compile(r"https?://\S+|\S+@\S+|[\d_]+")
# Chinese and Japanese characters and marks, and the quotes that close behind them.
_WIDE_END = re.compile("[\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff01-\uffee][”’]*$")
# Scripts that one large language has nearly to itself.
_SCRIPTS = (
    ("th", re.compile("[\u0e00-\u0e7f]")),
    ("el", re.compile("[\u0370-\u03ff]")),
    ("he", re.compile("[\u0590-\u05ff]")),
    ("ka", re.compile("[\u10a0-\u10ff]")),
    ("hy", re.compile("[\u0530-\u058f]")),
    ("ta", re.compile("[\u0b80-\u0bff]")),
    ("te", re.compile("[\u0c00-\u0c7f]")),
)


@dataclass(frozen=True)
class Language:
    """An ISO 639-1 code, ``und`` where there is too little to tell, and a confidence between 0 and 1."""

    code: str
    confidence: float


def detect(text: str) -> Language:
    """The language of a text, from its first 2,000 characters.

    Fewer than 12 letters of an alphabet tell nothing (``und``); two Han characters tell Chinese, beside kana Japanese.
    Chinese text with some Latin words in it is Chinese.
    """
    sample = _NOISE.sub(" ", text[:MAX_CHARACTERS])
    num_letters = sum(character.isalpha() for character in sample)
    num_han, num_kana, num_hangul = (len(script.findall(sample)) for script in (_HAN, _KANA, _HANGUL))
    # A Han character carries about as much as two and a half letters.
    weight = 2.5 * (num_han + num_kana + num_hangul)
    num_other = num_letters - num_han - num_kana - num_hangul
    if num_han + num_kana + num_hangul >= 2 and weight >= num_other / 2:
        return _east_asian(num_han, num_kana, num_hangul, weight / max(weight + num_other, 1))
    if num_letters < MIN_LETTERS:
        return Language("und", 0.0)
    for code, script in _SCRIPTS:
        share = min(len(script.findall(sample)) / num_letters, 1.0)  # vowel signs count beside the letters
        if share > 0.6:
            return Language(code, round(share, 4))
    # The classifier knows byte n-grams of running text; capitals alone look foreign to it.
    code, confidence = _identifier().classify(sample.lower() if sample.isupper() else sample)
    return Language(str(code), round(float(confidence), 4))


def subtags(code: str) -> list[str]:
    """``zh`` and ``hans`` of ``zh-Hans`` or ``zh_Hans``."""
    return code.replace("_", "-").lower().split("-")


def primary(code: str) -> str:
    """``zh`` of ``zh-Hans`` or ``zh_CN``."""
    return subtags(code)[0]


def sets_spaces(code: str) -> bool:
    """Whether the language of that code sets spaces between words, as those do of which nothing is known."""
    return primary(code) not in _UNSPACED


def sentence_space(code: str, before: str) -> str:
    """What stands between a sentence and the next one in the language of that code: nothing in Chinese and Japanese,
    nor behind their marks wherever these stand, else a space."""
    return "" if primary(code) in CHINESE | JAPANESE or _WIDE_END.search(before) else " "


def known_languages() -> frozenset[str]:
    """The codes that ``detect`` tells apart; of a text in another language it names one that looks like it."""
    return frozenset(code for code in _identifier().labels if len(code) == 2)


def known_code(asked: str) -> str:
    """The code by which ``detect`` names a language: ``zh`` of ``zh-CN`` and of ``cmn``.

    Raises:
        InputError: it tells no language of that code; the message has the nearest.
    """
    code = primary(asked)
    code = "zh" if code in CHINESE else "ja" if code in JAPANESE else code
    known = known_languages()
    if code not in known:
        # The first two letters of a name or of a longer code are the code more often than not.
        hint = f"did you mean {code[:2]!r}?" if code[:2] in known else nearest(code, known)
        raise InputError(f"unknown language {asked!r}; {hint}")
    return code


def _east_asian(num_han: int, num_kana: int, num_hangul: int, confidence: float) -> Language:
    total = num_han + num_kana + num_hangul
    if num_hangul > 0.3 * total:
        return Language("ko", round(confidence, 4))
    if num_kana > 0.1 * total:
        return Language("ja", round(confidence, 4))
    return Language("zh", round(confidence, 4))


@cache
def _identifier() -> Any:
    """Loaded once a process: the model takes half a second to unpack and never changes."""
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError as error:
        raise InputError(
            "telling languages needs py3langid; install it with: pip install 'minnow-lm[clean]'"
        ) from error
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    # Varieties such as Nigerian Pidgin (pcm) win over English on short messages; two-letter codes alone are reported.
    identifier.set_languages([code for code in identifier.labels if len(code) == 2])
    return identifier
