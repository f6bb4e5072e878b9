"""The kinds of tokenizers, by their names."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tokenizers import decoders

from minnow.text.pipelines import MARKER, between_spaces, byte_stretches, characters, marked_stretches, words
from minnow.text.portions import CHUNK, SOLIDS
from minnow.text.vocabularies import Cut, learn_bpe, learn_entries, learn_unigram, learn_wordpiece


@dataclass(frozen=True)
class Kind:
    """What a kind of tokenizer is put together from."""

    pre_tokenizer: Callable[[], Any]
    decoder: Callable[[], Any]  # for others who open the file; ``decode`` sets words better
    cut: Cut  # a text into stretches that the pipeline treats alike wherever they stand
    learn: Callable[[Counter[str], int, int], Any]  # from pieces, the size of the vocabulary, and the least frequency


KINDS: dict[str, Kind] = {
    "word": Kind(words, decoders.WordPiece, str.split, learn_entries),
    "character": Kind(characters, decoders.Fuse, CHUNK.findall, learn_entries),
    "bpe": Kind(byte_stretches, decoders.ByteLevel, CHUNK.findall, learn_bpe),
    "wordpiece": Kind(words, decoders.WordPiece, str.split, learn_wordpiece),
    "unigram": Kind(
        marked_stretches, lambda: decoders.Metaspace(MARKER, prepend_scheme="never"), CHUNK.findall, learn_unigram
    ),
    "whitespace": Kind(between_spaces, decoders.WordPiece, SOLIDS.findall, learn_entries),
}
