"""Tokenizers of other houses: ``tokenizer.json`` and the files beside it that say which token plays which role.

Byte-level BPE (GPT-2, Llama 3, SmolLM, Qwen), BPE and Unigram after sentencepiece, WordPiece (BERT). The library does
the work; what it cannot know is which token ends a text.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from tokenizers import Tokenizer as Library

from minnow.errors import BundleError
from minnow.text.offsets import without_space
from minnow.text.portions import PORTION_LENGTH, portions, without_surrogates
from minnow.text.roles import CONFIG_FILE, CUSTOMARY, ROLES, settings_beside
from minnow.text.shortening import Keep, cutter
from minnow.text.streaming import TextStream, WindowStream
from minnow.text.tokenizer import Encoding, Tokenizer

KEPT_SETTINGS = (
    "add_bos_token",
    "add_eos_token",
    "model_max_length",
    "clean_up_tokenization_spaces",
    "model_input_names",
)


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
        # A text may be cut before white space where a beginning is not marked.
        self._may_cut = self._plain("a b") == [*self._plain("a"), *self._plain(" b")]

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
        """What the pipeline, or the settings beside it, put before and after a text."""
        inner, whole = self._plain("a"), list(self._library.encode("a").ids)
        starts = [i for i in range(len(whole) - len(inner) + 1) if whole[i : i + len(inner)] == inner]
        start = starts[0] if starts and inner else 0
        before, after = tuple(whole[:start]), tuple(whole[start + len(inner) :])
        for key, token_id in (("add_bos_token", self.bos_id), ("add_eos_token", self.eos_id)):
            asked, stands = self._settings.get(key), before if key == "add_bos_token" else after
            if asked is False and stands == (token_id,):
                stands = ()
            elif asked is True and not stands:
                stands = (token_id,)
            before, after = (stands, after) if key == "add_bos_token" else (before, stands)
        return before, after

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

    def normalize(self, text: str) -> str:
        normalizer = self._library.normalizer
        return text if normalizer is None else str(normalizer.normalize_str(without_surrogates(text)))

    def encode_batch(self, texts: Sequence[str]) -> list[Encoding]:
        encodings = [Encoding([], []) for _ in texts]
        for portion in self._portions(texts):
            found = self._library.encode_batch([part for _, _, part in portion], add_special_tokens=False)
            for (row, start, part), one in zip(portion, found, strict=True):
                encodings[row].token_ids.extend(one.ids)
                places = (without_space(part, begin, end) for begin, end in one.offsets)
                encodings[row].offsets.extend((begin + start, end + start) for begin, end in places)
        return encodings

    def encode_ids(self, texts: Sequence[str], max_tokens: int | None = None, keep: Keep = "first") -> list[list[int]]:
        cut = cutter(max_tokens, keep)
        rows: list[list[int]] = [[] for _ in texts]
        for portion in self._portions(texts):
            found = self._library.encode_batch_fast([part for _, _, part in portion], add_special_tokens=False)
            for (row, _, _), one in zip(portion, found, strict=True):
                rows[row].extend(one.ids)
        return [cut(row) for row in rows]

    def _portions(self, texts: Sequence[str]) -> Iterator[list[tuple[int, int, str]]]:
        return portions(texts) if self._may_cut else _whole_portions(texts)

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


def _whole_portions(texts: Sequence[str]) -> Iterator[list[tuple[int, int, str]]]:
    """Texts as (row, 0, text) in lists of some ``PORTION_LENGTH`` characters; none is cut."""
    portion: list[tuple[int, int, str]] = []
    length = 0
    for row, text in enumerate(texts):
        portion.append((row, 0, without_surrogates(text)))
        length += len(text)
        if length >= PORTION_LENGTH:
            yield portion
            portion, length = [], 0
    if portion:
        yield portion
