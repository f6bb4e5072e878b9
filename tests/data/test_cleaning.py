"""Cleaning a table: every row is kept or accounted for, and cleaning twice changes nothing."""

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from minnow.data.cleaning import clean
from minnow.data.columns import Roles
from minnow.text.clean import CleaningRules

ROLES = Roles("text", "label")
texts = st.text(max_size=20) | st.sampled_from(["", " ", "<br>", "a b c d", "A b  c d", "a &amp; b", "好"])
tables = st.lists(st.tuples(texts.filter(str.isprintable), st.sampled_from("xy")), min_size=1, max_size=15)


def as_frame(rows: list[tuple[str, str]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"text": pl.String, "label": pl.String}, orient="row")


def test_each_reason_is_counted_and_written_down() -> None:
    rows = [
        ("A fine film.<br />Go and see it!", "x"),
        ("   ", "x"),
        ("a fine  film.\ngo and see it!", "x"),
        ("a fine film. Go and see it!", "y"),
        ("far too long " * 10, "x"),
        ("cafÃ© society is a lovely film by a fine man", "y"),
        ("café society is a lovely film by a fine man !", "y"),
    ]
    cleaned = clean(as_frame(rows), ROLES, CleaningRules(max_characters=60, near_duplicates=0.8))
    assert cleaned.frame["text"].to_list() == [
        "A fine film.\nGo and see it!",
        "café society is a lovely film by a fine man",
    ]
    assert cleaned.dropped["row"].to_list() == [2, 3, 4, 5, 7]
    assert cleaned.dropped["reason"].to_list() == [
        "empty",
        "duplicate",
        "conflicting_label",
        "too_long",
        "near_duplicate",
    ]
    assert cleaned.dropped["text"].to_list()[1] == "a fine  film.\ngo and see it!"
    assert cleaned.counts["rows"] == cleaned.counts["kept"] + cleaned.counts["dropped"] == 7
    assert cleaned.counts["conflicting_labels"] == 1


def test_a_wrong_language_goes() -> None:
    rows = [
        ("The service was slow and the room was dirty, never again", "x"),
        ("Le service était lent et la chambre était sale, plus jamais", "x"),
        ("房间很干净,服务也很好", "y"),
        ("ok", "y"),
    ]
    cleaned = clean(as_frame(rows), ROLES, CleaningRules(languages=("en", "zh")))
    assert cleaned.dropped["reason"].to_list() == ["language"]
    assert cleaned.dropped["row"].to_list() == [2]


def test_near_duplicates_can_be_left_and_the_other_columns_stay() -> None:
    long = " ".join(f"w{number}" for number in range(50))
    frame = pl.DataFrame({"n": [1, 2], "text": [long, long + " x"]})
    cleaned = clean(frame, Roles("text", None), CleaningRules(near_duplicates=None))
    assert cleaned.frame.equals(frame)


@settings(max_examples=40)
@given(tables)
def test_cleaning_twice_is_cleaning_once(rows: list[tuple[str, str]]) -> None:
    once = clean(as_frame(rows), ROLES, CleaningRules())
    twice = clean(once.frame, ROLES, CleaningRules())
    assert twice.frame.equals(once.frame)
    assert once.frame.height + once.dropped.height == len(rows)
    assert not once.frame.height or set(once.frame["label"]) <= {label for _, label in rows}


def test_of_rows_that_repeat_one_another_the_first_with_a_label_stays() -> None:
    long = " ".join(f"w{number}" for number in range(50))
    frame = pl.DataFrame(
        {
            "text": ["a b", "A b", "c d", "c d", "e f", "e f", f"{long} x", long],
            "label": [None, "x", "billing ", "billing", "y", "", None, "x"],
        }
    )
    cleaned = clean(frame, ROLES, CleaningRules())
    assert cleaned.frame["text"].to_list() == ["A b", "c d", "e f", long]
    assert cleaned.dropped["reason"].to_list() == ["duplicate", "duplicate", "duplicate", "near_duplicate"]
    assert cleaned.dropped["row"].to_list() == [1, 4, 6, 7]
    assert cleaned.counts["conflicting_labels"] == 0


def test_labels_that_nobody_could_learn_are_compared_all_the_same() -> None:
    for labels, reason in (
        ([0.25, 0.5], "conflicting_label"),
        ([1.0, 1.0], "duplicate"),
        ([float("inf")] * 2, "duplicate"),
    ):
        cleaned = clean(pl.DataFrame({"text": ["a", "a"], "label": labels}), ROLES, CleaningRules())
        assert cleaned.dropped["reason"].to_list() == [reason]
    mixed = pl.DataFrame({"text": ["a", "a"], "label": pl.Series([{"b": 1}, 2], dtype=pl.Object)})
    assert clean(mixed, ROLES, CleaningRules()).counts["conflicting_labels"] == 1
