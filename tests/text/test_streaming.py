"""What comes token by token is, put together, what decoding gives at once, and no character comes in halves."""

import pytest
from contracts.tokenizer import TEXTS, quick
from hypothesis import given
from hypothesis import strategies as st

from minnow.errors import InputError
from minnow.text.kinds import KINDS
from minnow.text.tokenizer import Tokenizer, TokenizerSettings

TRAINED = {kind: Tokenizer.train(TEXTS, TokenizerSettings(kind, 400, min_frequency=1)) for kind in KINDS}
SENTENCE = 'the kettle won\'t 👩🏽‍🚀 leak, 水壶坏了 "said" he'


def streamed(tokenizer: Tokenizer, token_ids: list[int]) -> list[str]:
    stream = tokenizer.stream()
    return [*map(stream.push, token_ids), stream.flush()]


@pytest.mark.parametrize("kind", KINDS)
@quick
@given(data=st.data())
def test_the_parts_are_the_whole_for_any_ids(kind: str, data: st.DataObject) -> None:
    tokenizer = TRAINED[kind]
    token_ids = data.draw(st.lists(st.integers(0, tokenizer.vocab_size - 1), max_size=30))
    assert "".join(streamed(tokenizer, token_ids)) == tokenizer.decode(token_ids)


@quick
@given(
    pieces=st.lists(st.sampled_from(['"', ".", "##.", "##..", "a", "##b", "中", "##", ",", "##,", "("]), max_size=12)
)
def test_pieces_that_become_punctuation_are_waited_for(pieces: list[str]) -> None:
    base = Tokenizer.train(["a"], TokenizerSettings("wordpiece", min_frequency=1))
    tokenizer = base.with_special_tokens([piece for piece in dict.fromkeys(pieces) if piece not in base.vocabulary])
    token_ids = [tokenizer.vocabulary.index(piece) for piece in pieces]
    assert "".join(streamed(tokenizer, token_ids)) == tokenizer.decode(token_ids)


@pytest.mark.parametrize("kind", KINDS)
def test_text_comes_as_soon_as_it_is_whole(kind: str) -> None:
    tokenizer = TRAINED[kind]
    token_ids = tokenizer.encode(SENTENCE).token_ids
    parts = streamed(tokenizer, token_ids)
    assert not any("\ufffd" in part for part in parts)
    for number in range(len(parts)):
        whole = tokenizer.decode(token_ids[:number])
        given_so_far = "".join(parts[:number])
        # What is missing is no more than a piece of a character or one mark.
        assert whole.startswith(given_so_far)
        assert len(whole.rstrip("\ufffd")) - len(given_so_far) <= 1 + (kind in ("word", "wordpiece"))


def test_a_character_of_several_tokens_comes_with_its_last() -> None:
    tokenizer = Tokenizer.train([], TokenizerSettings("bpe"))
    token_ids = tokenizer.encode("a😀").token_ids
    assert streamed(tokenizer, token_ids) == ["a", "", "", "", "😀", ""]
    assert streamed(tokenizer, token_ids[:3]) == ["a", "", "", "\ufffd"]


def test_an_id_outside_the_vocabulary_is_an_error() -> None:
    for tokenizer in TRAINED.values():
        with pytest.raises(InputError, match="token ids"):
            tokenizer.stream().push(tokenizer.vocab_size)
