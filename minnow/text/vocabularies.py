"""Learning a vocabulary: how often each piece of the texts occurs, and which of them earn an entry.

Every vocabulary begins with the special tokens.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from tokenizers import Tokenizer as Library
from tokenizers import models, pre_tokenizers, trainers

from minnow.text.pipelines import MARKER, words
from minnow.text.portions import segments
from minnow.text.roles import SPECIAL_TOKENS, UNK_ID
from minnow.text.streaming import CONTINUES

MAX_PIECE_LENGTH = 64  # longer words are never worth an entry, and training on them would be quadratic
# Of texts whose stretches wait to be counted: in Chinese a stretch is a whole text.
MAX_WAITING_CHARACTERS = 1 << 25
_SEPARATOR = "\0"

Cut = Callable[[str], list[str]]


def count_pieces(library: Library, texts: Iterable[str], cut: Cut, progress: bool) -> Counter[str]:
    """How often each piece occurs that the pipeline would hand to the model.

    Stretches between spaces repeat, so the pipeline runs once for each different one: less than half the time
    of the library's own counting, and a result that knows no order.
    """
    pieces: Counter[str] = Counter()
    chunks: Counter[str] = Counter()
    num_characters = 0
    for number, text in enumerate(texts, start=1):
        for segment in segments(text):
            chunks.update(cut(segment))
        num_characters += len(text)
        if len(chunks) > 200_000 or num_characters > MAX_WAITING_CHARACTERS:
            _add_pieces(library, chunks, pieces)
            chunks.clear()
            num_characters = 0
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


def learn_entries(counts: Counter[str], vocab_size: int, min_frequency: int) -> Any:
    """The most frequent pieces, ties in the order of the alphabet."""
    room = vocab_size - len(SPECIAL_TOKENS)
    words = (piece for piece in _ranked(counts, min_frequency) if len(piece) <= MAX_PIECE_LENGTH)
    entries = (word for word in words if word not in SPECIAL_TOKENS)
    kept = [piece for piece, _ in zip(entries, range(room), strict=False)]
    return models.WordLevel(_numbered(kept), unk_token="<unk>")


def learn_bpe(counts: Counter[str], vocab_size: int, min_frequency: int) -> Any:
    """Byte-level byte-pair encoding (Sennrich et al. 2016; over bytes after Radford et al. 2019)."""
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    return _merged(_shortened(counts), vocab_size, min_frequency, alphabet).model


def learn_wordpiece(counts: Counter[str], vocab_size: int, min_frequency: int) -> Any:
    """Pieces of words, found by longest match from the left (Schuster & Nakajima 2012; Devlin et al. 2019).

    The library's own trainer numbers the continuing characters in the order of a hash table, so two runs differ.
    Here words begin with a marker and plain BPE learns them, which repeats; the marker then tells beginnings from
    continuations.
    """
    words = {word: count for word, count in counts.items() if len(word) <= MAX_PIECE_LENGTH}
    alphabet, rest = _alphabet(words, vocab_size, min_frequency)
    forms = sorted(alphabet + [CONTINUES + character for character in alphabet if _stands_inside(character)])
    known = set(alphabet)
    marked = Counter(
        {MARKER + word: count for word, count in words.items() if len(word) > 1 and known.issuperset(word)}
    )
    # Merging the marker with a first character gives nothing new, hence more merges than there is room for.
    learnt = _merged(marked, vocab_size + len(forms), min_frequency, []).get_vocab()
    pieces = [
        token for token in sorted(learnt, key=learnt.__getitem__) if len(token) > 1 and token not in SPECIAL_TOKENS
    ]
    spelled = (piece[1:] if piece[0] == MARKER else CONTINUES + piece for piece in pieces)
    room = vocab_size - len(SPECIAL_TOKENS)
    kept = list(dict.fromkeys((*forms, *spelled, *rest)))[:room]
    return models.WordPiece(_numbered(kept), unk_token="<unk>", max_input_chars_per_word=MAX_PIECE_LENGTH)


def _stands_inside(character: str) -> bool:
    """Whether a word can go on with the character: Chinese characters and punctuation stand alone."""
    split = words().pre_tokenize_str
    return any(len(split(f"{other}{character}{other}")) == 1 for other in "a1")


def learn_unigram(counts: Counter[str], vocab_size: int, min_frequency: int) -> Any:
    """Pieces under a unigram language model, pruned by expectation-maximisation (Kudo 2018)."""
    alphabet, rest = _alphabet(counts, vocab_size, min_frequency)
    letters = set(alphabet)
    known: Counter[str] = Counter()
    for piece, count in _shortened(counts).items():
        for stretch in "".join(c if c in letters else _SEPARATOR for c in piece).split(_SEPARATOR):
            known[stretch] += count
    known.pop("", None)
    vocabulary: list[tuple[str, float]] = []
    if known:
        trainer = trainers.UnigramTrainer(
            vocab_size=vocab_size,
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
    return models.Unigram(entries[:vocab_size], unk_id=UNK_ID)


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


def _alphabet(counts: Mapping[str, int], vocab_size: int, min_frequency: int) -> tuple[list[str], list[str]]:
    """The characters by frequency: those that get an entry first, in at most three quarters of the vocabulary, and
    those that get what longer pieces leave."""
    characters: Counter[str] = Counter()
    for piece, count in counts.items():
        for character in piece:
            characters[character] += count
    characters.pop(_SEPARATOR, None)
    ranked = _ranked(characters, min_frequency)
    room = max(1, (vocab_size - len(SPECIAL_TOKENS)) * 3 // 4)
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
