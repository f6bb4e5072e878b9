"""Sentence pairs, ready for training: the right files or columns, no empty sides, and every decision noted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress, islice, permutations
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from minnow.data import catalog
from minnow.data.columns import SIDES
from minnow.data.examples import column_texts
from minnow.data.pair_columns import Sides, find_sides, too_many_languages, unfolded, unknown_language
from minnow.data.parallel import language_files, language_of, parallel_parts, read_parallel
from minnow.data.sources import Source, parts, read_source, read_translations
from minnow.errors import DataError
from minnow.text.language import sets_spaces
from minnow.text.terms import is_letter

Direction = tuple[str, str]
UNNAMED = (
    "the targets have no spaces between words, but their language is not named, so BLEU takes whole sentences for "
    "words; name the languages, such as --langs en,zh"
)


@dataclass(frozen=True)
class Pairs:
    """N sentence pairs of one or several directions.

    ``directions`` has the language of each row's source and of its target, such as ``("en", "de")``. ``notes`` are
    sentences that a person should be told: where each side was found, what was left out, under which licence it stands.
    ``sha256`` is of the file (or of all the files).
    """

    sources: list[str]
    targets: list[str]
    directions: list[Direction]
    name: str
    sha256: str
    licence: str | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.sources)

    @property
    def languages(self) -> tuple[str, ...]:
        """All that occur, sorted."""
        return tuple(sorted({language for direction in set(self.directions) for language in direction}))

    @property
    def into(self) -> list[str]:
        """The language of each target [N]."""
        return [target for _, target in self.directions]

    def of(self, direction: Direction) -> Self:
        """The pairs of one direction.

        Raises:
            DataError: there are none; the message lists the directions.
        """
        rows = [row for row, found in enumerate(self.directions) if found == direction]
        if not rows:
            known = ", ".join(map(_arrow, dict.fromkeys(self.directions)))
            raise DataError(f"{self.name} has no pairs {_arrow(direction)}; it has: {known or 'none'}")
        return self.chosen(rows)

    def named(self, directions: Sequence[Direction]) -> Self:
        """The same pairs in the one direction that there is of these, where nothing has told theirs.

        Raises:
            DataError: there are several to choose from.
        """
        known = list(dict.fromkeys(directions))
        if set(self.directions) != {SIDES} or SIDES in known or not known:
            return self
        if len(known) > 1:
            raise DataError(f"{self.name} does not tell its languages; say them, such as --langs {','.join(known[0])}")
        notes = tuple(note for note in self.notes if note != UNNAMED)
        return replace(self, directions=known * len(self), notes=notes)

    def chosen(self, rows: Sequence[int] | NDArray[np.integer]) -> Self:
        """The pairs of these row numbers, in their order."""
        numbers = [int(row) for row in rows]
        return replace(
            self,
            sources=[self.sources[row] for row in numbers],
            targets=[self.targets[row] for row in numbers],
            directions=[self.directions[row] for row in numbers],
        )


def load_pairs(
    source: str | Path,
    target: str | Path | None = None,
    part: str = "train",
    *,
    languages: Sequence[str] = (),
    source_column: str | None = None,
    target_column: str | None = None,
    encoding: str | None = None,
    keep_empty: bool = False,
) -> Pairs:
    """Read sentence pairs from two files, a table, files of one prefix, a folder or the catalog.

    Args:
        source: the file of the sources, if ``target`` is given; else a table (read whole), a prefix (``data/train`` of
            ``train.en`` and ``train.de``), a folder of prefixes or of part files, or the name of a public set.
        target: the file of the targets, of which line i belongs to line i of ``source``.
        part: train, valid, test … of a folder or a public set.
        languages: from which language to which; with three or more, from each to each other, direction by direction.
        source_column: the column of the source in a table, where it should not be guessed; with ``target_column``.
        target_column: the column of the target.
        encoding: of the files, where it is not UTF-8.
        keep_empty: for a test part whose every row must be answered: pairs with an empty side stay. Only a sentence
            that a table of three or more languages does not have in one of them makes no pair.

    Raises:
        DataError: the data cannot be used as asked; one line says what to do.
    """
    read, sides = read_pairs(
        source,
        target,
        part,
        languages=languages,
        source_column=source_column,
        target_column=target_column,
        encoding=encoding,
    )
    return pairs_from(read, sides, keep_empty)


def read_pairs(
    source: str | Path,
    target: str | Path | None = None,
    part: str = "train",
    *,
    languages: Sequence[str] = (),
    source_column: str | None = None,
    target_column: str | None = None,
    encoding: str | None = None,
) -> tuple[Source, Sides]:
    """The table that the pairs stand in, with all its columns, and the column of each language; as ``load_pairs``."""
    asked = _checked(languages)
    if target is not None:
        read = _read_two(Path(source), Path(target), asked, encoding)
    else:
        read = _read_one(source, part, asked, encoding)
    if not read.languages:
        read = replace(read, frame=unfolded(read.frame, read.name))
        return read, find_sides(read.frame, read.name, asked, source_column, target_column)
    if source_column is not None or target_column is not None:
        raise DataError(
            f"source_column and target_column are for tables, but {read.name} has a text for each of its languages; "
            f"name those with languages, such as {','.join(read.languages[:2])}"
        )
    return read, Sides({language: language for language in _chosen(asked, read.languages, read.name)}, "")


def pair_parts(source: str | Path) -> tuple[str, ...]:
    """The parts that ``load_pairs`` can read of a folder or a public set; ``all`` for what has none."""
    path = Path(source)
    if path.is_dir() and (found := parallel_parts(path)):
        return tuple(found)
    return ("all",) if not path.exists() and language_files(path) else parts(source)


def are_parallel(source: str | Path) -> bool:
    """Whether this is the prefix, or a folder, of files of which line i belongs to line i."""
    path = Path(source)
    return bool(parallel_parts(path) if path.is_dir() else not path.exists() and language_files(path))


def _checked(languages: Sequence[str]) -> tuple[str, ...]:
    if isinstance(languages, str):
        raise DataError(f'languages must be a sequence of codes such as ("en", "de"), but got {languages!r}')
    if len(languages) == 1:
        raise DataError(f"a direction needs two languages, but got {languages[0]!r} alone; name two, such as en,de")
    repeated = [language for language in dict.fromkeys(languages) if list(languages).count(language) > 1]
    if repeated:
        raise DataError(f"each language may be named once, but got {', '.join(languages)}; leave {repeated[0]!r} once")
    return tuple(languages)


def _read_two(source: Path, target: Path, asked: Sequence[str], encoding: str | None) -> Source:
    if len(asked) > 2:
        raise DataError(f"two files hold two languages, but got {len(asked)}: {', '.join(asked)}; name two")
    spelled = [language for path in (source, target) if (language := language_of(path))]
    if len(asked) == 2 and spelled == [asked[1], asked[0]]:
        raise DataError(
            f"{source.name} and {target.name} are named {spelled[0]} and {spelled[1]}, but given as {asked[0]} and "
            f"{asked[1]}; give the files in the other order"
        )
    first, second = asked or (spelled if len(set(spelled)) == 2 else SIDES)
    return _aligned({first: source, second: target}, encoding)


def _read_one(source: str | Path, part: str, asked: Sequence[str], encoding: str | None) -> Source:
    path = Path(source)
    if path.is_dir() and (found := parallel_parts(path)):
        if part not in found:
            raise DataError(f"folder {path} has no part {part!r}; it has: {', '.join(found)}")
        return _read_prefix(found[part], asked, encoding)
    if path.exists():
        return read_source(path, part, encoding)
    if language_files(path):
        return _read_prefix(path, asked, encoding)
    if catalog.is_known(str(source)):
        entry = catalog.find(str(source))
        if not entry.languages:
            known = [other.name for other in catalog.entries() if other.languages]
            raise DataError(f"data set {entry.name!r} holds no sentence pairs; those that do: {', '.join(known)}")
        return read_translations(entry, part, _chosen(asked, entry.languages, entry.name))
    return read_source(source, part, encoding)


def _read_prefix(prefix: Path, asked: Sequence[str], encoding: str | None) -> Source:
    files = language_files(prefix)
    if len(files) == 1:
        only = next(iter(files.values()))
        raise DataError(f"{prefix} is the prefix of {only.name} alone; put the file of another language beside it")
    return _aligned({language: files[language] for language in _chosen(asked, list(files), str(prefix))}, encoding)


def _aligned(files: Mapping[str, Path], encoding: str | None) -> Source:
    frame, sha256 = read_parallel(files, encoding)
    told = ", ".join(f"{language}: {path.name}" for language, path in files.items())
    name = "+".join(path.name for path in files.values())
    return Source(frame, name, next(iter(files.values())), sha256, notes=(told,), languages=tuple(files), files=files)


def _chosen(asked: Sequence[str], known: Sequence[str], name: str) -> Sequence[str]:
    """The languages asked for, or the two that there are.

    Raises:
        DataError: one is not there, or there are more than two to choose from.
    """
    for language in asked:
        if language not in known:
            raise unknown_language(language, name, known)
    if not asked and len(known) > 2:
        raise too_many_languages(name, known)
    return asked or known


def pairs_from(read: Source, sides: Sides, keep_empty: bool = False) -> Pairs:
    """Make pairs of a table; of two languages that keep their empty sides, pair i is row i."""
    texts: dict[str, list[str]] = {}
    usable: dict[str, NDArray[np.bool_]] = {}
    for language, name in sides.columns.items():
        column = read.frame[name]
        texts[language] = column_texts(column, read.name, "source_column and target_column")
        filled = np.array([bool(text) and not text.isspace() for text in texts[language]], dtype=bool)
        if not filled.any():
            raise DataError(f"all sentences of {read.name} in {name!r} are empty; choose another column or file")
        there = ~column.is_null().to_numpy() | (len(sides.columns) == 2)
        usable[language] = there if keep_empty else filled
    sources: list[str] = []
    targets: list[str] = []
    directions: list[Direction] = []
    for source, target in _directions(tuple(sides.columns)):
        both = usable[source] & usable[target]
        sources += compress(texts[source], both)
        targets += compress(texts[target], both)
        directions += [(source, target)] * int(both.sum())
    if not sources:
        raise DataError(f"no row of {read.name} has both sides; check that they belong to one another")
    notes = [*read.notes, sides.reason, *_counts(directions, read.frame.height, len(sides.columns))]
    notes += [_counted_by_sentences(language) for language in _mistaken_for_spaced(targets, directions)]
    told = tuple(note for note in notes if note)
    return Pairs(sources, targets, directions, read.name, read.sha256, read.licence, told)


def _mistaken_for_spaced(targets: Sequence[str], directions: Sequence[Direction]) -> list[str]:
    """The languages of targets that have no spaces, though nothing in the name says so."""
    into = [language for _, language in directions]

    def first(language: str) -> list[str]:
        return list(islice((text for text, found in zip(targets, into, strict=True) if found == language), 1000))

    return [one for one in dict.fromkeys(into) if sets_spaces(one) and _is_unspaced(first(one))]


def _counted_by_sentences(language: str) -> str:
    if language == SIDES[1]:
        return UNNAMED
    return (
        f"the targets in {language!r} have no spaces between words, which its name does not tell, so BLEU takes whole "
        "sentences for words; name the language by its code, such as zh or ja"
    )


def _is_unspaced(texts: Sequence[str]) -> bool:
    """Whether most of their letters are of scripts that set no spaces between words."""
    letters = [character for text in texts for character in text if character.isalpha()]
    return sum(map(is_letter, letters)) < len(letters) / 2


def _directions(languages: Sequence[str]) -> list[Direction]:
    """From the first language to the second; from each of three or more to each other one."""
    return [(languages[0], languages[1])] if len(languages) == 2 else list(permutations(languages, 2))


def _counts(directions: Sequence[Direction], num_rows: int, num_languages: int) -> list[str]:
    """How many pairs each of several directions has, and how many rows made none for want of a side."""
    counted = dict.fromkeys(directions, 0)
    for direction in directions:
        counted[direction] += 1
    left_out = sum(num_rows - count for count in counted.values())
    notes = []
    if num_languages > 2:
        notes.append(", ".join(f"{_arrow(direction)} {count:,}" for direction, count in counted.items()))
    if left_out:
        notes.append(f"{left_out:,} pair{'' if left_out == 1 else 's'} with an empty side left out")
    return notes


def _arrow(direction: Direction) -> str:
    return f"{direction[0]}→{direction[1]}"
