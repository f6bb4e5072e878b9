"""Examples: labels become names, useless rows go with a count, and what cannot be trained on is told."""

import os
from pathlib import Path

import polars as pl
import pytest

from minnow.data.columns import Roles
from minnow.data.examples import load_examples
from minnow.data.sources import parts
from minnow.data.table import iterate_rows, read_table, write_table
from minnow.errors import DataError


def write(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def jsonl(path: Path, *labels: str) -> Path:
    lines = [f'{{"text": "text number {at}", "label": {label}}}' for at, label in enumerate(labels)]
    return write(path, "\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (("0", "1", "0"), ["0", "1"]),
        (("1.0", "2", "1.0"), ["1", "2"]),
        (("true", "false"), ["false", "true"]),
        (('" ham "', '"spam"'), ["ham", "spam"]),
        (('["a", "b"]', '["c"]', '["a"]'), ["a", "b", "c"]),
        (("[0, 3]", "[1.0]", "[]", "[0]"), ["0", "1", "3"]),
        (("[0]", "[true, null]"), ["0", "true"]),
    ],
)
def test_labels_become_names(tmp_path: Path, labels: tuple[str, ...], names: list[str]) -> None:
    examples = load_examples(jsonl(tmp_path / "a.jsonl", *labels))
    assert examples.label_names == names
    assert examples.multi_label == ("b" in names or "3" in names)
    write_table(read_table(tmp_path / "a.jsonl"), tmp_path / "a.csv")
    assert load_examples(tmp_path / "a.csv").labels == examples.labels


def test_an_empty_list_says_that_no_label_applies(tmp_path: Path) -> None:
    examples = load_examples(jsonl(tmp_path / "a.jsonl", '["a", "b"]', "[]", "null", '["a"]'))
    assert examples.labels == [("a", "b"), (), ("a",)]
    assert "1 row to which no label applies, kept" in examples.notes
    assert len(load_examples(jsonl(tmp_path / "b.jsonl", '["a"]', "[]", '["b"]'))) == 2


