"""Splits by the hash of the text: equal texts always fall on one side, whatever the order of the rows.

Texts are equal when ``text.clean.normalise`` gives the same for both. N rows · G groups of equal texts, or of pairs
that share a text.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minnow.errors import InputError
from minnow.text.clean import normalise

Rows = NDArray[np.int64]
Labels = Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class Leakage:
    """Test rows whose text stands in the training part too: how many, their share of the test part, which."""

    count: int
    share: float
    rows: Rows


@dataclass(frozen=True)
class _Group:
    """Rows that stay together; ``stratum`` is the first of their label sets in alphabetical order."""

    key: bytes
    rows: list[int]
    stratum: tuple[str, ...] = ()
    labels: frozenset[str] = frozenset()


def hold_out(texts: Sequence[str], share: float, seed: int, labels: Labels | None = None) -> tuple[Rows, Rows]:
    """Split rows into a kept and a held part.

    Groups of equal texts are taken in the order of their hashes until the held part has its share, so the held part is
    as large as asked up to one group. With ``labels`` this is done for each set of labels, and for all sets of one
    group together. Every label of at least two groups keeps a row in the kept part; a label of one group stays there
    whole, and nothing is held out in its place.

    Args:
        texts: N texts.
        share: of the rows to hold out, between 0 and 1, both excluded.
        seed: another seed draws another part.
        labels: N tuples of label names.

    Returns:
        The kept and the held row numbers, each ascending. One group alone is kept; the held part may then be empty.

    Raises:
        InputError: a share outside its bounds.
    """
    _check_share(share)
    groups = _groups(texts, seed, labels)
    strata = _strata(groups)
    held: list[_Group] = []
    owed = 0.0
    for stratum in strata:
        owed += share * sum(len(group.rows) for group in stratum)
        for group in stratum[:-1]:  # the last in hash order is always kept
            if owed < len(group.rows) / 2:
                break
            held.append(group)
            owed -= len(group.rows)
    if not held and len(strata) == 1:
        held = strata[0][:-1][:1]
    return _divided(len(texts), _spare_labels(groups, held))


def hold_out_pairs(sources: Sequence[str], targets: Sequence[str], share: float, seed: int) -> tuple[Rows, Rows]:
    """Split pairs into a kept and a held part, so that no text stands in both, on whichever side.

    Pairs that share a text are a group, and so are the pairs that those share one with. Groups are taken in the order
    of their hashes as long as they fit into what is to be held, those above a tenth of it last, so that a test is not
    on the translations of one sentence. The largest group, which short sentences may let grow without end, is kept.

    Args:
        sources: N texts.
        targets: N texts, the other sides.
        share: of the rows to hold out, between 0 and 1, both excluded.
        seed: another seed draws another part.

    Returns:
        The kept and the held row numbers, each ascending. The held part has the share asked for where there are groups
        small enough, and never more, unless no group fits at all: then it is the smallest one. One group alone is kept.

    Raises:
        InputError: a share outside its bounds.
    """
    _check_share(share)
    num_owed = max(round(share * len(sources)), 1)
    groups = sorted(_connected(sources, targets, seed), key=lambda group: (len(group.rows), group.key))
    by_hash = sorted(groups[:-1], key=lambda group: (len(group.rows) > num_owed / 10, group.key))
    held: list[_Group] = []
    for group in by_hash:
        if len(group.rows) <= num_owed:
            held.append(group)
            num_owed -= len(group.rows)
    return _divided(len(sources), held or groups[:-1][:1])


def folds(texts: Sequence[str], num_folds: int, seed: int, labels: Labels | None = None) -> Rows:
    """The fold of each row, 0 to ``num_folds`` - 1, for cross-validation; equal texts share one.

    Groups go to the smallest fold so far, in the order of their label and hash: folds are even in size and in labels.

    Raises:
        InputError: fewer than two folds, or fewer distinct texts than folds.
    """
    groups = sorted(_groups(texts, seed, labels), key=lambda group: (group.stratum, group.key))
    if num_folds < 2 or num_folds > len(groups):
        raise InputError(f"num_folds must lie between 2 and the {len(groups)} distinct texts, but got {num_folds}")
    sizes = [0] * num_folds
    fold_of_row = np.zeros(len(texts), dtype=np.int64)
    for group in groups:
        fold = sizes.index(min(sizes))
        sizes[fold] += len(group.rows)
        fold_of_row[group.rows] = fold
    return fold_of_row


def leakage(train_texts: Sequence[str], test_texts: Sequence[str]) -> Leakage:
    """Count the test texts that also stand in the training part, word for word after normalising."""
    seen = {normalise(text) for text in train_texts}
    rows = np.array([row for row, text in enumerate(test_texts) if normalise(text) in seen], dtype=np.int64)
    return Leakage(len(rows), len(rows) / len(test_texts) if len(test_texts) else 0.0, rows)


def text_hash(text: str, seed: int) -> bytes:
    """Eight bytes of keyed BLAKE2b over the normalised text."""
    key = seed.to_bytes(16, "little", signed=True)
    return hashlib.blake2b(normalise(text).encode("utf-8", "surrogatepass"), digest_size=8, key=key).digest()


def _check_share(share: float) -> None:
    if not 0 < share < 1:
        raise InputError(f"the share to hold out must lie between 0 and 1, but got {share}; try 0.1")


def _divided(num_rows: int, held: Sequence[_Group]) -> tuple[Rows, Rows]:
    """The row numbers that are not in a group of ``held``, and those that are."""
    is_held = np.zeros(num_rows, dtype=bool)
    for group in held:
        is_held[group.rows] = True
    return np.flatnonzero(~is_held).astype(np.int64), np.flatnonzero(is_held).astype(np.int64)


def _connected(sources: Sequence[str], targets: Sequence[str], seed: int) -> list[_Group]:
    """Pairs that share texts, over however many others: the connected components of a graph with a node a text.

    Galler and Fischer, "An improved equivalence algorithm", CACM 1964. The smallest text of a group names it.
    """
    number_of: dict[str, int] = {}
    ends = [
        [number_of.setdefault(normalise(text), len(number_of)) for text in pair]
        for pair in zip(sources, targets, strict=True)
    ]
    parent = list(range(len(number_of)))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]  # halves the path for those who come after
            node = parent[node]
        return node

    for source, target in ends:
        parent[root(target)] = root(source)
    rows_of: dict[int, list[int]] = defaultdict(list)
    for row, (source, _) in enumerate(ends):
        rows_of[root(source)].append(row)
    name_of: dict[int, str] = {}
    for text, node in number_of.items():
        top = root(node)
        name_of[top] = min(name_of.get(top, text), text)
    return [_Group(text_hash(name_of[top], seed), rows) for top, rows in rows_of.items()]


def _groups(texts: Sequence[str], seed: int, labels: Labels | None) -> list[_Group]:
    """Groups of equal texts in the order of their hashes."""
    rows_of: dict[bytes, list[int]] = defaultdict(list)
    for row, text in enumerate(texts):
        rows_of[text_hash(text, seed)].append(row)
    grouped = []
    for key in sorted(rows_of):
        rows = rows_of[key]
        names = sorted(tuple(sorted(labels[row])) for row in rows) if labels is not None else [()]
        grouped.append(_Group(key, rows, names[0], frozenset(name for row_names in names for name in row_names)))
    return grouped


def _strata(groups: Sequence[_Group]) -> list[list[_Group]]:
    """Groups of one set of labels each; last those alone with theirs whose labels all stand elsewhere too.

    Of several labels a text, nearly every set may occur once: such texts are held out as one stratum. A group that has
    the only texts of a label is in no stratum, for it can never be held out.
    """
    by_labels: dict[tuple[str, ...], list[_Group]] = defaultdict(list)
    for group in groups:
        by_labels[group.stratum].append(group)
    num_groups = Counter(label for group in groups for label in group.labels)
    alone = [group for group in groups if len(by_labels[group.stratum]) == 1]
    spared = [group for group in alone if all(num_groups[label] > 1 for label in group.labels)]
    strata = [by_labels[labels] for labels in sorted(by_labels) if len(by_labels[labels]) > 1]
    return [*strata, spared] if spared else strata


def _spare_labels(groups: list[_Group], held: list[_Group]) -> list[_Group]:
    """Give back what a label cannot spare: texts of several labels may have taken its last kept row."""
    held_keys = {group.key for group in held}
    kept_labels = {name for group in groups if group.key not in held_keys for name in group.labels}
    for group in reversed(held):
        if not group.labels <= kept_labels:
            held_keys.discard(group.key)
            kept_labels |= group.labels
    return [group for group in held if group.key in held_keys]
