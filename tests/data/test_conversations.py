"""Conversations in every form that people publish; what is wrong is named with its line."""

import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from minnow.data.conversations import holds_conversations, read_conversations
from minnow.errors import DataError

ASKED, ANSWERED = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}
FORMS: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "messages": ({"messages": [ASKED, ANSWERED]}, [("user", "Hi"), ("assistant", "Hello.")]),
    "conversations": (
        {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello."}]},
        [("user", "Hi"), ("assistant", "Hello.")],
    ),
    "prompt and completion": (
        {"prompt": "Hi", "completion": "Hello."},
        [("user", "Hi"), ("assistant", "Hello.")],
    ),
    "instruction, input and output": (
        {"instruction": "Translate", "input": "水", "output": "water"},
        [("user", "Translate\n\n水"), ("assistant", "water")],
    ),
}


def written(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def spoken(dialogue: Any) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in dialogue]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_turns(form: str, tmp_path: Path) -> None:
    row, expected = FORMS[form]
    path = written(tmp_path / "chats.jsonl", [row, row])
    read = read_conversations(path)
    assert [spoken(one) for one in read.dialogues] == [expected, expected]
    assert read.notes[0].endswith(f"read from {form}")
    assert holds_conversations(path)


def test_prompts_may_be_messages_and_an_empty_input_is_nothing(tmp_path: Path) -> None:
    system = {"role": "system", "content": "Be kind."}
    path = written(tmp_path / "a.jsonl", [{"prompt": [system, ASKED], "completion": [ANSWERED]}])
    assert [role for role, _ in spoken(read_conversations(path).dialogues[0])] == ["system", "user", "assistant"]
    path = written(tmp_path / "b.jsonl", [{"instruction": "Say hello", "input": "", "output": "Hello"}])
    assert spoken(read_conversations(path).dialogues[0])[0] == ("user", "Say hello")


@pytest.mark.parametrize("name", ["chats.json", "chats.parquet", "chats.csv", "chats.jsonl.gz"])
def test_other_files_of_rows_are_read_as_well(name: str, tmp_path: Path) -> None:
    path, rows = tmp_path / name, [{"messages": [ASKED, ANSWERED]}] * 3
    if name.endswith("json"):
        path.write_text(json.dumps(rows))
    elif name.endswith("gz"):
        path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    elif name.endswith("csv"):
        pl.DataFrame({"messages": [json.dumps(row["messages"]) for row in rows]}).write_csv(path)
    else:
        pl.DataFrame(rows).write_parquet(path)
    assert [spoken(one) for one in read_conversations(path).dialogues] == [
        [("user", "Hi"), ("assistant", "Hello.")]
    ] * 3


def test_in_csv_every_form_may_carry_its_messages_as_json(tmp_path: Path) -> None:
    turns = json.dumps(FORMS["conversations"][0]["conversations"])
    pl.DataFrame({"conversations": [turns]}).write_csv(tmp_path / "a.csv")
    prompts = [json.dumps([ASKED]), "[INST] Say hello to them", str([*range(12)])]
    pl.DataFrame({"prompt": prompts, "completion": ["Hello."] * 3}).write_csv(tmp_path / "b.csv")
    expected = [("user", "Hi"), ("assistant", "Hello.")]
    assert [spoken(one) for one in read_conversations(tmp_path / "a.csv").dialogues] == [expected]
    first, second, third = read_conversations(tmp_path / "b.csv").dialogues
    assert spoken(first) == expected
    assert (second[0].content, third[0].content) == (prompts[1], prompts[2])


def test_brackets_without_end_are_named(tmp_path: Path) -> None:
    pl.DataFrame({"messages": ["[" * 100_000]}).write_csv(tmp_path / "a.csv")
    with pytest.raises(DataError, match=r"messages in row 1 of .* is not JSON"):
        read_conversations(tmp_path / "a.csv")


def test_a_folder_has_parts(tmp_path: Path) -> None:
    written(tmp_path / "train.jsonl", [FORMS["messages"][0]] * 2)
    written(tmp_path / "test.jsonl", [FORMS["messages"][0]])
    assert (len(read_conversations(tmp_path)), len(read_conversations(tmp_path, "test"))) == (2, 1)
    assert holds_conversations(tmp_path)
    with pytest.raises(DataError, match=r"no file valid\.jsonl"):
        read_conversations(tmp_path, "valid")


def test_what_follows_the_last_answer_is_left_out_and_empty_answers_are_counted(tmp_path: Path) -> None:
    empty = {"role": "assistant", "content": " "}
    path = written(tmp_path / "a.jsonl", [{"messages": [ASKED, ANSWERED, ASKED]}, {"messages": [ASKED, empty]}])
    read = read_conversations(path)
    assert [len(one) for one in read.dialogues] == [2]
    assert "1 rows whose answer is empty" in read.notes[1]


@pytest.mark.parametrize(
    ("second", "says"),
    [
        ({"messages": [ASKED]}, "no message of the assistant"),
        ({"messages": [{"role": "tool", "content": "x"}, ANSWERED]}, "message 1 in line 3"),
        ({"messages": [{"role": "user", "content": None}, ANSWERED]}, "must have a role"),
        ({"messages": "Hi"}, "must be a list"),
        ({"messages": []}, "must be a list"),
        ({"text": "Hi"}, "has no messages"),
        ([1, 2], "has no messages"),
        ("Hi", "has no messages"),
    ],
)
def test_a_row_that_is_none_is_named_by_its_line(second: Any, says: str, tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    path.write_text(json.dumps(FORMS["messages"][0]) + "\n\n" + json.dumps(second) + "\n")
    with pytest.raises(DataError, match=says) as caught:
        read_conversations(path)
    assert "line 3 of" in str(caught.value)


def test_what_holds_none_says_what_a_row_needs(tmp_path: Path) -> None:
    for content, says in (
        ('{"text": "a", "label": "b"}\n', "has: text, label; a row needs messages"),
        ("{broken\n", "line 1 of .* is not JSON"),
        ('{"prompt": "a", "completion": ""}\n', "holds no conversation with an answer"),
    ):
        (tmp_path / "x.jsonl").write_text(content)
        with pytest.raises(DataError, match=says):
            read_conversations(tmp_path / "x.jsonl")
    for missing in (tmp_path / "none.jsonl", tmp_path):
        assert not holds_conversations(missing)
        with pytest.raises(DataError):
            read_conversations(missing)
    (tmp_path / "t.csv").write_text("text,label\na,b\n")
    assert not holds_conversations(tmp_path / "t.csv")
    (tmp_path / "plain.csv").write_text("messages,label\nwhere is my parcel,delivery\n[it is late],delivery\n")
    assert not holds_conversations(tmp_path / "plain.csv")


def test_holding_out_parts_the_conversations(tmp_path: Path) -> None:
    rows = [{"prompt": f"What is {number}?", "completion": f"A number, {number}."} for number in range(20)]
    read = read_conversations(written(tmp_path / "a.jsonl", rows))
    kept, held = read.held_out(0.2, 0)
    assert (len(kept), len(held)) == (16, 4)
    assert set(kept.dialogues).isdisjoint(held.dialogues)
    with pytest.raises(DataError, match="too few"):
        read_conversations(written(tmp_path / "b.jsonl", rows[:1])).held_out(0.2, 0)
