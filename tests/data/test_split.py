"""Splits: equal texts never straddle, the order of rows means nothing, shares and labels are kept."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minnow.data.split import folds, hold_out, hold_out_pairs, leakage
from minnow.errors import InputError
from minnow.text.clean import normalise

quick = settings(max_examples=60)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(["a", "A ", "Ａ", "b", "好"])
corpora = st.lists(words, min_size=1, max_size=40)
# Few sentences, so that many pairs share one.
pairs = st.lists(st.tuples(words | st.sampled_from("stuv"), words | st.sampled_from("vwxy")), min_size=1, max_size=40)
labelled = st.lists(
    st.tuples(words, st.lists(st.sampled_from("xyz"), min_size=1, max_size=2, unique=True).map(tuple)),
    min_size=1,
    max_size=40,
)


@quick
@given(labelled, st.floats(0.01, 0.99), st.integers(-5, 5), st.booleans())
def test_every_row_falls_on_one_side_and_equal_texts_on_the_same(
    rows: list[tuple[str, tuple[str, ...]]], share: float, seed: int, by_label: bool
) -> None:
    texts = [text for text, _ in rows]
    kept, held = hold_out(texts, share, seed, [labels for _, labels in rows] if by_label else None)
    assert sorted([*kept, *held]) == list(range(len(texts)))
    assert not {normalise(texts[row]) for row in kept} & {normalise(texts[row]) for row in held}
    assert len(kept)


@quick
@given(labelled, st.floats(0.05, 0.95), st.integers(0, 3), st.randoms())
def test_the_order_of_the_rows_means_nothing(rows, share, seed, random) -> None:  # type: ignore[no-untyped-def]
    shuffled = random.sample(rows, len(rows))

    def held_texts(pairs: list[tuple[str, tuple[str, ...]]]) -> Counter[str]:
        texts = [text for text, _ in pairs]
        _, held = hold_out(texts, share, seed, [labels for _, labels in pairs])
        return Counter(normalise(texts[row]) for row in held)

    assert held_texts(rows) == held_texts(shuffled)
    fold_of = dict(zip((normalise(text) for text, _ in rows), folds_of(rows, seed), strict=True))
    assert fold_of == dict(zip((normalise(text) for text, _ in shuffled), folds_of(shuffled, seed), strict=True))


def folds_of(rows: list[tuple[str, tuple[str, ...]]], seed: int) -> list[int]:
    texts = [text for text, _ in rows]
    if len({normalise(text) for text in texts}) < 2:
        return [0] * len(texts)
    return folds(texts, 2, seed).tolist()


@quick
@given(st.integers(2, 300), st.floats(0.05, 0.5), st.integers(0, 9))
def test_the_share_is_kept_to_one_row(num_rows: int, share: float, seed: int) -> None:
    _, held = hold_out([f"text {row}" for row in range(num_rows)], share, seed)
    assert abs(len(held) - max(share * num_rows, 1)) <= 1


@quick
@given(labelled, st.floats(0.05, 0.95))
def test_every_label_of_two_texts_keeps_a_row(rows: list[tuple[str, tuple[str, ...]]], share: float) -> None:
    texts, labels = [text for text, _ in rows], [names for _, names in rows]
    kept, _ = hold_out(texts, share, 0, labels)
    distinct: dict[str, set[str]] = {}
    for text, names in rows:
        for name in names:
            distinct.setdefault(name, set()).add(normalise(text))
    still_there = {name for row in kept for name in labels[row]}
    assert {name for name, of_texts in distinct.items() if len(of_texts) > 1} <= still_there


def test_labels_are_held_out_in_proportion() -> None:
    texts = [f"text {row}" for row in range(1000)]
    labels = [("rare",) if row % 10 == 0 else ("usual",) for row in range(1000)]
    _, held = hold_out(texts, 0.2, 0, labels)
    assert Counter(labels[row] for row in held) == {("rare",): 20, ("usual",): 180}


def test_texts_whose_set_of_labels_nobody_shares_are_held_out_too() -> None:
    labels = [tuple(f"label {bit}" for bit in range(9) if row >> bit & 1) for row in range(1, 301)]
    kept, held = hold_out([f"text {row}" for row in range(300)], 0.1, 0, labels)
    assert len(held) == 30
    assert len({name for row in kept for name in labels[row]}) == 9


@pytest.mark.parametrize("usual", ["a", "z"])
def test_labels_of_one_text_stay_whole_and_take_nothing_from_another(usual: str) -> None:
    labels = [(usual,) if row < 300 else (f"m{row}",) for row in range(1000)]
    _, held = hold_out([f"text {row}" for row in range(1000)], 0.1, 0, labels)
    assert Counter(labels[row] for row in held) == {(usual,): 30}


def test_another_seed_holds_out_others() -> None:
    texts = [f"text {row}" for row in range(100)]
    assert hold_out(texts, 0.2, 0)[1].tolist() != hold_out(texts, 0.2, 1)[1].tolist()


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 1.5])
def test_a_share_out_of_bounds_is_refused(share: float) -> None:
    with pytest.raises(InputError, match="must lie between 0 and 1"):
        hold_out(["a", "b"], share, 0)


@quick
@given(corpora, st.integers(2, 5))
def test_folds_are_even_and_equal_texts_share_one(texts: list[str], num_folds: int) -> None:
    distinct = Counter(normalise(text) for text in texts)
    if len(distinct) < num_folds:
        with pytest.raises(InputError, match="num_folds must lie between"):
            folds(texts, num_folds, 0)
        return
    fold_of_row = folds(texts, num_folds, 0)
    sizes = np.bincount(fold_of_row, minlength=num_folds)
    assert sizes.max() - sizes.min() <= max(distinct.values())
    assert len({(normalise(text), fold) for text, fold in zip(texts, fold_of_row, strict=True)}) == len(distinct)


def test_leakage_counts_the_test_rows_that_stand_in_train() -> None:
    found = leakage(["A fine  film", "bad"], ["a fine film", "new", "ＢＡＤ", "bad"])
    assert (found.count, found.share, found.rows.tolist()) == (3, 0.75, [0, 2, 3])
    assert leakage(["a"], []).share == 0.0


@quick
@given(corpora, st.floats(0.1, 0.9))
def test_nothing_leaks_through_a_split(texts: list[str], share: float) -> None:
    kept, held = hold_out(texts, share, 0)
    assert leakage([texts[row] for row in kept], [texts[row] for row in held]).count == 0


def sides_of(rows: list[tuple[str, str]], numbers: np.ndarray) -> set[str]:
    return {normalise(text) for row in numbers for text in rows[row]}


@quick
@given(pairs, st.floats(0.01, 0.99), st.integers(-5, 5))
def test_no_sentence_of_either_side_stands_in_both_parts_of_pairs(
    rows: list[tuple[str, str]], share: float, seed: int
) -> None:
    kept, held = hold_out_pairs(*zip(*rows, strict=True), share, seed)
    assert sorted([*kept, *held]) == list(range(len(rows)))
    assert not sides_of(rows, kept) & sides_of(rows, held)
    assert len(kept)


@quick
@given(pairs, st.floats(0.05, 0.95), st.integers(0, 3), st.randoms())
def test_the_order_and_the_direction_of_pairs_mean_nothing(rows, share, seed, random) -> None:  # type: ignore[no-untyped-def]
    def held_pairs(sources: list[str], targets: list[str]) -> Counter[tuple[str, ...]]:
        _, held = hold_out_pairs(sources, targets, share, seed)
        return Counter(tuple(sorted((normalise(sources[row]), normalise(targets[row])))) for row in held)

    sources, targets = map(list, zip(*rows, strict=True))
    shuffled = map(list, zip(*random.sample(rows, len(rows)), strict=True))
    assert held_pairs(sources, targets) == held_pairs(*shuffled) == held_pairs(targets, sources)


@quick
@given(st.integers(2, 300), st.floats(0.05, 0.5), st.integers(0, 9))
def test_the_share_of_unrelated_pairs_is_exact(num_rows: int, share: float, seed: int) -> None:
    sources = [f"text {row}" for row in range(num_rows)]
    kept, held = hold_out_pairs(sources, [f"Text Nr. {row}" for row in range(num_rows)], share, seed)
    assert (len(held), len(kept)) == (max(round(share * num_rows), 1), num_rows - max(round(share * num_rows), 1))
    other = hold_out_pairs(sources, [f"Text Nr. {row}" for row in range(num_rows)], share, seed + 1)[1]
    assert num_rows < 40 or other.tolist() != held.tolist()


def test_a_giant_group_is_kept_and_the_share_comes_from_the_small_ones() -> None:
    giant = [(f"hello {row}", f"salut {row // 2}") for row in range(600)]
    giant += [("hello 0", f"salut {row}") for row in range(300)]
    large = [
        (f"large {row // 12}", f"grand {row}") for row in range(240)
    ]  # groups of 12, above a tenth of what is held
    small = [(f"small {row}", f"petit {row}") for row in range(860)]
    rows = [*giant, *large, *small]
    _, held = hold_out_pairs(*zip(*rows, strict=True), 0.05, 0)
    assert len(held) == 100
    assert all(rows[row] in small for row in held)
    _, held = hold_out_pairs(*zip(*giant, *large, strict=True), 0.05, 0)
    assert len(held) == 48  # four groups of 12 fit into 57 rows
    assert all(row >= len(giant) for row in held)


def test_where_no_group_fits_the_smallest_is_held_and_one_group_alone_is_kept() -> None:
    rows = [("a", "x"), ("a", "y"), ("b", "z"), ("b", "z"), ("b", "w")]
    kept, held = hold_out_pairs(*zip(*rows, strict=True), 0.1, 0)
    assert (kept.tolist(), held.tolist()) == ([2, 3, 4], [0, 1])
    kept, held = hold_out_pairs(["a", "b", "b"], ["x", "x", "y"], 0.5, 0)
    assert (kept.tolist(), held.tolist()) == ([0, 1, 2], [])


def test_pairs_that_share_a_sentence_across_sides_stay_together() -> None:
    kept, held = hold_out_pairs(["a", "x", "c", "d"], ["x", "b", "z", "w"], 0.5, 0)
    assert {0, 1} <= {*kept} or {0, 1} <= {*held}


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_of_pairs_out_of_bounds_is_refused(share: float) -> None:
    with pytest.raises(InputError, match="must lie between 0 and 1"):
        hold_out_pairs(["a", "b"], ["x", "y"], share, 0)
