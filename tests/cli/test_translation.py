"""Pairs on the command line: trained on, measured, compared and translated; what cannot be is one line and code 2."""

import gzip
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import files_in, minnow, with_settings
from pairs import TURNING, files, sequences, turned
from writers import folder as writer

import minnow as house
from minnow.errors import InputError
from minnow.evaluation.translation import TranslationReport

SCORES = ("bleu", "chrf", "tokenised_bleu", "exact_match")
QUICK = with_settings(TURNING | {"training.epochs": 1, "training.tokens_per_batch": 512})


@pytest.fixture(autouse=True)
def _no_pictures(translator: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    monkeypatch.setattr("minnow.evaluation.plots.available", lambda: False)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    files(folder, 40, seed=4)
    return folder


def sides(folder: Path, name: str = "train") -> list[Path]:
    return [folder / f"{name}.{side}" for side in ("sources", "targets")]


# minnow train


def test_json_is_one_object_with_the_names_of_the_scores(small: Path, turning: Path, tmp_path: Path) -> None:
    test = {"pairs.test": turning / "test.sources", "pairs.test_target": turning / "test.targets"}
    made = minnow(
        *("train", *sides(small), "--task", "translation", "--out", tmp_path / "m", "--json"),
        *("--source", "en", "--target", "de", "--set", "pairs.clean=false", *QUICK, *with_settings(test)),
    )
    told = made.json
    assert (told["model"], told["model_type"], told["directions"]) == (str(tmp_path / "m"), "rnn_seq2seq", ["en-de"])
    assert (told["measured_on"], told["test_rows"]) == ("test", 40)
    for name in SCORES:
        low, high = told["intervals"][name]
        assert 0 <= low <= told[name] <= high <= 100
    assert told["signatures"]["bleu"].startswith("nrefs:1|")
    assert "version:" in told["signatures"]["chrf"]
    assert {"loss", *SCORES} <= told["validation"].keys()
    assert told["parameters"] > 0 < told["size_bytes"]
    assert "40 pairs of en to de" in made.err


def test_without_json_scores_go_out_and_notes_go_to_standard_error(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = minnow("train", *sides(small), *QUICK)
    for words in ("bleu", "chrf", "measured on", "validation, nrefs:1", "runs/train"):
        assert words in made.out
    assert "epoch  1" in made.err
    assert "BLEU" in made.err
    assert 'next: minnow translate runs/train "a text"' in made.err
    assert (tmp_path / "runs" / "train" / "minnow.json").is_file()


def test_a_table_and_a_prefix_are_pairs_as_well(small: Path, tmp_path: Path) -> None:
    sources, targets = (path.read_text().splitlines() for path in sides(small))
    (tmp_path / "data.jsonl").write_text(
        "".join(json.dumps({"de": b, "en": a}) + "\n" for a, b in zip(sources, targets, strict=True))
    )
    for language, texts in (("en", sources), ("de", targets)):
        (tmp_path / f"data.{language}").write_text("\n".join(texts))
    told = []
    for name in ("data.jsonl", "data"):
        asked = ("train", tmp_path / name, "--task", "translation", "--langs", "en,de", "--out", tmp_path / f"m-{name}")
        told.append(minnow(*asked, "--json", "--set", "pairs.clean=false", *QUICK).json)
        assert told[-1]["directions"] == ["en-de"]
    assert told[0]["validation"] == told[1]["validation"]


def test_a_run_that_was_cut_off_goes_on_with_its_own_recipe(translator: Path, tmp_path: Path) -> None:
    (tmp_path / "m" / "run").mkdir(parents=True)
    recipe = (translator / "recipe.toml").read_text().replace("epochs = 6", "epochs = 1")
    (tmp_path / "m" / "run" / "recipe.toml").write_text(recipe)
    resumed = minnow("train", "--resume", "--out", tmp_path / "m", "--source", "en", "--target", "fr", "--json")
    assert resumed.json["directions"] == ["source-target"]
    assert "what else was said is not used" in resumed.err
    assert "is finished" in minnow("train", "--resume", "--out", tmp_path / "m", fails=True).error


def test_a_run_goes_on_from_a_model(translator: Path, small: Path, tmp_path: Path) -> None:
    more = ["--from", translator, "--set", "training.epochs=1", "--set", "training.precision=float32"]
    minnow("train", *sides(small), "--task", "translation", *more, "--out", tmp_path / "m")
    for name in ("config.json", "tokenizer.json"):
        assert (tmp_path / "m" / name).read_bytes() == (translator / name).read_bytes()
    assert minnow("translate", tmp_path / "m", "one two").out == "two one\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{data}/train.sources", "--task", "translation"], "has one column"),
        (["{data}/train.sources", "{data}/test.targets"], "40 lines.*20|20.*40"),
        (["{data}/train.sources", "{data}/nothing.targets"], "nothing.targets"),
        (["{data}/train.sources", "{data}/blank.targets"], "empty"),
        (["{data}/train.sources", "{data}/void.targets"], "has 0 lines"),
        (["{data}/train.sources", "{data}/train.targets", "--task", "text_classification"], "--task translation"),
        (["{data}/train.sources", "--source", "en", "--target", "de"], "add --task translation"),
        (["{data}/train.sources", "{data}/train.targets", "--source", "en"], "name a direction together"),
        (["{data}/train.sources", "{data}/train.targets", "--langs", "en,de", "--source", "en"], "one of the two"),
        (["{data}/train.sources", "{data}/train.targets", "--langs", "en"], "two"),
        (["{data}/train.sources", "{data}/train.targets", "--langs", "en,de,fr"], "two files hold two languages"),
        (["{data}/train.sources", "{data}/train.targets", "--lora", "4"], "lora is for language models"),
        (["{data}/train.sources", "{data}/train.targets", "--test", "x"], "--set pairs.test=FILE"),
        (["{data}/train.sources", "{data}/train.targets", "--validation", "0.1"], "pairs.validation"),
        (["{data}/train.sources", "{data}/train.targets", "--model", "ngram"], "choose one of|did you mean"),
        (["{data}/train.sources", "{data}/train.targets", "--task", "translat"], "did you mean 'translation'"),
        (["{data}/train.sources", "{data}/train.targets", "--task", "text_generation"], "unknown task"),
        (["{data}/train.sources", "{data}/train.targets", "--out", "{translator}"], "already holds a model"),
        (["{data}/train.sources", "{data}/train.targets", "--from", "{writer}"], "does not translate"),
        (["{data}/train.sources", "{data}/train.targets", "--set", "training.metric=accuracy"], "metric"),
        (["{data}/train.sources", "{data}/train.targets", "--set", "shape.hidden_size=-8"], "hidden_size"),
        (["{data}/table.tsv", "--task", "translation", "--langs", "en,xx"], "'xx'"),
        (["{data}/table.tsv", "--task", "translation", "--text", "en", "--label", "xx"], "'xx'"),
        (["multi30k", "--langs", "en,xx"], "'xx'"),
    ],
)
def test_pairs_that_cannot_be_learnt_from_are_one_line(
    arguments: list[str], words: str, small: Path, translator: Path, tmp_path: Path
) -> None:
    files(small, 20, seed=6, name="test")
    (small / "blank.targets").write_text("\n" * 40)
    (small / "void.targets").write_text("")
    (small / "table.tsv").write_text("en\tde\none\teins\ntwo\tzwei\n")
    places = {"data": small, "translator": translator, "writer": writer(tmp_path / "writer")}
    given = [argument.format(**places) for argument in arguments]
    out = [] if "--out" in given else ["--out", tmp_path / "m"]
    before = files_in(translator)
    failed = minnow("train", *given, *out, fails=True)
    assert failed.code == 2
    assert re.search(words, failed.error), failed.error
    assert failed.out == ""
    assert not (tmp_path / "m").exists()
    assert files_in(translator) == before


