"""What is held to a rule keeps it, with every tokenizer that keeps spaces, and what cannot be kept is refused."""

import json
import re
from typing import Any

import jsonschema
import pytest
from tokenizers import Tokenizer as Library
from tokenizers import decoders, models
from writers import SPACED, bundle, tokenizer

from minnow.decoding.constraints import Grammar, constraint_for, token_bytes
from minnow.decoding.writing import Finished, GenerationSettings, Piece, write
from minnow.errors import InputError
from minnow.text.foreign import ForeignTokenizer
from minnow.text.tokenizer import Tokenizer, TokenizerSettings

PERSON: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 6},
        "age": {"type": "integer", "minimum": 0, "maximum": 99},
        "tags": {"type": "array", "items": {"enum": ["a", "little", None]}, "maxItems": 2},
    },
    "required": ["name", "age", "tags"],
    "additionalProperties": False,
}


def written(kind: str, *, num_samples: int = 12, **said: Any) -> list[tuple[str, str]]:
    """Texts behind a prompt, with their finish reasons."""
    one = bundle(kind)
    assert one.tokenizer is not None
    prompt = one.tokenizer.encode_ids(["Once upon a"])[0]
    warm = {} if "beam" in said else {"temperature": 1.0}
    settings = GenerationSettings.of(num_samples=num_samples, **{**warm, **said})
    texts, reasons = [""] * num_samples, {}
    for event in write(one.model, one.tokenizer, [prompt], settings):
        if isinstance(event, Piece):
            texts[event.number] += event.text
        else:
            assert isinstance(event, Finished)
            reasons[event.number] = event.finish_reason
    return [(texts[number], reasons[number]) for number in sorted(reasons)]


@pytest.mark.parametrize("kind", SPACED)
def test_json_follows_its_schema(kind: str) -> None:
    for text, reason in written(kind, schema=PERSON):
        assert reason == "stop"
        jsonschema.validate(json.loads(text), PERSON)
    assert written(kind, schema=json.dumps(PERSON)) == written(kind, schema=PERSON)


@pytest.mark.parametrize("kind", SPACED)
def test_a_whole_text_matches_the_expression(kind: str) -> None:
    found = written(kind, regex=r"(was|upon) [0-9]{2,4}[,.]")
    assert all(re.fullmatch(r"(was|upon) [0-9]{2,4}[,.]", text) for text, _ in found)
    assert {reason for _, reason in found} == {"stop"}
    assert len({text for text, _ in found}) > 6


@pytest.mark.parametrize("kind", SPACED)
def test_a_choice_is_one_of_those_given(kind: str) -> None:
    choices = [" girl", "a time", "名字", "don't", 'say "Hello"']
    found = {text for text, _ in written(kind, num_samples=60, choices=choices)}
    assert found <= set(choices)
    assert len(found) > 2


@pytest.mark.parametrize("kind", SPACED)
def test_a_beam_keeps_the_rule_too_and_finds_every_choice_once(kind: str) -> None:
    found = written(kind, num_samples=2, beam=6, choices=["a time", "was"])
    assert sorted(text for text, _ in found) == ["a time", "was"]


def test_an_expression_may_let_the_model_end_or_go_on() -> None:
    found = {text for text, _ in written("character", num_samples=40, regex="a*", max_tokens=5)}
    assert found <= {"a" * length for length in range(6)}
    assert len(found) > 1


def test_what_is_cut_off_says_so() -> None:
    assert written("character", num_samples=1, regex="[a-z]{50}", max_tokens=10)[0][1] == "length"


