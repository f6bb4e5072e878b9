"""Sentence pairs: a source keeps its target whatever they lie in; what cannot be read is one line that says why."""

import gzip
import json
import shutil
import subprocess
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minnow.data.catalog import find, present
from minnow.data.corpus import open_corpus
from minnow.data.examples import load_examples
from minnow.data.pairs import Pairs, load_pairs, pair_parts
from minnow.data.split import leakage
from minnow.data.summary import summarise
from minnow.errors import DataError

quick = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
on_this_machine = pytest.mark.skipif(
    not (present(find("multi30k")) and present(find("tatoeba-eng-cmn")) and present(find("tatoeba-eng-fra"))),
    reason="the sets of sentence pairs are not on this machine",
)
# Line feeds alone end a line; NUL and surrogates stand in no text file, and a byte order mark is none of the text.
sentences = st.text(st.characters(exclude_characters="\0\n\r\ufeff", exclude_categories=["Cs"]), max_size=12)
EN, DE, FR = ["A dog.", "Two men.", "Snow."], ["Ein Hund.", "Zwei Männer.", "Schnee."], ["Un chien.", "", "Neige."]


def written(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(raw, 1) if path.suffix == ".gz" else raw)
    return path


def lines(path: Path, texts: list[str]) -> Path:
    return written(path, "".join(text + "\n" for text in texts))


def rows(pairs: Pairs) -> list[tuple[str, str]]:
    return list(zip(pairs.sources, pairs.targets, strict=True))


@quick
@given(st.lists(st.tuples(sentences, sentences), max_size=8), st.sampled_from(["", ".gz"]))
def test_line_i_belongs_to_line_i(tmp_path: Path, texts: list[tuple[str, str]], packed: str) -> None:
    texts = [("a", "b"), *texts]
    first = lines(tmp_path / f"x.en{packed}", [source for source, _ in texts])
    second = lines(tmp_path / f"x.de{packed}", [target for _, target in texts])
    every = load_pairs(first, second, keep_empty=True)
    assert rows(every) == texts
    filled = load_pairs(first, second)
    assert rows(filled) == [pair for pair in texts if pair[0].strip() and pair[1].strip()]
    assert set(filled.directions) == {("en", "de")}


@pytest.mark.parametrize(
    ("first", "second", "asked", "direction"),
    [
        ("train.en", "train.de", (), ("en", "de")),
        ("train.de.gz", "train.en.gz", (), ("de", "en")),
        ("a.tok.eng", "b.pt_BR", (), ("eng", "pt_BR")),
        ("train.src", "train.tgt", (), ("source", "target")),
        ("hard.txt", "easy.txt", (), ("source", "target")),
        ("hard.en", "easy.en", (), ("source", "target")),
        ("train.en", "train.txt", (), ("source", "target")),
        ("train.en", "train.de", ("de", "fr"), ("de", "fr")),
    ],
)
def test_the_languages_of_two_files_are_as_asked_or_as_their_names_say(
    tmp_path: Path, first: str, second: str, asked: tuple[str, ...], direction: tuple[str, str]
) -> None:
    pairs = load_pairs(lines(tmp_path / first, EN), lines(tmp_path / second, DE), languages=asked)
    assert (pairs.directions, rows(pairs)) == ([direction] * 3, list(zip(EN, DE, strict=True)))
    assert pairs.languages == tuple(sorted(direction))
    assert f"{direction[0]}: {first}, {direction[1]}: {second}" in pairs.notes


def test_encodings_marks_and_line_ends_are_undone(tmp_path: Path) -> None:
    source = written(tmp_path / "a.en", "\ufeffA dog.\r\nTwo men.\r\nSnow.".encode("utf-16"))
    target = written(tmp_path / "a.de", "Ein Hund.\nZwei Männer.\nSchnee.\n".encode("utf-8-sig"))
    assert rows(load_pairs(source, target)) == list(zip(EN, DE, strict=True))
    old = written(tmp_path / "b.de", "Männer.\n".encode("cp1252"))
    assert load_pairs(old, old, encoding="cp1252").sources == ["Männer."]
    with pytest.raises(DataError, match=r"line 1, .* convert it with: iconv -f cp1252 -t utf-8"):
        load_pairs(old, old)  # cleaning would lose lines