# minnow evaluate


def test_the_scores_of_a_report_are_printed_and_written(translator: Path, turning: Path, tmp_path: Path) -> None:
    asked = ("evaluate", translator, *sides(turning, "test"), "--out", tmp_path / "r")
    found = minnow(*asked, "--json")
    assert found.json["bleu"] > 50
    assert {*SCORES, "signatures", "intervals", "directions", "worst"} <= found.json.keys()
    assert found.json["data"]["rows"] == 40
    assert files_in(tmp_path / "r") == ["report.json", "translations.txt"]
    saved = TranslationReport.from_json(json.loads((tmp_path / "r" / "report.json").read_text()))
    assert saved.scores == {name: found.json[name] for name in SCORES}
    written = (tmp_path / "r" / "translations.txt").read_text().splitlines()
    assert written == minnow("translate", translator, "--file", turning / "test.sources").out.splitlines()


def test_a_person_reads_scores_and_the_furthest_translations(translator: Path, turning: Path) -> None:
    shown = minnow("evaluate", translator, *sides(turning, "test"), "--beam", 1)
    for words in (
        "bleu",
        "95 % interval",
        "nrefs:1",
        "40 rows of test.sources+test.targets",
        "reference",
        "hypothesis",
    ):
        assert words in shown.out


def test_a_person_reads_the_scores_of_each_direction(tmp_path: Path) -> None:
    rows = [(text, turned(text), text.upper()) for text in sequences(40, seed=3)]
    (tmp_path / "three.tsv").write_text("en\tde\tfr\n" + "".join("\t".join(row) + "\n" for row in rows))
    asked = (tmp_path / "three.tsv", "--langs", "en,de,fr")
    minnow("train", *asked, "--task", "translation", "--out", tmp_path / "m", "--set", "pairs.clean=false", *QUICK)
    found = minnow("evaluate", tmp_path / "m", *asked, "--beam", 1, "--json").json
    lines = minnow("evaluate", tmp_path / "m", *asked, "--beam", 1).out.splitlines()
    for row in found["directions"]:
        shown = [f"{row['scores'][name]:.2f}" for name in SCORES]
        assert [row["direction"], "40", *shown] in [line.split() for line in lines]
    for signature in found["signatures"].values():
        assert any(line.endswith(signature) for line in lines)


