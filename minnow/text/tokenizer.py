"""Raw text to token ids and back, with the places of tokens in the original text; ``tokenizer.json`` holds it all."""

import json
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from itertools import chain
from pathlib import Path
from typing import Any, Literal, Protocol, Self, TypeVar

from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers import Tokenizer as Library

from minnow.errors import BundleError, InputError, RecipeError, UnknownNameError, nearest
from minnow.files import write_text
from minnow.text.roles import CONFIG_FILE, chat_template_beside
from minnow.text.streaming import ByteStream, Joiner, PieceStream, SpacedStream, TextStream, WordStream

SPECIAL_TOKENS = ("<pad>", "<unk>", "<bos>", "<eos>")
PAD_ID, UNK_ID, BOS_ID, EOS_ID = range(4)
MASK_TOKEN = "<mask>"
NORMALIZATIONS = ("nfkc", "nfc", "none")
MAX_REMEMBERED = 300_000  # pieces between spaces whose ids are kept
MAX_PIECE_LENGTH = 64  # longer words are never worth an entry, and training on them would be quadratic
SEGMENT_LENGTH = 65_536  # the library keeps some 300 bytes a character while it works; this bounds them
PORTION_LENGTH = 1_000_000  # characters handed to the library at once, for the same reason

KEEPING_SPACES = ("character", "bpe", "unigram")

Keep = Literal["first", "last", "both"]
Item = TypeVar("Item")
Cut = Callable[[str], list[str]]

