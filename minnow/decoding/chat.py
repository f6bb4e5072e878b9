"""Messages to the one text that a chat model reads, by the model's own template; and its token ids."""

import datetime
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from minnow.errors import InputError, MinnowError
from minnow.text.messages import ROLES, Message
from minnow.text.tokenizer import Tokenizer

# For a model that was taught no chat: a dialogue as print would set it.
PLAIN = (
    "{% for message in messages %}"
    "{% if message.role == 'system' %}{{ message.content }}\n\n"
    "{% else %}{{ message.role | capitalize }}: {{ message.content }}\n{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)
PLAIN_STOP = ("\nUser:", "\nAssistant:")  # ends an answer
ROLE_TOKENS = tuple(f"<|{role}|>" for role in ROLES)
# For a model that is taught to chat: a token for each role, or where the vocabulary must stay, the words of PLAIN.
_MARKED = (
    "{% for message in messages %}"
    "{{ '<|' + message.role + '|>' + message.content | trim + eos_token }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
_WORDED = (
    "{% for message in messages %}"
    "{{ message.role | capitalize + ': ' + message.content | trim + eos_token + '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
# Stand-ins in private letters that no message holds: what it spells must not become a token with a role.
_PRIVATE = range(0xF0000, 0x10FFFE)


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
                tools=None,  # there are none here, and templates ask whether there are
                documents=None,
                **special_tokens,
            )
        )
    except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError, RecursionError) as error:
        raise InputError(f"the chat template cannot render these messages: {error}") from error


def check_template(template: str) -> None:
    """InputError where it is no Jinja template."""
    _compiled(template)


def house_template(tokenizer: Tokenizer) -> str:
    """The template of a model of this house: by tokens of the roles where the tokenizer has them, else by their names.

    Every message ends with the token that ends a text, so an answer does.
    """
    marked = set(ROLE_TOKENS) <= set(tokenizer.vocabulary)
    return _beginning(tokenizer) + (_MARKED if marked else _WORDED)


def template_of(tokenizer: Tokenizer) -> str:
    """The model's own template, or for a model that was taught no chat a plain dialogue, behind the token that stands
    before every text."""
    return tokenizer.chat_template or (_beginning(tokenizer) + PLAIN)


def _beginning(tokenizer: Tokenizer) -> str:
    begins = bool(tokenizer.prefix_ids) and tokenizer.prefix_ids == (tokenizer.bos_id,)
    return "{{ bos_token }}" if begins else ""


def chat_ids(tokenizer: Tokenizer, template: str, messages: Sequence[Message]) -> list[int]:
    """The ids that the model reads before it answers.

    Special tokens, and others that the template writes around messages, come from it alone: what a message spells like
    one stays text.
    """
    stand_ins = _stand_ins(tokenizer, template, messages)
    return _ids(tokenizer, render_chat(template, _hidden(messages, stand_ins), tokenizer.special_tokens), stand_ins)


def taught_ids(tokenizer: Tokenizer, template: str, messages: Sequence[Message]) -> tuple[list[int], list[bool]]:
    """The ids of a whole conversation, and which of them are the assistant's: its words and the end of each answer.

    Before every answer stands what ``chat_ids`` gives of the messages before it. An answer ends with an id that ends a
    text; where the template writes none, the last one gets it.

    Raises:
        InputError: the template does not render a conversation as its beginning and more.
    """
    answers = [number for number, message in enumerate(messages) if message.role == "assistant"]
    stand_ins = _stand_ins(tokenizer, template, messages[: answers[-1]] if answers else messages, messages)
    hidden = _hidden(messages, stand_ins)
    said, token_ids, own = "", list[int](), list[bool]()
    for number, message in enumerate(messages):
        if message.role != "assistant":
            continue
        before = render_chat(template, hidden[:number], tokenizer.special_tokens)
        after = render_chat(template, hidden[: number + 1], tokenizer.special_tokens, add_generation_prompt=False)
        if not before.startswith(said) or not after.startswith(before):
            raise InputError(
                "the chat template changes what it wrote of earlier messages when an answer follows; such a template "
                "cannot be taught from"
            )
        between = _ids(tokenizer, before[len(said) :], stand_ins)
        both = _ids(tokenizer, after[len(said) :], stand_ins)
        goes_on = both[: len(between)] == between  # some tokenizers mark the beginning of whatever they are given
        answer = both[len(between) :] if goes_on else _ids(tokenizer, after[len(before) :], stand_ins)
        asked = next((at + 1 for at, one in enumerate(answer) if one in tokenizer.eos_ids), len(answer))
        token_ids += [*between, *answer]
        own += [False] * len(between) + [at < asked for at in range(len(answer))]
        said = after
    last = max(at for at, one in enumerate(own) if one) if any(own) else -1
    if last >= 0 and token_ids[last] not in tokenizer.eos_ids:
        return [*token_ids, tokenizer.eos_id], [*own, True]
    return token_ids, own