def test_a_model_whose_pairs_told_no_languages_takes_those_of_what_it_is_measured_on(
    translator: Path, turning: Path, tmp_path: Path
) -> None:
    rows = list(zip(*(path.read_text().splitlines() for path in sides(turning, "test")), strict=True))
    (tmp_path / "named.tsv").write_text("en\tzh\n" + "".join(f"{source}\t{target}\n" for source, target in rows))
    found = minnow("evaluate", translator, tmp_path / "named.tsv", "--json").json
    unnamed = minnow("evaluate", translator, *sides(turning, "test"), "--json").json
    assert [row["direction"] for row in found["directions"]] == ["en-zh"]
    assert found["chrf"] == unnamed["chrf"]
    assert not [note for note in found["notes"] if "never learnt" in note]
    compared = minnow("compare", translator, translator, "--data", tmp_path / "named.tsv", "--json").json
    assert compared["differences"]["bleu"]["a"] == unnamed["bleu"]


def test_files_and_models_may_name_their_languages_in_any_order(
    translator: Path, turning: Path, tmp_path: Path
) -> None:
    test = sides(turning, "test")
    german = shutil.copytree(translator, tmp_path / "german")
    manifest = json.loads((german / "minnow.json").read_text())
    manifest["task"]["directions"] = [["en", "de"]]
    (german / "minnow.json").write_text(json.dumps(manifest))
    rows = list(zip(*(path.read_text().splitlines() for path in test), strict=True))
    (tmp_path / "turned.tsv").write_text("de\ten\n" + "".join(f"{target}\t{source}\n" for source, target in rows))
    right = minnow("evaluate", german, *test, "--source", "en", "--target", "de", "--json").json
    assert minnow("evaluate", german, tmp_path / "turned.tsv", "--json").json["bleu"] == right["bleu"]
    three = "".join(f"{target.upper()}\t{target}\t{source}\n" for source, target in rows)
    (tmp_path / "three.tsv").write_text("fr\tde\ten\n" + three)
    assert minnow("evaluate", german, tmp_path / "three.tsv", "--json").json["bleu"] == right["bleu"]
    for models in ((german, translator), (translator, german)):
        found = minnow("compare", *models, "--data", test[0], "--target-data", test[1], "--json").json
        assert found["differences"]["bleu"]["a"] == right["bleu"]
    (tmp_path / "read.tsv").write_text("fr\tde\n" + "".join(f"{source}\t{target}\n" for source, target in rows))
    notes = minnow("evaluate", german, tmp_path / "read.tsv", "--json").json["notes"]
    assert "the model has never read fr; it reads en" in notes


