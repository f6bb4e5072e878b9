"""Messages to the one text that a chat model reads, by the model's own template; and its token ids."""

import datetime
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from minnow.errors import InputError, MinnowError
from minnow.text.tokenizer import Tokenizer

ROLES = ("system", "user", "assistant")
# For a model that was taught no chat: a dialogue as print would set it.
PLAIN = (
    "{% for message in messages %}"
    "{% if message.role == 'system' %}{{ message.content }}\n\n"
    "{% else %}{{ message.role | capitalize }}: {{ message.content }}\n{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)
PLAIN_STOP = ("\nUser:", "\nAssistant:")
# Stand-ins in private letters: what a message spells must not become a token with a role.
_FIRST_STAND_IN = 0xF0000


@dataclass(frozen=True)
class Message:
    """One turn; ``role`` is system, user or assistant."""

    role: str
    content: str

    def to_dict(self) -> dict[str, str]:
        return {"role": self.role, "content": self.content}


def messages_from(rows: Sequence[Mapping[str, Any]]) -> list[Message]:
    """Messages as they are written in Python and in jsonl.

    Raises:
        InputError: one is no table with a known role and a text.
    """
    messages = []
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, Mapping) or row.get("role") not in ROLES or not isinstance(row.get("content"), str):
            raise InputError(
                f"message {number} must have a role (one of {', '.join(ROLES)}) and a text as content, but got {row!r}"
            )
        messages.append(Message(row["role"], row["content"]))
    if not messages:
        raise InputError("a conversation needs a message; say something first")
    return messages


def render_chat(
    template: str,
    messages: Sequence[Message],
    special_tokens: Mapping[str, str] = {},
    add_generation_prompt: bool = True,
) -> str:
    """The text of a conversation; ``add_generation_prompt`` opens the assistant's turn at its end.

    Templates come with models that strangers made, so they run in Jinja's sandbox.

    Raises:
        InputError: the template is damaged, or refuses these messages.
    """
    import jinja2

    compiled = _compiled(template)
    try:
        return str(
            compiled.render(
                messages=[message.to_dict() for message in messages],
                add_generation_prompt=add_generation_prompt,
                **special_tokens,
            )
        )
    except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError, RecursionError) as error:
        raise InputError(f"the chat template cannot render these messages: {error}") from error


def chat_ids(tokenizer: Tokenizer, template: str, messages: Sequence[Message]) -> list[int]:
    """The ids that the model reads before it answers.

    Special tokens come from the template alone: what a message spells like one stays text.
    """
    stand_ins = {token: chr(_FIRST_STAND_IN + number) for number, token in enumerate(_marks(tokenizer))}
    hidden = [Message(one.role, _replaced(one.content, stand_ins)) for one in messages]
    text = render_chat(template, hidden, tokenizer.special_tokens)
    if not any(stand_in in text for stand_in in stand_ins.values()):
        return tokenizer.encode_marked(text)
    spelled = {stand_in: token for token, stand_in in stand_ins.items()}
    token_ids: list[int] = []
    for piece in _cut(text, spelled):
        if piece in spelled:
            token_ids += tokenizer.encode_ids([spelled[piece]])[0]
        else:
            token_ids += tokenizer.encode_marked(piece)
    return token_ids


@lru_cache(maxsize=16)
def _marks(tokenizer: Tokenizer) -> tuple[str, ...]:
    """Every token that ``encode_marked`` would read as one, longest first."""
    added = json.loads(tokenizer.to_json())["added_tokens"]
    return tuple(sorted((token["content"] for token in added if token["special"]), key=len, reverse=True))


def _replaced(text: str, stand_ins: Mapping[str, str]) -> str:
    for token, stand_in in stand_ins.items():
        text = text.replace(token, stand_in)
    return text


def _cut(text: str, stand_ins: Mapping[str, str]) -> list[str]:
    pieces, piece = [], ""
    for letter in text:
        if letter in stand_ins:
            pieces += [piece, letter]
            piece = ""
        else:
            piece += letter
    return [one for one in (*pieces, piece) if one]


@lru_cache(maxsize=16)
def _compiled(template: str) -> Any:
    try:
        import jinja2
        from jinja2.ext import loopcontrols
        from jinja2.sandbox import ImmutableSandboxedEnvironment
    except ImportError as error:
        raise MinnowError('chat templates need jinja2; install it with: pip install "minnow-lm[generate]"') from error
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    # What the templates of published models call.
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = lambda form: datetime.datetime.now().strftime(form)
    try:
        return environment.from_string(template)
    except jinja2.TemplateError as error:
        raise InputError(f"the chat template is damaged: {error}") from error


def _to_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _refuse(message: str) -> str:
    import jinja2

    raise jinja2.TemplateError(message)