def _stand_ins(
    tokenizer: Tokenizer, template: str, asked: Sequence[Message], messages: Sequence[Message] = ()
) -> dict[str, str]:
    """A letter that no message holds for each token that none may spell, longest first.

    Args:
        asked: messages that the assistant is to answer.
        messages: all of them, if there are more.
    """
    special, others = _added(tokenizer)
    written = ""
    if others:
        written = render_chat(template, [Message(one.role, "a") for one in asked], tokenizer.special_tokens)
    held = set().union(*(message.content for message in messages or asked))
    free = (letter for letter in map(chr, _PRIVATE) if letter not in held)
    marks = sorted((*special, *(token for token in others if token in written)), key=len, reverse=True)
    return dict(zip(marks, free, strict=False))


def _hidden(messages: Sequence[Message], stand_ins: Mapping[str, str]) -> list[Message]:
    return [Message(one.role, _replaced(one.content, stand_ins)) for one in messages]


def _ids(tokenizer: Tokenizer, text: str, stand_ins: Mapping[str, str]) -> list[int]:
    """The ids of a rendered text, what messages spelled like special tokens put back as text."""
    if not any(stand_in in text for stand_in in stand_ins.values()):
        return tokenizer.encode_marked(text)
    spelled = {stand_in: token for token, stand_in in stand_ins.items()}
    token_ids: list[int] = []
    for piece in _cut(text, spelled):
        if piece in spelled:
            token_ids += _spelled(tokenizer, spelled[piece])
        else:
            token_ids += tokenizer.encode_marked(piece)
    return token_ids


@lru_cache(maxsize=16)
def _added(tokenizer: Tokenizer) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The special tokens, which ``encode_marked`` alone reads as such, and others that may have a role: every text is
    read for these, so that words and white space among them are none."""
    added = json.loads(tokenizer.to_json())["added_tokens"]
    special = tuple(token["content"] for token in added if token["special"])
    others = (token["content"] for token in added if not token["special"])
    return special, tuple(token for token in others if not all(one.isalnum() or one.isspace() for one in token))


def _spelled(tokenizer: Tokenizer, token: str) -> list[int]:
    """The ids of text that is spelled like a token: letter by letter where it would be read as the token."""
    (whole,) = tokenizer.encode_ids([token])
    if tokenizer.vocabulary.index(token) not in whole:
        return whole
    return [token_id for letter in tokenizer.encode_ids(list(token)) for token_id in letter]


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
    extensions = [loopcontrols, _answers_marked()]
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=extensions)
    # What the templates of published models call.
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = lambda form: datetime.datetime.now().strftime(form)
    try:
        return environment.from_string(template)
    except jinja2.TemplateError as error:
        raise InputError(f"the chat template is damaged: {error}") from error


def _answers_marked() -> Any:
    """``{% generation %} … {% endgeneration %}``, by which templates mark the assistant's words for those who teach."""
    from jinja2.ext import Extension

    class Generation(Extension):
        tags = {"generation"}  # noqa: RUF012 - as jinja2 declares it

        def parse(self, parser: Any) -> Any:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    return Generation


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _refuse(message: str) -> str:
    import jinja2

    raise jinja2.TemplateError(message)