def test_a_model_may_be_measured_in_bfloat16(translator: Path, turning: Path) -> None:
    asked = ("evaluate", translator, *sides(turning, "test"), "--json")
    assert minnow(*asked, "--precision", "bfloat16").json["bleu"] == pytest.approx(minnow(*asked).json["bleu"], abs=5)
    assert "did you mean 'bfloat16'" in minnow(*asked, "--precision", "bfloat61", fails=True).error


def test_an_empty_side_of_a_test_pair_stays_a_row(translator: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one two\n\nthree one\n")
    (tmp_path / "b.txt").write_text("two one\ntwo\n\n")
    assert minnow("evaluate", translator, tmp_path / "a.txt", tmp_path / "b.txt", "--json").json["data"]["rows"] == 3


def test_only_what_has_parts_is_said_to_be_the_test_part(translator: Path, tmp_path: Path) -> None:
    (tmp_path / "test.tsv").write_text("source\ttarget\none two\ttwo one\n")
    (tmp_path / "train.tsv").write_text("source\ttarget\none\tone\ntwo\ttwo\n")
    for name, side in (("a.txt", "one two\n"), ("b.txt", "two one\n")):
        (tmp_path / "plain" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "plain" / name).write_text(side)
    plain = [tmp_path / "plain" / name for name in ("a.txt", "b.txt")]
    for given, part, rows in (
        ([tmp_path], "test", 1),
        ([tmp_path, "--part", "train"], "train", 2),
        ([tmp_path / "test.tsv"], "all", 1),
        (plain, "all", 1),
    ):
        data = minnow("evaluate", translator, *given, "--json").json["data"]
        assert (data["part"], data["rows"]) == (part, rows)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{translator}", "{data}/test.sources", "{data}/train.targets"], "lines"),
        (["{translator}", "{data}/test.sources"], "has one column"),
        (["{german}", "{data}/test.sources", "{data}/test.targets", "--source", "en", "--target", "fr"], "write 'fr'"),
        (["{translator}", "{data}/test.sources", "{data}/test.targets", "--langs", "en"], "two"),
        (["{translator}", "{data}/test.sources", "{data}/test.targets", "--beam", "0"], "beam must be a whole number"),
        (["{translator}", "{data}/test.sources", "{data}/test.targets", "--context", "3"], "for language models"),
        (["{translator}", "{data}", "--part", "dev"], "dev|train"),
        (["{writer}", "{data}/test.sources", "{data}/test.targets"], "for models that translate"),
        (["{writer}", "{data}/test.sources", "--beam", "0"], "beam: for models that translate"),
    ],
)
def test_pairs_that_cannot_be_measured_are_one_line(
    arguments: list[str], words: str, translator: Path, turning: Path, tmp_path: Path
) -> None:
    german = shutil.copytree(translator, tmp_path / "german")
    manifest = json.loads((german / "minnow.json").read_text())
    manifest["task"]["directions"] = [["en", "de"]]
    (german / "minnow.json").write_text(json.dumps(manifest))
    places = {"data": turning, "translator": translator, "german": german, "writer": writer(tmp_path / "writer")}
    failed = minnow("evaluate", *(argument.format(**places) for argument in arguments), "--json", fails=True)
    assert failed.code == 2
    assert re.search(words, failed.error), failed.error
    assert failed.out == ""


# minnow compare


