"""Tokenizers of other houses: ``tokenizer.json`` and the files beside it that say which token plays which role.

Byte-level BPE (GPT-2, Llama 3, SmolLM, Qwen), BPE and Unigram after sentencepiece, WordPiece (BERT). The library does
the work; what it cannot know is which token ends a text.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from tokenizers import Tokenizer as Library

from minnow.errors import BundleError
from minnow.text.offsets import without_space
from minnow.text.portions import portions, without_surrogates
from minnow.text.roles import CONFIG_FILE, CUSTOMARY, ROLES, settings_beside
from minnow.text.shortening import Keep, cutter
from minnow.text.streaming import TextStream, WindowStream
from minnow.text.tokenizer import Encoding, Tokenizer

KEPT_SETTINGS = ("model_max_length", "clean_up_tokenization_spaces", "model_input_names")

# Where a text may be cut, if the two sides of each of these stand alone as they stand together: before a space between
# words, behind the end of a line. Elsewhere some kinds join white space with what stands before it (".\n").
_WORDS = (r"(?<=[^\W_])(?= [^\W_])", (("a", " b"), ("1", " b"), ("b", " 1"), ("a b", " a b"), ("é", " 水")))
_LINES = (r"(?<=\S\n)(?=[^\W_])", (("a\n", "b"), ("a.\n", "b"), ("1\n", "2"), ("é。\n", "水"), ("a b\n", "a b")))


class ForeignTokenizer(Tokenizer):
    """A ``tokenizer.json`` that ``Tokenizer.train`` did not make.

    Encoding adds nothing and reads no special token out of a text, as with the house's own; what the model expects
    around a text is ``prefix_ids`` and ``suffix_ids``. Where a role has no token, the one that is nearest takes it:
    padding is an end, the unknown, which never occurs then, is padding.
    """

    def __init__(self, library: Library, folder: Path | None = None, settings: Mapping[str, Any] | None = None):
        """Wrap the library's pipeline; the files in ``folder`` or ``settings`` say which token plays which role.

        Raises:
            BundleError: no token ends a text.
        """
        library.no_truncation()  # some files bring the length of their training with them
        library.no_padding()
        content = json.loads(library.to_str())
        self.kind = {"BPE": "bpe", "Unigram": "unigram", "WordPiece": "wordpiece"}.get(content["model"]["type"], "word")
        self.lowercase = "a" in str(library.normalizer.normalize_str("A")) if library.normalizer else False
        self.normalization = "none"
        self._take(library, _all_tokens(library))
        _check_unknown(content["model"], self._id_of)
        self._settings = dict(settings) if settings is not None else settings_beside(folder)
        self._take_roles()
        self.chat_template = self._settings.get("chat_template")
        self.keeps_spaces = self.decode(self._plain("a  b")) == "a  b"
        self.prefix_ids, self.suffix_ids = self._surroundings()
        self._places = self._where_to_cut(content)

    def _take_roles(self) -> None:
        said = {role: self._settings.get(role) for role in ROLES}
        named = {role: token for role, token in said.items() if isinstance(token, str) and token in self._id_of}
        numbered = {role: _ids(self._settings.get(f"{role}_id")) for role in ROLES}
        for role in ROLES:
            inside = [token_id for token_id in numbered[role] if token_id < self.vocab_size]
            usual = [name for name in CUSTOMARY[role] if self._id_of.get(name) in self._silent]
            if role not in named and (inside or usual):
                named[role] = self._tokens[inside[0]] if inside else usual[0]
        end = named.get("eos_token", named.get("sep_token"))
        if end is None:
            raise BundleError(f"no token ends a text; name one as eos_token in {CONFIG_FILE} beside the tokenizer")
        self.special_tokens = {**named, "eos_token": end, "pad_token": named.get("pad_token", end)}
        self.eos_id = self._id_of[end]
        self.bos_id = self._id_of[named.get("bos_token", named.get("cls_token", end))]
        self.pad_id = self._id_of[named.get("pad_token", end)]
        self.unk_id = self._id_of[named["unk_token"]] if "unk_token" in named else self.pad_id
        self.mask_id = self._id_of[named["mask_token"]] if "mask_token" in named else None
        others = (token_id for token_id in numbered["eos_token"] if token_id < self.vocab_size)
        self.eos_ids = tuple(dict.fromkeys((self.eos_id, *others)))

    def _surroundings(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """What the pipeline puts before and after a text; transformers asks no other file either."""
        inner, whole = self._plain("a"), list(self._library.encode("a").ids)
        starts = [i for i in range(len(whole) - len(inner) + 1) if whole[i : i + len(inner)] == inner]
        start = starts[0] if starts and inner else 0
        return tuple(whole[:start]), tuple(whole[start + len(inner) :])

    def _where_to_cut(self, content: Mapping[str, Any]) -> re.Pattern[str]:
        """The places where a long text may be cut and nothing changes."""
        if any(_reaches_out(token) for token in content["added_tokens"] if not token["special"]):
            return re.compile(r"(?!)")  # nowhere
        safe = [places for places, probes in (_WORDS, _LINES) if all(self._apart(*probe) for probe in probes)]
        return re.compile("|".join(safe) or r"(?!)")

    def _apart(self, left: str, right: str) -> bool:
        """Whether two neighbours are encoded as if each stood alone, because the pipeline never looks across."""
        whole, cut = self.normalize(left + right), len(self.normalize(left))
        if self._library.pre_tokenizer is None or whole != self.normalize(left) + self.normalize(right):
            return False
        stretches = [place for _, place in self._library.pre_tokenizer.pre_tokenize_str(whole)]
        borders = all(end <= cut or start >= cut for start, end in stretches)
        return borders and self._plain(left + right) == [*self._plain(left), *self._plain(right)]

    def _plain(self, text: str) -> list[int]:
        return list(self._library.encode(text, add_special_tokens=False).ids)

    def save(self, path: Path | str) -> None:
        super().save(path)
        self.save_config(Path(path).parent)

    def config(self) -> dict[str, Any]:
        kept = {key: self._settings[key] for key in KEPT_SETTINGS if key in self._settings}
        if self.kind == "wordpiece":  # BERT also wants to know which of two texts a token is of
            kept.setdefault("model_input_names", ["input_ids", "token_type_ids", "attention_mask"])
        # How transformers reads special tokens in a text stays as it was: chat templates rely on it.
        return {**super().config(), **kept, "split_special_tokens": False}

    def _with(self, library: Library) -> Self:
        return type(self)(library, settings={**self._settings, **self.special_tokens})

    def as_written(self, text: str) -> str:
        """In small letters where it has no others; marks that a normaliser puts in are the decoder's to take out."""
        return text.lower() if self.lowercase else text

    def normalize(self, text: str) -> str:
        normalizer = self._library.normalizer
        return text if normalizer is None else str(normalizer.normalize_str(without_surrogates(text)))

    def encode_batch(self, texts: Sequence[str]) -> list[Encoding]:
        encodings = [Encoding([], []) for _ in texts]
        for portion in portions(texts, self._places):
            found = self._library.encode_batch([part for _, _, part in portion], add_special_tokens=False)
            for (row, start, part), one in zip(portion, found, strict=True):
                encodings[row].token_ids.extend(one.ids)
                places = (without_space(part, begin, end) for begin, end in one.offsets)
                encodings[row].offsets.extend((begin + start, end + start) for begin, end in places)
        return encodings

    def encode_ids(self, texts: Sequence[str], max_tokens: int | None = None, keep: Keep = "first") -> list[list[int]]:
        cut = cutter(max_tokens, keep)
        rows: list[list[int]] = [[] for _ in texts]
        for portion in portions(texts, self._places):
            found = self._library.encode_batch_fast([part for _, _, part in portion], add_special_tokens=False)
            for (row, _, _), one in zip(portion, found, strict=True):
                rows[row].extend(one.ids)
        return [cut(row) for row in rows]

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text that the ids stand for, without special tokens, as the tokenizer's own rules set it.

        Raises:
            InputError: an id is outside the vocabulary.
        """
        self.tokens(token_ids)
        return str(self._library.decode(list(token_ids), skip_special_tokens=True))

    def stream(self) -> TextStream:
        return WindowStream(self.decode)


def _ids(value: Any) -> list[int]:
    values = value if isinstance(value, list) else [value]
    return [one for one in values if isinstance(one, int) and not isinstance(one, bool) and one >= 0]


def _all_tokens(library: Library) -> tuple[str, ...]:
    """All tokens by id; a number that no token has is shown as nothing."""
    by_token = library.get_vocab()
    size = max(by_token.values(), default=-1) + 1
    if not by_token or size > 4 * len(by_token) + 1000:
        raise BundleError("its vocabulary is empty or numbered with large gaps")
    tokens = [""] * size
    for token, token_id in by_token.items():
        tokens[token_id] = token
    return tuple(tokens)


def _check_unknown(model: Mapping[str, Any], id_of: Mapping[str, int]) -> None:
    """The library stops at a text with something unknown where there is no token for it."""
    kind, unknown = model["type"], model.get("unk_token")
    lacks = (kind in ("WordLevel", "WordPiece") and unknown not in id_of) or (
        kind == "Unigram" and model.get("unk_id") is None
    )
    if lacks:
        raise BundleError(f"its {kind} vocabulary has no token for what is unknown")


def _reaches_out(token: Mapping[str, Any]) -> bool:
    """Whether an added token that is read in texts may take white space along with what stands beside it."""
    content = token["content"]
    return token["lstrip"] or token["rstrip"] or (len(content.split()) > 0 and content.split() != [content])