# Chinese and Japanese stand without spaces; the long-vowel mark has no script of its own.
_CJK = r"\p{Han}\p{Hiragana}\p{Katakana}ー"
_WORD = rf"[\p{{L}}\p{{N}}&&[^{_CJK}]][\p{{L}}\p{{M}}\p{{N}}\x{{200C}}\x{{200D}}&&[^{_CJK}]]*"
_PICTURE = r"\p{Extended_Pictographic}[\p{M}\p{Emoji_Modifier}]*"
_WORDS = "|".join(
    (
        # don't · 3.5 · 1,000 · 10:30
        rf"{_WORD}(?:(?:(?<=\p{{L}})['’](?=\p{{L}})|(?<=\p{{N}})[.,:](?=\p{{N}})){_WORD})*",
        rf"[{_CJK}]\p{{M}}*",
        r"\.\.\.",
        r"[\x{1F1E6}-\x{1F1FF}]{2}",  # a flag is two letters
        rf"{_PICTURE}(?:\x{{200D}}{_PICTURE})*",  # a family is people held by joiners
        r"[^\s\p{Cc}\p{Cf}]",
    )
)
# What BPE and Unigram may merge: nothing across these borders. A space belongs to what follows it, so no text is lost.
_STRETCHES = "|".join(
    (
        r"(?i:'(?:[sdmt]|ll|ve|re))(?!\p{L})",
        rf" ?[\p{{L}}\p{{M}}&&[^{_CJK}]]+",
        rf" ?[{_CJK}]+",
        r" ?\p{N}{1,3}",
        r" ?[^\s\p{L}\p{M}\p{N}]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)

# No kind joins what stands before white space with the white space, so a text may be cut there and nothing changes.
# \x1c to \x1f are white space to Python alone.
_SPACE = r"[^\S\x1c-\x1f]"
_SOLID = r"[\S\x1c-\x1f]"
_CHUNK = re.compile(rf"{_SPACE}*{_SOLID}+|{_SPACE}+")
_SEGMENT = re.compile(
    rf"[\s\S]{{1,{SEGMENT_LENGTH}}}\Z|[\s\S]{{0,{SEGMENT_LENGTH - 1}}}{_SOLID}(?={_SPACE})|[\s\S]{{1,{SEGMENT_LENGTH}}}"
)
_SOLIDS = re.compile(rf"{_SOLID}+")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_ROLES = dict(zip(("pad_token", "unk_token", "bos_token", "eos_token"), SPECIAL_TOKENS, strict=True))
_SEPARATOR = "\0"
_MARKER = "▁"
_CONTINUES = "##"


class Shorten(Protocol):
    """What stays of a row of ids, or of words."""

    def __call__(self, row: list[Item], /) -> list[Item]: ...


def kinds() -> tuple[str, ...]:
    """The names that ``TokenizerSettings.kind`` may take."""
    return tuple(_KINDS)


@dataclass(frozen=True)
class TokenizerSettings:
    """What a recipe says about its tokenizer.

    Attributes:
        kind: ``word``, ``character``, ``bpe``, ``wordpiece``, ``unigram`` or ``whitespace``.
        vocab_size: the most entries the vocabulary may have, the four special tokens included.
        lowercase: whether case is dropped.
        normalization: ``nfkc``, ``nfc`` or ``none``.
        min_frequency: how often a word, a character or a pair (BPE, WordPiece) must occur to earn an entry.

    Raises:
        RecipeError: a value that cannot be.
        UnknownNameError: a kind or a normalization that does not exist.
    """

    kind: str = "word"
    vocab_size: int = 30_000
    lowercase: bool = True
    normalization: str = "nfkc"
    min_frequency: int = 2

    def __post_init__(self) -> None:
        if not isinstance(self.kind, str) or self.kind not in _KINDS:
            raise UnknownNameError("tokenizer kind", str(self.kind), _KINDS)
        if self.normalization not in NORMALIZATIONS:
            raise UnknownNameError("normalization", str(self.normalization), NORMALIZATIONS)
        if not isinstance(self.lowercase, bool):
            raise RecipeError(f"lowercase must be true or false, but got lowercase={self.lowercase!r}")
        _whole_number("vocab_size", self.vocab_size, at_least=_smallest_vocabulary(self.kind))
        _whole_number("min_frequency", self.min_frequency, at_least=1)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build the settings from a recipe's table; an unknown key is a ``RecipeError`` that names the nearest."""
        known = [field.name for field in fields(cls)]
        for key in values:
            if key not in known:
                raise RecipeError(f"unknown tokenizer setting {key!r}; {nearest(str(key), known)}")
        return cls(**values)


def _whole_number(name: str, value: object, at_least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < at_least:
        raise RecipeError(f"{name} must be a whole number of at least {at_least}, but got {name}={value!r}")


def _smallest_vocabulary(kind: str) -> int:
    # Byte-level BPE holds all 256 bytes, which is why it knows every text.
    return len(SPECIAL_TOKENS) + (256 if kind == "bpe" else 1)


@dataclass(frozen=True)
class Encoding:
    """A text as tokens: their ids and, for each, where it stands.

    ``offsets`` holds ``(start, end)`` in characters of the text as it was handed in, before normalising;
    ``text[start:end]`` is what the token was made from. Tokens made from one character share its place; of two
    marks on one letter that normalising puts in another order, each has the other's.
    """

    token_ids: list[int]
    offsets: list[tuple[int, int]]


class Tokenizer:
    """Text to ids and back, over the ``tokenizers`` library; normalising is part of encoding.

    Ids 0 to 3 are padding, unknown, begin and end. No text can produce padding, begin or end: ``<eos>`` written in a
    text is read as the characters it is made of. Those of other houses (``text/foreign.py``) number and name these
    tokens in their own way.

    Attributes:
        mask_id: the token that stands for a word to guess, None where there is none.
        eos_ids: every id that ends a text; some models know several.
        prefix_ids, suffix_ids: what the model expects before and after a whole text, as a rule nothing.
        special_tokens: the tokens with a role by the role's name, such as ``{"eos_token": "<eos>"}``.
        chat_template: Jinja text that turns messages into one text, None for a model that does not chat.
        target: of the texts that the model writes, where these have a vocabulary of their own; else None.
        keeps_spaces: whether white space is part of the tokens, so that decoding gives it back.
    """

    pad_id: int = PAD_ID
    unk_id: int = UNK_ID
    bos_id: int = BOS_ID
    eos_id: int = EOS_ID
    mask_id: int | None = None
    eos_ids: tuple[int, ...] = (EOS_ID,)
    prefix_ids: tuple[int, ...] = ()
    suffix_ids: tuple[int, ...] = ()
    special_tokens: Mapping[str, str] = _ROLES
    chat_template: str | None = None
    target: Self | None = None
    keeps_spaces: bool

    def __init__(self, library: Library):
        """Wrap a finished pipeline of the library; use ``train`` or ``load``.

        Raises:
            BundleError: the pipeline is not one that ``train`` makes.
        """
        content = json.loads(library.to_str())
        self.kind = _kind_of(content)
        self.keeps_spaces = self.kind in KEEPING_SPACES
        steps = _normalizer_steps(content)
        self.lowercase = "Lowercase" in steps
        self.normalization = next((name for name in NORMALIZATIONS if name.upper() in steps), "none")
        self._take(library, _entries(library))
        self.mask_id = self._id_of.get(MASK_TOKEN)
        if self.mask_id is not None:
            self.special_tokens = {**_ROLES, "mask_token": MASK_TOKEN}

    def _take(self, library: Library, tokens: tuple[str, ...]) -> None:
        self._library = library
        # Not kept in the file: without it the library would read "<pad>" in a text as padding.
        self._library.encode_special_tokens = True
        self._tokens = tokens
        self._ids_of_piece: dict[str, tuple[int, ...]] = {}
        self._id_of = {token: number for number, token in enumerate(self._tokens)}
        added = library.get_added_tokens_decoder()
        self._silent = frozenset(token_id for token_id, token in added.items() if token.special)
        self._heeding: Library | None = None  # the same pipeline, to which special tokens in a text are tokens

    @classmethod
    def train(cls, texts: Iterable[str], settings: TokenizerSettings, progress: bool = False) -> Self:
        """Learn a vocabulary from the texts, which are read once and not kept.

        The result depends on the settings and on what the texts hold, not on their order. Data that cannot fill
        ``settings.vocab_size`` give a smaller vocabulary. With ``progress``, standard error tells how far it is.
        """
        kind = _KINDS[settings.kind]
        library = Library(models.WordLevel({}, unk_token="<unk>"))
        library.normalizer = _normalizer(settings)
        library.pre_tokenizer = kind.pre_tokenizer()
        library.decoder = kind.decoder()
        counts = _count_pieces(library, texts, kind.cut, progress)
        library.model = kind.learn(counts, settings)
        library.add_special_tokens(list(SPECIAL_TOKENS))
        return cls(library)

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a ``tokenizer.json`` that ``save`` wrote; ``text/opening.py`` also opens those of other houses.

        Raises:
            BundleError: the file is missing, damaged, or none that ``train`` made.
        """
        return cls.of(read_library(Path(path)), Path(path))

    @classmethod
    def of(cls, library: Library, path: Path) -> Self:
        """The same from the pipeline that was read from this file."""
        with damage_named(path):
            tokenizer = cls(library)
        tokenizer.chat_template = chat_template_beside(path.parent)
        return tokenizer

    def save(self, path: Path | str) -> None:
        """Write ``tokenizer.json``, whole or not at all; the same tokenizer gives the same bytes.

        A tokenizer with a chat template also writes ``tokenizer_config.json`` beside it.
        """
        write_text(Path(path), self.to_json())
        if self.chat_template is not None:
            self.save_config(Path(path).parent)

    def save_config(self, folder: Path | str, **more: Any) -> None:
        """Write ``tokenizer_config.json``, from which ``transformers`` learns the roles of tokens, and ``more``."""
        text = json.dumps({**self.config(), **more}, ensure_ascii=False, indent=2, sort_keys=True)
        write_text(Path(folder) / CONFIG_FILE, text + "\n")

    def config(self) -> dict[str, Any]:
        """What ``tokenizer_config.json`` says; ``transformers`` then gives the ids that ``encode_ids`` gives."""
        config: dict[str, Any] = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "clean_up_tokenization_spaces": False,
            "model_input_names": ["input_ids", "attention_mask"],  # decoders refuse more
            "split_special_tokens": self.chat_template is None,  # as here; but a chat template writes them into texts
            **self.special_tokens,
        }
        return config if self.chat_template is None else {**config, "chat_template": self.chat_template}

    def to_json(self) -> str:
        """The pipeline as the library writes it: what ``tokenizer.json`` holds."""
        return str(self._library.to_str(pretty=True))

    def with_special_tokens(self, tokens: Sequence[str]) -> Self:
        """The same tokenizer with these behind the last id; ``<mask>`` becomes ``mask_id``.

        No text produces them, other than through ``encode_marked``; tokens that are special already stay as they are.

        Raises:
            InputError: one of them is an ordinary token.
        """
        added = {token.content for token in self._library.get_added_tokens_decoder().values() if token.special}
        for token in tokens:
            if token in self._id_of and token not in added:
                raise InputError(f"{token!r} is a token of this vocabulary already; choose another name")
        library = Library.from_str(self._library.to_str())
        library.add_special_tokens([token for token in tokens if token not in added])
        extended = self._with(library)
        extended.chat_template, extended.target = self.chat_template, self.target
        return extended

    @property
    def writing(self) -> Self:
        """The tokenizer of what the model writes."""
        return self if self.target is None else self.target

    def _with(self, library: Library) -> Self:
        return type(self)(library)

    @property
    def vocab_size(self) -> int:
        """How many ids there are, the special tokens included."""
        return len(self._tokens)

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Every token, in the order of the ids."""
        return self._tokens

    @property
    def special_ids(self) -> frozenset[int]:
        """The ids that no text produces."""
        return self._silent

    def normalize(self, text: str) -> str:
        """The text as the vocabulary sees it: normalised and, where the settings say so, in lower case."""
        return str(self._library.normalizer.normalize_str(without_surrogates(text)))

    def encode(self, text: str) -> Encoding:
        """The ids and the places of all tokens of ``text``."""
        return self.encode_batch([text])[0]

    def encode_batch(self, texts: Sequence[str]) -> list[Encoding]:
        """``encode`` for each text, on all cores; for ids alone ``encode_ids`` is faster."""
        encodings = [Encoding([], []) for _ in texts]
        for portion in portions(texts):
            found = self._library.encode_batch([segment for _, _, segment in portion])
            for (row, start, segment), one in zip(portion, found, strict=True):
                encodings[row].token_ids.extend(self._as_words(one.ids))
                places = self._placed(segment, one.offsets)
                encodings[row].offsets.extend((begin + start, end + start) for begin, end in places)
        return encodings

    def encode_ids(self, texts: Sequence[str], max_tokens: int | None = None, keep: Keep = "first") -> list[list[int]]:
        """The ids of each text, on all cores, at most ``max_tokens`` a text.

        ``keep`` says which ones stay of a longer text: the ``first``, the ``last``, or ``both`` ends (of an odd number
        the beginning gets one more).

        Raises:
            InputError: ``max_tokens`` is below 1.
            UnknownNameError: ``keep`` is none of the three.
        """
        cut = cutter(max_tokens, keep)
        rows: list[list[int]] = [[] for _ in texts]
        for portion in portions(texts):
            whole = [len(segment) == len(texts[row]) for row, _, segment in portion]
            found = self._ids_of([segment for _, _, segment in portion], [cut if one else _uncut for one in whole])
            for (row, _, _), token_ids in zip(portion, found, strict=True):
                rows[row].extend(token_ids)
        return [cut(row) for row in rows]

    def encode_marked(self, text: str) -> list[int]:
        """The ids of a text in which special tokens are meant: ``<mask>``, or what a chat template writes.

        Nothing is put before or after it. Not for texts of strangers.
        """
        if self._heeding is None:
            self._heeding = Library.from_str(self._library.to_str())
        return list(self._heeding.encode(without_surrogates(text), add_special_tokens=False).ids)

    def frame(self, token_ids: Sequence[int]) -> list[int]:
        """The ids of a whole text with what the model expects before and after it (BERT: ``[CLS]`` and ``[SEP]``)."""
        return [*self.prefix_ids, *token_ids, *self.suffix_ids]

    def stretches(self, text: str) -> list[str]:
        """What stands between the borders that no token crosses, as the vocabulary spells it."""
        normalized = self.normalize(text)
        return [piece for piece, _ in self._library.pre_tokenizer.pre_tokenize_str(normalized)]

    def merges(self) -> list[tuple[int, int, int]]:
        """The pairs of ids that BPE puts together and the id that comes of each, those that go first before the others;
        of other kinds there are none."""
        pairs = json.loads(self._library.to_str())["model"].get("merges", [])
        return [(self._id_of[left], self._id_of[right], self._id_of[left + right]) for left, right in pairs]

    def stream(self) -> TextStream:
        """Decoding token by token: text comes as soon as its characters are whole.

        What ``push`` and ``flush`` give, put together, is what ``decode`` gives of all ids.
        """
        if self.kind == "bpe":
            return ByteStream(self._shown)
        if self.kind == "character":
            return PieceStream(self._shown)
        if self.kind == "unigram":
            return PieceStream(lambda token_id: self._shown(token_id).replace(_MARKER, " "))
        return SpacedStream(self._shown) if self.kind == "whitespace" else WordStream(self._shown)

    def _shown(self, token_id: int) -> str:
        """A token as decoding takes it up: empty where it has nothing to show."""
        (token,) = self.tokens((token_id,))
        hidden = self._silent if self.kind == "bpe" else (PAD_ID, BOS_ID, EOS_ID)
        return "" if token_id in hidden else token

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text that the ids stand for, without padding, begin and end.

        BPE gives back the normalised text exactly; so do Unigram and characters where nothing was unknown. Words and
        WordPiece are joined with spaces where print would set them: none before a comma, none between Chinese
        characters; ``whitespace`` puts one space between all tokens.

        Raises:
            InputError: an id is outside the vocabulary.
        """
        tokens = self.tokens(token_ids)
        if self.kind == "bpe":
            return str(self._library.decode(list(token_ids), skip_special_tokens=True))
        shown = [
            token for token, token_id in zip(tokens, token_ids, strict=True) if token_id not in (PAD_ID, BOS_ID, EOS_ID)
        ]
        if self.kind == "character":
            return "".join(shown)
        if self.kind == "unigram":
            return "".join(shown).replace(_MARKER, " ")
        if self.kind == "whitespace":
            return " ".join(shown)
        return _join_words(_whole_words(shown))

    def tokens(self, token_ids: Sequence[int]) -> list[str]:
        """The tokens as the vocabulary spells them (byte-level BPE writes bytes as letters, a space as ``Ġ``).

        Raises:
            InputError: an id is outside the vocabulary.
        """
        if len(token_ids) and not 0 <= min(token_ids) <= max(token_ids) < self.vocab_size:
            wrong = next(token_id for token_id in token_ids if not 0 <= token_id < self.vocab_size)
            raise InputError(
                f"token ids must lie between 0 and {self.vocab_size - 1}, but got {wrong}; use the model's tokenizer"
            )
        return [self._tokens[token_id] for token_id in token_ids]

    def _ids_of(self, segments: list[str], cuts: Sequence[Shorten]) -> Iterator[list[int]]:
        """The ids of each segment; those that ``cuts`` would take away may be missing already."""
        if self.kind == "character":
            # A look-up a character; the library makes an object of each, at six times the processor time.
            normalize, id_of = self._library.normalizer.normalize_str, self._id_of.get
            return ([id_of(character, UNK_ID) for character in normalize(segment)] for segment in segments)
        if self.kind == "word":
            return self._ids_of_words([segment.split() for segment in segments], cuts)
        if self.kind == "whitespace":
            return self._ids_of_words([_SOLIDS.findall(segment) for segment in segments], cuts)
        return (found.ids for found in self._library.encode_batch_fast(segments))

    def _ids_of_words(self, pieces: list[list[str]], cuts: Sequence[Shorten]) -> Iterator[list[int]]:
        """Words never reach over white space, so what stands between two spaces is looked up, and asked of the library
        once: three times the speed of handing it every text. Nearly every piece gives a token at least, so a row may be
        cut before it is looked up."""
        kept = [cut(row) for cut, row in zip(cuts, pieces, strict=True)]
        if len(self._ids_of_piece) > MAX_REMEMBERED:
            self._ids_of_piece.clear()
        self._remember(set().union(*kept))
        look_up = self._ids_of_piece.__getitem__
        for whole, row in zip(pieces, kept, strict=True):
            found = list(map(look_up, row))
            if len(row) < len(whole) and not all(found):  # of control characters alone there is no token
                self._remember(set(whole))
                found = list(map(look_up, whole))
            yield list(chain.from_iterable(found))

    def _remember(self, pieces: set[str]) -> None:
        unknown = list(pieces.difference(self._ids_of_piece))
        for piece, found in zip(unknown, self._library.encode_batch_fast(unknown), strict=True):
            self._ids_of_piece[piece] = tuple(self._as_words(found.ids))

    def _as_words(self, token_ids: list[int]) -> list[int]:
        """What stands in a text is a word or unknown, also where it spells a special token.

        Only between white space can it do so; ``<unk>``, as prepared corpora write it, is the unknown word.
        """
        if self.kind != "whitespace":
            return token_ids
        return [UNK_ID if token_id <= EOS_ID else token_id for token_id in token_ids]

    def _placed(self, text: str, offsets: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """The library's offsets, made to cover composed marks and, where tokens carry their space, to leave it out."""
        if not text.isascii() and self.normalization != "none":
            offsets = _with_marks(text, offsets, self.normalization)
        if self.kind in ("bpe", "unigram"):
            offsets = [without_space(text, start, end) for start, end in offsets]
        return offsets


def read_library(path: Path) -> Library:
    """The pipeline that a ``tokenizer.json`` holds."""
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"cannot read the tokenizer {path} ({error}); a model folder needs tokenizer.json") from error
    with damage_named(path):
        return Library.from_str(content)


@contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Whatever goes wrong with the content of this file is damage to it."""
    try:
        yield
    except Exception as error:  # the library raises nothing narrower
        raise BundleError(
            f"{path} is damaged or not a tokenizer that can be used ({error}); train or fetch the model again"
        ) from error


def _kind_of(content: Mapping[str, Any]) -> str:
    model, first = content["model"]["type"], content["pre_tokenizer"]
    if model == "WordLevel":
        others = {"character": _characters, "whitespace": _between_spaces}
        return next((kind for kind, made in others.items() if first == _described(made())), "word")
    by_model = {"BPE": "bpe", "WordPiece": "wordpiece", "Unigram": "unigram"}
    if model not in by_model:
        raise BundleError(f"unknown tokenizer model {model!r}; choose one of: {', '.join(by_model)}, WordLevel")
    return by_model[model]


def _normalizer_steps(content: Mapping[str, Any]) -> list[str]:
    normalizer = content["normalizer"]
    if not normalizer or normalizer["type"] != "Sequence":
        raise BundleError("the tokenizer does not say how it normalises")
    return [step["type"] for step in normalizer["normalizers"]]


def is_ours(library: Library) -> bool:
    """Whether it looks like a tokenizer of this house, be it a damaged one; others have other special tokens."""
    content = json.loads(library.to_str())
    by_token = library.get_vocab()
    first = {token for token in SPECIAL_TOKENS if by_token.get(token, len(SPECIAL_TOKENS)) < len(SPECIAL_TOKENS)}
    return first == set(SPECIAL_TOKENS) and not content.get("post_processor")


def _entries(library: Library) -> tuple[str, ...]:
    """All tokens by id; the ids must run from 0 without a gap and begin with the special tokens."""
    by_token = library.get_vocab()
    entries = tuple(sorted(by_token, key=by_token.__getitem__))
    if sorted(by_token.values()) != list(range(len(entries))) or entries[: len(SPECIAL_TOKENS)] != SPECIAL_TOKENS:
        raise BundleError(f"ids 0 to 3 must be {' '.join(SPECIAL_TOKENS)} and no id may be missing")
    return entries


def _described(pre_tokenizer: Any) -> Any:
    library = Library(models.WordLevel({}, unk_token="<unk>"))
    library.pre_tokenizer = pre_tokenizer
    return json.loads(library.to_str())["pre_tokenizer"]


# Texts in bounded portions


def without_surrogates(text: str) -> str:
    # Half a UTF-16 pair is no character and the library takes none; one for one, so that offsets stay.
    return text if text.isascii() else _LONE_SURROGATE.sub("\ufffd", text)


def _segments(text: str) -> list[str]:
    """The text in stretches of at most ``SEGMENT_LENGTH`` characters, cut before white space where there is any."""
    text = without_surrogates(text)
    return [text] if len(text) <= SEGMENT_LENGTH else _SEGMENT.findall(text)


def portions(texts: Sequence[str]) -> Iterator[list[tuple[int, int, str]]]:
    """Segments as (row, where in the row's text, segment), in lists of some ``PORTION_LENGTH`` characters."""
    portion: list[tuple[int, int, str]] = []
    length = 0
    for row, text in enumerate(texts):
        start = 0
        for segment in _segments(text):
            portion.append((row, start, segment))
            start += len(segment)
            length += len(segment)
            if length >= PORTION_LENGTH:
                yield portion
                portion, length = [], 0
    if portion:
        yield portion


def _uncut(row: list[Item]) -> list[Item]:
    return row


def cutter(max_tokens: int | None, keep: str) -> Shorten:
    if keep not in ("first", "last", "both"):
        raise UnknownNameError("part to keep", keep, ("first", "last", "both"))
    if max_tokens is None:
        return _uncut
    if max_tokens < 1:
        raise InputError(f"max_tokens must be at least 1, but got max_tokens={max_tokens}")
    head = {"first": max_tokens, "last": 0, "both": (max_tokens + 1) // 2}[keep]
    tail = max_tokens - head

    def cut(row: list[Item]) -> list[Item]:
        return row if len(row) <= max_tokens else row[:head] + row[len(row) - tail :]

    return cut


# Where tokens stand


def _with_marks(text: str, offsets: list[tuple[int, int]], normalization: str) -> list[tuple[int, int]]:
    """Stretch each place over the marks that normalising drew into its last character.

    The library places ``é`` written as ``e`` and an accent on the ``e`` alone.
    """
    form: Literal["NFC", "NFKC"] = "NFC" if normalization == "nfc" else "NFKC"
    placed = list(offsets)
    limit = len(text)
    for index in range(len(offsets) - 1, -1, -1):
        start, end = offsets[index]
        if index + 1 < len(offsets) and offsets[index + 1] == (start, end):
            placed[index] = placed[index + 1]
            continue
        while end < limit and text[end] > "\x7f" and _absorbed(text[max(start, end - 8) : end], text[end], form):
            end += 1
        placed[index] = (start, end)
        limit = min(limit, start)
    return placed


def _absorbed(before: str, mark: str, form: Literal["NFC", "NFKC"]) -> bool:
    return len(unicodedata.normalize(form, before + mark)) <= len(unicodedata.normalize(form, before))


def without_space(text: str, start: int, end: int) -> tuple[int, int]:
    first = start
    while first < end and text[first].isspace():
        first += 1
    return (first, end) if first < end else (start, end)


# Ids back to text


def _whole_words(tokens: Iterable[str]) -> list[str]:
    words: list[str] = []
    for token in tokens:
        if words and token.startswith(_CONTINUES) and token != _CONTINUES:
            words[-1] += token.removeprefix(_CONTINUES)
        else:
            words.append(token)
    return words


def _join_words(words: Iterable[str]) -> str:
    """Words as print sets them; what the original had between them is not known any more."""
    joiner = Joiner()
    return "".join(joiner.add(word) for word in words)


# What the pipeline is made of


def _normalizer(settings: TokenizerSettings) -> Any:
    steps: list[Any] = []
    if settings.normalization != "none":
        steps.append(normalizers.NFKC() if settings.normalization == "nfkc" else normalizers.NFC())
    if settings.lowercase:
        steps.append(normalizers.Lowercase())
    return normalizers.Sequence(steps)


def _words() -> Any:
    return pre_tokenizers.Split(Regex(_WORDS), "removed", invert=True)


def _between_spaces() -> Any:
    return pre_tokenizers.WhitespaceSplit()


def _characters() -> Any:
    return pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")


def _bytes() -> Any:
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(_STRETCHES), "isolated"), byte_level])


def _marked() -> Any:
    marker = pre_tokenizers.Metaspace(_MARKER, prepend_scheme="never", split=False)
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(_STRETCHES), "isolated"), marker])


