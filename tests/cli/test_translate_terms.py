"""``minnow translate`` with a glossary and things to keep: what must be written stands in every line."""

import json
import shutil
from pathlib import Path

import pytest
from command import minnow
from pairs import sequences, turned

import minnow as house
from minnow.errors import InputError


@pytest.fixture
def glossary(tmp_path: Path) -> Path:
    """No model would write these by itself."""
    path = tmp_path / "terms.tsv"
    path.write_text("two\teight eight\nthree\tone\nthree\tseven\n", encoding="utf-8")
    return path


def test_terms_stand_in_every_line(translator: Path, glossary: Path, tmp_path: Path) -> None:
    texts = sequences(30, seed=7)
    (tmp_path / "texts.txt").write_text("\n".join(texts) + "\n")
    said = ("translate", translator, "--file", tmp_path / "texts.txt")
    plain, held = minnow(*said).out.splitlines(), minnow(*said, "--glossary", glossary).out.splitlines()
    assert plain != held
    for text, one, other in zip(texts, plain, held, strict=True):
        if "two" in text.split():
            assert "eight eight" in other
        if "three" in text.split():
            assert {"one", "seven"} & set(other.split())
        if not {"two", "three"} & set(text.split()):
            assert one == other
    several = minnow(*said, "--glossary", glossary, "--n-best", 3, "--json").json["translations"]
    assert all("eight eight" in best["text"] for row in several if "two" in row["source"] for best in row["n_best"])


def test_a_term_stands_where_its_source_was_read(translator: Path) -> None:
    """This model has learnt to turn sequences round, and would say ``two`` beside what is put in its place."""
    texts = [text for text in sequences(200, seed=8, longest=4) if {"two", "eight"} & set(text.split()) == {"two"}]
    model = house.load(translator)
    right = [text for text, found in zip(texts, model.translate(texts), strict=True) if found.text == turned(text)]
    assert len(right) > 30
    found = model.translate(right, glossary={"two": "eight"})
    placed = [one.text == turned(text).replace("two", "eight") for text, one in zip(right, found, strict=True)]
    assert sum(placed) > 0.45 * len(right), "without a look at the source it is 0.36"


def test_python_does_the_same(translator: Path) -> None:
    model = house.load(translator)
    assert "eight eight" in model.translate("one two", glossary={"two": "eight eight"}).text
    assert model.translate("one two", glossary={"five": "eight"}) == model.translate("one two")
    assert model.translate("one two", keep=("numbers", "codes")) == model.translate("one two")
    assert len(model.translate(["one", "two"], glossary={"two": ["eight", "five"]})) == 2
    with pytest.raises(InputError, match="a draw cannot be held to terms"):
        model.translate("one two", glossary={"two": "eight"}, sample=True)


def test_what_cannot_be_is_one_line(translator: Path, glossary: Path, tmp_path: Path) -> None:
    def error(*said: object) -> str:
        return minnow("translate", translator, "one 12 A320", *said, fails=True).error

    assert "cannot write '12', for its vocabulary (word) has no tokens for it" in error("--keep", "numbers")
    assert "cannot write 'A320'" in error("--keep", "codes")
    assert "unknown kind of word to keep 'nouns'; choose one of: codes, names, numbers" in error("--keep", "nouns")
    assert "cannot read" in error("--glossary", tmp_path / "none.tsv")
    glossary.write_text("two\n")
    assert "line 1 of" in error("--glossary", glossary)


def test_names_are_not_told_by_the_capitals_of_german(translator: Path, tmp_path: Path) -> None:
    shutil.copytree(translator, tmp_path / "m")
    told = json.loads((tmp_path / "m" / "minnow.json").read_text())
    for languages, words in ((["de", "en"], "German gives to every noun"), (["en", "de"], "cannot write 'Anna'")):
        told["task"]["directions"] = [languages]
        (tmp_path / "m" / "minnow.json").write_text(json.dumps(told))
        failed = minnow("translate", tmp_path / "m", "one Anna two", "--keep", "names", fails=True)
        assert failed.code == 2
        assert words in failed.error
