"""The catalog: entries are whole, sets are found where they lie, and a wrong file is not taken."""

import re
from pathlib import Path

import pytest

from minnow.data.catalog import data_folders, entries, file_sha256, find, locate, present, verify
from minnow.data.corpus import Corpus, RunningText
from minnow.data.download import steps
from minnow.data.examples import load_examples
from minnow.data.pairs import load_pairs
from minnow.data.prepare import steps as preparing_steps
from minnow.data.sources import parts, read_source
from minnow.data.split import leakage
from minnow.errors import DataError, UnknownNameError

on_this_machine = pytest.mark.skipif(len(present(find("trec"))) < 2, reason="the public sets are not on this machine")


def test_every_entry_says_whose_it_is_and_where_it_comes_from() -> None:
    assert len({entry.name for entry in entries()}) == len(entries())
    for entry in entries():
        assert entry.licence
        assert entry.citation
        assert entry.homepage.startswith("http")
        assert entry.prepare is None or entry.prepare in preparing_steps
        assert bool(entry.text) != bool(entry.languages)
        assert set(entry.aliases.values()) <= set(entry.parts)
        for file in (file for part in entry.parts.values() for file in part.files.values()):
            assert file.downloads
            assert file.unpack in steps
            for download in file.downloads:
                assert download.url.startswith("https://")
            for known in (*file.places, *file.downloads):
                assert known.sha256 is None or re.fullmatch("[0-9a-f]{64}", known.sha256)


@pytest.mark.parametrize("name", ["imdb", "IMDB", "ag_news", "sst-2", "20-newsgroups", "online_shopping", "SMS spam"])
def test_names_are_found_however_they_are_written(name: str) -> None:
    assert find(name) in entries()


def test_an_unknown_name_has_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'banking77'"):
        find("banking78")


def test_the_named_folder_comes_first() -> None:
    assert data_folders({"MINNOW_DATA": "/somewhere"})[0] == Path("/somewhere")
    assert Path("/somewhere") not in data_folders({})


def test_a_set_that_is_not_here_has_the_command_that_fetches_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"fetch it with: minnow data get mr, or put it at .*mr/all\.tsv"):
        locate(find("mr"), "all", [tmp_path])
    with pytest.raises(DataError, match="has no part 'dev'; choose one of: train, valid, test"):
        locate(find("sst2"), "dev", [tmp_path])


def test_a_part_in_a_file_a_language_is_here_when_all_of_them_are(tmp_path: Path) -> None:
    entry = find("multi30k")
    for language in entry.languages:
        assert present(entry, [tmp_path]) == ()
        path = tmp_path / "multi30k" / f"test_2016_flickr.{language}"
        path.parent.mkdir(exist_ok=True)
        path.write_text("A dog.\n")
    assert present(entry, [tmp_path]) == ("test",)
    located = locate(entry, "test_2016_flickr", [tmp_path], language="de")
    assert located == locate(entry, "test", [tmp_path], language="de")
    assert located.path.name == "test_2016_flickr.de"
    with pytest.raises(DataError, match="is not the file that the catalog knows"):
        verify(located)
    with pytest.raises(
        DataError, match=r"part 'train\.de', is not on this machine; .* or put it at .*multi30k/train\.de"
    ):
        locate(entry, "train", [tmp_path], language="de")
    with pytest.raises(DataError, match="has no file for the language 'es'; choose one of: en, de, fr"):
        locate(entry, "test", [tmp_path], language="es")


def test_a_set_in_one_piece_says_which_parts_are_made_of_it(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"no part 'dev'; choose one of: all, or those made of it .*: train, valid, test"
    ):
        locate(find("tatoeba-eng-fra"), "dev", [tmp_path])


def test_a_file_that_is_another_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "mr" / "all.tsv"
    path.parent.mkdir()
    path.write_text("0\tnot the set\n")
    with pytest.raises(DataError, match="is not the file that the catalog knows"):
        verify(locate(find("mr"), "all", [tmp_path]))