@pytest.mark.skipif(shutil.which("iconv") is None, reason="there is no iconv on this machine")
@pytest.mark.parametrize("name", ["my old.de", "my old.de.gz"])
def test_the_command_that_converts_a_file_does_it(tmp_path: Path, name: str) -> None:
    for content in ("Männer.\nSchnee fällt.\n".encode("cp1252"), "A dog.\n".encode("utf-16-le")):
        old = written(tmp_path / name, content)
        with pytest.raises(DataError, match="convert it with") as caught:
            load_pairs(old, old)
        command = str(caught.value).partition("convert it with: ")[2].replace("OTHER", str(tmp_path / "new"))
        subprocess.run(command, shell=True, check=True)
        assert (tmp_path / "new").read_bytes().decode("utf-8")


TATOEBA = "Hi.\tSalut !\tCC-BY 2.0 (France) Attribution: tatoeba.org #1 (a)\nI see.\tJe vois.\tCC-BY 2.0 #2 (b)\n"
TABLES: list[tuple[str, str, dict[str, Any], tuple[str, str]]] = [
    ("a.csv", "en,de\nA dog.,Ein Hund.\n", {}, ("en", "de")),
    ("a.csv", "de,en\nEin Hund.,A dog.\n", {"languages": ("en", "de")}, ("en", "de")),
    ("a.csv", "DE,EN\nEin Hund.,A dog.\n", {"languages": ("en", "de")}, ("en", "de")),
    ("a.csv", "id,en,score,de\n1,A dog.,0.5,Ein Hund.\n", {}, ("en", "de")),
    ("a.csv", "note,target,source\nfine,Ein Hund.,A dog.\n", {}, ("source", "target")),
    ("a.csv", "tgt,src\nEin Hund.,A dog.\n", {"languages": ("en", "de")}, ("en", "de")),
    ("a.csv", "Englisch,Deutsch\nA dog sleeps on the sofa.,Ein Hund.\n", {}, ("source", "target")),
    ("a.csv", "x,y,z\nA dog.,-,Ein Hund.\n", {"source_column": "x", "target_column": "z"}, ("source", "target")),
    (
        "a.jsonl",
        '{"en": "A dog.", "de": "Ein Hund.", "de_old": "Eyn Hund."}\n',
        {"source_column": "en", "target_column": "de"},
        ("en", "de"),
    ),
    ("a.tsv", "A dog.\tEin Hund.\n", {"languages": ("en", "de")}, ("en", "de")),
    ("a.txt.gz", "A dog.\tEin Hund.\nSnow.\tSchnee.\n", {}, ("source", "target")),
    ("a.jsonl", '{"en": "A dog.", "de": "Ein Hund."}\n', {}, ("en", "de")),
    ("a.jsonl", '{"id": "7", "translation": {"en": "A dog.", "de": "Ein Hund."}}\n', {}, ("en", "de")),
    (
        "a.jsonl.gz",
        '{"translation": {"de": "Ein Hund.", "en": "A dog."}}\n{"translation": null}\n',
        {"languages": ("en", "de")},
        ("en", "de"),
    ),
    ("a.json", '[{"translation": {"en": "A dog.", "de": "Ein Hund."}}]', {}, ("en", "de")),
]


@pytest.mark.parametrize(("name", "content", "asked", "direction"), TABLES)
def test_tables_as_people_have_them(
    tmp_path: Path, name: str, content: str, asked: dict[str, Any], direction: tuple[str, str]
) -> None:
    pairs = load_pairs(written(tmp_path / name, content), **asked)
    source, target = ("Englisch", "Deutsch") if "Englisch" in content else ("", "")
    first = "A dog sleeps on the sofa." if source else "A dog."
    assert (rows(pairs)[0], pairs.directions[0], pairs.name) == ((first, "Ein Hund."), direction, name)
    assert any(f'{direction[0]}: column "{source}' in note and f'column "{target}' in note for note in pairs.notes)


def test_the_authors_of_tatoeba_are_no_side(tmp_path: Path) -> None:
    pairs = load_pairs(written(tmp_path / "fra.txt", TATOEBA), languages=("en", "fr"))
    assert rows(pairs) == [("Hi.", "Salut !"), ("I see.", "Je vois.")]


def test_parquet_with_translations_is_read(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {"id": [1, 2], "translation": [{"en": a, "de": b} for a, b in zip(EN[:2], DE[:2], strict=True)]}
    )
    frame.write_parquet(tmp_path / "a.parquet")
    assert rows(load_pairs(tmp_path / "a.parquet", languages=("de", "en"))) == list(zip(DE[:2], EN[:2], strict=True))