# Learning a vocabulary


def _count_pieces(library: Library, texts: Iterable[str], cut: Cut, progress: bool) -> Counter[str]:
    """How often each piece occurs that the pipeline would hand to the model.

    Stretches between spaces repeat, so the pipeline runs once for each different one: less than half the time
    of the library's own counting, and a result that knows no order.
    """
    pieces: Counter[str] = Counter()
    chunks: Counter[str] = Counter()
    for number, text in enumerate(texts, start=1):
        for segment in _segments(text):
            chunks.update(cut(segment))
        if len(chunks) > 200_000:
            _add_pieces(library, chunks, pieces)
            chunks.clear()
        if progress and number % 5_000 == 0:
            sys.stderr.write(f"\rtokenizer: {number:,} texts read")
    _add_pieces(library, chunks, pieces)
    if progress:
        sys.stderr.write(f"\rtokenizer: learning from {len(pieces):,} different pieces\n")
    return pieces


def _add_pieces(library: Library, chunks: Mapping[str, int], pieces: Counter[str]) -> None:
    normalize, split = library.normalizer.normalize_str, library.pre_tokenizer.pre_tokenize_str
    for chunk, count in chunks.items():
        for piece, _ in split(normalize(chunk)):
            pieces[piece] += count


def _learn_entries(counts: Counter[str], settings: TokenizerSettings) -> Any:
    """The most frequent pieces, ties in the order of the alphabet."""
    room = settings.vocab_size - len(SPECIAL_TOKENS)
    words = (piece for piece in _ranked(counts, settings.min_frequency) if len(piece) <= MAX_PIECE_LENGTH)
    entries = (word for word in words if word not in SPECIAL_TOKENS)
    kept = [piece for piece, _ in zip(entries, range(room), strict=False)]
    return models.WordLevel(_numbered(kept), unk_token="<unk>")


