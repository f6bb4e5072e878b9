"""Roles of columns: by name first, then by content, and told in words."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from minnow.data.columns import find_roles, languages_of
from minnow.data.examples import load_examples
from minnow.data.summary import summarise
from minnow.errors import DataError

TEXTS = ["a fine film with a long story", "dull from start to end", "worth every minute", "never again, thank you"]


def frame(**columns: list[Any]) -> pl.DataFrame:
    return pl.DataFrame({name: values * 3 if len(values) == 4 else values for name, values in columns.items()})


@pytest.mark.parametrize(
    ("columns", "text", "label"),
    [
        (frame(label=[0, 1, 0, 1], review=TEXTS), "review", "label"),
        (frame(cat=["a", "b", "a", "b"], label=[0, 1, 0, 1], review=TEXTS), "review", "label"),
        (frame(column_1=["ham", "spam", "ham", "ham"], column_2=TEXTS), "column_2", "column_1"),
        (frame(column_1=TEXTS, column_2=["8", "5", "2", "8"]), "column_1", "column_2"),
        (frame(id=list(range(12)), rating=[1, 2, 1, 2], label=[0, 1, 0, 1], text=TEXTS), "text", "label"),
        (frame(标签=["正", "负", "正", "负"], 评论=TEXTS), "评论", "标签"),
        (frame(Category=["x", "y", "x", "y"], Message=TEXTS), "Message", "Category"),
        (frame(review_body=TEXTS, review_id=list("abcd"), star_rating=[1, 5, 1, 5]), "review_body", "star_rating"),
        (frame(v1=["ham", "spam", "ham", "ham"], v2=TEXTS, column_3=["", "", "", ""]), "v2", "v1"),
        (
            frame(
                date=["2027-01-31", "2027-02-01 10:30", "31/1/27", "2027-02-03T10:00:00Z"],
                email=["ann@example.org", "bo@example.org", "cy@mail.example.org", "di@example.org"],
                feedback=["too slow", "fine", "late", "no reply"],
                category=["a", "b", "a", "b"],
            ),
            "feedback",
            "category",
        ),
        (
            frame(review_rating=list("0110"), review_body=TEXTS, sentiment=["x", "y", "x", "y"]),
            "review_body",
            "sentiment",
        ),
        (
            frame(
                email_address=["ann@example.org", "bo@example.org", "cy@example.org", "di@example.org"],
                complaint=["slow", "late", "rude", "lost"],
                department=["x", "y", "x", "y"],
            ),
            "complaint",
            "department",
        ),
        (frame(email=TEXTS, page=[f"https://example.org/{at}" for at in "abcd"], kind=list("xyxy")), "email", "kind"),
        (frame(text=["1", "2", "3", "4"], label=["x", "y"] * 2), "text", "label"),
        (frame(tokens=[["a", "b"], ["c"], ["d"], ["e"]], intent=["x", "y", "x", "y"]), "tokens", "intent"),
    ],
)  # fmt: skip
def test_roles_are_found(columns: pl.DataFrame, text: str, label: str) -> None:
    roles = find_roles(columns)
    assert (roles.text, roles.label) == (text, label), roles.reasons


def test_what_was_decided_is_told_in_words() -> None:
    columns = frame(cat=["a", "b", "c", "a"], label=[0, 1, 0, 1], review=TEXTS)
    assert find_roles(columns).reasons == (
        'text: column "review" (by name)',
        'label: column "label" (by name; 2 values)',
        'column "cat" could be the label too (3 values): --label cat',
    )


def test_names_that_are_asked_for_overrule() -> None:
    columns = frame(cat=["a", "b", "a", "b"], label=[0, 1, 0, 1], review=TEXTS, title=TEXTS)
    roles = find_roles(columns, text="title", label="cat")
    assert (roles.text, roles.label) == ("title", "cat")
    assert roles.reasons == ('text: column "title" (as asked)', 'label: column "cat" (as asked; 2 values)')


def test_a_missing_column_is_told_with_the_nearest_and_all() -> None:
    with pytest.raises(DataError, match=r"no column 'revew'; did you mean 'review'\? columns: label, review"):
        find_roles(frame(label=[0, 1, 0, 1], review=TEXTS), text="revew")


def test_a_table_without_a_label_needs_leave() -> None:
    columns = frame(id=list(range(12)), text=TEXTS)
    with pytest.raises(DataError, match=r"--label; columns: id, text"):
        find_roles(columns)
    assert find_roles(columns, need_label=False).label is None


def test_a_table_without_text_is_told() -> None:
    with pytest.raises(DataError, match=r"no column holds text; name one with --text; columns: a, b"):
        find_roles(frame(a=[1, 2, 1, 2], b=[0, 1, 0, 1]))


def test_one_column_cannot_be_both() -> None:
    with pytest.raises(DataError, match="cannot be both"):
        find_roles(frame(a=TEXTS, b=[0, 1, 0, 1]), text="a", label="a")


def test_a_column_a_language_is_for_translation_and_no_label(tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("en\tde\n" + "A dog.\tEin Hund.\nA dog.\tDer Hund.\nA cat.\tEine Katze.\nA cat.\tDie Katze.\n" * 3)
    with pytest.raises(DataError, match=r"holds sentence pairs \(en, de\) for translation \(--task translation\)"):
        load_examples(pairs)
    assert load_examples(pairs, label="en").roles.label == "en"
    assert list(summarise(pairs)["parts"]) == ["all.en", "all.de"]
    assert languages_of(["id", "text"]) == languages_of(["en"]) == languages_of(["sms", "cat"]) == ()


def test_text_alone_is_sent_to_pretraining(tmp_path: Path) -> None:
    (tmp_path / "novel.txt").write_text("It was late.\nNobody came.\n")
    with pytest.raises(DataError, match="raw text is for minnow pretrain"):
        load_examples(tmp_path / "novel.txt")
