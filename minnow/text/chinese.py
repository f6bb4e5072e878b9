"""Traditional characters as simplified ones, so that Chinese in both scripts has one vocabulary.

Character by character, which loses next to nothing: many traditional characters share a simplified one and hardly any
has two. Of 20,133 sentences 21 come out otherwise than by the phrases that OpenCC knows (``計畫`` as ``计画``). The
other way, where 发 is 發 or 髮, takes words, and is not offered.
"""

from functools import cache
from typing import Any

from tokenizers import normalizers

from minnow.errors import InputError
from minnow.text.charsmap import charsmap

# Unified ideographs with all their extensions; those for compatibility are among them once a text is in NFC.
_HAN = ((0x3400, 0xA000), (0x20000, 0x323B0))


@cache
def simplified_characters() -> dict[str, str]:
    """Every traditional character that has a simplified one, and that one, as OpenCC has them.

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
    characters = [chr(point) for start, end in _HAN for point in range(start, end)]
    simplified = opencc.OpenCC("t2s").convert("\n".join(characters)).split("\n")
    return {old: new for old, new in zip(characters, simplified, strict=True) if old != new and len(new) == 1}


def simplifier() -> Any:
    """A step of the library that puts the simplified character in the place of each traditional one."""
    return normalizers.Precompiled(charsmap(simplified_characters()))
