"""The stream of token ids: line ends and ends of documents where they belong, however the text is cut into pieces."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minnow.data.corpus import Corpus, Piece
from minnow.data.token_stream import Counts, encode_corpus
from minnow.text.tokenizer import Tokenizer, TokenizerSettings

TEXT = "the cat sat .\n\n  the dog\tran away \n a mouse   sat\n"
KINDS = ("character", "bpe", "unigram", "word", "wordpiece", "whitespace")


@dataclass(frozen=True)
class Given:
    """Texts out of thin air."""

    given: tuple[Piece, ...] = field(default_factory=tuple)

    def pieces(self) -> Iterator[Piece]:
        return iter(self.given)

    def identity(self) -> list[Any]:
        return [[piece.text, piece.ends_document] for piece in self.given]

    def divided(self, share: float) -> Any:
        raise NotImplementedError(share)


def corpus_of(*pieces: Piece) -> Corpus:
    return Corpus("given", (Given(pieces),))


def tokenizer_of(kind: str) -> Tokenizer:
    return Tokenizer.train([TEXT] * 3, TokenizerSettings(kind, 400, lowercase=False, min_frequency=1))


TOKENIZERS = {kind: tokenizer_of(kind) for kind in KINDS}


def stream(corpus: Corpus, tokenizer: Tokenizer) -> tuple[list[int], Counts]:
    parts = list(encode_corpus(corpus, tokenizer))
    return [token for part in parts for token in part.token_ids.tolist()], sum((p.counts for p in parts), Counts())


@pytest.mark.parametrize("kind", ["character", "bpe", "unigram"])
def test_tokenizers_that_keep_spaces_see_the_text_as_it_is(kind: str) -> None:
    tokenizer = TOKENIZERS[kind]
    token_ids, _ = stream(corpus_of(Piece(TEXT, False)), tokenizer)
    assert token_ids == tokenizer.encode_ids([TEXT])[0]
    assert tokenizer.decode(token_ids) == TEXT


@pytest.mark.parametrize("kind", ["word", "wordpiece", "whitespace"])
def test_the_others_get_an_end_token_for_each_line_end(kind: str) -> None:
    tokenizer = TOKENIZERS[kind]
    token_ids, _ = stream(corpus_of(Piece(TEXT, False)), tokenizer)
    assert token_ids.count(tokenizer.eos_id) == TEXT.count("\n")
    expected = [
        token for line in TEXT.split("\n")[:-1] for token in [*tokenizer.encode_ids([line])[0], tokenizer.eos_id]
    ]
    assert token_ids == expected


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", ["the cat", "the cat\n", "the\ncat"])
def test_one_end_token_closes_a_document(kind: str, text: str) -> None:
    tokenizer = TOKENIZERS[kind]
    token_ids, counts = stream(corpus_of(Piece(text, True), Piece("a dog", True)), tokenizer)
    inner = text.rstrip("\n").count("\n") if not tokenizer.keeps_spaces else 0
    assert token_ids.count(tokenizer.eos_id) == inner + 2
    assert token_ids[-1] == tokenizer.eos_id
    assert counts.documents == 2


@settings(max_examples=40)
@given(cuts=st.sets(st.integers(1, 12)), text=st.text(alphabet="ab \n.", min_size=1, max_size=60))
@pytest.mark.parametrize("kind", KINDS)
def test_where_pieces_are_cut_changes_nothing(kind: str, cuts: set[int], text: str) -> None:
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    groups: list[str] = [""]
    for number, line in enumerate(lines):
        if number in cuts:
            groups.append("")
        groups[-1] += line
    whole = stream(corpus_of(Piece(text + "x", False)), TOKENIZERS[kind])
    pieces = [Piece(group, False) for group in groups]
    pieces[-1] = Piece(pieces[-1].text + "x", False)
    assert stream(corpus_of(*pieces), TOKENIZERS[kind]) == whole


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_and_words_are_of_the_text_not_of_the_tokenizer(kind: str) -> None:
    tokens, counts = stream(
        corpus_of(Piece("zwölf Boxkämpfer\njagen", True), Piece("the cat\n", True)), TOKENIZERS[kind]
    )
    assert counts.bytes == len("zwölf Boxkämpfer\njagenthe cat\n".encode())
    assert counts.words == 2 + 1 + 1 + 1 + 2 + 1
    assert counts.tokens == len(tokens)
    assert counts.unknown == tokens.count(TOKENIZERS[kind].unk_id)


def test_over_words_each_word_and_each_line_end_is_a_token() -> None:
    _, counts = stream(corpus_of(Piece(TEXT, False), Piece("a cat", True)), TOKENIZERS["whitespace"])
    assert counts.tokens == counts.words


def test_portions_follow_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = [Piece(f"the cat {number} sat\n", False) for number in range(100)]
    whole = stream(corpus_of(*pieces), TOKENIZERS["bpe"])
    monkeypatch.setattr("minnow.data.token_stream.CHARACTERS_AT_ONCE", 50)
    assert len(list(encode_corpus(corpus_of(*pieces), TOKENIZERS["bpe"]))) > 20
    assert stream(corpus_of(*pieces), TOKENIZERS["bpe"]) == whole