def test_csv_keeps_floats_lists_and_numbers_as_labels(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text,label\nx,1.0\ny,0.0\nz,\n")
    assert load_examples(path).labels == [("1",), ("0",)]
    frame = pl.DataFrame({"text": ["x", "y"], "label": [["a", "b"], ["c"]]})
    write_table(frame, tmp_path / "b.csv")
    assert load_examples(tmp_path / "b.csv").labels == [("a", "b"), ("c",)]


def test_mixed_types_are_told_with_their_rows(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", "1", "0", '"yes"', "1")
    with pytest.raises(DataError, match=r"labels of mixed types .* mostly a number, but row 3 holds a string; write"):
        load_examples(path)


def test_measurements_are_no_labels(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"measurements such as 0\.5"):
        load_examples(jsonl(tmp_path / "a.jsonl", "0.5", "1", "2"))
    pl.DataFrame({"text": ["a b", "c d"], "label": [[0.7], [1.0, 2.0]]}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"measurements such as 0\.7"):
        load_examples(tmp_path / "a.parquet")


@pytest.mark.parametrize("odd", ['{"a": 1}', '[{"a": 1}]', "[[1]]"])
def test_labels_that_are_no_names_are_told(tmp_path: Path, odd: str) -> None:
    with pytest.raises(DataError, match="but labels are names"):
        load_examples(jsonl(tmp_path / "a.jsonl", odd, odd))


def test_brackets_without_end_are_a_label_like_another(tmp_path: Path) -> None:
    deep = "[" * 5_000 + "]"
    assert load_examples(write(tmp_path / "a.csv", f"text,label\nx,{deep}\ny,[1]\n")).label_names[1] == deep


def test_words_that_are_missing_from_a_list_are_left_out(tmp_path: Path) -> None:
    frame = pl.DataFrame({"tokens": [["a", None, "b"], ["c", "d"]], "label": ["x", "y"]})
    frame.write_parquet(tmp_path / "a.parquet")
    assert load_examples(tmp_path / "a.parquet").texts == ["a b", "c d"]


def test_text_that_is_no_text_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"text": "a", "label": 1}\n{"text": 7, "label": 0}\n')
    with pytest.raises(DataError, match="row 2 holds a number; choose another column with --text"):
        load_examples(path)


def test_rows_that_are_no_use_go_with_a_count(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text,label\na,x\n  ,y\nb,y\nc,\nd,x\n")
    examples = load_examples(path)
    assert examples.texts == ["a", "b", "d"]
    assert "1 row without text left out" in examples.notes
    assert "1 row without a label left out" in examples.notes
    kept = load_examples(path, keep_empty=True)
    assert kept.texts == ["a", "  ", "b", "d"]


def test_too_many_missing_labels_are_a_mistake(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text,label\na,x\nb,\nc,\nd,\n")
    with pytest.raises(DataError, match=r"75% of the rows of a\.csv have no label in column"):
        load_examples(path)
    assert len(load_examples(path, need_label=False)) == 4


def test_one_class_only_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text,label\na,x\nb,x\n")
    with pytest.raises(DataError, match=r"all 2 rows of a\.csv have one label, 'x'"):
        load_examples(path)
    assert load_examples(path, need_label=False).label_names == ["x"]


def test_texts_that_are_all_empty_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="are empty"):
        load_examples(write(tmp_path / "a.csv", "text,label\n ,x\n ,y\n"))


def test_labels_that_differ_in_case_are_told(tmp_path: Path) -> None:
    notes = load_examples(write(tmp_path / "a.csv", "text,label\na,Spam\nb,spam\nc,ham\n")).notes
    assert "labels 'Spam' and 'spam' differ only in case; they count as two" in notes


@pytest.mark.parametrize("packed", ["", "train/"])
def test_a_folder_of_class_folders_is_a_set(tmp_path: Path, packed: str) -> None:
    for label, texts in {"pos": ["fine", "good"], "neg": ["bad"]}.items():
        for at, text in enumerate(texts):
            write(tmp_path / packed / label / f"{at}.txt", text + "\n")
    write(tmp_path / packed / "unsup" / "0.txt", "no label")
    write(tmp_path / packed / "urls.txt", "no text")
    examples = load_examples(tmp_path)
    assert sorted(zip(examples.texts, examples.labels, strict=True)) == [
        ("bad", ("neg",)),
        ("fine", ("pos",)),
        ("good", ("pos",)),
    ]
    assert parts(tmp_path) == (("train",) if packed else ("all",))


def test_a_folder_has_parts_that_can_be_picked(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", "text,label\na,x\nb,y\n")
    write(tmp_path / "test.jsonl", '{"text": "c", "label": "x"}\n{"text": "d", "label": "y"}\n')
    assert load_examples(tmp_path).texts == ["a", "b"]
    assert load_examples(tmp_path, "test").texts == ["c", "d"]
    assert parts(tmp_path) == ("train", "test")
    with pytest.raises(DataError, match="has no part 'valid'; it has: train, test"):
        load_examples(tmp_path, "valid")


def test_a_folder_of_neither_kind_names_its_files(tmp_path: Path) -> None:
    write(tmp_path / "reviews.csv", "text,label\na,x\nb,y\n")
    with pytest.raises(DataError, match=r"name one of its files: reviews\.csv"):
        load_examples(tmp_path)


def test_the_hash_of_a_folder_is_of_its_contents(tmp_path: Path) -> None:
    for label in ("a", "b"):
        write(tmp_path / label / "0.txt", label)
    before = load_examples(tmp_path).sha256
    assert load_examples(tmp_path).sha256 == before
    write(tmp_path / "b" / "0.txt", "changed")
    assert load_examples(tmp_path).sha256 != before


@pytest.mark.parametrize(
    ("source", "hint"), [("imdd", "did you mean 'imdb'"), ("reveiws.csv", r"did you mean '.*reviews\.csv'")]
)
def test_nothing_there_names_the_nearest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, hint: str
) -> None:
    write(tmp_path / "reviews.csv", "")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=hint):
        load_examples(source)


def test_a_pipe_is_called_one(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match=r"pipe is neither a file nor a folder; .* write it to a file first"):
        load_examples(tmp_path / "pipe")


def test_one_label_will_do_for_measuring_and_not_for_training(tmp_path: Path) -> None:
    path = write(tmp_path / "spam.csv", "text,label\nwin a prize,spam\nfree money,spam\n")
    assert load_examples(path, keep_empty=True).label_names == ["spam"]
    with pytest.raises(DataError, match="two or more"):
        load_examples(path)


SHOPS = [("late again", "delay", "Bonn"), ("lid broken", "damage", "Bonn"), ("was rude", "staff", "Kiel")]


def test_the_columns_of_training_are_taken_where_they_are(tmp_path: Path) -> None:
    lines = [f"{utt} {number},{kind},{shop}" for number in range(3) for utt, kind, shop in SHOPS]
    path = write(tmp_path / "a.csv", "\n".join(["utt,kind,shop", *lines]))
    learnt = Roles("utt", "kind")
    assert load_examples(path).roles.label == "shop"
    told = load_examples(path, learnt=learnt)
    assert told.label_names == ["damage", "delay", "staff"]
    assert 'label: column "kind" (as in training; 3 values)' in told.notes
    assert load_examples(path, label="shop", learnt=learnt).roles.label == "shop"
    assert load_examples(path, text="kind", learnt=learnt).roles == load_examples(path, text="kind").roles
    other = write(tmp_path / "b.csv", "text,label,shop\na b,x,Bonn\nc d,y,Kiel\n")
    assert load_examples(other, learnt=learnt).roles == load_examples(other).roles


def test_where_several_labels_are_known_to_be_possible_an_empty_list_is_an_answer(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", '["a"]', "[]", "[]", "[]", '["b"]')
    with pytest.raises(DataError, match="60% of the rows"):
        load_examples(path, keep_empty=True)
    assert load_examples(path, keep_empty=True, multi_label=True).labels == [("a",), (), (), (), ("b",)]
    none = jsonl(tmp_path / "none.jsonl", "[]", "[]")
    assert load_examples(none, keep_empty=True, multi_label=True).labels == [(), ()]
    assert len(load_examples(jsonl(tmp_path / "one.jsonl", '["a"]', "[]", '["b"]'), multi_label=False)) == 2


def test_a_wrong_encoding_comes_with_a_command_that_loses_no_row(tmp_path: Path) -> None:
    for label in ("pos", "neg"):
        write(tmp_path / "films" / label / "0.txt", "")
        (tmp_path / "films" / label / "0.txt").write_bytes("très bien".encode("latin-1"))
    with pytest.raises(
        DataError, match=rf"neg/0.txt is not UTF-8.*its folder with: minnow data clean {tmp_path}/films -"
    ):
        load_examples(tmp_path / "films")
    for name, content in (
        ("a.csv", "text,label\nété,x\n"),
        ("a.jsonl", '{"text": "été", "label": "x"}\n'),
        ("a.json", '[{"text": "été"}]'),
    ):
        (tmp_path / name).write_bytes(content.encode("latin-1"))
        with pytest.raises(DataError, match="minnow data clean"):
            load_examples(tmp_path / name)
        for read in (lambda path: load_examples(path, keep_empty=True), lambda path: list(iterate_rows(path))):
            with pytest.raises(DataError, match="convert it with: iconv -f cp1252 -t utf-8"):
                read(tmp_path / name)