def test_a_prefix_is_its_files(tmp_path: Path) -> None:
    lines(tmp_path / "books.de-en.en", EN)
    lines(tmp_path / "books.de-en.en.gz", ["an older copy, which the plain file goes before"])
    lines(tmp_path / "books.de-en.de.gz", DE)
    for other in ("ids", "pdf", "doc", "png"):
        written(tmp_path / f"books.de-en.{other}", "1\n2\n3\n")
    prefix = tmp_path / "books.de-en"
    assert load_pairs(prefix).directions[0] == ("de", "en")
    pairs = load_pairs(prefix, languages=("en", "de"))
    assert (pairs.name, rows(pairs)) == ("books.de-en.en+books.de-en.de.gz", list(zip(EN, DE, strict=True)))
    assert pairs.sha256 == load_pairs(prefix).sha256
    assert pair_parts(prefix) == ("all",)
    lines(tmp_path / "books.de-en.fr", FR)
    with pytest.raises(DataError, match=r"has 3 languages \(de, en, fr\); say between which to translate"):
        load_pairs(prefix)


def test_a_folder_has_parts(tmp_path: Path) -> None:
    for part, num_rows in (("train", 3), ("val", 2), ("test_2016", 1)):
        lines(tmp_path / f"{part}.en", EN[:num_rows])
        lines(tmp_path / f"{part}.de", DE[:num_rows])
    written(tmp_path / "README.md", "text")
    assert pair_parts(tmp_path) == ("test_2016", "train", "valid")
    assert [len(load_pairs(tmp_path, part=part)) for part in ("train", "valid", "test_2016")] == [3, 2, 1]
    with pytest.raises(DataError, match="has no part 'test'; it has: test_2016, train, valid"):
        load_pairs(tmp_path, part="test")
    tables = tmp_path / "tables"
    written(tables / "train.csv", "en,de\na,b\n")
    written(tables / "dev.csv", "en,de\nc,d\n")
    assert pair_parts(tables) == ("train", "valid")
    assert load_pairs(tables, part="valid").sources == ["c"]


@quick
@given(st.lists(st.tuples(*[sentences] * 3), max_size=6), st.sampled_from(list(permutations(("en", "de", "fr")))))
def test_three_languages_are_all_the_directions_between_them(
    tmp_path: Path, texts: list[tuple[str, str, str]], order: tuple[str, ...]
) -> None:
    texts = [("a", "b", "c"), *texts]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(dict(zip(("en", "de", "fr"), row, strict=True))) + "\n" for row in texts))
    every = load_pairs(path, languages=order)
    assert list(dict.fromkeys(every.directions)) == list(permutations(order, 2))
    assert every.directions == sorted(every.directions, key=list(permutations(order, 2)).index)
    for direction in permutations(order, 2):
        assert rows(every.of(direction)) == rows(load_pairs(path, languages=direction))


def test_a_sentence_that_a_language_lacks_makes_no_pair(tmp_path: Path) -> None:
    path = written(
        tmp_path / "a.jsonl", '{"en": "A", "de": "B", "fr": "C"}\n{"en": "D", "fr": "E"}\n{"en": "F", "de": ""}\n'
    )
    pairs = load_pairs(path, languages=("en", "de", "fr"))
    assert rows(pairs) == [
        ("A", "B"),
        ("A", "C"),
        ("D", "E"),
        ("B", "A"),
        ("B", "C"),
        ("C", "A"),
        ("E", "D"),
        ("C", "B"),
    ]
    assert "en→de 1, en→fr 2, de→en 1, de→fr 1, fr→en 2, fr→de 1" in pairs.notes
    assert "10 pairs with an empty side left out" in pairs.notes
    kept = load_pairs(path, languages=("en", "de", "fr"), keep_empty=True)
    assert rows(kept.of(("en", "de"))) == [("A", "B"), ("F", "")]
    assert rows(load_pairs(path, languages=("en", "de"), keep_empty=True)) == [("A", "B"), ("D", ""), ("F", "")]


def test_empty_sides_go_with_a_count_or_stay(tmp_path: Path) -> None:
    source, target = lines(tmp_path / "a.en", ["A", " ", "C", "D"]), lines(tmp_path / "a.de", ["B", "x", "", "E"])
    pairs = load_pairs(source, target)
    assert rows(pairs) == [("A", "B"), ("D", "E")]
    assert "2 pairs with an empty side left out" in pairs.notes
    kept = load_pairs(source, target, keep_empty=True)
    assert (rows(kept), len(kept.notes)) == ([("A", "B"), (" ", "x"), ("C", ""), ("D", "E")], 1)


