"""Back-translation: pairs of a real target and the source that a model of the other direction made of it.

Sennrich et al. (2016), "Improving Neural Machine Translation Models with Monolingual Data": a model learns to write a
language from all the text that there is in it; that its sources are not flawless does little harm.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minnow.data.pairs import Pairs
from minnow.data.table import iterate_lines, write_texts
from minnow.errors import DataError, InputError
from minnow.listeners import Progress
from minnow.tasks.signature import Text
from minnow.tasks.translation import Direction, Translation, clean
from minnow.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from minnow.decoding.translating import TranslationSettings

LINES_AT_ONCE = 1024
Translate = Callable[[Sequence[str]], Sequence[Text]]


@dataclass(frozen=True)
class Augmented:
    """A file of pairs that was written.

    Attributes:
        source, target: its columns, the languages from and into which its pairs go.
        real, synthetic: pairs that people made, which come first, and pairs whose source a model wrote.
        left_out: lines that made no pair: empty ones, and those of which the model made nothing, or came to no end.
        seconds: that reading, translating and writing took.
    """

    path: Path
    source: str
    target: str
    real: int
    synthetic: int
    left_out: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "path": str(self.path)}


@dataclass
class BackTranslator:
    """A model as ``write_pairs`` calls it: lines in, the best translation of each out.

    Attributes:
        into: the language to write.
        progress: called with what is done, how much of it, and of how much (0 for unknown).
        num_lines: that were handed over before; each line of them all draws from a random stream of its own.
    """

    task: Translation
    model: Any
    tokenizer: Tokenizer
    settings: TranslationSettings
    into: str
    progress: Progress | None = None
    num_lines: int = 0
    num_pieces: int = field(default=0, repr=False)

    def __call__(self, lines: Sequence[str]) -> list[Text]:
        settings = replace(self.settings, first=self.settings.first + self.num_lines)
        self.num_lines += len(lines)
        best = self.task.translate(self.model, self.tokenizer, lines, settings, self.into, self._advance)
        return [texts[0] for texts in best]

    def _advance(self, num_pieces: int) -> None:
        self.num_pieces += num_pieces
        if self.progress is not None:
            self.progress("translating", self.num_pieces, 0)


def write_pairs(
    file: Path, out: Path, direction: Direction, translate: Translate, real: Pairs | None = None, tag: str = ""
) -> Augmented:
    """Write the real pairs and those of the file as a table with a column for each language.

    Args:
        file: the targets, one a line; read, translated and written part by part, in constant memory.
        tag: stands before every synthetic source, so that the model can tell them from real ones (Caswell et al. 2019,
            "Tagged Back-Translation").

    Raises:
        DataError: the file cannot be read, or no line of it made a pair; nothing is written then.
        StorageError: the disk refuses.
    """
    began = time.perf_counter()
    synthetic = left_out = 0

    def made() -> Iterator[tuple[str, str]]:
        nonlocal synthetic, left_out
        for num_lines, pairs in back_translated(iterate_lines(file), translate):
            synthetic += len(pairs)
            left_out += num_lines - len(pairs)
            yield from ((f"{tag} {source}".strip(), target) for source, target in pairs)
        if not synthetic:
            raise DataError(f"no line of {file} made a pair; it needs one sentence in {direction[1]} a line")

    first = zip(real.sources, real.targets, strict=True) if real is not None else iter(())
    write_texts(chain(first, made()), direction, out)
    seconds = round(time.perf_counter() - began, 3)
    return Augmented(out, *direction, 0 if real is None else len(real), synthetic, left_out, seconds)


def back_translated(
    lines: Iterable[str], translate: Translate, lines_at_once: int = LINES_AT_ONCE
) -> Iterator[tuple[int, list[tuple[str, str]]]]:
    """Part by part how many lines were read, and the pairs of a source and its target that came of them.

    Empty lines, and lines whose translation is empty or came to no end, make no pair.
    """
    rest = iter(lines)
    while taken := list(islice(rest, lines_at_once)):
        targets = [line for line in map(clean, taken) if line]
        written = zip(translate(targets), targets, strict=True)
        whole = ((clean(source.text), target) for source, target in written if source.finish_reason == "stop")
        yield len(taken), [(source, target) for source, target in whole if source]


def direction_of_pairs(
    task: Translation, languages: Sequence[str] = (), to: str | None = None, spelt: str | None = None
) -> Direction:
    """From which language into which the pairs go: the model writes their sources.

    Args:
        task: of the model.
        languages: the direction, where the caller names it.
        to: the language that the model is to write, likewise.
        spelt: the language of the targets, as the name of their file tells it.

    Raises:
        InputError: the model does not read the one or write the other, or has several to choose from; or the name of
            the file tells another language.
    """
    if len(languages) not in (0, 2):
        raise InputError(f"pairs have two languages, but got {', '.join(languages)}; name two, such as en,de")
    if task.unnamed:
        return (languages[0], languages[1]) if languages else ("source", "target")
    if languages and to not in (None, languages[0]):
        raise InputError(f"the model writes the sources, in {languages[0]}, but got to={to!r}; leave one of them out")
    source = task.into(languages[0] if languages else to)
    reads = list(dict.fromkeys(read for read, _ in task.directions))
    fitting = list(dict.fromkeys(read for read, written in task.directions if written == source))
    if languages and spelt in task.languages and spelt != languages[1]:
        raise InputError(
            f"the name of the file says {spelt}, but its texts are said to be {languages[1]}; give --target {spelt}, "
            "and with --source the language that the model is to write"
        )
    target = languages[1] if languages else spelt if spelt in task.languages else None
    if target is None and len(fitting) > 1:
        raise InputError(
            f"the model reads {', '.join(fitting)}; say which the file holds: --source {source} --target {fitting[0]}"
        )
    target = target or fitting[0]
    if target not in reads or target == source:
        raise InputError(
            f"the model translates from {', '.join(reads)} into {source}, but the targets are in {target}; "
            f"give a model from {target} into another language"
        )
    return source, target
