"""``minnow chat``: a line in, an answer out, the conversation remembered."""

from pathlib import Path

import pytest
from command import minnow
from writers import bundle, folder, tokenizer

from minnow.bundle.bundle import Bundle
from minnow.decoding.writing import GenerationSettings, Piece, write
from minnow.models.llama import Llama, LlamaConfig


@pytest.fixture(scope="session")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder(tmp_path_factory.mktemp("writers") / "talker")


def test_every_line_is_answered(writer: Path) -> None:
    told = minnow("chat", writer, "--seed", 1, "--max-tokens", 12, given="Hello\n\n what now? \n")
    assert len(told.out.splitlines()) >= 2
    assert "no chat template" in told.err


def test_the_conversation_is_remembered_until_new(writer: Path, tmp_path: Path) -> None:
    """The template shows how many messages there are, and the answer how the template came out."""
    (tmp_path / "t.jinja").write_text("{{ ['girl', 'Once', 'Hello', 'time'][messages | length % 4] }}")

    def talk(given: str) -> list[list[dict[str, str]]]:
        arguments = ("--temperature", 0, "--max-tokens", 12, "--template", tmp_path / "t.jinja", "--json")
        conversations = minnow("chat", writer, "--system", "Be kind.", *arguments, given=given).json["conversations"]
        return [one["messages"] for one in conversations]

    def answer(prompt: str) -> str:
        arguments = ("--temperature", 0, "--max-tokens", 12, "--json")
        return str(minnow("generate", writer, prompt, *arguments).json["text"]).strip()

    (both,) = talk("Hello\nwhat now?\n")
    assert [one["role"] for one in both] == ["system", "user", "assistant", "user", "assistant"]
    assert [one["content"] for one in both[:2]] == ["Be kind.", "Hello"]
    assert [both[2]["content"], both[4]["content"]] == [answer("Hello"), answer("girl")]
    assert talk("Hello\n/new\n/new\nHello\n/exit\nnever read\n") == [both[:3], both[:3]]
    assert talk("/new\n") == []


def test_a_template_may_be_given(writer: Path, tmp_path: Path) -> None:
    (tmp_path / "t.jinja").write_text("{{ messages[-1].content }}")
    arguments = ("--seed", 1, "--max-tokens", 12, "--json", "--template", tmp_path / "t.jinja")
    answer = minnow("chat", writer, *arguments, given="Hello\n").json["conversations"][0]["messages"][-1]["content"]
    expected = minnow("generate", writer, "Hello", "--seed", 1, "--max-tokens", 12, "--json").json["text"]
    assert answer == expected.strip()


def test_the_template_of_the_model_travels_with_it(tmp_path: Path) -> None:
    made = bundle("bpe")
    assert made.tokenizer is not None
    made.tokenizer.chat_template = "{{ messages[-1].content }}{{ eos_token }}girl"
    made.save(tmp_path / "model")
    told = minnow("chat", tmp_path / "model", "--temperature", 0, "--max-tokens", 12, "--json", given="Hello\n")
    assert told.err == ""
    (hello,), (girl,) = made.tokenizer.encode_ids(["Hello"]), made.tokenizer.encode_ids(["girl"])
    settings = GenerationSettings(temperature=0, max_tokens=12)
    events = write(made.model, made.tokenizer, [[*hello, made.tokenizer.eos_id, *girl]], settings)
    expected = "".join(event.text for event in events if isinstance(event, Piece))
    assert told.json["conversations"][0]["messages"][-1]["content"] == expected.strip()


def test_what_is_wrong_is_one_line_and_code_2(writer: Path, linear: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.jinja").write_text("{% for %}")
    for arguments in (
        (writer, "--template", tmp_path / "bad.jinja"),
        (writer, "--template", tmp_path / "none"),
        (writer, "--temperature", -1),
        (linear,),
    ):
        failed = minnow("chat", *arguments, given="", fails=True)  # before anything is said
        assert failed.code == 2
        assert failed.error


def test_the_oldest_turns_are_forgotten_where_the_context_is_full(tmp_path: Path) -> None:
    made = tokenizer()
    shape = {"vocab_size": made.vocab_size, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1}
    config = LlamaConfig.from_dict({**shape, "num_attention_heads": 2, "max_position_embeddings": 100})
    Bundle(Llama(config), {"name": "text_generation", "version": 1}, made).save(tmp_path / "model")
    told = minnow("chat", tmp_path / "model", "--max-tokens", 10, "--json", "--system", "Be kind.", given="Hello\n" * 6)
    assert "its oldest turn is forgotten" in told.err
    messages = told.json["conversations"][0]["messages"]
    assert [one["role"] for one in messages] == ["system", *["user", "assistant"] * 6]


def test_a_message_that_is_too_long_is_left_out_and_the_conversation_goes_on(tmp_path: Path) -> None:
    made = tokenizer()
    shape = {"vocab_size": made.vocab_size, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1}
    config = LlamaConfig.from_dict({**shape, "num_attention_heads": 2, "max_position_embeddings": 100})
    Bundle(Llama(config), {"name": "text_generation", "version": 1}, made).save(tmp_path / "model")
    lines = ("Hello", "Hello " * 30, "girl")
    told = minnow("chat", tmp_path / "model", "--max-tokens", 10, "--json", given="\n".join(lines))
    assert "leaves too little of the model's context of 100" in told.err
    said = [one["content"] for one in told.json["conversations"][0]["messages"] if one["role"] == "user"]
    assert said == ["Hello", "girl"]


def test_bytes_that_are_no_utf8_are_read_as_far_as_they_go(writer: Path) -> None:
    told = minnow("chat", writer, "--seed", 1, "--max-tokens", 4, "--json", given=b"caf\xe9\n")
    assert told.json["conversations"][0]["messages"][0]["content"] == "caf\ufffd"


def test_a_model_that_writes_no_text_is_told_before_anything_else(linear: Path) -> None:
    told = minnow("chat", linear, given="Hello\n", fails=True)
    assert "writes no text of its own; use minnow predict" in told.error
    assert "no chat template" not in told.err


def test_an_answer_is_drawn_as_generate_draws(writer: Path) -> None:
    def answer(*options: object) -> str:
        return minnow("chat", writer, "--max-tokens", 12, "--seed", 1, *options, given="Hello\n").out

    assert answer("--top-k", 1) == answer("--temperature", 0) == answer("--min-p", 1) != answer()
    assert answer("--repetition-penalty", 5) != answer()
    refused = minnow("chat", writer, "--frequency-penalty", "nan", given="Hello\n", fails=True)
    assert "frequency_penalty must lie between" in refused.error