def test_a_file_that_cannot_be_read_has_no_hash(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read .*gone: No such file"):
        file_sha256(tmp_path / "gone")


def test_of_another_file_its_own_hash_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "sst" / "binary.test.tsv"
    path.parent.mkdir()
    path.write_text("1\tthis is another film\n0\tquite another text\n")
    aligned = [tmp_path / "multi30k" / f"test_2016_flickr.{language}" for language in ("en", "de")]
    for side in aligned:
        side.parent.mkdir(exist_ok=True)
        side.write_text("A dog.\n")
    monkeypatch.setenv("MINNOW_DATA", str(tmp_path))
    examples = load_examples("sst2", "test")
    assert examples.sha256 == file_sha256(path)
    assert examples.notes[0].startswith(f"{path} is not the file that the catalog knows: sha256 {examples.sha256[:12]}")
    noted = load_pairs("multi30k", part="test", languages=("en", "de")).notes
    assert all(any(note.startswith(f"{side} is not the file") for note in noted) for side in aligned)


def test_parts_in_one_file_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "tinyshakespeare" / "input.txt"
    path.parent.mkdir()
    path.write_text("".join(f"line {number:02d}\n" for number in range(40)))
    monkeypatch.setenv("MINNOW_DATA", str(tmp_path))
    train, valid = (read_source("tinyshakespeare", part).frame["text"].to_list() for part in ("train", "valid"))
    assert train == [f"line {number:02d}" for number in range(36)]
    assert valid == [f"line {number:02d}" for number in range(36, 40)]
    about = Corpus("own", (RunningText(path).portion(0.9, 1.0),))
    assert "".join(about.texts()).splitlines() == valid


def test_a_file_without_a_known_hash_is_unverified(tmp_path: Path) -> None:
    path = tmp_path / "imdb" / "aclImdb.train.jsonl.gz"
    path.parent.mkdir()
    path.write_bytes(b"")
    assert verify(locate(find("imdb"), "train", [tmp_path])) == "unverified"


def test_a_set_of_one_piece_is_split_by_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mr" / "all.tsv"
    path.parent.mkdir()
    path.write_text("".join(f"{number % 2}\tfilm number {number // 2}\n" for number in range(200)))
    monkeypatch.setenv("MINNOW_DATA", str(tmp_path))
    train, test, whole = (load_examples("mr", part) for part in ("train", "test", "all"))
    assert (len(train), len(test), len(whole)) == (160, 40, 200)
    assert leakage(train.texts, test.texts).count == 0
    assert train.label_names == ["negative", "positive"]
    assert parts("mr") == ("train", "test", "all")


@on_this_machine
@pytest.mark.parametrize(
    ("name", "part", "num_rows", "num_labels"),
    [
        ("trec", "train", 5452, 6),
        ("trec", "test", 500, 6),
        ("sst2", "valid", 872, 2),
        ("sst5", "test", 2210, 5),
        ("mr", "all", 10662, 2),
        ("banking77", "train", 10003, 77),
        ("ag-news", "test", 7600, 4),
        ("sms-spam", "all", 5574, 2),
        ("chnsenticorp", "all", 7765, 2),
        ("thucnews-titles", "test", 10000, 10),
        ("atis", "test", 893, 20),
    ],
)
def test_the_sets_have_the_rows_that_were_published(name: str, part: str, num_rows: int, num_labels: int) -> None:
    examples = load_examples(name, part)
    assert (len(examples), len(examples.label_names)) == (num_rows, num_labels)
    assert verify(locate(find(name), part)) == "verified"


@on_this_machine
@pytest.mark.parametrize("name", ["multi30k", "tatoeba-eng-fra", "tatoeba-eng-cmn"])
def test_the_sets_of_sentence_pairs_are_what_the_catalog_knows(name: str) -> None:
    entry = find(name)
    for part in present(entry):
        for language in entry.parts[part].files:
            assert verify(locate(entry, part, language=language)) == "verified"


@on_this_machine
def test_the_product_class_can_be_the_label() -> None:
    examples = load_examples("online-shopping", "all", label="cat")
    assert len(examples.label_names) == 10
    assert "negative" not in examples.label_names


@on_this_machine
def test_training_titles_that_stand_in_are_told() -> None:
    if locate(find("thucnews-titles"), "train").note:
        assert any("stand in for" in note for note in load_examples("thucnews-titles").notes)
