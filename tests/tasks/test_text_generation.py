"""Text generation as a task: prompts in, texts out, in one piece or many."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from writers import KINDS, bundle, folder, model, tokenizer

import minnow
from minnow.api import Model
from minnow.errors import BundleError, DataError, InputError, MinnowError
from minnow.tasks.registry import task_from, task_of
from minnow.tasks.text_generation import TextGeneration


def opened(kind: str = "character") -> Model:
    return Model(bundle(kind), Path("writer"))


def test_pieces_come_one_by_one_and_add_up() -> None:
    writing = opened().generate("Once upon", max_tokens=30, seed=1)
    pieces = iter(writing)
    first = next(pieces)
    assert 0 < len(first) < 5
    assert first + "".join(pieces) == str(writing) == writing.text
    assert "".join(writing) == str(writing), "a second reading repeats the first"


def test_a_text_tells_how_it_came_about() -> None:
    writing = opened().generate("Once upon", max_tokens=30, seed=1)
    assert writing.tokens == len(writing.log_probabilities) <= 30
    assert writing.finish_reason == ("length" if writing.tokens == 30 else "stop")
    spelled = "".join(token for token, _ in writing.log_probabilities)
    assert spelled == writing.text
    assert all(found < 0 for _, found in writing.log_probabilities)
    told = writing.to_dict()
    assert told["log_probability"] == pytest.approx(sum(found for _, found in writing.log_probabilities))
    assert {key: told[key] for key in ("text", "tokens", "finish_reason")} == {
        "text": writing.text,
        "tokens": writing.tokens,
        "finish_reason": writing.finish_reason,
    }


def test_what_failed_fails_again(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = opened("bpe").generate("Once", regex="[", max_tokens=4)
    for _ in range(2):
        with pytest.raises(InputError, match="the regex cannot be followed"):
            str(refused)
    stopped = opened().generate("Once", max_tokens=30, seed=1)
    next(iter(stopped))

    def interrupted() -> Iterator[Any]:
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(stopped, "_events", interrupted())
    with pytest.raises(KeyboardInterrupt):
        str(stopped)
    with pytest.raises(MinnowError, match="interrupted; generate it again"):
        str(stopped)


def test_without_a_seed_every_text_is_another_and_tells_its_seed() -> None:
    writer = opened()
    texts = [writer.generate("Once", max_tokens=40) for _ in range(3)]
    assert len({str(text) for text in texts}) == 3
    assert str(writer.generate("Once", max_tokens=40, seed=texts[1].seed)) == str(texts[1])


def test_several_samples_come_interleaved_and_whole() -> None:
    writing = opened().generate("Once", max_tokens=20, num_samples=3, seed=4)
    numbers, texts = [], ["", "", ""]
    for number, text in writing.pieces():
        numbers.append(number)
        texts[number] += text
    assert numbers != sorted(numbers)
    assert [sample.text for sample in writing.samples] == texts


@pytest.mark.parametrize("kind", KINDS)
def test_many_prompts_are_answered_as_each_alone(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = opened(kind)
    monkeypatch.setattr("minnow.tasks.text_generation.ROWS_AT_ONCE", 3)
    prompts = ["Once upon a", "", "girl", "she said\nOnce"]
    together = [answer.text for answer in writer.batch(prompts)]
    assert together == [writer(prompt).text for prompt in prompts]
    assert len(set(together)) == 4
    assert writer.batch([]) == []


def test_an_empty_prompt_begins_a_new_text() -> None:
    made = tokenizer()
    assert TextGeneration().prompt_ids(made, "") == [made.eos_id]
    assert TextGeneration().prompt_ids(made, "a") == made.encode_ids(["a"])[0]


def test_line_ends_of_a_prompt_are_end_tokens_where_white_space_is_none() -> None:
    made = tokenizer("whitespace")
    (once,), (girl,) = made.encode_ids(["Once", "girl"])
    assert TextGeneration().prompt_ids(made, "Once\ngirl\n") == [once, made.eos_id, girl, made.eos_id]


def test_a_chat_answers_behind_the_template() -> None:
    writer = opened()
    talk = [{"role": "user", "content": "Hello"}]
    plain = writer.generate("User: Hello\nAssistant:", seed=1, max_tokens=20, stop=["\nUser:", "\nAssistant:"])
    assert str(writer.chat(talk, seed=1, max_tokens=20)) == str(plain)
    template = "{{ messages[-1].content }}"
    bare = writer.chat(talk, seed=1, max_tokens=20, template=template)
    assert str(bare) == str(writer.generate("Hello", seed=1, max_tokens=20))


def test_a_saved_model_writes_the_same_text(tmp_path: Path) -> None:
    again = minnow.load(folder(tmp_path / "model", "bpe"))
    assert str(again.generate("Once", seed=2)) == str(opened("bpe").generate("Once", seed=2))
    assert again.labels == ()


def test_what_is_wrong_is_said() -> None:
    writer = opened()
    with pytest.raises(DataError, match=r"a prompt is one text, but got \['a'\]; call generate for each"):
        writer.generate(["a"])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="did you mean 'max_tokens'"):
        writer.generate("a", max_token=3)


def test_a_classifier_writes_no_text(linear: Path) -> None:
    with pytest.raises(InputError, match="is a model for text classification and writes no text"):
        minnow.load(linear).generate("a")


def test_model_tokenizer_and_task_must_fit() -> None:
    made = bundle()
    small = model(5)
    for broken, message in (
        (type(made)(small, made.task, made.tokenizer), "the two are not of one model"),
        (type(made)(made.model, made.task, None), "no tokenizer.json"),
        (type(made)(made.model, {"name": "text_generation", "version": 99}, made.tokenizer), "version 99"),
    ):
        with pytest.raises(BundleError, match=message):
            task_of(broken)
    assert task_from(TextGeneration().to_dict()) == TextGeneration()