def test_two_models_are_compared_on_the_same_pairs(
    translator: Path, small: Path, turning: Path, tmp_path: Path
) -> None:
    minnow("train", *sides(small), "--task", "translation", "--out", tmp_path / "worse", *QUICK)
    test = sides(turning, "test")
    asked = ("compare", translator, tmp_path / "worse", "--data", test[0], "--target-data", test[1])
    found = minnow(*asked, "--json").json
    assert found["rows"] == 40
    assert set(found["differences"]) == set(SCORES)
    assert found["differences"]["bleu"]["difference"] > 0
    assert found["differences"]["bleu"]["a"] == minnow("evaluate", translator, *test, "--json").json["bleu"]
    shown = minnow(*asked)
    assert found["verdict"] in shown.out
    assert "translator is better than worse" in shown.out
    bleu = next(line for line in shown.out.splitlines() if line.startswith(" bleu"))
    assert bleu.split()[-1] == f"{found['bootstrap_p_values']['bleu']:.4f}"


def test_names_and_figures_are_shown_in_full_where_there_is_no_screen(
    translator: Path, turning: Path, tmp_path: Path
) -> None:
    shutil.copytree(translator, tmp_path / "a-model-whose-name-says-what-it-was-made-of")
    test = sides(turning, "test")
    pairs = ("--data", test[0], "--target-data", test[1])
    shown = minnow("compare", translator, tmp_path / "a-model-whose-name-says-what-it-was-made-of", *pairs).out
    head, bleu, *_ = shown.splitlines()
    assert "a-model-whose-name-says-what-it-was-made-of" in head
    assert "+0.00 to +0.00" in bleu


def test_what_cannot_be_compared_is_one_line(
    translator: Path, linear: Path, turning: Path, colours: Path, tmp_path: Path
) -> None:
    test = sides(turning, "test")
    pairs = ["--data", test[0], "--target-data", test[1]]
    for arguments, words in (
        ([translator, linear, *pairs], "does not translate"),
        ([linear, translator, *pairs], "does not translate"),
        ([linear, linear, "--data", colours / "test.csv", "--beam", "0"], "beam: for models that translate"),
        ([linear, linear, "--data", colours / "test.csv", "--target-data", test[1]], "for models that translate"),
        ([linear, linear, "--data", colours / "test.csv", "--langs", "en,de"], "for models that translate"),
        ([translator, translator, "--data", test[0]], "has one column"),
        ([translator, tmp_path / "none", *pairs], "there is no model"),
    ):
        failed = minnow("compare", *arguments, fails=True)
        assert failed.code == 2
        assert words in failed.error


# minnow translate


def test_a_text_is_a_line(translator: Path) -> None:
    assert minnow("translate", translator, "one two").out == "two one\n"
    assert minnow("translate", translator, "one two", "", "three four five").out.splitlines() == [
        "two one",
        "",
        "five four three",
    ]


def test_lines_come_from_standard_input_or_a_file(translator: Path, turning: Path, tmp_path: Path) -> None:
    path = turning / "test.sources"
    given = path.read_text()
    printed = minnow("translate", translator, "-", given=given).out
    assert len(printed.splitlines()) == 40
    right = sum(a == turned(b) for a, b in zip(printed.splitlines(), given.splitlines(), strict=True))
    assert right > 20
    assert minnow("translate", translator, "--file", path).out == printed
    quiet = minnow("translate", translator, "--file", path, "--out", tmp_path / "t")
    assert quiet.out == ""
    assert (tmp_path / "t" / "translations.txt").read_text() == printed
    assert minnow("translate", translator, "-", given="").out == ""


def test_standard_input_is_read_as_a_file_is(translator: Path, tmp_path: Path) -> None:
    text = "one two\r\n\n three\u2028four\n"
    plain = minnow("translate", translator, "-", given=text).out.splitlines()
    assert (plain[0], plain[1], len(plain)) == ("two one", "", 3)
    path = tmp_path / "text"
    for raw in (text.encode("utf-8-sig"), text.encode("utf-16"), gzip.compress(text.encode())):
        path.write_bytes(raw)
        read = minnow("translate", translator, "--file", path).out.splitlines()
        assert minnow("translate", translator, "-", given=raw).out.splitlines() == read == plain
    for raw, says in (
        (b"one two\ncaf\xe9\n", "standard input is not UTF-8: byte 0xe9 in line 2, at byte 4 of the line"),
        (b"one\0two\n", "standard input holds a NUL byte in line 1"),
        (b"%PDF-1.7\n", "standard input is a PDF; extract its text first"),
    ):
        assert says in minnow("translate", translator, "-", given=raw, fails=True).error
    assert "goes with no other text" in minnow("translate", translator, "-", "one", fails=True).error


