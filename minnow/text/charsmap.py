"""A table of characters in the form that a ``tokenizer.json`` keeps it in, so that the file needs nothing beside it.

The form is SentencePiece's: a double-array trie (Aoe 1989) over the UTF-8 bytes of what is replaced, each leaf of which
says where its replacement stands in the texts behind the trie. The library looks at a sign with its marks first, if
they are fewer than six bytes together, and then replaces all of it: of ``國`` with a dot below ``国`` stays.
"""

import struct
from collections.abc import Iterator, Mapping
from itertools import chain

_LEAF_BELOW = 1 << 8  # of a unit: a key ends here, and its value is the child by the byte 0
_VALUE = 1 << 31  # of a unit: it is a value, and no byte leads to it
_MOST_UNITS = 1 << 21  # an offset has 21 bits
Trie = dict[int, "Trie | int"]  # by byte; under 0, where a key ends, its value


def charsmap(replacements: Mapping[str, str]) -> bytes:
    """What ``tokenizers.normalizers.Precompiled`` takes, which then writes each character as the table says.

    Args:
        replacements: a text for each of some characters; none holds the character U+0000.

    Returns:
        The size of the trie in bytes, the trie and the texts with a zero byte behind each; the same table gives the
        same bytes.
    """
    starts: dict[str, int] = {}
    texts = bytearray()
    for text in sorted(set(replacements.values())):
        starts[text] = len(texts)
        texts += text.encode() + b"\0"
    root: Trie = {}
    for character in sorted(replacements):
        node = root
        for byte in character.encode():
            below = node.setdefault(byte, {})
            assert isinstance(below, dict)  # UTF-8 begins no character with another
            node = below
        node[0] = starts[replacements[character]]
    units = _double_array(root)
    return struct.pack(f"<I{len(units)}I", 4 * len(units), *units) + bytes(texts)


def _double_array(root: Trie) -> list[int]:
    """Its units: a node at place p with children at base b keeps p ^ b; its child by byte c stands at b ^ c."""
    places = _Places()
    waiting: list[tuple[int, Trie]] = [(0, root)] if root else []
    while waiting:
        place, node = waiting.pop()
        base = places.base_of(sorted(node))
        if max(base, place) >= _MOST_UNITS:
            raise ValueError(f"a table of characters may take {_MOST_UNITS:,} units, but this one takes more")
        places.units[place] |= (place ^ base) << 10 | (_LEAF_BELOW if 0 in node else 0)
        for byte, below in sorted(node.items()):
            if isinstance(below, int):
                places.units[base ^ byte] = below | _VALUE
            else:
                places.units[base ^ byte] = byte
                waiting.append((base ^ byte, below))
    return places.units


class _Places:
    """Units, and which of them are free."""

    def __init__(self) -> None:
        self.units = [0] * 256
        self._free = dict.fromkeys(range(1, 256))  # in order; the root stands at 0
        self._bases = {0}  # no two nodes share one, or a byte would lead from each to the other's child

    def base_of(self, labels: list[int]) -> int:
        """A base at which these children find free places, which are taken then."""
        fitting = (
            free ^ labels[0]
            for free in chain(self._free, self._more())
            if free ^ labels[0] not in self._bases and all(free ^ labels[0] ^ label in self._free for label in labels)
        )
        base = next(fitting)
        self._bases.add(base)
        for label in labels:
            del self._free[base ^ label]
        return base

    def _more(self) -> Iterator[int]:
        """The places of a new block; a place and what a byte makes of it are always in one block of 256."""
        block = range(len(self.units), len(self.units) + 256)
        self.units += [0] * 256
        self._free.update(dict.fromkeys(block))
        yield from block