def _learn_bpe(counts: Counter[str], settings: TokenizerSettings) -> Any:
    """Byte-level byte-pair encoding (Sennrich et al. 2016; over bytes after Radford et al. 2019)."""
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    return _merged(_shortened(counts), settings.vocab_size, settings.min_frequency, alphabet).model


def _learn_wordpiece(counts: Counter[str], settings: TokenizerSettings) -> Any:
    """Pieces of words, found by longest match from the left (Schuster & Nakajima 2012; Devlin et al. 2019).

    The library's own trainer numbers the continuing characters in the order of a hash table, so two runs differ.
    Here words begin with a marker and plain BPE learns them, which repeats; the marker then tells beginnings from
    continuations.
    """
    words = {word: count for word, count in counts.items() if len(word) <= MAX_PIECE_LENGTH}
    alphabet, rest = _alphabet(words, settings)
    forms = sorted(alphabet + [_CONTINUES + character for character in alphabet if _stands_inside(character)])
    known = set(alphabet)
    marked = Counter(
        {_MARKER + word: count for word, count in words.items() if len(word) > 1 and known.issuperset(word)}
    )
    # Merging the marker with a first character gives nothing new, hence more merges than there is room for.
    learnt = _merged(marked, settings.vocab_size + len(forms), settings.min_frequency, []).get_vocab()
    pieces = [
        token for token in sorted(learnt, key=learnt.__getitem__) if len(token) > 1 and token not in SPECIAL_TOKENS
    ]
    spelled = (piece[1:] if piece[0] == _MARKER else _CONTINUES + piece for piece in pieces)
    room = settings.vocab_size - len(SPECIAL_TOKENS)
    kept = list(dict.fromkeys((*forms, *spelled, *rest)))[:room]
    return models.WordPiece(_numbered(kept), unk_token="<unk>", max_input_chars_per_word=MAX_PIECE_LENGTH)