def test_rows_can_be_chosen_and_directions_told_apart() -> None:
    pairs = Pairs(["a", "b", "c"], ["x", "y", "z"], [("en", "de"), ("de", "en"), ("en", "de")], "mine", "0")
    assert rows(pairs.of(("en", "de"))) == [("a", "x"), ("c", "z")]
    assert rows(pairs.chosen([2, 0])) == [("c", "z"), ("a", "x")]
    assert (len(pairs), pairs.languages) == (3, ("de", "en"))
    with pytest.raises(DataError, match="mine has no pairs fr→en; it has: en→de, de→en"):
        pairs.of(("fr", "en"))


FILES = {
    "three.en": "a\nb\nc\n",
    "two.de": "a\nb\n",
    "none.en": "",
    "none.de": "",
    "blank.de": "\n\n\n",
    "crossed.de": "\n\nx\n",
    "crossed.en": "x\n\n\n",
    "alone.en": "a\n",
    "binary.en": b"RIFF\x00\x01\n",
    "named.csv": "en,fr\na b,c d\ne f,g h\n",
    "many.csv": "en,de,fr\na b,c d,e f\n",
    "vague.csv": "one,two,three\n" + "a sentence of some words,another one,a third\n" * 2,
    "single.csv": "text\na b\n",
    "numbers.csv": "en,de\na b,1\nc d,2\n",
    "mixed.jsonl": '{"en": "a", "de": "b"}\n{"en": "c", "de": 7}\n',
    "flat.jsonl": '{"translation": {"en": "a", "de": "b"}}\n{"translation": "c"}\n',
    "hollow.csv": "en,de\na b,\nc d,\n",
}


@pytest.mark.parametrize(
    ("source", "target", "asked", "says"),
    [
        (
            "three.en",
            "two.de",
            {},
            r"three\.en has 3 lines, but .*two\.de has 2 lines; line i of one belongs to line i",
        ),
        ("none.en", "none.de", {}, r"none\.en and .*none\.de are empty; they need one sentence a line"),
        ("three.en", "blank.de", {}, r"all sentences of three\.en\+blank\.de in 'de' are empty; choose another"),
        ("crossed.en", "crossed.de", {}, r"no row of crossed\.en\+crossed\.de has both sides"),
        ("three.en", "missing.de", {}, r"cannot read .*missing\.de: No such file"),
        ("three.en", "folder", {}, r"cannot read .*folder: Is a directory"),
        ("binary.en", "three.en", {}, r"binary\.en holds a NUL byte in line 1, which text never does"),
        (
            "three.en",
            "two.de",
            {"languages": ("en", "de", "fr")},
            "two files hold two languages, but got 3: en, de, fr",
        ),
        ("three.en", None, {"languages": "en"}, "must be a sequence of codes"),
        ("many.csv", None, {"languages": ("en",)}, "a direction needs two languages, but got 'en' alone; name two"),
        ("many.csv", None, {"languages": ("en", "de", "en")}, "each language may be named once, but got en, de, en"),
        ("named.csv", None, {"languages": ("en", "de")}, r"named\.csv has no language 'de'; it has: en, fr"),
        ("named.csv", None, {"languages": ("es", "de")}, r"named\.csv has no language 'es'; it has: en, fr"),
        ("vague.csv", None, {"languages": ("en", "de", "fr")}, "no language 'en'; it has: one, two, three"),
        ("many.csv", None, {}, r"many\.csv has 3 languages \(en, de, fr\); say between which .* such as --langs en,de"),
        ("vague.csv", None, {}, "should have two columns of text, .* but has 3; name them .* columns: one, two, three"),
        (
            "numbers.csv",
            None,
            {},
            r"but has 1; name them with source_column and target_column \(--text and --label\); columns: en, de",
        ),
        (
            "single.csv",
            None,
            {},
            "has one column, 'text', but pairs have two sides; write them in two columns, or in two",
        ),
        ("alone.en", None, {}, "has one column, 'text', but pairs have two sides"),
        (
            "vague.csv",
            None,
            {"source_column": "one"},
            "go together, but only 'one' was given; columns: one, two, three",
        ),
        ("vague.csv", None, {"source_column": "one", "target_column": "too"}, "no column 'too'; did you mean 'two'"),
        (
            "vague.csv",
            None,
            {"source_column": "one", "target_column": "one"},
            "'one' of vague.csv cannot be both sides",
        ),
        (
            "many.csv",
            None,
            {"source_column": "en", "target_column": "de", "languages": ("en", "de", "fr")},
            "two columns hold two languages, but got 3",
        ),
        (
            "three.en",
            "three.en",
            {"source_column": "en", "target_column": "de"},
            "are for tables, but .* has a text for",
        ),
        (
            "mixed.jsonl",
            None,
            {"languages": ("en", "de")},
            "row 2 holds a number; choose another column with source_co",
        ),
        ("flat.jsonl", None, {}, "should hold a text for each language, but row 2 holds 'c'; mend the row"),
        ("hollow.csv", None, {"languages": ("en", "de")}, r"all sentences of hollow\.csv in 'de' are empty"),
        ("alone", None, {}, r"alone is the prefix of alone\.en alone; put the file of another language beside it"),
        ("two", None, {"languages": ("en", "de")}, r"two is the prefix of two\.de alone"),
        ("none", None, {"languages": ("en", "fr")}, "none has no language 'fr'; it has: de, en"),
        ("folder", None, {}, "folder .* has neither train and test parts nor"),
        ("nothing", None, {}, "no file, folder or public set"),
        ("none.en", None, {}, r"none\.en is empty"),
    ],
)
def test_what_cannot_be_read_is_one_line_that_says_why(
    tmp_path: Path, source: str, target: str | None, asked: dict[str, Any], says: str
) -> None:
    (tmp_path / "folder").mkdir()
    for name, content in FILES.items():
        written(tmp_path / name, content)
    with pytest.raises(DataError, match=says) as caught:
        load_pairs(tmp_path / source, target and tmp_path / target, **asked)
    assert "\n" not in str(caught.value)