def test_a_blank_line_has_one_translation_with_a_score(translator: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("one two\n\nthree\n")
    asked = (translator, "--file", tmp_path / "text", "--n-best", 2)
    _, blank, _ = minnow("translate", *asked, "--json").json["translations"]
    assert (blank["text"], blank["score"], len(blank["n_best"])) == ("", 0.0, 1)
    blocks = minnow("translate", *asked).out.split("\n\n")
    assert [len(block.splitlines()) for block in blocks] == [2, 1, 2, 0]


def test_json_is_one_object_with_each_source(translator: Path) -> None:
    found = minnow("translate", translator, "one two", "three one", "--json")
    told = found.json
    assert told["model"] == str(translator)
    assert [row["source"] for row in told["translations"]] == ["one two", "three one"]
    first = told["translations"][0]
    assert (first["text"], first["tokens"], first["finish_reason"]) == ("two one", 2, "stop")
    assert first["log_probability"] < 0
    assert found.err == ""


def test_the_best_of_several_come_first_with_their_scores(translator: Path) -> None:
    told = minnow("translate", translator, "one two", "--n-best", 3, "--json").json["translations"][0]
    assert told["n_best"][0]["text"] == told["text"] == "two one"
    assert len({row["text"] for row in told["n_best"]}) == 3
    printed = minnow("translate", translator, "one two", "one", "--n-best", 3).out
    blocks = printed.split("\n\n")
    assert [len(block.splitlines()) for block in blocks] == [3, 3, 0]
    scores = [line.split("\t") for line in blocks[0].splitlines()]
    assert [text for _, text in scores] == [row["text"] for row in told["n_best"]]
    ranked = [row["score"] for row in told["n_best"]]
    assert [float(score) for score, _ in scores] == pytest.approx(ranked, abs=1e-4)
    assert ranked == sorted(ranked, reverse=True)
    for row in told["n_best"]:  # a text that ended has its end to its tokens
        assert row["score"] == pytest.approx(
            row["log_probability"] / (row["tokens"] + (row["finish_reason"] == "stop"))
        )
    wide = minnow("translate", translator, "one two", "--n-best", 6, "--json").json["translations"][0]
    assert len(wide["n_best"]) == 6


def test_a_source_draws_alike_wherever_a_file_is_cut_and_no_two_places_do(
    translator: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "texts.txt").write_text("one two three four five\n" * 6)
    asked = ("translate", translator, "--file", tmp_path / "texts.txt", "--sample", "--temperature", 40, "--seed", 3)
    whole = minnow(*asked).out
    assert len(set(whole.splitlines())) > 4
    monkeypatch.setattr("minnow.cli.translate.ROWS_AT_ONCE", 2)
    assert minnow(*asked).out == whole


def test_a_file_is_read_as_it_is_translated(translator: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "texts.txt").write_bytes(b"one two\n" * 40 + b"caf\xe9\n")
    monkeypatch.setattr("minnow.data.streams.CHUNK_BYTES", 64)  # so that the damage is in another block
    monkeypatch.setattr("minnow.cli.translate.ROWS_AT_ONCE", 2)
    failed = minnow("translate", translator, "--file", tmp_path / "texts.txt", fails=True)
    assert failed.out.startswith("two one\ntwo one\n")
    assert "not UTF-8" in failed.error


def test_json_goes_out_and_the_file_is_written_all_the_same(translator: Path, tmp_path: Path) -> None:
    told = minnow("translate", translator, "one two", "--json", "--out", tmp_path / "out").json
    assert [row["text"] for row in told["translations"]] == ["two one"]
    assert (
        "--out names the folder" in minnow("translate", translator, "a", "--out", tmp_path / "a.txt", fails=True).error
    )
    assert (tmp_path / "out" / "translations.txt").read_text() == "two one\n"


def test_arguments_that_are_no_utf_8_are_read_with_a_mark_in_the_place_of_what_is_none(translator: Path) -> None:
    told = minnow("translate", translator, "one \udce9", "--json").json  # as Python hands over a lone byte
    assert told["translations"][0]["source"] == "one \ufffd"


def test_the_settings_of_the_search_and_of_the_draw_are_those_of_python(translator: Path) -> None:
    source, model = "one two three four five", house.load(translator)
    cut = minnow("translate", translator, source, "--max-ratio", 0.1, "--max-extra", 2, "--json")
    assert cut.json["translations"][0]["tokens"] <= 2
    draws = {}
    for seed in (3, 4):
        warm = ("--sample", "--temperature", 40, "--top-k", 9, "--seed", seed)
        draws[seed] = minnow("translate", translator, source, *warm, "--json").json["translations"][0]["text"]
        assert draws[seed] == model.translate(source, sample=True, temperature=40, top_k=9, seed=seed).text
    assert draws[3] != draws[4]
    cold = minnow("translate", translator, source, "--sample", "--temperature", 0)
    assert cold.out == minnow("translate", translator, source, "--beam", 1).out
    with pytest.raises(InputError, match="give one of the two"):
        model.translate(source, sample=True, beam=1)


def test_a_picture_shows_what_each_word_looked_at(
    translator: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("altair")
    pytest.importorskip("vl_convert")
    monkeypatch.undo()
    for name, begins in (("looks.png", b"\x89PNG"), ("looks.v2.SVG", b"<svg")):
        made = minnow("translate", translator, "one two three", "--attention", tmp_path / "a" / name)
        assert made.out == "three two one\n"
        assert f"wrote {tmp_path / 'a' / name}" in made.err.replace("\n", "")
        assert (tmp_path / "a" / name).read_bytes().startswith(begins)
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["looks.png", "looks.v2.SVG"]
    told = minnow("translate", translator, "one two three", "--attention", tmp_path / "b.svg", "--json").json
    looked: Any = house.load(translator).attention("one two three")
    (row,) = told["translations"]
    assert (row["source_tokens"], row["target_tokens"]) == (["one", "two", "three"], ["three", "two", "one"])
    np.testing.assert_allclose(row["weights_TS"], looked.weights_TS)


def test_a_picture_is_of_what_was_written(translator: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here of a text that a glossary bent."""
    pytest.importorskip("vl_convert")
    monkeypatch.undo()
    (tmp_path / "terms.tsv").write_text("two\tfive\n")
    bent = minnow(
        *("translate", translator, "one two three", "--glossary", tmp_path / "terms.tsv"),
        *("--attention", tmp_path / "x.svg"),
    )
    assert "five" in bent.out
    assert ">five<" in (tmp_path / "x.svg").read_text()


def test_boxes_in_the_place_of_chinese_are_told(
    translator: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("vl_convert")
    monkeypatch.undo()
    monkeypatch.setattr("minnow.evaluation.fonts.has_chinese", lambda: False)
    assert "no font with Chinese" in minnow("translate", translator, "one 好", "--attention", tmp_path / "x.png").err
    assert "no font" not in minnow("translate", translator, "one two", "--attention", tmp_path / "x.png").err


def test_words_that_belong_together_stand_below_their_text(translator: Path) -> None:
    made = minnow("translate", translator, "one two three", "", "two four", "--alignment").out
    assert made == "three two one\nthree\tthree\ntwo\ttwo\none\tone\n\n\n\nfour two\nfour\tfour\ntwo\ttwo\n\n"
    told = minnow("translate", translator, "one two three", "", "--alignment", "--json").json["translations"]
    looked: Any = house.load(translator).attention("one two three")
    assert told[0]["alignment"] == [[2, 0], [1, 1], [0, 2]] == [list(pair) for pair in looked.alignment]
    assert told[0]["source_tokens"] == list(looked.source_tokens)
    assert told[0]["target_tokens"] == list(looked.target_tokens)
    assert "weights_TS" not in told[0]
    assert [told[1][name] for name in ("text", "source_tokens", "target_tokens", "alignment")] == ["", [], [], []]
    assert "alignment" not in minnow("translate", translator, "one", "--json").json["translations"][0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{translator}"], "one of the three"),
        (["{translator}", "one", "--file", "{data}/test.sources"], "one of the three"),
        (["{translator}", "--file", "{data}/none.txt"], "none.txt"),
        (["{translator}", "one", "--to", "de"], "does not write 'de', but target"),
        (["{translator}", "one", "--beam", "0"], "beam must be a whole number from 1 to 64, but got 0"),
        (["{translator}", "one", "--beam", "-3"], "but got -3"),
        (["{translator}", "one", "--beam", "65"], "but got 65"),
        (["{translator}", "one", "--n-best", "0"], "n_best must be a whole number"),
        (["{translator}", "one", "--n-best", "99"], "--n-best must lie between 1 and 64, but got 99"),
        (["{translator}", "one", "--length-penalty", "-1"], "length_penalty must lie between"),
        (["{translator}", "one", "two", "--attention", "{tmp}/x.png"], "picture of one text"),
        (["{translator}", "-", "--attention", "{tmp}/x.png"], "picture of one text"),
        (["{translator}", "", "--attention", "{tmp}/x.png"], "nothing to look at"),
        (["{translator}", "one", "--attention", "{tmp}/x.pdf"], "written as .png or .svg"),
        (["{translator}", "one", "--sample", "--beam", "4"], "one of the two"),
        (["{translator}", "one", "--sample", "--n-best", "10"], "a draw gives one text for each source"),
        (["{translator}", "one", "--seed", "4"], "are of a draw"),
        (["{translator}", "one", "--max-ratio", "0"], "max_ratio must be above 0"),
        (["{translator}", "one", "--alignment", "--n-best", "2"], "of the best translation alone; leave --n-best out"),
        (["{linear}", "one"], "is a model for text classification and does not translate; make one with: minnow train"),
        (["{writer}", "one"], "is a model for text generation and does not translate"),
        (["{tmp}/none", "one"], "there is no model"),
    ],
)
def test_what_cannot_be_translated_is_one_line(
    arguments: list[str], words: str, translator: Path, turning: Path, linear: Path, tmp_path: Path
) -> None:
    places = {"data": turning, "translator": translator, "linear": linear, "tmp": tmp_path}
    places["writer"] = writer(tmp_path / "writer")
    failed = minnow("translate", *(argument.format(**places) for argument in arguments), fails=True)
    assert failed.code == 2
    assert words in failed.error
    assert failed.out == ""


def test_other_verbs_say_that_the_model_translates(translator: Path) -> None:
    for arguments in (
        ("predict", translator, "one two"),
        ("generate", translator, "one two"),
        ("chat", translator),
    ):
        failed = minnow(*arguments, given="one\n", fails=True)
        assert failed.code == 2
        assert "use minnow translate" in failed.error
        assert failed.out == ""


def test_a_damaged_model_is_refused_by_every_verb(translator: Path, turning: Path, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    for name, change in (
        ("config.json", lambda told: told.update(hidden_size=7)),
        ("config.json", lambda told: told.update(hiden_size=8)),
        ("config.json", lambda told: told.update(vocab_size=told["vocab_size"] - 1)),
        ("minnow.json", lambda told: told["task"].update(directions=[])),
        ("minnow.json", lambda told: told["task"].update(tagged=True)),
        ("minnow.json", lambda told: told["task"].update(name="translating")),
    ):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(translator, folder)
        content = json.loads((folder / name).read_text())
        change(content)
        (folder / name).write_text(json.dumps(content))
        for arguments in (
            ("translate", folder, "one"),
            ("evaluate", folder, *sides(turning, "test"), "--json"),
        ):
            failed = minnow(*arguments, fails=True)
            assert failed.code == 2, failed.err
            assert failed.out == ""
            assert len(failed.error) < 600
