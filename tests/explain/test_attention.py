"""What a model looked at is told word by word, and is what the model itself says of its tokens."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from pairs import SHAPES, net, tokenizer
from writers import bundle as writer

from minnow.bundle.bundle import Bundle
from minnow.errors import DataError, InputError
from minnow.explain.attention import AttentionMap, attention_map
from minnow.tasks.translation import Translation, tags

pytestmark = pytest.mark.usefixtures("one_thread")
TEXT = "Hello there, world!"


def bundle(kind: str = "transformer", tagged: bool = False) -> Bundle:
    reading = tokenizer()
    directions = (("en", "de"), ("de", "en")) if tagged else (("en", "de"),)
    task = Translation(directions, tagged)
    if tagged:
        reading = reading.with_special_tokens(tags(task.targets))
    return Bundle(net(kind, reading.vocab_size), task.to_dict(), reading)


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("tagged", [False, True])
def test_a_word_has_the_weight_of_its_tokens(kind: str, tagged: bool) -> None:
    made = bundle(kind, tagged)
    found = attention_map(made, TEXT, "de", target="day, Hello")
    assert found.source_tokens == ("Hello", "there", ",", "world", "!")
    assert found.target_tokens == ("day", ",", "Hello")
    assert found.weights_TS.shape == (3, 5)
    reading: Any = made.tokenizer
    (source,), (target,) = (reading.encode_ids([text]) for text in (TEXT, "day, Hello"))
    row = [*([reading.vocabulary.index("<2de>")] if tagged else []), *source, 3]
    sides = torch.tensor([row]), torch.tensor([len(row)]), torch.tensor([[*target, 3]])
    weights_MN = made.model.attention(*sides)[0].numpy()[: len(target), len(row) - len(source) - 1 : -1]
    # The words of both texts lie in a row, so their tokens can be counted off.
    first = 0
    for word, (size, weights_S) in enumerate(
        zip([len(reading.encode_ids([word])[0]) for word in ("day", ",", " Hello")], found.weights_TS, strict=True)
    ):
        tokens_MN, first = weights_MN[first : first + size], first + size
        at = 0
        for number, text in enumerate(("Hello", " there", ",", " world", "!")):
            length = len(reading.encode_ids([text])[0])
            expected = tokens_MN[:, at : at + length].sum(1).mean()
            assert weights_S[number] == pytest.approx(expected, rel=1e-4), (word, number)
            at += length
    assert first == len(target)
    assert (found.weights_TS.sum(1) < 1).all()


def test_the_tag_is_none_of_the_words() -> None:
    made = bundle(tagged=True)
    found = attention_map(made, TEXT, "de", target="day")
    assert found.source_tokens == ("Hello", "there", ",", "world", "!")
    assert 0 < found.weights_TS.sum() < 1
    with pytest.raises(InputError, match="say which: --to"):
        attention_map(made, TEXT)


def test_without_a_target_it_is_what_the_model_writes() -> None:
    made = bundle()
    alone = attention_map(made, TEXT)
    again = attention_map(made, f"  {TEXT} ", target=alone.target)
    assert alone.target
    assert (again.source, again.target, again.target_tokens) == (TEXT, alone.target, alone.target_tokens)
    np.testing.assert_allclose(again.weights_TS, alone.weights_TS)


def test_chinese_is_taken_sign_by_sign() -> None:
    """Also those of which the vocabulary knows the bytes alone."""
    found = attention_map(bundle(), "好你森 world。", target="it's well-known")
    assert found.source_tokens == ("好", "你", "森", "world", "。")
    assert found.target_tokens == ("it's", "well-known")


def test_lines_and_sentences_that_were_translated_one_by_one_look_at_their_own() -> None:
    made, parts = bundle("general"), [("Hello there!", "Good day."), ("world", "there"), ("Good day.", "Hello.")]
    apart = [attention_map(made, source, target=target) for source, target in parts]
    lines = attention_map(made, "\n\n".join(one for one, _ in parts), target="\n\n".join(one for _, one in parts))
    made.task["max_tokens"] = 1 + max(map(len, made.tokenizer.encode_ids(["Hello there!", "Good day."])))  # its end
    line = attention_map(made, "Hello there! Good day.", target="Good day. Hello.")
    for found, pieces in ((lines, apart), (line, [apart[0], apart[2]])):
        assert found.source_tokens == tuple(word for one in pieces for word in one.source_tokens)
        assert found.target_tokens == tuple(word for one in pieces for word in one.target_tokens)
        row, column, left = 0, 0, found.weights_TS.copy()
        for one in pieces:
            place = np.s_[row : row + one.weights_TS.shape[0], column : column + one.weights_TS.shape[1]]
            np.testing.assert_allclose(found.weights_TS[place], one.weights_TS, rtol=1e-5)
            row, column, left[place] = row + one.weights_TS.shape[0], column + one.weights_TS.shape[1], 0
        assert (left == 0).all(), "none looks into another piece"
    assert not (attention_map(made, "Hello there! Good day.", target="Good, day").weights_TS == 0).any(), (
        "no two pieces"
    )
    written = attention_map(made, "Hello there! Good day.\nworld")
    assert (written.weights_TS == 0).any()


def test_an_empty_target_has_no_rows() -> None:
    found = attention_map(bundle(), TEXT, target="")
    assert found.weights_TS.shape == (0, 5)
    assert found.alignment == ()


def test_a_word_is_aligned_with_the_one_it_looked_at_most_unless_it_looked_at_the_end() -> None:
    weights_TS = np.array([[0.6, 0.1], [0.2, 0.3], [0.1, 0.2]])
    found = AttentionMap("a b", "x y z", ("a", "b"), ("x", "y", "z"), weights_TS)
    assert found.alignment == ((0, 0),)
    assert found.aligned_words == [("a", "x")]
    told = json.loads(json.dumps(found.to_dict()))
    assert told == {
        **{"source": "a b", "target": "x y z", "source_tokens": ["a", "b"], "target_tokens": ["x", "y", "z"]},
        **{"weights_TS": weights_TS.tolist(), "alignment": [[0, 0]]},
    }
    weights_TS[1, 0] = 0.4
    assert replace(found, weights_TS=weights_TS).alignment == ((0, 0), (0, 1))


def test_there_must_be_something_to_look_at() -> None:
    with pytest.raises(DataError, match="nothing to look at in an empty text"):
        attention_map(bundle(), " \n ")
    with pytest.raises(DataError, match="task is text generation; attention is shown of translations"):
        attention_map(writer(), TEXT)