scraps = st.lists(
    st.sampled_from(
        [b"\t", b",", b"\n", b"\r", b'"', b'{"en": "a", "de": "b"}', b'{"translation": ', b"}", b"\xe9", b"\0",
         b"\xff\xfe", b"\xef\xbb\xbf", b"\x1f\x8b", b"en,de\n", b"null", b"[1]", b"1", "好".encode()]
    )
    | st.binary(max_size=4),
    max_size=16,
).map(b"".join)  # fmt: skip


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(scraps, st.sampled_from(["a.csv", "a.tsv", "a.jsonl", "a.json", "a.parquet", "a.txt", "a.en"]), st.booleans())
def test_any_bytes_are_pairs_or_a_one_line_error(tmp_path: Path, content: bytes, name: str, alone: bool) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    message = ""
    try:
        pairs = load_pairs(path) if alone else load_pairs(path, path)
        assert len(pairs.sources) == len(pairs.targets) == len(pairs.directions) > 0
        assert all(text.strip() for text in (*pairs.sources, *pairs.targets))
    except DataError as error:
        message = str(error)
    assert "\n" not in message


def test_one_huge_line_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.en.gz"
    with gzip.open(path, "wb", compresslevel=1) as stream:
        for _ in range(65):
            stream.write(b"x" * (1 << 20))
    with pytest.raises(DataError, match=r"line 1 of .*a\.en\.gz is longer than 67,108,864 bytes"):
        load_pairs(path, path)


def test_files_named_the_other_way_round_are_refused(tmp_path: Path) -> None:
    first, second = lines(tmp_path / "x.de.gz", DE), lines(tmp_path / "x.en", EN)
    says = r"x\.de\.gz and x\.en are named de and en, but given as en and de; give the files in the other order"
    with pytest.raises(DataError, match=says):
        load_pairs(first, second, languages=("en", "de"))
    assert load_pairs(first, second, languages=("de", "en")).directions[0] == ("de", "en")
    assert load_pairs(first, second, languages=("bar", "en")).directions[0] == ("bar", "en")


def test_targets_without_spaces_whose_language_is_not_told_by_a_code_are_told(tmp_path: Path) -> None:
    first, second = lines(tmp_path / "a.txt", EN), lines(tmp_path / "b.txt", ["一条狗。", "两个男人。", "雪。"])

    def told(*languages: str) -> list[str]:
        return [note for note in load_pairs(first, second, languages=languages).notes if "no spaces" in note]

    assert told("en", "zh") == told("en", "zh_Hans") == told("en", "yue") == []
    assert told("English", "Chinese") == [
        "the targets in 'Chinese' have no spaces between words, which its name does not tell, so BLEU takes whole "
        "sentences for words; name the language by its code, such as zh or ja"
    ]
    assert len(told()) == 1


