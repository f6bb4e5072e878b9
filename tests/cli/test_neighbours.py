"""``minnow neighbours``: the nearest texts of a file, nearest first."""

from pathlib import Path

import pytest
from command import minnow
from pairs import sequences

import minnow as house
from minnow.errors import InputError

TEXTS = [*sequences(30, seed=5), "one two three", *sequences(30, seed=6)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    return path


def test_the_text_itself_is_the_nearest(translator: Path, file: Path) -> None:
    shown = minnow("neighbours", translator, "one two three", "--file", file, "--count", 3).out.splitlines()
    assert shown[0] == "1.0000\tone two three"
    assert len(shown) == 3
    cosines = [float(line.split("\t")[0]) for line in shown]
    assert cosines == sorted(cosines, reverse=True)


def test_blank_texts_are_near_to_nothing(translator: Path) -> None:
    texts = ["", "seven", " ", "one two", ""]
    near = house.load(translator).neighbours("one two", texts, 5)
    assert [(one.text, one.row) for one in near] == [("one two", 3), ("seven", 1)]
    with pytest.raises(InputError, match="there are no texts to look among"):
        house.load(translator).neighbours("one two", ["", " "])


def test_several_queries_are_told_apart(translator: Path, file: Path) -> None:
    told = minnow("neighbours", translator, "-", "--file", file, "--json", given="one two\nseven\n").json
    assert told["model"] == str(translator)
    assert [one["query"] for one in told["queries"]] == ["one two", "seven"]
    for one in told["queries"]:
        assert len(one["neighbours"]) == 5
        assert [TEXTS[near["row"]] for near in one["neighbours"]] == [near["text"] for near in one["neighbours"]]
    shown = minnow("neighbours", translator, "one two", "seven", "--file", file, "--count", 2).out
    assert [len(part.splitlines()) for part in shown.split("\n\n")] == [2, 2]


def test_python_gives_a_list_for_a_query_and_a_list_of_them_for_many(translator: Path) -> None:
    model = house.load(translator)
    alone = model.neighbours("one two", TEXTS, 4)
    assert [(near.text, near.row) for near in model.neighbours(["one two"], TEXTS, 4)[0]] == [
        (near.text, near.row) for near in alone
    ]
    assert str(alone[0]) == alone[0].text == TEXTS[alone[0].row]
    assert len(model.neighbours("one two", TEXTS, 1_000)) == len(TEXTS)
    centred = model.neighbours(TEXTS, TEXTS, 1, centred=True)
    assert [near[0].text for near in centred] == TEXTS
    assert model.neighbours([], TEXTS) == []


def test_one_query_or_text_alone_has_no_mean_to_be_taken_away(translator: Path) -> None:
    model = house.load(translator)
    for queries, texts in (("one two", TEXTS), (["one two"], TEXTS), (TEXTS, ["one two"])):
        with pytest.raises(InputError, match="leave centred out"):
            model.neighbours(queries, texts, 1, centred=True)


def test_a_query_that_is_no_utf_8_has_a_mark_in_the_place_of_what_is_none(translator: Path, file: Path) -> None:
    told = minnow("neighbours", translator, "one \udce9", "--file", file, "--json").json
    assert told["queries"][0]["query"] == "one \ufffd"


def test_what_cannot_be_is_one_line(translator: Path, linear: Path, file: Path, tmp_path: Path) -> None:
    assert "does not translate" in minnow("neighbours", linear, "a", "--file", file, fails=True).error
    assert "cannot read" in minnow("neighbours", translator, "a", "--file", tmp_path / "none", fails=True).error
    (tmp_path / "empty").write_text("")
    assert (
        "no texts to look among"
        in minnow("neighbours", translator, "a", "--file", tmp_path / "empty", fails=True).error
    )
    lines = ("neighbours", translator, "-", "--file", file)
    assert "query 2 of 3 is ' '" in minnow(*lines, given="one\n \ntwo\n", fails=True).error
    with pytest.raises(InputError, match="a query must have words in it, but query 1 of 1 is ''"):
        house.load(translator).neighbours("", TEXTS)
    with pytest.raises(InputError, match="count must be at least 1"):
        house.load(translator).neighbours("a", TEXTS, 0)
