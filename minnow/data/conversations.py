"""Conversations to learn from, in the three forms that people publish them in.

A row has ``messages``, each with ``role`` and ``content`` (or ``conversations`` with ``from`` and ``value``); or it has
``prompt`` and ``completion``; or ``instruction``, ``input`` and ``output``.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from minnow.data.catalog import file_sha256
from minnow.data.folders import folder_parts, is_table_name
from minnow.data.layout import find_layout
from minnow.data.split import hold_out
from minnow.data.streams import MAX_LINE_BYTES
from minnow.data.table import iterate_rows, numbered_json_rows
from minnow.errors import DataError
from minnow.text.messages import ROLES, Message

Row = Mapping[str, Any]
Dialogue = tuple[Message, ...]
OTHER_NAMES = {"human": "user", "gpt": "assistant"}  # in the form with ``from`` and ``value``


@dataclass(frozen=True)
class Conversations:
    """Dialogues, each of which ends with an answer.

    ``notes`` are sentences that a person should be told; ``sha256`` is of the file.
    """

    dialogues: list[Dialogue]
    name: str
    sha256: str
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.dialogues)

    @property
    def texts(self) -> list[str]:
        """The words of each, by which conversations are equal or not, whoever says them."""
        return ["\n".join(message.content for message in dialogue) for dialogue in self.dialogues]

    def held_out(self, share: float, seed: int) -> tuple[Self, Self]:
        """What is left, and the share that was taken out; by the hash of the words, so that equal ones stay together.

        Raises:
            DataError: there are too few for both.
        """
        kept, held = hold_out(self.texts, share, seed)
        if not len(kept) or not len(held):
            raise DataError(
                f"{self.name} has {len(self)} conversations, too few to hold out {share:g} of them; give more, or a "
                "file to choose by with --validation"
            )
        return self._part(kept), replace(self._part(held), notes=())

    def _part(self, rows: Any) -> Self:
        return replace(self, dialogues=[self.dialogues[int(row)] for row in np.asarray(rows)])


def read_conversations(source: str | Path, part: str = "train") -> Conversations:
    """Read a file, or the file of that part in a folder.

    Raises:
        DataError: nothing is there, or a row is no conversation; the message names the line and says what a row needs.
    """
    path = _file(Path(source), part)
    dialogues: list[Dialogue] = []
    form = ""
    empty = 0
    for place, row in _placed_rows(path):
        form = form or _form_of(row, place)
        dialogue = _ending_with_an_answer(_FORMS[form](row, place), place)
        if dialogue:
            dialogues.append(dialogue)
        else:
            empty += 1
    if not dialogues:
        raise DataError(f"{path} holds no conversation with an answer; {_needs()}")
    notes = [f"{len(dialogues):,} conversations, read from {form}"]
    if empty:
        notes.append(f"{empty:,} rows whose answer is empty are left out")
    return Conversations(dialogues, path.name, file_sha256(path), tuple(notes))


def holds_conversations(source: str | Path) -> bool:
    """Whether the first row looks like a conversation; False for what cannot be read, which others will report."""
    try:
        path = _file(Path(source), "train")
        _, row = next(_placed_rows(path), ("", {}))
    except DataError:
        return False
    return _known_form(row) is not None


def _file(path: Path, part: str) -> Path:
    if path.is_file():
        return path
    if path.is_dir():
        found = folder_parts(path)
        if part in found and found[part].is_file():
            return found[part]
        raise DataError(f"folder {path} has no file {part}.jsonl; it has: {', '.join(found)}")
    raise DataError(f"there is no file {path}; give a jsonl file of conversations")


def _placed_rows(path: Path) -> Iterator[tuple[str, Any]]:
    """Every row and where it stands, as a person would look it up."""
    if not is_table_name(path):
        raise DataError(f"{path} is no file of rows; give jsonl, json, csv or parquet")
    layout = find_layout(path, None, MAX_LINE_BYTES, every_line=True)
    if layout.format == "jsonl":
        yield from ((f"line {number} of {path}", row) for number, row in numbered_json_rows(path))
        return
    number = 0
    for frame in iterate_rows(path, kept=True):
        for row in frame.iter_rows(named=True):
            number += 1
            yield f"row {number} of {path}", row


def _form_of(row: Any, place: str) -> str:
    found = _known_form(row)
    if found is None:
        columns = ", ".join(row) if isinstance(row, Mapping) else json.dumps(row, ensure_ascii=False)[:40]
        raise DataError(f"{place} is no conversation but has: {columns}; {_needs()}")
    return found


def _known_form(row: Any) -> str | None:
    if not isinstance(row, Mapping):
        return None
    needed = {
        "messages": ("messages",),
        "conversations": ("conversations",),
        "prompt and completion": ("prompt", "completion"),
        "instruction, input and output": ("instruction", "output"),
    }
    known = (form for form, keys in needed.items() if all(row.get(key) is not None for key in keys))
    return next((form for form in known if form not in row or _may_be_a_list(row[form])), None)


def _may_be_a_list(value: Any) -> bool:
    """A list, or JSON that begins as one; a column of plain texts may be called ``messages`` too."""
    return isinstance(value, list) or (isinstance(value, str) and value.lstrip().startswith("["))


def _needs() -> str:
    return "a row needs messages, or prompt and completion, or instruction and output"


def _from_messages(row: Row, place: str) -> Dialogue:
    return _messages(_cell(row, "messages", place), "messages", place)


def _from_conversations(row: Row, place: str) -> Dialogue:
    turns = _unpacked(_cell(row, "conversations", place), "conversations", place)
    named = [
        {"role": OTHER_NAMES.get(str(turn.get("from")), turn.get("from")), "content": turn.get("value")}
        if isinstance(turn, Mapping)
        else turn
        for turn in (turns if isinstance(turns, list) else [turns])
    ]
    return _messages(named, "conversations", place)


def _from_prompt(row: Row, place: str) -> Dialogue:
    return (*_said(row, "prompt", "user", place), *_said(row, "completion", "assistant", place))


def _said(row: Row, key: str, role: str, place: str) -> Dialogue:
    """Messages, or a text, which may begin with a bracket as well."""
    value = _cell(row, key, place)
    if isinstance(value, list):
        return _messages(value, key, place)
    try:
        packed = _unpacked(value, key, place)
    except DataError:
        packed = value
    if isinstance(packed, list) and packed and all(isinstance(one, Mapping) for one in packed):
        return _messages(packed, key, place)
    return (Message(role, _text(value, place)),)


def _from_instruction(row: Row, place: str) -> Dialogue:
    instruction, given = _text(_cell(row, "instruction", place), place), _text(row.get("input") or "", place)
    asked = f"{instruction}\n\n{given}" if given.strip() else instruction
    return (Message("user", asked), Message("assistant", _text(_cell(row, "output", place), place)))


_FORMS: dict[str, Callable[[Row, str], Dialogue]] = {
    "messages": _from_messages,
    "conversations": _from_conversations,
    "prompt and completion": _from_prompt,
    "instruction, input and output": _from_instruction,
}


def _cell(row: Any, key: str, place: str) -> Any:
    if not isinstance(row, Mapping) or row.get(key) is None:
        raise DataError(f"{place} has no {key}, which the rows before it have; mend the row or take it out")
    return row[key]


def _text(value: Any, place: str) -> str:
    if not isinstance(value, str):
        raise DataError(f"{place} has {json.dumps(value, ensure_ascii=False, default=str)[:40]} where a text should be")
    return value


def _unpacked(value: Any, key: str, place: str) -> Any:
    """The list that a string is in JSON, which is how csv carries one; else the value as it is."""
    if not isinstance(value, str) or not value.lstrip().startswith("["):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{key} in {place} is not JSON ({error})") from error


def _messages(values: Any, key: str, place: str) -> Dialogue:
    values = _unpacked(values, key, place)
    if not isinstance(values, list) or not values:
        raise DataError(f"{key} in {place} must be a list of messages, each with a role and a content")
    messages = []
    for number, value in enumerate(values, start=1):
        role, content = (value.get("role"), value.get("content")) if isinstance(value, Mapping) else (None, None)
        if role not in ROLES or not isinstance(content, str):
            shown = json.dumps(value, ensure_ascii=False, default=str)[:60]
            raise DataError(
                f"message {number} in {place} must have a role (one of {', '.join(ROLES)}) and a text as content, "
                f"but is {shown}"
            )
        messages.append(Message(role, content))
    return tuple(messages)


def _ending_with_an_answer(dialogue: Dialogue, place: str) -> Dialogue:
    """The dialogue up to its last answer; nothing where that is empty.

    Raises:
        DataError: nobody answers in it.
    """
    answers = [number for number, message in enumerate(dialogue) if message.role == "assistant"]
    if not answers:
        raise DataError(f"{place} has no message of the assistant, so there is no answer to learn; take it out")
    filled = [number for number in answers if dialogue[number].content.strip()]
    return dialogue[: filled[-1] + 1] if filled else ()