@on_this_machine
@pytest.mark.parametrize(
    ("name", "part", "languages", "num_pairs"),
    [
        ("multi30k", "train", ("en", "de"), 29_000),
        ("multi30k", "valid", ("de", "fr"), 1_014),
        ("multi30k", "val", ("fr", "en"), 1_014),
        ("multi30k", "test", ("en", "de"), 1_000),
        ("multi30k", "test_2016_flickr", ("en", "de"), 1_000),
        ("multi30k", "test_2017_flickr", ("en", "fr"), 1_000),
        ("multi30k", "test_2017_mscoco", ("en", "de", "fr"), 6 * 461),
        ("tatoeba-eng-fra", "all", (), 142_787),
        ("tatoeba-eng-cmn", "all", ("zh", "en"), 20_133),
    ],
)
def test_the_sets_have_the_pairs_that_were_published(
    name: str, part: str, languages: tuple[str, ...], num_pairs: int
) -> None:
    pairs = load_pairs(name, part=part, languages=languages)
    assert len(pairs) == num_pairs
    assert set(pairs.directions) <= set(permutations(languages or ("en", "fr"), 2))
    assert pairs.licence


@on_this_machine
def test_the_captions_belong_to_one_another() -> None:
    pairs = load_pairs("multi30k", part="test", languages=("de", "en"))
    assert rows(pairs)[0] == (
        "Ein Mann mit einem orangefarbenen Hut, der etwas anstarrt.",
        "A man in an orange hat starring at something.",
    )
    assert any("do not pass its text on" in note for note in pairs.notes)
    assert rows(pairs) == rows(load_pairs("multi30k", part="test_2016_flickr", languages=("de", "en")))


@on_this_machine
@pytest.mark.parametrize(("name", "num_test"), [("tatoeba-eng-fra", 2_856), ("tatoeba-eng-cmn", 1_000)])
def test_no_sentence_of_a_set_in_one_piece_stands_in_two_parts(name: str, num_test: int) -> None:
    every = rows(load_pairs(name, part="all"))
    part = {part: load_pairs(name, part=part) for part in pair_parts(name)[:-1]}
    assert list(part) == ["train", "valid", "test"]
    assert (len(part["test"]), len(part["valid"])) == (num_test, num_test // 2)
    assert sorted(pair for pairs in part.values() for pair in rows(pairs)) == sorted(every)
    texts = {name: [*pairs.sources, *pairs.targets] for name, pairs in part.items()}
    for first, second in combinations(part, 2):
        assert leakage(texts[first], texts[second]).count == 0
    assert part["test"].sha256 == part["train"].sha256


@on_this_machine
@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"source": "multi30k"}, r"multi30k has 3 languages \(en, de, fr\); say between which"),
        ({"source": "multi30k", "languages": ("en", "es")}, "multi30k has no language 'es'; it has: en, de, fr"),
        (
            {"source": "multi30k", "languages": ("en", "de"), "part": "dev"},
            "no part 'dev'; choose one of: train, valid,",
        ),
        ({"source": "tatoeba-eng-fra", "languages": ("en", "de")}, "no language 'de'; it has: en, fr"),
        ({"source": "tatoeba-eng-fra", "part": "dev"}, "no part 'dev'; choose one of: all, or those made of it"),
        (
            {"source": "tatoeba-eng-cmn", "source_column": "a", "target_column": "b"},
            "name those with languages, such as",
        ),
        (
            {"source": "imdb"},
            "'imdb' holds no sentence pairs; those that do: multi30k, tatoeba-eng-fra, tatoeba-eng-cmn",
        ),
    ],
)
def test_what_a_set_does_not_have_is_told(asked: dict[str, Any], says: str) -> None:
    with pytest.raises(DataError, match=says):
        load_pairs(**asked)


@on_this_machine
def test_pairs_are_no_corpus_and_no_labelled_texts_but_can_be_looked_at() -> None:
    with pytest.raises(DataError, match=r"'multi30k' holds sentence pairs \(en, de, fr\) for translation, no text"):
        open_corpus("multi30k")
    with pytest.raises(
        DataError,
        match=r"holds sentence pairs \(en, zh\) for translation \(--task translation\), not texts .*--text en",
    ):
        load_examples("tatoeba-eng-cmn")
    assert len(load_examples("multi30k", "valid", text="de", need_label=False)) == 1_014
    about = summarise("tatoeba-eng-cmn")
    assert list(about["parts"]) == ["train.en", "train.zh", "valid.en", "valid.zh", "test.en", "test.zh"]
    assert {leak["count"] for leak in about["leakage"].values()} == {0}
    assert about["sha256"] == {"all": "verified"}
