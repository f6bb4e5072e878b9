"""Output that must match a JSON schema, a regular expression or one of several choices.

The rules are followed by llguidance, byte by byte; here tokens become bytes, and what may come next a mask.

V vocabulary
"""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from minnow.errors import InputError, MinnowError
from minnow.text.streaming import BYTE_OF_LETTER
from minnow.text.tokenizer import Tokenizer

MAX_CHARACTERS = 200_000  # of a schema or an expression
# As Python writes JSON: where any white space may stand, a small model writes nothing else.
LAYOUT = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
DEAD_END = "NoExtension"  # how llguidance begins to say that no token fits
_MARKER = "▁"  # how SentencePiece spells a space


class Constraint(Protocol):
    """What one text must match, and how far it has come."""

    @property
    def finished(self) -> bool:
        """The text matches and nothing can follow."""
        ...

    def allowed(self, vocab_size: int) -> NDArray[np.bool_]:
        """Which tokens may come next [V]; none where the vocabulary cannot write what the text must go on with."""
        ...

    def accept(self, token_id: int) -> None:
        """Go on by one token that was allowed."""
        ...

    def copy(self) -> Self: ...


class Grammar:
    """A constraint that llguidance follows."""

    def __init__(self, matcher: Any, tokens: Sequence[bytes]):
        self._matcher = matcher
        self._tokens = tokens

    @property
    def finished(self) -> bool:
        return bool(self._matcher.is_stopped())

    def allowed(self, vocab_size: int) -> NDArray[np.bool_]:
        allowed = np.zeros(vocab_size, np.bool_)
        bits = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        if self._matcher.is_error():
            if not str(self._matcher.get_error()).startswith(DEAD_END):
                raise self._error()
            return allowed
        found = np.unpackbits(bits, bitorder="little")[:vocab_size]
        allowed[: len(found)] = found
        # Where only one string may follow and no token begins it, the library allows everything.
        if forced := bytes(self._matcher.compute_ff_bytes()):
            for token_id in np.flatnonzero(allowed).tolist():
                token = self._tokens[token_id]
                allowed[token_id] = forced.startswith(token) or token.startswith(forced)
        return allowed

    def accept(self, token_id: int) -> None:
        if not self._matcher.consume_token(token_id):
            raise self._error()

    def copy(self) -> "Grammar":
        return Grammar(self._matcher.deep_copy(), self._tokens)

    def _error(self) -> InputError:
        """Some rules turn out to be too much for the library only when they are followed."""
        told = _brief(str(self._matcher.get_error()))
        return InputError(f"the constraint cannot be followed: {told}; write it in another way")


def constraint_for(
    tokenizer: Tokenizer,
    *,
    schema: Mapping[str, Any] | str | None = None,
    regex: str | None = None,
    choices: Sequence[str] = (),
) -> Grammar | None:
    """The constraint that was asked for, None where there is none.

    Args:
        tokenizer: of the model; it must keep spaces, as characters, BPE and Unigram do.
        schema: a JSON schema, as a table or as JSON.
        regex: an expression for the whole text (Rust's dialect: no look-around, no back-references).
        choices: the whole text is one of these.

    Raises:
        InputError: more than one was asked for, one that cannot be followed, or a tokenizer that joins words.
    """
    given = {"schema": schema, "regex": regex, "choice": list(choices) or None}
    asked = [name for name, value in given.items() if value is not None]
    if not asked:
        return None
    if len(asked) > 1:
        raise InputError(f"an answer can be held to one of schema, regex, choice, but got {' and '.join(asked)}")
    library, tokens = _library(), _vocabulary(tokenizer)
    if schema is not None:
        grammar = _grammar_of_schema(library, schema)
    elif regex is not None:
        grammar = library.LLMatcher.grammar_from_regex(_bounded(regex, "regular expression"))
    else:
        grammar = library.LLMatcher.grammar_from_lark(f"start: {_alternatives(choices, tokens)}")
    if tokens.lacks_bytes:
        grammar = _unforced(grammar)
    matcher = library.LLMatcher(_library_tokens(tokens), grammar, log_level=0)
    if matcher.is_error():
        raise InputError(f"the {asked[0]} cannot be followed: {_brief(matcher.get_error())}; write it in another way")
    return Grammar(matcher, tokens.tokens)


def token_bytes(tokenizer: Tokenizer) -> list[bytes]:
    """What each token adds to a text; nothing for special tokens.

    Raises:
        InputError: the tokenizer joins words by its own rules, so a token alone stands for no text.
    """
    if tokenizer.kind not in ("character", "bpe", "unigram"):
        raise InputError(
            "an answer can be held to a rule only by a tokenizer that keeps spaces (character, bpe, unigram), but this "
            f"model's is of the kind {tokenizer.kind}; pre-train one with --tokenizer bpe"
        )
    content = json.loads(tokenizer.to_json())
    special = {token["id"] for token in content["added_tokens"] if token["special"]}
    style = "letters" if "ByteLevel" in json.dumps(content["decoder"]) else tokenizer.kind
    return [b"" if number in special else _bytes_of(token, style) for number, token in enumerate(tokenizer.vocabulary)]