def _stands_inside(character: str) -> bool:
    """Whether a word can go on with the character: Chinese characters and punctuation stand alone."""
    split = _words().pre_tokenize_str
    return any(len(split(f"{other}{character}{other}")) == 1 for other in "a1")


def _learn_unigram(counts: Counter[str], settings: TokenizerSettings) -> Any:
    """Pieces under a unigram language model, pruned by expectation-maximisation (Kudo 2018)."""
    alphabet, rest = _alphabet(counts, settings)
    letters = set(alphabet)
    known: Counter[str] = Counter()
    for piece, count in _shortened(counts).items():
        for stretch in "".join(c if c in letters else _SEPARATOR for c in piece).split(_SEPARATOR):
            known[stretch] += count
    known.pop("", None)
    vocabulary: list[tuple[str, float]] = []
    if known:
        trainer = trainers.UnigramTrainer(
            vocab_size=settings.vocab_size,
            show_progress=False,
            special_tokens=list(SPECIAL_TOKENS),
            unk_token="<unk>",
        )
        library = _taught(models.Unigram(), trainer, known)
        vocabulary = [(piece, score) for piece, score in json.loads(library.to_str())["model"]["vocab"]]
    special = [(token, 0.0) for token in SPECIAL_TOKENS]
    ranked = _repeatable([entry for entry in vocabulary if entry[0] not in SPECIAL_TOKENS])
    lowest = min((score for _, score in ranked), default=0.0)
    entries = special + ranked + [(character, lowest) for character in rest]
    return models.Unigram(entries[: settings.vocab_size], unk_id=UNK_ID)


