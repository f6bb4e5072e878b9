"""Translation, and any other turning of one text into another: a source in, its target out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from minnow.data.columns import SIDES
from minnow.errors import BundleError, InputError, RecipeError, nearest
from minnow.tasks.base import Task, check_vocabulary, needed
from minnow.tasks.signature import Field, Signature, Text
from minnow.text.language import sentence_space
from minnow.text.sentences import parts_of_line
from minnow.text.terms import Requirement, Terms, normal, stands_in
from minnow.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from minnow.decoding.search import Hypothesis
    from minnow.decoding.translating import Required, TranslationSettings

Direction = tuple[str, str]
BETWEEN_SENTENCES = " "
NUMBERS_BETWEEN = 1 << 40  # two pieces of one source, in the count of random streams: more sources than there will be
_NOTHING = Text("", 0, "stop", score=0.0)  # of no word, which no search nor draw is needed for


@dataclass(frozen=True)
class Translation(Task):
    """The use of a model that was taught pairs of texts.

    Attributes:
        directions: the pairs of languages that it has learnt, from and to.
        tagged: every source begins with a token that says into which language it goes (Johnson et al. 2017, "Google's
            Multilingual Neural Machine Translation System"), so that languages may also be paired that never were.
        max_tokens: of a source as the model reads it, with its end and its tag; longer texts are translated sentence by
            sentence, longer sentences part by part.
    """

    name: ClassVar[str] = "translation"
    version: ClassVar[int] = 1
    signature: ClassVar[Signature] = Signature("translation", (Field("source", "text", "the text to translate"),), Text)

    directions: tuple[Direction, ...]
    tagged: bool = False
    max_tokens: int = 128

    def __post_init__(self) -> None:
        if not self.directions or any(len(direction) != 2 for direction in self.directions):
            raise RecipeError(f"a translation has pairs of languages, but got directions={self.directions!r}")
        if self.max_tokens < 1:
            raise RecipeError(f"max_tokens must be at least 1, but got max_tokens={self.max_tokens}")

    @property
    def languages(self) -> tuple[str, ...]:
        """All of them, sorted."""
        return tuple(sorted({language for direction in self.directions for language in direction}))

    @property
    def targets(self) -> tuple[str, ...]:
        """The languages that it writes."""
        return tuple(dict.fromkeys(target for _, target in self.directions))

    @property
    def unnamed(self) -> bool:
        """Whether the pairs that it was learnt from told no languages."""
        return set(self.languages) <= set(SIDES)

    def named(self, directions: Sequence[Direction]) -> Self:
        """This task in the one direction that there is of these, where it has none of its own."""
        known = tuple(dict.fromkeys(directions))
        return replace(self, directions=known) if self.unnamed and len(known) == 1 else self

    def check(self, model: Any, tokenizer: Tokenizer | None) -> None:
        if getattr(model, "reads", "") != "pairs":
            raise BundleError(
                f"minnow.json says that the model translates, but a {model.config.model_type} cannot; fetch it anew"
            )
        check_vocabulary(model, tokenizer)
        if (needed(tokenizer).target is None) != (model.config.target_vocab_size == 0):
            side = "is missing" if needed(tokenizer).target is None else "is too much"
            raise BundleError(f"target_tokenizer.json {side}, by what config.json says; fetch the model anew")
        writes = needed(tokenizer).writing.vocab_size
        if writes > model.config.output_vocab_size:
            raise BundleError(
                f"target_tokenizer.json has {writes} tokens, but the model knows {model.config.output_vocab_size}; "
                "the two are not of one model"
            )
        if self.tagged:
            for language in self.targets:
                self._tag_id(needed(tokenizer), language)

    def into(self, to: str | None = None) -> str:
        """The language to translate into, where the caller named it or there is but one.

        Raises:
            InputError: it is none that the model writes, or there are several to choose from.
        """
        if to is None:
            if len(self.targets) > 1:
                raise InputError(f"the model writes {', '.join(self.targets)}; say which: --to {self.targets[0]}")
            return self.targets[0]
        if to not in self.targets:
            hint = nearest(to, self.targets)
            hint = hint if hint.startswith("did") else "name one of these"
            raise InputError(f"the model does not write {to!r}, but {', '.join(self.targets)}; {hint}")
        return to

    def source_ids(self, tokenizer: Tokenizer, sources: Sequence[str], targets: Sequence[str]) -> list[list[int]]:
        """What the model reads for each source, which goes into the language beside it; never nothing."""
        rows = _ended(tokenizer, sources)
        if not self.tagged:
            return rows
        tags = {language: self._tag_id(tokenizer, language) for language in set(targets)}
        return [[tags[target], *row] for row, target in zip(rows, targets, strict=True)]

    @staticmethod
    def target_ids(tokenizer: Tokenizer, targets: Sequence[str]) -> list[list[int]]:
        """What the model learns to write: each target and its end."""
        writing = tokenizer.writing
        return [[*row, writing.eos_id] for row in writing.encode_ids([clean(target) for target in targets])]

    def predict(self, model: Any, tokenizer: Tokenizer | None, inputs: Sequence[str]) -> list[Text]:
        """The target of each source, with the settings as they stand by default."""
        from minnow.decoding.translating import TranslationSettings

        return [best[0] for best in self.translate(model, needed(tokenizer), inputs, TranslationSettings())]

    def translate(
        self,
        model: Any,
        tokenizer: Tokenizer,
        sources: Sequence[str],
        settings: TranslationSettings,
        to: str | Sequence[str] | None = None,
        advance: Callable[[int], None] = lambda _: None,
        terms: Requirement | None = None,
    ) -> list[list[Text]]:
        """The targets of each source, best first.

        Lines are translated one by one; of a line that is longer than the model has learnt, sentences, and of such a
        sentence, parts. Where that makes several pieces, the n-th best of all are joined, sentences and their parts by
        a space, if their language sets one.

        Args:
            to: the language, or one for each source; None where the model writes one alone.
            advance: told how many pieces more are done.
            terms: what the target of each piece must hold.

        Raises:
            InputError: a language that the model does not write; terms that its vocabulary cannot spell, or that a draw
                was to hold.
        """
        sources = tokenizer.in_its_script(sources)
        languages = [self.into(to)] * len(sources) if to is None or isinstance(to, str) else [*map(self.into, to)]
        pieces = [self.pieces(tokenizer, source, terms) for source in sources]
        flat = [(piece, target) for parts, target in zip(pieces, languages, strict=True) for piece, _ in parts]
        numbers = [
            settings.first + number + NUMBERS_BETWEEN * place
            for number, parts in enumerate(pieces)
            for place in range(len(parts))
        ]
        asked = [row for row, (piece, _) in enumerate(flat) if piece]
        texts, targets = [flat[row][0] for row in asked], [flat[row][1] for row in asked]
        asked_ids = self.source_ids(tokenizer, texts, targets)
        required = self._required(tokenizer, texts, settings, terms) if terms is not None else None
        drawn_by = [numbers[row] for row in asked]
        found = self._found(model, tokenizer, asked_ids, settings, advance, required, drawn_by)
        written: list[list[Text]] = [[] for _ in flat]  # nothing for pieces without a word
        for row, best in zip(asked, found, strict=True):
            written[row] = [_text(tokenizer.writing, one) for one in best]
        rest = iter(written)
        return [
            _joined([(next(rest), space) for _, space in parts], language)
            for parts, language in zip(pieces, languages, strict=True)
        ]

    def vectors(self, model: Any, tokenizer: Tokenizer, texts: Sequence[str]) -> NDArray[np.float32]:
        """A vector for each text [N, D] of length 1: the mean of the encoder's states over the text, without the tag.

        Texts that mean the same are near one another across languages if the encoder has learnt to read all of them.
        """
        import torch

        from minnow.tasks.batching import TokenRows, bucketed, padded

        rows = TokenRows.of(_ended(tokenizer, texts))
        vectors = np.zeros((len(texts), model.eval().encoded_size), np.float32)
        with torch.inference_mode():
            for batch in bucketed(rows.lengths, 8192):
                token_ids_BS, lengths_B = padded(rows, batch)
                states_BSD = model.encode(token_ids_BS, lengths_B).float()
                mask_BS1 = (torch.arange(token_ids_BS.shape[1]) < lengths_B[:, None]).unsqueeze(-1)
                means_BD = (states_BSD * mask_BS1).sum(1) / lengths_B[:, None]
                vectors[batch] = torch.nn.functional.normalize(means_BD, dim=-1).numpy()
        return vectors

    def _found(
        self,
        model: Any,
        tokenizer: Tokenizer,
        rows: list[list[int]],
        settings: TranslationSettings,
        advance: Callable[[int], None],
        required: Required | None,
        numbers: Sequence[int],
    ) -> list[list[Hypothesis]]:
        from minnow.decoding.translating import translate_rows

        writing = tokenizer.writing
        more: dict[str, Any] = {"advance": advance, "required": required, "numbers": numbers}
        if settings.n_best > 1:  # one text can be spelt in several ways
            more["text_of"] = writing.decode
        return translate_rows(
            model.eval(), rows, settings, writing.eos_id, self._silent(writing), writing.vocab_size, **more
        )

    def _required(
        self, tokenizer: Tokenizer, sources: Sequence[str], settings: TranslationSettings, terms: Requirement
    ) -> Required:
        from minnow.decoding.phrases import Speller
        from minnow.decoding.translating import Required

        if settings.sample:
            raise InputError("a draw cannot be held to terms; leave out sample, or the glossary and what is kept")
        writing, placed = tokenizer.writing, [terms.places(source) for source in sources]
        speller, asked = Speller(writing, self._silent(writing)), [list(row) for row in placed]

        # As the tokenizer gives them back: in lower case perhaps, or with a space where words are joined by rule.
        given = {one for phrases in asked for phrase in phrases for one in phrase}
        shown = {one: writing.decode(writing.encode_ids([one])[0]).strip() for one in given}

        def is_met(row: int, token_ids: Sequence[int]) -> bool:
            text = writing.decode(token_ids) if asked[row] else ""
            return all(any(stands_in(text, shown[one]) for one in phrase) for phrase in asked[row])

        places = [
            self._positions(tokenizer, source, list(row.values())) for source, row in zip(sources, placed, strict=True)
        ]
        return Required([speller.phrases(phrases) for phrases in asked], speller.borders, is_met, places)

    def _positions(
        self, tokenizer: Tokenizer, source: str, places: Sequence[Sequence[tuple[int, int]]]
    ) -> list[list[int]]:
        """The positions in ``source_ids`` of what stands at these places of the text, for each of them; none where it
        is read in another form than the one in which terms are looked for."""
        if not places or normal(source) != clean(source):
            return [[] for _ in places]
        first = 1 if self.tagged else 0
        offsets = tokenizer.encode(clean(source)).offsets
        return [
            [
                first + position
                for position, (start, end) in enumerate(offsets)
                if any(start < right and left < end for left, right in spans)
            ]
            for spans in places
        ]

    def _silent(self, writing: Tokenizer) -> list[int]:
        """Tokens that no target has."""
        silent = {writing.pad_id, writing.unk_id, writing.bos_id}
        if self.tagged:
            silent |= {self._tag_id(writing, target) for target in self.targets if _tag(target) in writing.vocabulary}
        return sorted(silent)

    def pieces(self, tokenizer: Tokenizer, source: str, terms: Requirement | None = None) -> list[tuple[str, str]]:
        """What is translated by itself, and the white space behind it; no cut goes through one of the ``terms``."""
        pieces: list[tuple[str, str]] = []

        besides = 2 if self.tagged else 1  # the end, and the language that is to be written

        def is_short(text: str) -> bool:
            return len(tokenizer.encode_ids([text])[0]) + besides <= self.max_tokens

        for line in map(clean, source.removesuffix("\n").split("\n")):
            parts = [line]
            if not is_short(line):
                asked = terms.places(line).values() if terms is not None and normal(line) == line else ()
                parts = parts_of_line(line, is_short, [span for spans in asked for span in spans])
            pieces += [(part, BETWEEN_SENTENCES) for part in parts]
            pieces[-1] = (pieces[-1][0], "\n")
        pieces[-1] = (pieces[-1][0], "")
        return [(clean(piece), space) for piece, space in pieces]

    def terms(
        self, tokenizer: Tokenizer, glossary: Mapping[str, str | Sequence[str]] | None, keep: Sequence[str]
    ) -> Terms:
        """What a target must hold, as ``Terms`` says; names are words that the vocabulary does not have whole.

        Raises:
            InputError: as ``Terms``, or names are to be kept of German alone, which gives every noun a capital.
        """
        if "names" in keep and {source for source, _ in self.directions} == {"de"}:
            raise InputError("names are told by their capitals, which German gives to every noun; use a glossary")
        terms = dict(zip(tokenizer.in_its_script([*glossary]), glossary.values(), strict=True)) if glossary else None
        return Terms(terms, keep, partial(self.is_word, tokenizer))

    @staticmethod
    def is_word(tokenizer: Tokenizer, word: str) -> bool:
        """Whether the vocabulary of the sources has this word whole, within a sentence."""
        alone, behind = tokenizer.encode_ids(["a", f"a {word}"])
        added = behind[len(alone) :]
        return len(added) == 1 and added[0] != tokenizer.unk_id

    @staticmethod
    def _tag_id(tokenizer: Tokenizer, language: str) -> int:
        try:
            return tokenizer.vocabulary.index(_tag(language))
        except ValueError:
            raise BundleError(
                f"tokenizer.json has no token {_tag(language)}, by which the model is told to write {language}; "
                "fetch the model anew"
            ) from None


def clean(text: str) -> str:
    """One line, with single spaces: what stands between words is no part of a sentence, nor is a byte order mark."""
    return " ".join(text.replace("\ufeff", "").split())


def _ended(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """The ids of each text and its end; a text without any token gets the unknown one."""
    rows = tokenizer.encode_ids([clean(text) for text in texts])
    return [[*(row or [tokenizer.unk_id]), tokenizer.eos_id] for row in rows]


def tags(languages: Sequence[str]) -> list[str]:
    """The tokens that say into which of these languages a source goes."""
    return [_tag(language) for language in languages]


def _tag(language: str) -> str:
    return f"<2{language}>"


def _text(tokenizer: Tokenizer, found: Hypothesis) -> Text:
    tokens = tokenizer.tokens(found.token_ids)
    log_probabilities = tuple(zip(tokens, found.log_probabilities, strict=True))
    return Text(
        tokenizer.decode(found.token_ids).strip(),
        len(tokens),
        found.finish_reason,
        log_probabilities,
        end=found.end,
        score=found.score,
    )


def _joined(pieces: Sequence[tuple[Sequence[Text], str]], language: str) -> list[Text]:
    """The first texts of all pieces as one, the second, and so on, as far as every piece with words has one; the score
    of such a text is the sum of theirs."""
    if len(pieces) == 1 and pieces[0][0]:
        return list(pieces[0][0])
    joined = []
    for place in range(min((len(texts) for texts, _ in pieces if texts), default=1)):
        parts = [texts[place] if texts else _NOTHING for texts, _ in pieces]
        whole = ""
        for text, (_, space) in zip(parts, pieces, strict=True):
            whole += text.text + (sentence_space(language, text.text) if space == BETWEEN_SENTENCES else space)
        reason = "length" if any(text.finish_reason == "length" for text in parts) else "stop"
        log_probabilities = tuple(one for text in parts for one in text.log_probabilities)
        scores = [text.score for text in parts if text.score is not None]
        score = sum(scores) if len(scores) == len(parts) else None
        end = sum(text.end for text in parts)
        joined.append(Text(whole, sum(text.tokens for text in parts), reason, log_probabilities, end, score))
    return joined
