"""The library's pipeline of a tokenizer: what it is made of, and what a file's turns out to be."""

import json
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tokenizers import Regex, models, normalizers, pre_tokenizers
from tokenizers import Tokenizer as Library

from minnow.errors import BundleError
from minnow.text.chinese import simplifier
from minnow.text.roles import SPECIAL_TOKENS

MARKER = "▁"  # what a space is to Unigram

# Chinese and Japanese stand without spaces; the long-vowel mark has no script of its own.
_CJK = r"\p{Han}\p{Hiragana}\p{Katakana}ー"
_WORD = rf"[\p{{L}}\p{{N}}&&[^{_CJK}]][\p{{L}}\p{{M}}\p{{N}}\x{{200C}}\x{{200D}}&&[^{_CJK}]]*"
_PICTURE = r"\p{Extended_Pictographic}[\p{M}\p{Emoji_Modifier}]*"
_WORDS = "|".join(
    (
        # don't · 3.5 · 1,000 · 10:30
        rf"{_WORD}(?:(?:(?<=\p{{L}})['’](?=\p{{L}})|(?<=\p{{N}})[.,:](?=\p{{N}})){_WORD})*",
        rf"[{_CJK}]\p{{M}}*",
        r"\.\.\.",
        r"[\x{1F1E6}-\x{1F1FF}]{2}",  # a flag is two letters
        rf"{_PICTURE}(?:\x{{200D}}{_PICTURE})*",  # a family is people held by joiners
        r"[^\s\p{Cc}\p{Cf}]",
    )
)
# What BPE and Unigram may merge: nothing across these borders. A space belongs to what follows it, so no text is lost.
_STRETCHES = "|".join(
    (
        r"(?i:'(?:[sdmt]|ll|ve|re))(?!\p{L})",
        rf" ?[\p{{L}}\p{{M}}&&[^{_CJK}]]+",
        rf" ?[{_CJK}]+",
        r" ?\p{N}{1,3}",
        r" ?[^\s\p{L}\p{M}\p{N}]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)


# Parts


def normalizer(normalization: str, lowercase: bool, simplified: bool) -> Any:
    """What is done to a text before anything else: Unicode's form, the script of Chinese, and the case."""
    steps: list[Any] = []
    if normalization != "none":
        steps.append(normalizers.NFKC() if normalization == "nfkc" else normalizers.NFC())
    if simplified:
        steps.append(simplifier())
    if lowercase:
        steps.append(normalizers.Lowercase())
    return normalizers.Sequence(steps)


def words() -> Any:
    """Words and single signs; Chinese and Japanese characters each by itself."""
    return pre_tokenizers.Split(Regex(_WORDS), "removed", invert=True)


def between_spaces() -> Any:
    """What stands between white space."""
    return pre_tokenizers.WhitespaceSplit()


def characters() -> Any:
    """Every character by itself."""
    return pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")


def byte_stretches() -> Any:
    """Stretches that BPE merges within, a letter for each of their bytes."""
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(_STRETCHES), "isolated"), byte_level])


def marked_stretches() -> Any:
    """Stretches that Unigram cuts, with a mark in the place of a space."""
    marker = pre_tokenizers.Metaspace(MARKER, prepend_scheme="never", split=False)
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(_STRETCHES), "isolated"), marker])


# Pipelines of files


def read_library(path: Path) -> Library:
    """The pipeline that a ``tokenizer.json`` holds."""
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"cannot read the tokenizer {path} ({error}); a model folder needs tokenizer.json") from error
    with damage_named(path):
        return Library.from_str(content)


@contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Whatever goes wrong with the content of this file is damage to it."""
    try:
        yield
    except Exception as error:  # the library raises nothing narrower
        raise BundleError(
            f"{path} is damaged or not a tokenizer that can be used ({error}); train or fetch the model again"
        ) from error


def kind_of(content: Mapping[str, Any]) -> str:
    """Which of the house's kinds it is.

    Raises:
        BundleError: none of them.
    """
    model, first = content["model"]["type"], content["pre_tokenizer"]
    if model == "WordLevel":
        others = {"character": characters, "whitespace": between_spaces}
        return next((kind for kind, made in others.items() if first == _described(made())), "word")
    by_model = {"BPE": "bpe", "WordPiece": "wordpiece", "Unigram": "unigram"}
    if model not in by_model:
        raise BundleError(f"unknown tokenizer model {model!r}; choose one of: {', '.join(by_model)}, WordLevel")
    return by_model[model]


def normalizer_steps(content: Mapping[str, Any]) -> list[str]:
    """The names of what is done to a text first.

    Raises:
        BundleError: the pipeline does not say.
    """
    normalizer = content["normalizer"]
    if not normalizer or normalizer["type"] != "Sequence":
        raise BundleError("the tokenizer does not say how it normalises")
    return [step["type"] for step in normalizer["normalizers"]]


def simplifier_in(content: Mapping[str, Any]) -> Any:
    """The step by which a pipeline of the house simplifies Chinese characters; None where it does not."""
    found = [step for step in content["normalizer"]["normalizers"] if step["type"] == "Precompiled"]
    return normalizers.Precompiled(b64decode(found[0]["precompiled_charsmap"])) if found else None


def is_ours(library: Library) -> bool:
    """Whether it looks like a tokenizer of this house, be it a damaged one; others have other special tokens."""
    content = json.loads(library.to_str())
    by_token = library.get_vocab()
    first = {token for token in SPECIAL_TOKENS if by_token.get(token, len(SPECIAL_TOKENS)) < len(SPECIAL_TOKENS)}
    return first == set(SPECIAL_TOKENS) and not content.get("post_processor")


def entries(library: Library) -> tuple[str, ...]:
    """All tokens by id; the ids must run from 0 without a gap and begin with the special tokens."""
    by_token = library.get_vocab()
    tokens = tuple(sorted(by_token, key=by_token.__getitem__))
    if sorted(by_token.values()) != list(range(len(tokens))) or tokens[: len(SPECIAL_TOKENS)] != SPECIAL_TOKENS:
        raise BundleError(f"ids 0 to 3 must be {' '.join(SPECIAL_TOKENS)} and no id may be missing")
    return tokens


def _described(pre_tokenizer: Any) -> Any:
    library = Library(models.WordLevel({}, unk_token="<unk>"))
    library.pre_tokenizer = pre_tokenizer
    return json.loads(library.to_str())["pre_tokenizer"]
