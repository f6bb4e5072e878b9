"""Traditional characters as simplified ones, so that Chinese in both scripts has one vocabulary.

Character by character, which loses little: many traditional characters share a simplified one and few have two. Of
20,133 sentences 21 come out otherwise than by the phrases that OpenCC knows, ``計畫`` as ``计画`` for one. The other
way, where 发 is 發 or 髮, takes words, and is not offered.
"""

import unicodedata
from functools import cache
from typing import Any

from tokenizers import normalizers

from minnow.errors import InputError
from minnow.text.charsmap import charsmap

# Unified ideographs with all their extensions, and those that NFC writes as one of them.
_UNIFIED = ((0x3400, 0xA000), (0x20000, 0x2F800), (0x30000, 0x323B0))
_COMPATIBLE = ((0xF900, 0xFB00), (0x2F800, 0x2FA20))


@cache
def simplified_characters() -> dict[str, str]:
    """Every traditional character that has a simplified one, and that one, as OpenCC has them; where this has another
    itself, as 薴, 苧 and 苎, it is the last.

    Raises:
        InputError: the chinese extra is missing.
    """
    try:
        import opencc
    except ImportError as error:
        raise InputError(
            "reading traditional characters as simplified ones needs opencc; "
            "install it with: pip install 'minnow-lm[chinese]', or leave simplified = false"
        ) from error
    characters = [chr(point) for start, end in _UNIFIED for point in range(start, end)]
    simplified = opencc.OpenCC("t2s").convert("\n".join(characters)).split("\n")
    table = {old: new for old, new in zip(characters, simplified, strict=True) if old != new and len(new) == 1}
    while chained := {old: table[new] for old, new in table.items() if new in table}:
        table |= chained
    for old in (chr(point) for start, end in _COMPATIBLE for point in range(start, end)):
        if (new := unicodedata.normalize("NFC", old)) in table:
            table[old] = table[new]
    return table


def simplifier() -> Any:
    """A step of the library that puts the simplified character in the place of each traditional one."""
    return normalizers.Precompiled(charsmap(simplified_characters()))
