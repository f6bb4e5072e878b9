"""Cards: what is read of them, and that none of them costs more than it should."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minnow.errors import InputError
from minnow.hub.cards import (
    bases_in_sample,
    card_problems,
    card_warnings,
    count_parameters,
    facts_of,
    read_card,
    read_config,
)


def front(text: str) -> str:
    return f"---\n{text}\n---\n# Title\n"


def test_the_front_matter_is_read_as_json_would_have_it() -> None:
    card = read_card(front("license: mit\ntags: [a, 1]\nday: 2026-11-26\nmap: {1: null, x: 1.5}\nrate: .nan"))
    assert card == {
        "license": "mit",
        "tags": ["a", 1],
        "day": "2026-11-26",
        "map": {"1": None, "x": 1.5},
        "rate": "nan",
    }


@pytest.mark.parametrize("text", ["", "# Title", "--- \nno end", "text\n---\na: 1\n---\n", "---\n---\n"])
def test_a_card_without_front_matter_has_an_empty_one(text: str) -> None:
    assert read_card(text) == {}


def test_line_ends_and_marks_of_windows_are_taken() -> None:
    assert read_card("\ufeff---\r\nlicense: mit\r\n---\r\ntext") == {"license": "mit"}
    assert read_card(b"\xef\xbb\xbf---\nlicense: mit\n---\n") == {"license": "mit"}


@pytest.mark.parametrize(
    "text",
    [
        "a: [1",
        "- a\n- b",
        "a: &x [1]\nb: *x",
        "a: !!python/object/apply:os.system [ls]",
        "a: " + "[" * 200 + "]" * 200,
        "a: " + "x" * 70_000,
        "a: !!timestamp 2026-99-99",
        "? [1]\n: 2\n? {a: 1}\n: 3",
    ],
)
def test_what_is_no_plain_table_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        read_card(front(text))


def test_a_bomb_of_aliases_does_not_go_off() -> None:
    levels = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"]
    levels += [f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    began = time.monotonic()
    with pytest.raises(InputError, match="aliases"):
        read_card(front("\n".join(levels)))
    assert time.monotonic() - began < 2


@given(st.text(max_size=200))
def test_any_text_is_a_table_or_refused(text: str) -> None:
    try:
        card = read_card(front(text))
    except InputError:
        return
    assert isinstance(card, dict)


def test_problems_are_told_in_words() -> None:
    assert card_problems(front("license: mit\nbase_model: [a/b]")) == []
    assert card_problems(front("tags: [1]\npipeline_tag: [x]")) == [
        '"pipeline_tag" must be a string',
        '"tags" must be a string or a list of strings',
    ]
    assert "no YAML" in card_problems(front("a: ["))[0]
    assert card_warnings("# no front matter")
    assert not card_warnings(front("license: mit"))


@pytest.mark.parametrize(
    ("sample", "bases"),
    [
        (b"---\nbase_model: team/base\nlicense: mit\n---", ("team/base",)),
        (b"---\nlicense: mit\nbase_model:\n- team/one\n- 'team/two'\ntags: [x]", ("team/one", "team/two")),
        (b"---\nbase_model: [team/one, team/two]\n", ("team/one", "team/two")),
        (b"---\r\nbase_model: team/base\r\n", ("team/base",)),
        (b"# base_model: team/base", ()),
        (b"text\nbase_model: team/base", ()),
        (b"\xff\xfe", ()),
    ],
)
def test_bases_are_found_in_the_beginning_of_a_card(sample: bytes, bases: tuple[str, ...]) -> None:
    assert bases_in_sample(sample) == bases


def test_tags_come_from_card_configuration_and_files() -> None:
    card = {"license": "mit", "tags": ["words", "words"], "language": ["en", "de"], "base_model": "team/base"}
    facts = facts_of("model", ["model.safetensors", "a.gguf"], card, {"model_type": "bert"}, None)
    assert set(facts.tags) == {
        *("transformers", "safetensors", "gguf", "bert", "words", "license:mit", "en", "de", "base_model:team/base"),
        "base_model:finetune:team/base",
    }
    assert facts.library_name == "transformers"
    rows = facts_of("dataset", ["a.parquet"], {"task_categories": ["qa"], "language": "en"}, None, None)
    assert set(rows.tags) == {"format:parquet", "task_categories:qa", "language:en"}
    app = facts_of("space", [], {"sdk": "static", "models": ["ann/a"], "license": "mit"}, None, None)
    assert set(app.tags) == {"static", "model:ann/a", "license:mit"}
    assert facts_of("model", [], {"pipeline_tag": ["x"], "library_name": 3}, None, None).tags == ()


@pytest.mark.parametrize(
    ("card", "architecture", "task"),
    [
        ({}, "LlamaForCausalLM", "text-generation"),
        ({}, "BertForSequenceClassification", "text-classification"),
        ({"pipeline_tag": "translation"}, "LlamaForCausalLM", "translation"),
        ({}, "Something", None),
        ({}, 3, None),
    ],
)
def test_the_task_of_a_model_follows_from_its_architecture(
    card: dict[str, Any], architecture: object, task: str | None
) -> None:
    assert facts_of("model", [], card, {"architectures": [architecture]}, None).pipeline_tag == task
    assert facts_of("dataset", [], {}, {"architectures": [architecture]}, None).pipeline_tag is None


def test_how_a_model_came_from_its_base_is_a_tag() -> None:
    base = {"base_model": "team/base"}
    assert "base_model:adapter:team/base" in facts_of("model", ["adapter_config.json"], base, None, None).tags
    merged = base | {"base_model_relation": "merge"}
    assert "base_model:merge:team/base" in facts_of("model", [], merged, None, None).tags


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b"\xff", b'{"other": 1}'])
def test_a_configuration_that_is_none_says_nothing(content: bytes) -> None:
    assert read_config(content) is None


def test_parameters_are_counted_by_type() -> None:
    headers: list[dict[str, Any]] = [
        {"__metadata__": {"a": "b"}, "x": {"dtype": "F32", "shape": [2, 3]}, "y": {"dtype": "I8", "shape": []}},
        {"z": {"dtype": "F32", "shape": [4]}},
    ]
    assert count_parameters(headers) == {"parameters": {"F32": 10, "I8": 1}, "total": 11}
    assert count_parameters([{}]) is None