class _Vocabulary:
    """The tokens as llguidance asks for them."""

    is_tokenizer_wrapper = True

    def __init__(self, tokenizer: Tokenizer):
        self.eos_token_id = tokenizer.eos_id
        self.bos_token_id = tokenizer.bos_id
        found = token_bytes(tokenizer)
        # Tokens that stand for no text are marked as special, for which the library wants a byte no text can hold.
        self.special_token_ids = [number for number, one in enumerate(found) if not one]
        self.tokens = [one or b"\xff<%d>" % number for number, one in enumerate(found)]
        # Of tokens for the same bytes the last: pieces come behind the single bytes that stand in for missing ones.
        self._id_of = {one: number for number, one in enumerate(found) if one}
        self._longest = max(map(len, self._id_of), default=0)
        self.lacks_bytes = any(bytes((byte,)) not in self._id_of for one in self._id_of for byte in one)

    def __call__(self, text: bytes | str) -> list[int]:
        """Longest tokens first. The library asks for bytes from the middle of a text, before which the tokenizer itself
        would often set a space."""
        rest = text.encode() if isinstance(text, str) else text
        token_ids = []
        while rest:
            ends = range(min(len(rest), self._longest), 0, -1)
            end = next((end for end in ends if rest[:end] in self._id_of), 0)
            if not end:
                break
            token_ids.append(self._id_of[rest[:end]])
            rest = rest[end:]
        return token_ids


@lru_cache(maxsize=4)
def _vocabulary(tokenizer: Tokenizer) -> _Vocabulary:
    return _Vocabulary(tokenizer)


@lru_cache(maxsize=4)
def _library_tokens(tokens: _Vocabulary) -> Any:
    """Building it takes a moment with a large vocabulary, so the last few are kept."""
    return _library().LLTokenizer(tokens)


def _library() -> Any:
    try:
        import llguidance
    except ImportError as error:
        raise MinnowError(
            "holding an answer to a schema, an expression or choices needs llguidance; "
            'install it with: pip install "minnow-lm[generate]"'
        ) from error
    return llguidance


def _grammar_of_schema(library: Any, schema: Mapping[str, Any] | str) -> str:
    try:
        text = json.dumps(_schema(schema), allow_nan=False)
        return str(library.LLMatcher.grammar_from_json_schema(text, LAYOUT))
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"the schema cannot be followed: {_brief(str(error))}; write it in another way") from error


def _schema(schema: Mapping[str, Any] | str) -> Any:
    if not isinstance(schema, str | Mapping):
        raise InputError(f'a JSON schema is a table or a text, such as {{"type": "object"}}, but got {schema!r:.80}')
    if not isinstance(schema, str):
        return dict(schema)
    try:
        read = json.loads(_bounded(schema, "JSON schema"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"the schema is no JSON ({error}); give a JSON schema or a file with one") from error
    if not isinstance(read, dict):
        raise InputError(f'a JSON schema is an object such as {{"type": "object"}}, but got {schema[:80]}')
    return read


def _alternatives(choices: Sequence[str], tokens: _Vocabulary) -> str:
    for choice in choices:
        if sum(len(tokens.tokens[token_id]) for token_id in tokens(_bounded(choice, "choice"))) < len(choice.encode()):
            raise InputError(f"the model's tokenizer has no tokens for the choice {choice[:60]!r}; leave it out")
    return _bounded(" | ".join(map(json.dumps, choices)), "list of choices")


def _unforced(grammar: str) -> str:
    """The grammar for tokens that no single bytes stand beside: where all that may follow begins with the same byte, as
    many Chinese characters do, the library would write that byte at once, for which there is no token."""
    if grammar.startswith("{"):
        table = json.loads(grammar)["grammars"][0]
        grammar = table.get("lark_grammar") or f"start: %json {json.dumps(table['json_schema'])}"
    return f'%llguidance {{"no_forcing": true}}\n{grammar}'


def _bounded(text: str, what: str) -> str:
    if not text:
        raise InputError(f"the {what} is empty; give one or leave it out")
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise InputError(f"the {what} is no valid text: it holds half a character; write it in UTF-8")
    if len(text) > MAX_CHARACTERS:
        raise InputError(f"a {what} may have {MAX_CHARACTERS:,} characters, but got {len(text):,}; make it shorter")
    return text


def _brief(message: str) -> str:
    """The library's message without its own state and the grammar it made."""
    for mark in ("<state>", "\n   1 |"):
        message = message.split(mark, maxsplit=1)[0]
    return " ".join(message.split())[:300]


# Tokens as bytes


def _bytes_of(token: str, style: str) -> bytes:
    if style == "letters":
        spelled = set(token) <= BYTE_OF_LETTER.keys()  # tokens added later stand for themselves
        return bytes(BYTE_OF_LETTER[letter] for letter in token) if spelled else token.encode()
    if style == "character":
        return token.encode()
    if len(token) == 6 and token.startswith("<0x") and token.endswith(">"):  # a byte that no piece covers
        return bytes([int(token[3:5], 16)])
    return token.replace(_MARKER, " ").encode()
