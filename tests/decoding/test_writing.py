"""A whole request: pieces that add up, seeds that repeat, prompts that fit."""

from typing import Any

import pytest
import torch
from writers import KINDS, bundle, tokenizer

from minnow.decoding.writing import Finished, GenerationSettings, Piece, Script, Watch, decoded, fitted, write
from minnow.errors import InputError
from minnow.text.tokenizer import Tokenizer, TokenizerSettings

PROMPT = "Once upon a time, there was"


def told(kind: str, prompts: list[str], **said: Any) -> list[tuple[str, Finished]]:
    one = bundle(kind)
    assert one.tokenizer is not None
    token_ids = [one.tokenizer.encode_ids([prompt])[0] for prompt in prompts]
    settings = GenerationSettings.of(**said)
    texts: dict[int, str] = {}
    finished: dict[int, Finished] = {}
    for event in write(one.model, one.tokenizer, token_ids, settings):
        assert event.number not in finished, "something came after the end"
        if isinstance(event, Piece):
            texts[event.number] = texts.get(event.number, "") + event.text
        else:
            finished[event.number] = event
    return [(texts.get(number, ""), finished[number]) for number in sorted(finished)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_pieces_add_up_to_what_is_decoded_behind_the_prompt(kind: str) -> None:
    made = tokenizer(kind)
    (prompt_ids,) = made.encode_ids([PROMPT])
    for text, end in told(kind, [PROMPT], max_tokens=40, num_samples=4, seed=3, ignore_end=True):
        whole = decoded(made, [*prompt_ids, *end.token_ids])
        assert whole == decoded(made, prompt_ids) + text
        assert len(end.token_ids) == len(end.log_probabilities) == 40
        assert end.finish_reason == "length"


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_repeats_a_text_whatever_is_written_beside_it(kind: str) -> None:
    prompts = [PROMPT, "girl", "named Lily"]
    together = told(kind, prompts, seed=9, max_tokens=25)
    for number, prompt in enumerate(prompts):
        assert told(kind, [prompt], seed=9, max_tokens=25)[0][0] == together[number][0]
    more = told(kind, [PROMPT], seed=9, max_tokens=25, num_samples=3)
    assert more[0][0] == together[0][0]
    assert len({text for text, _ in more}) > 1
    assert told(kind, [PROMPT], seed=10, max_tokens=25)[0][0] != together[0][0]


def test_a_stop_string_ends_the_text_before_it() -> None:
    free = told("character", [PROMPT], seed=1, max_tokens=80, ignore_end=True)[0][0]
    stop = free[30:33]
    assert free.index(stop) == 30, "the string must be new at its place for what follows"
    text, end = told("character", [PROMPT], seed=1, max_tokens=80, ignore_end=True, stop=[stop])[0]
    assert text == free[:30]
    assert end.finish_reason == "stop"
    assert decoded(tokenizer(), end.token_ids) == free[:33]


def test_what_was_held_back_comes_when_the_text_ends_otherwise() -> None:
    free = told("character", [PROMPT], seed=1, max_tokens=31)[0]
    assert told("character", [PROMPT], seed=1, max_tokens=31, stop=[free[0][-3:] + "?"])[0] == free


def test_a_stop_string_is_looked_for_as_the_model_writes_it() -> None:
    """In one script of Chinese, in small letters and in the form that the vocabulary has."""
    pytest.importorskip("opencc")
    made = Tokenizer.train(["现在几点?now user:"], TokenizerSettings("bpe", 400, min_frequency=1, simplified=True))
    for stop, before in (("幾點", "现在"), ("點？", "现在几"), ("User:", "现在几点? now ")):
        script = Script(made, [], [stop])
        assert "".join(map(script.push, made.encode_ids(["現在幾點？ Now user:"])[0])) == before
        assert script.stopped


def test_a_stop_string_ends_the_texts_of_a_beam() -> None:
    free = told("character", [PROMPT], beam=3, max_tokens=20, ignore_end=True)[0][0]
    for text, end in told("character", [PROMPT], beam=3, max_tokens=20, num_samples=3, stop=[free[4:6]]):
        assert free[4:6] not in text
        assert end.finish_reason in ("stop", "length")


@pytest.mark.parametrize("ignore_end", [False, True])
def test_texts_of_a_beam_have_their_scores_and_no_drawn_one_has(ignore_end: bool) -> None:
    """Divided by the length, the end token counted where one ended the text."""
    said = {"max_tokens": 12, "ignore_end": ignore_end}
    found = [end for _, end in told("character", [PROMPT], beam=6, num_samples=6, length_penalty=1.0, **said)]
    scores = [end.score for end in found]
    assert scores == sorted(scores, reverse=True)
    for end in found:
        total = sum(end.log_probabilities) + end.end
        assert end.score == pytest.approx(total / (len(end.token_ids) + (end.finish_reason == "stop")), abs=1e-5)
    assert [end.score for _, end in told("character", [PROMPT], seed=1, **said)] == [None]


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_that_goes_on_in_two_ways_is_read_on_as_if_it_were_read_anew(kind: str) -> None:
    made = tokenizer(kind)
    token_ids, other = made.encode_ids(['Once "upon" a time, café 名字 [0]', "girl named (Lily)"])
    watch = Watch(Script(made, token_ids[:3], ["na"]))
    for count in range(1, len(other) + 1):
        for text in (token_ids[:count], other[:count]):
            anew = Script(made, token_ids[:3], ["na"])
            assert anew.stopped or list(map(anew.push, text))
            if count <= len(token_ids):
                assert watch(text) == anew.stopped
    begun = Script(made, token_ids[:5], [])
    ends = [begun.copy(), begun.copy(), begun]
    read = [[*map(one.push, token_ids[5:]), one.flush()] for one in ends]
    assert read[0] == read[1] == read[2]


def test_a_long_prompt_is_read_once_for_all_texts_of_a_beam() -> None:
    one = bundle()
    assert one.tokenizer is not None
    read = []

    class Counting(type(one.tokenizer)):  # type: ignore[misc]
        def stream(self) -> Any:
            read.append(1)
            return super().stream()

    one.tokenizer.__class__ = Counting
    settings = GenerationSettings(beam=4, max_tokens=12, stop=("xyz",))
    assert list(write(one.model, one.tokenizer, [[5, 6, 7, 8]], settings))
    assert len(read) == 2


def test_where_spaces_are_no_tokens_the_end_token_is_a_line_end() -> None:
    made = tokenizer("whitespace")
    (words,) = made.encode_ids(["there was a"])
    assert decoded(made, [*words, made.eos_id, *words]) == "there was a\nthere was a"
    lines = told("whitespace", ["there was"], temperature=3.0, max_tokens=300)[0][0].split("\n")
    assert len(lines) > 1
    assert not any(line.startswith(" ") for line in lines[1:])


class TestRoom:
    def test_a_prompt_that_leaves_no_room_is_refused_with_the_numbers(self) -> None:
        with pytest.raises(InputError, match="the prompt has 8 tokens, but the model reads and writes 8 in all"):
            fitted(list(range(8)), 8, GenerationSettings())

    def test_only_when_asked_it_loses_its_beginning(self) -> None:
        cut = GenerationSettings(truncate=True, max_tokens=3)
        assert fitted(list(range(20)), 8, cut) == [15, 16, 17, 18, 19]
        assert fitted(list(range(7)), 8, cut) == [2, 3, 4, 5, 6], "one left to write is too few where three were asked"
        assert fitted(list(range(7)), 8, GenerationSettings(max_tokens=3)) == list(range(7))
        assert fitted(list(range(5)), 8, cut) == list(range(5))
        assert len(fitted(list(range(20)), 8, GenerationSettings(truncate=True))) == 4
        assert fitted(list(range(20)), 1, cut) == [19]

    def test_what_stands_before_every_text_stays_before_one_that_is_cut(self) -> None:
        cut = GenerationSettings(truncate=True, max_tokens=3)
        assert fitted(list(range(20)), 8, cut, [0]) == [0, 16, 17, 18, 19]
        assert fitted(list(range(20)), 8, cut, [0, 1, 2, 3]) == [0, 1, 2, 3, 19]
        assert fitted(list(range(20)), 8, cut, [5]) == [15, 16, 17, 18, 19]
        assert fitted(list(range(20)), 2, cut, [0]) == [19], "no room for more than the last token"

    def test_a_text_ends_where_the_context_does(self) -> None:
        one = bundle()

        class Bounded(type(one.model)):  # type: ignore[misc]
            context_size = 12

        one.model.__class__ = Bounded
        assert one.tokenizer is not None
        settings = GenerationSettings(max_tokens=50, ignore_end=True)
        events = list(write(one.model, one.tokenizer, [[5, 6, 7, 8]], settings))
        assert isinstance(events[-1], Finished)
        assert len(events[-1].token_ids) == 8
        assert events[-1].finish_reason == "length"


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"max_tokens": 0}, "max_tokens must be a whole number from 1 to 1,000,000, but got 0; try 256"),
        ({"max_tokens": 2.5}, "max_tokens must be a whole number"),
        ({"num_samples": 0}, "num_samples must be a whole number from 1"),
        ({"seed": -1}, "seed must be a whole number from 0"),
        ({"beam": 2, "num_samples": 3}, "a beam of 2 has no 3 best texts"),
        ({"beam": 2, "repetition_penalty": 1.2}, "beam search knows no penalties"),
        ({"beam": 2, "top_k": 4}, "beam search draws nothing"),
        ({"beam": 2, "temperature": 0.5}, "beam search draws nothing, so temperature means nothing"),
        ({"top_k": 1.5}, "top_k must be a whole number"),
        ({"stop": [3]}, "stop must be text"),
        ({"regex": 3}, "regex must be text"),
        ({"length_penalty": -1.0}, "length_penalty must lie between 0 and 10, but got length_penalty=-1.0"),
        ({"length_penalty": 100.0, "beam": 2}, "length_penalty must lie between 0 and 10"),
        ({"stop": 5}, "stop must be text"),
        ({"choices": 5}, "choices must be text"),
        ({"temprature": 1.0}, "there is no setting 'temprature'; did you mean 'temperature'"),
        ({"stop": [""]}, "a stop string must not be empty"),
    ],
)
def test_impossible_settings_are_refused(said: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        GenerationSettings.of(**said)


def test_between_two_pieces_the_caller_may_train() -> None:
    one = bundle()
    assert one.tokenizer is not None
    events = write(one.model, one.tokenizer, [[5, 6]], GenerationSettings(max_tokens=9, ignore_end=True))
    next(events)
    assert not torch.is_inference_mode_enabled()
    assert (torch.ones(1, requires_grad=True) * 2).requires_grad