def _repeatable(vocabulary: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """The learnt log-probabilities without what differs from run to run.

    The library sums in the order of a hash table, which moves the eleventh decimal, and gives the characters that
    pruning lost the lowest score plus 0, 1, 2 … ten-thousandths in that order. Three decimals are plenty; those
    characters all get the lowest.
    """
    lowest = min((score for _, score in vocabulary), default=0.0)
    steps = len(vocabulary)
    result = []
    for piece, score in vocabulary:
        above = (score - lowest) * 10_000
        lost = len(piece) == 1 and above < steps and abs(above - round(above)) < 1e-4
        result.append((piece, round(lowest if lost else score, 3)))
    return sorted(result, key=lambda entry: (-entry[1], entry[0]))


def _ranked(counts: Mapping[str, int], min_frequency: int) -> list[str]:
    often = ((-count, piece) for piece, count in counts.items() if count >= min_frequency)
    return [piece for _, piece in sorted(often)]


def _numbered(entries: Sequence[str]) -> dict[str, int]:
    return {token: number for number, token in enumerate((*SPECIAL_TOKENS, *entries))}


def _alphabet(counts: Mapping[str, int], settings: TokenizerSettings) -> tuple[list[str], list[str]]:
    """The characters by frequency: those that get an entry first, in at most three quarters of the vocabulary, and
    those that get what longer pieces leave."""
    characters: Counter[str] = Counter()
    for piece, count in counts.items():
        for character in piece:
            characters[character] += count
    characters.pop(_SEPARATOR, None)
    ranked = _ranked(characters, settings.min_frequency)
    room = max(1, (settings.vocab_size - len(SPECIAL_TOKENS)) * 3 // 4)
    return ranked[:room], ranked[room:]


def _shortened(counts: Mapping[str, int]) -> Counter[str]:
    """The pieces with the long ones cut, so that training stays linear in the text."""
    short: Counter[str] = Counter()
    for piece, count in counts.items():
        for start in range(0, len(piece), MAX_PIECE_LENGTH):
            short[piece[start : start + MAX_PIECE_LENGTH]] += count
    return short


def _merged(counts: Counter[str], vocab_size: int, min_frequency: int, alphabet: list[str]) -> Library:
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        show_progress=False,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=alphabet,
    )
    return _taught(models.BPE(), trainer, counts)


def _taught(model: Any, trainer: Any, counts: Counter[str]) -> Library:
    """Train with counted pieces; the library has no door for counts, so each piece goes in as often as it occurred.

    The library's own progress display is off everywhere: it writes line feeds to standard output.
    """
    library = Library(model)
    library.pre_tokenizer = pre_tokenizers.CharDelimiterSplit(_SEPARATOR)
    library.train_from_iterator(_repeated(counts), trainer)
    return library


def _repeated(counts: Counter[str]) -> Iterator[str]:
    batch: list[str] = []
    for piece, count in counts.items():
        for start in range(0, count, 1000):
            batch += [piece] * min(1000, count - start)
            if len(batch) >= 1000:
                yield _SEPARATOR.join(batch)
                batch = []
    yield _SEPARATOR.join(batch)


@dataclass(frozen=True)
class _Kind:
    pre_tokenizer: Callable[[], Any]
    decoder: Callable[[], Any]  # for others who open the file; ``decode`` sets words better
    cut: Cut  # a text into stretches that the pipeline treats alike wherever they stand
    learn: Callable[[Counter[str], TokenizerSettings], Any]


_KINDS: dict[str, _Kind] = {
    "word": _Kind(_words, decoders.WordPiece, str.split, _learn_entries),
    "character": _Kind(_characters, decoders.Fuse, _CHUNK.findall, _learn_entries),
    "bpe": _Kind(_bytes, decoders.ByteLevel, _CHUNK.findall, _learn_bpe),
    "wordpiece": _Kind(_words, decoders.WordPiece, str.split, _learn_wordpiece),
    "unigram": _Kind(
        _marked, lambda: decoders.Metaspace(_MARKER, prepend_scheme="never"), _CHUNK.findall, _learn_unigram
    ),
    "whitespace": _Kind(_between_spaces, decoders.WordPiece, _SOLIDS.findall, _learn_entries),
}
