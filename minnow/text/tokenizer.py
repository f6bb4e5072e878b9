"""Raw text to token ids and back, with the places of tokens in the original text; ``tokenizer.json`` holds it all."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import chain
from pathlib import Path
from typing import Any, Self

from tokenizers import Tokenizer as Library
from tokenizers import models

from minnow.errors import InputError, RecipeError, UnknownNameError, nearest
from minnow.files import write_text
from minnow.text.kinds import KINDS
from minnow.text.offsets import with_marks, without_space
from minnow.text.pipelines import (
    MARKER,
    damage_named,
    entries,
    kind_of,
    normalizer,
    normalizer_steps,
    read_library,
    simplifier_in,
)
from minnow.text.portions import SOLIDS, portions, without_surrogates
from minnow.text.roles import (
    BOS_ID,
    CONFIG_FILE,
    EOS_ID,
    MASK_TOKEN,
    OUR_ROLES,
    PAD_ID,
    SPECIAL_TOKENS,
    UNK_ID,
    chat_template_beside,
)
from minnow.text.shortening import Keep, Shorten, cutter, uncut
from minnow.text.streaming import CONTINUES, ByteStream, Joiner, PieceStream, SpacedStream, TextStream, WordStream
from minnow.text.vocabularies import MAX_PIECE_LENGTH, count_pieces

NORMALIZATIONS = ("nfkc", "nfc", "none")
MAX_REMEMBERED = 300_000  # pieces between spaces whose ids are kept, none longer than MAX_PIECE_LENGTH
IdsOfPieces = dict[str, tuple[int, ...]]
KEEPING_SPACES = ("character", "bpe", "unigram")


@dataclass(frozen=True)
class TokenizerSettings:
    """What a recipe says about its tokenizer.

    Attributes:
        kind: ``word``, ``character``, ``bpe``, ``wordpiece``, ``unigram`` or ``whitespace``.
        vocab_size: the most entries the vocabulary may have, the four special tokens included.
        lowercase: whether case is dropped.
        normalization: ``nfkc``, ``nfc`` or ``none``.
        min_frequency: how often a word, a character or a pair (BPE, WordPiece) must occur to earn an entry.
        simplified: whether traditional Chinese characters are read as simplified ones.

    Raises:
        RecipeError: a value that cannot be.
        UnknownNameError: a kind or a normalization that does not exist.
    """

    kind: str = "word"
    vocab_size: int = 30_000
    lowercase: bool = True
    normalization: str = "nfkc"
    min_frequency: int = 2
    simplified: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.kind, str) or self.kind not in KINDS:
            raise UnknownNameError("tokenizer kind", str(self.kind), KINDS)
        if self.normalization not in NORMALIZATIONS:
            raise UnknownNameError("normalization", str(self.normalization), NORMALIZATIONS)
        for name, value in (("lowercase", self.lowercase), ("simplified", self.simplified)):
            if not isinstance(value, bool):
                raise RecipeError(f"{name} must be true or false, but got {name}={value!r}")
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
    special_tokens: Mapping[str, str] = OUR_ROLES
    chat_template: str | None = None
    target: Self | None = None
    keeps_spaces: bool
    _simplifier: Any = None

    def __init__(self, library: Library):
        """Wrap a finished pipeline of the library; use ``train`` or ``load``.

        Raises:
            BundleError: the pipeline is not one that ``train`` makes.
        """
        content = json.loads(library.to_str())
        self.kind = kind_of(content)
        self.keeps_spaces = self.kind in KEEPING_SPACES
        steps = normalizer_steps(content)
        self.lowercase = "Lowercase" in steps
        self._simplifier = simplifier_in(content)
        self.normalization = next((name for name in NORMALIZATIONS if name.upper() in steps), "none")
        self._take(library, entries(library))
        self.mask_id = self._id_of.get(MASK_TOKEN)
        if self.mask_id is not None:
            self.special_tokens = {**OUR_ROLES, "mask_token": MASK_TOKEN}

    def _take(self, library: Library, tokens: tuple[str, ...]) -> None:
        self._library = library
        # Not kept in the file: without it the library would read "<pad>" in a text as padding.
        self._library.encode_special_tokens = True
        self._tokens = tokens
        self._ids_of_piece: IdsOfPieces = {}
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
        kind = KINDS[settings.kind]
        library = Library(models.WordLevel({}, unk_token="<unk>"))
        library.normalizer = normalizer(settings.normalization, settings.lowercase, settings.simplified)
        library.pre_tokenizer = kind.pre_tokenizer()
        library.decoder = kind.decoder()
        counts = count_pieces(library, texts, kind.cut, progress)
        library.model = kind.learn(counts, settings.vocab_size, settings.min_frequency)
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
    def simplified(self) -> bool:
        """Whether traditional Chinese characters are read as simplified ones, so that no others are learnt."""
        return self._simplifier is not None

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

    def as_written(self, text: str) -> str:
        """The text as it comes out again once it was read: in the form, the script and the case of the vocabulary."""
        return self.normalize(text)

    def in_its_script(self, texts: Sequence[str]) -> list[str]:
        """The texts in simplified characters if that is how they are read here; else as they are."""
        if self._simplifier is None:
            return list(texts)
        return [str(self._simplifier.normalize_str(without_surrogates(text))) for text in texts]

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
            found = self._ids_of([segment for _, _, segment in portion], [cut if one else uncut for one in whole])
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
            return PieceStream(lambda token_id: self._shown(token_id).replace(MARKER, " "))
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
            return "".join(shown).replace(MARKER, " ")
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
            return self._ids_of_words([SOLIDS.findall(segment) for segment in segments], cuts)
        return (found.ids for found in self._library.encode_batch_fast(segments))

    def _ids_of_words(self, pieces: list[list[str]], cuts: Sequence[Shorten]) -> Iterator[list[int]]:
        """Words never reach over white space, so what stands between two spaces is looked up, and asked of the library
        once: three times the speed of handing it every text. Nearly every piece gives a token at least, so a row may be
        cut before it is looked up."""
        kept = [cut(row) for cut, row in zip(cuts, pieces, strict=True)]
        if len(self._ids_of_piece) > MAX_REMEMBERED:
            self._ids_of_piece = {}  # not cleared: other threads may be looking up in it
        known = self._ids_of_piece
        long = self._remember(set().union(*kept), known)
        for whole, row in zip(pieces, kept, strict=True):
            found = _looked_up(row, known, long)
            if len(row) < len(whole) and not all(found):  # of control characters alone there is no token
                found = _looked_up(whole, known, self._remember(set(whole), known))
            yield list(chain.from_iterable(found))

    def _remember(self, pieces: set[str], known: IdsOfPieces) -> IdsOfPieces:
        """Add what is not known yet, but for long pieces, whose ids are returned: such a one, as a whole text in
        Chinese is, hardly ever comes again."""
        unknown = list(pieces.difference(known))
        long: IdsOfPieces = {}
        for piece, found in zip(unknown, self._library.encode_batch_fast(unknown), strict=True):
            (known if len(piece) <= MAX_PIECE_LENGTH else long)[piece] = tuple(self._as_words(found.ids))
        return long

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
            offsets = with_marks(text, offsets, self.normalization)
        if self.kind in ("bpe", "unigram"):
            offsets = [without_space(text, start, end) for start, end in offsets]
        return offsets


def _looked_up(row: list[str], known: IdsOfPieces, long: IdsOfPieces) -> list[tuple[int, ...]]:
    """The ids of each piece; most rows have no long one, and then all are known."""
    try:
        return list(map(known.__getitem__, row))
    except KeyError:
        return [long[piece] if piece in long else known[piece] for piece in row]


# Ids back to text


def _whole_words(tokens: Iterable[str]) -> list[str]:
    words: list[str] = []
    for token in tokens:
        if words and token.startswith(CONTINUES) and token != CONTINUES:
            words[-1] += token.removeprefix(CONTINUES)
        else:
            words.append(token)
    return words


def _join_words(words: Iterable[str]) -> str:
    """Words as print sets them; what the original had between them is not known any more."""
    joiner = Joiner()
    return "".join(joiner.add(word) for word in words)
