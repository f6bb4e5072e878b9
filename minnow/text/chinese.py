"""Traditional characters as simplified ones, so that Chinese in both scripts has one vocabulary.

Character by character, which loses little: many traditional characters share a simplified one and few have two. Of
20,133 sentences 21 come out otherwise than by the phrases that OpenCC knows, ``計畫`` as ``计画`` for one. The other
way, where 发 is 發 or 髮, takes words, and is not offered.
"""

import unicodedata
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any

from tokenizers import normalizers

from minnow.errors import InputError
from minnow.text.charsmap import charsmap

# Unified ideographs with all their extensions, and those that NFC writes as one of them.
_UNIFIED = ((0x3400, 0xA000), (0x20000, 0x2F800), (0x30000, 0x323B0))
_COMPATIBLE = ((0xF900, 0xFB00), (0x2F800, 0x2FA20))


def available() -> bool:
    """Whether the chinese extra is there."""
    return find_spec("opencc") is not None


def script_shares(texts: Sequence[str]) -> tuple[float, float]:
    """The shares of texts in traditional characters and in simplified ones; many are in those that both scripts have.

    Raises:
        InputError: the chinese extra is missing.
    """
    traditional, simplified = frozenset(simplified_characters()), _only_simplified()
    characters = [frozenset(text) for text in texts]
    old = sum(1 for some in characters if some & traditional)
    new = sum(1 for some in characters if some & simplified and not some & traditional)
    return (old / len(texts), new / len(texts)) if texts else (0.0, 0.0)


@cache
def simplified_characters() -> dict[str, str]:
    """Every traditional character that has a simplified one, and that one, as OpenCC has them; where this has another
    itself, as 薴, 苧 and 苎, it is the last.

    Raises:
        InputError: the chinese extra is missing.
    """
    table = _converted("t2s")
    while chained := {old: table[new] for old, new in table.items() if new in table}:
        table |= chained
    for old in (chr(point) for start, end in _COMPATIBLE for point in range(start, end)):
        if (new := unicodedata.normalize("NFC", old)) in table:
            table[old] = table[new]
    return table


def simplifier() -> Any:
    """A step of the library that puts the simplified character in the place of each traditional one."""
    return normalizers.Precompiled(charsmap(simplified_characters()))


@cache
def _only_simplified() -> frozenset[str]:
    return frozenset(_converted("s2t"))


def _converted(way: str) -> dict[str, str]:
    """The characters that OpenCC changes, and what they become."""
    try:
        import opencc
    except ImportError as error:
        raise InputError(
            "reading traditional characters as simplified ones needs opencc; "
            "install it with: pip install 'minnow-lm[chinese]', or leave simplified = false"
        ) from error
    characters = [chr(point) for start, end in _UNIFIED for point in range(start, end)]
    others = opencc.OpenCC(way).convert("\n".join(characters)).split("\n")
    return {one: other for one, other in zip(characters, others, strict=True) if one != other and len(other) == 1}