@pytest.mark.parametrize("kind", SPACED)
def test_the_bytes_of_tokens_are_the_bytes_of_the_text(kind: str) -> None:
    made = tokenizer(kind)
    text = 'Once upon a time, "Hello" café 名字'
    found = token_bytes(made)
    assert b"".join(found[token_id] for token_id in made.encode_ids([text])[0]).decode() == text
    assert not any(found[token_id] for token_id in (made.pad_id, made.bos_id, made.eos_id))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"regex": "(a"}, "the regex cannot be followed: .*unclosed group"),
        ({"regex": ""}, "the regular expression is empty"),
        ({"regex": "(?=a)b"}, "look-around"),
        ({"schema": "{"}, "the schema is no JSON"),
        ({"schema": "[1]"}, "a JSON schema is an object"),
        ({"schema": {"type": "intger"}}, "Invalid type: intger"),
        ({"schema": [1]}, r"a table or a text, such as .* but got \[1\]"),
        ({"schema": True}, "but got True"),
        ({"schema": {"type": {1}}}, "the schema cannot be followed: .*set"),
        ({"schema": '{"const": NaN}'}, "the schema cannot be followed: .*float"),
        ({"schema": '{"const": "\\ud800"}'}, "the schema cannot be followed: "),
        ({"schema": '{"allOf":[' * 130 + "{}" + "]}" * 130}, "the schema cannot be followed: recursion"),
        ({"choices": ["a", ""]}, "the choice is empty"),
        ({"choices": ["a", "Ω"]}, "no tokens for the choice 'Ω'"),
        ({"choices": ["\udcff"]}, "half a character"),
        ({"choices": ["a"], "regex": "b"}, "one of schema, regex, choice, but got regex and choice"),
        ({"regex": "x" * 200_001}, "200,000 characters, but got 200,001"),
    ],
)
def test_rules_that_cannot_be_followed_are_refused(said: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        constraint_for(tokenizer(), **said)


def test_a_rule_that_turns_out_to_be_too_much_while_it_is_followed_is_refused() -> None:
    class Overwhelmed:
        def compute_bitmask(self) -> bytes:
            return b"\xff"

        def consume_token(self, token_id: int) -> bool:
            return token_id < 0

        def is_error(self) -> bool:
            return True

        def get_error(self) -> str:
            return "lexer too large"

    grammar = Grammar(Overwhelmed(), [])
    with pytest.raises(InputError, match="cannot be followed: lexer too large; write it in another way"):
        grammar.allowed(8)
    with pytest.raises(InputError, match="cannot be followed: lexer too large"):
        grammar.accept(3)


def test_a_rule_whose_characters_the_model_lacks_is_refused() -> None:
    for rule in ("aΩ", "aΩb", "[ab]Ω+", "Ω"):
        with pytest.raises(InputError, match="tokenizer can write nothing that goes on"):
            written("character", regex=rule)
    with pytest.raises(InputError, match="tokenizer can write nothing that goes on"):
        written("character", regex="aΩ", beam=2, num_samples=1)


@pytest.mark.parametrize(
    "rule",
    [
        {"choices": ["大学", "公司"]},
        {"regex": "[大公][学司]"},
        {"schema": {"enum": ["大学", "公司"]}},
    ],
)
def test_characters_that_begin_with_the_same_byte_are_told_apart(rule: dict[str, Any]) -> None:
    settings = TokenizerSettings(kind="character", vocab_size=30, lowercase=False, normalization="none")
    one = Tokenizer.train(['"大学" "公司"'] * 3, settings)
    rest = "公司" if "choices" in rule or "schema" in rule else "公学"
    grammar = constraint_for(one, **rule)
    assert grammar is not None
    for letter in json.dumps(rest, ensure_ascii=False) if "schema" in rule else rest:
        token_id = one.encode_ids([letter])[0][0]
        allowed = grammar.allowed(one.vocab_size)
        assert allowed[token_id]
        assert not allowed[one.eos_id]
        grammar.accept(token_id)
    assert grammar.allowed(one.vocab_size)[one.eos_id]


@pytest.mark.parametrize("kind", ["word", "wordpiece", "whitespace"])
def test_tokenizers_that_join_words_cannot_be_held_to_a_rule(kind: str) -> None:
    with pytest.raises(InputError, match=f"of the kind {kind}; pre-train one with --tokenizer bpe"):
        constraint_for(tokenizer(kind), regex="a")


def test_what_must_come_is_written_with_pieces_not_with_bytes() -> None:
    """As Llama's tokenizers have it: a token for each byte, and pieces for what is frequent."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "y", "e", "s", "▁", "▁n", "o"]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    library = Library(models.BPE(vocabulary, [], byte_fallback=True))
    library.add_special_tokens(pieces[:3])
    library.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    made = ForeignTokenizer(library)
    assert [token_bytes(made)[number] for number in (1, 3 + 0x79, 259, 263)] == [b"", b"y", b"y", b" n"]
    rule = constraint_for(made, choices=["yes", "ye\n"])
    assert rule is not None
    rule.accept(259)
    allowed = {pieces[token_id] for token_id in rule.allowed(len(pieces)).nonzero()[0]}
    assert "e" in allowed
    assert allowed <= {"e", "<0x65>"}
    assert not rule.allowed(len(pieces) + 9)[len(pieces) :].any()
