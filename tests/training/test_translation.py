"""Learning from pairs as a function: what it decides, what it writes, what it goes on from, and what it refuses."""

import json
import re
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from command import files_in
from pairs import SHAPES, WORDS, architecture_of, files, sequences, turned
from writers import bundle as writing_bundle
from writers import folder as writer

from minnow.api import Model, compare, load
from minnow.bundle.bundle import Bundle
from minnow.data.columns import SIDES
from minnow.data.pairs import Pairs, load_pairs
from minnow.errors import BundleError, DataError, InputError, RecipeError, StorageError
from minnow.evaluation.measure import measure_translation
from minnow.training.journal import read_journal
from minnow.training.trainer import Trainer
from minnow.training.translation import Translator, train_translation
from minnow.training.translation_recipe import recipe_from

TIMINGS = ("seconds", "tokens_per_second", "memory_mib")
TINY: dict[str, object] = {
    "pairs.clean": "false",
    "pairs.validation": 0.2,
    "tokenizer.kind": "word",
    "tokenizer.min_frequency": 1,
    "training.epochs": 2,
    "training.tokens_per_batch": 96,
    "training.learning_rate": 0.01,
    "training.average": 0.9,
    "training.metric": "loss",
    "training.device": "cpu",
    "training.precision": "float32",
    "training.checkpoint_seconds": 0,
    "shape.dropout": 0.1,
}


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minnow.evaluation.plots.available", lambda: False)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    files(folder, 90, seed=1)
    files(folder, 20, seed=2, name="test")
    return folder


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sentences in three languages, German turned round."""
    words = dict(zip(WORDS, ["eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht"], strict=True))
    path = tmp_path_factory.mktemp("table") / "three.tsv"
    rows = [
        (text, turned(" ".join(words[word] for word in text.split())), text.upper()) for text in sequences(60, seed=3)
    ]
    path.write_text("en\tde\tfr\n" + "".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    return path


def trained(
    data: Path, out: Path, kind: str = "general", said: dict[str, object] | None = None, **more: Any
) -> Translator:
    two = {"pairs.train": data / "train.sources", "pairs.train_target": data / "train.targets"}
    given = two if data.is_dir() else {"pairs.train": data}
    shape = {f"shape.{key}": value for key, value in SHAPES[kind].items()}
    settings = {**given, "model.name": architecture_of(kind), **shape, **TINY, **(said or {})}
    recipe = recipe_from({}, [f"{key}={value}" for key, value in settings.items() if value is not None])
    return train_translation(recipe, out, **more)


def without_shape(kind: str = "general") -> dict[str, object]:
    return dict.fromkeys([*(f"shape.{key}" for key in SHAPES[kind]), "shape.dropout"])


def journal(folder: Path) -> list[dict[str, Any]]:
    rows = read_journal(folder / "run" / "journal.jsonl")
    return [{key: value for key, value in row.items() if key not in TIMINGS} for row in rows]


def same(first: Path, second: Path) -> bool:
    one, other = (Bundle.load(folder).model.tensors() for folder in (first, second))
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("kind", ["transformer", "additive"])
def test_the_same_seed_gives_the_same_bits_and_another_seed_others(kind: str, data: Path, tmp_path: Path) -> None:
    for name, seed in (("one", 3), ("same", 3), ("other", 4)):
        trained(data, tmp_path / name, kind, {"training.seed": seed, "training.epochs": 1})
    assert same(tmp_path / "one", tmp_path / "same")
    assert journal(tmp_path / "one") == journal(tmp_path / "same")
    assert not same(tmp_path / "one", tmp_path / "other")


def test_pairs_are_held_out_so_that_no_text_stands_in_both_parts(data: Path, tmp_path: Path) -> None:
    notes: list[str] = []
    made = trained(data, tmp_path / "m", note=notes.append)
    rows, held = made.bundle.provenance["data"]["rows"], made.validation.data["rows"]
    assert 0.1 * 90 < held <= 0.2 * 90
    assert rows + held == 90
    told = "\n".join(notes)
    assert "90 pairs of source to target" in told
    assert "rnn_seq2seq" in told
    assert made.test is None
    assert (made.summary["measured_on"], made.summary["test_rows"]) == ("validation", None)


def test_scores_are_those_of_the_test_part_where_there_is_one(data: Path, tmp_path: Path) -> None:
    said = {"pairs.test": data / "test.sources", "pairs.test_target": data / "test.targets"}
    made = trained(data, tmp_path / "m", said=said)
    assert made.test is not None
    assert (made.summary["measured_on"], made.summary["test_rows"]) == ("test", 20)
    for name in ("bleu", "chrf", "tokenised_bleu", "exact_match"):
        assert made.summary[name] == made.test.scores[name]
        low, high = made.summary["intervals"][name]
        assert low <= made.summary[name] <= high
        assert made.summary["signatures"][name]
    assert made.summary["validation"]["bleu"] == made.validation.scores["bleu"]
    pairs = load_pairs(data / "test.sources", data / "test.targets")
    again = measure_translation(load(tmp_path / "m").bundle, pairs, "m")
    assert again.scores == made.test.scores


def test_validation_pairs_may_be_named(data: Path, tmp_path: Path) -> None:
    said: dict[str, object] = {}
    for side, key in (("sources", "pairs.validation"), ("targets", "pairs.validation_target")):
        seen = (data / f"train.{side}").read_text().splitlines()[:3]
        said[key] = tmp_path / f"valid.{side}"
        (tmp_path / f"valid.{side}").write_text("\n".join([*seen, "zero one" if side == "sources" else "one zero"]))
    notes: list[str] = []
    made = trained(data, tmp_path / "m", said=said, note=notes.append)
    assert made.validation.data["rows"] == 4
    assert made.summary["rows"] == 90
    for side in ("sources", "targets"):
        assert f"3 of 4 {side} of valid.sources+valid.targets stand in the training part too" in notes


def test_a_finished_folder_holds_the_model_the_evidence_and_no_state(data: Path, tmp_path: Path) -> None:
    said = {"pairs.test": data / "test.sources", "pairs.test_target": data / "test.targets"}
    made = trained(data, tmp_path / "m", said={**said, "tokenizer.joint": "false"})
    model = ["config.json", "minnow.json", "model.safetensors", "recipe.toml", "README.md"]
    tokenizers = ["tokenizer.json", "target_tokenizer.json"]
    evidence = [
        f"evaluation/{part}{name}" for part in ("", "validation/") for name in ("report.json", "translations.txt")
    ]
    assert files_in(tmp_path / "m") == sorted([*model, *tokenizers, *evidence, "run/journal.jsonl", "run/recipe.toml"])
    card = (tmp_path / "m" / "README.md").read_text(encoding="utf-8")
    assert "pipeline_tag: translation" in card
    assert f"{made.summary['bleu']:.2f}" in card
    assert 'minnow translate FOLDER "a text"' in card
    assert 'name = "rnn_seq2seq"' in card
    assert (tmp_path / "m" / "evaluation" / "translations.txt").read_text().count("\n") == 20


def test_each_side_may_have_its_own_vocabulary(tmp_path: Path) -> None:
    sources = sequences(60, 1)
    (tmp_path / "train.sources").write_text("\n".join(sources) + "\n")
    (tmp_path / "train.targets").write_text("\n".join(turned(text).upper() for text in sources) + "\n")
    made = trained(tmp_path, tmp_path / "m", said={"tokenizer.joint": "false"})
    reading: Any = made.bundle.tokenizer
    assert {"one", "eight"} <= set(reading.vocabulary)
    assert {"ONE", "EIGHT"} <= set(reading.writing.vocabulary)
    assert "ONE" not in reading.vocabulary
    assert made.bundle.model.config.target_vocab_size == reading.writing.vocab_size
    answer = load(tmp_path / "m").translate("one two")
    assert answer.text == answer.text.upper() != ""


@pytest.mark.parametrize("named", ["train", "test"])
def test_what_does_not_tell_its_languages_has_those_of_the_other_parts(named: str, data: Path, tmp_path: Path) -> None:
    said: dict[str, object] = {"training.epochs": 1, "pairs.test": "", "pairs.validation": ""}
    for part, name in (("train", "train"), ("valid", "validation"), ("test", "test")):
        of = "test" if part == "valid" else part
        sources, targets = ((data / f"{of}.{side}").read_text().splitlines() for side in ("sources", "targets"))
        head = "en\tde" if part == named else "source\ttarget"
        path = tmp_path / f"{part}.tsv"
        path.write_text("\n".join([head, *map("\t".join, zip(sources, targets, strict=True))]) + "\n")
        said[f"pairs.{name}"] = path
    made = trained(tmp_path / "train.tsv", tmp_path / "m", said=said)
    assert made.bundle.task["directions"] == [["en", "de"]]
    assert made.test is not None
    for report in (made.validation, made.test):
        assert [row["direction"] for row in report.directions] == ["en-de"]


def test_what_does_not_tell_its_languages_has_those_of_the_model_that_is_gone_on_from(
    data: Path, tmp_path: Path
) -> None:
    trained(data, tmp_path / "old", said={"pairs.languages": '["en", "de"]', "training.epochs": 1})
    begun: dict[str, object] = {"model.start": tmp_path / "old", "training.epochs": 1, **without_shape()}
    assert trained(data, tmp_path / "new", said=begun).bundle.task["directions"] == [["en", "de"]]


def test_a_model_that_never_heard_of_languages_takes_those_of_the_pairs_it_goes_on_with(
    data: Path, tmp_path: Path
) -> None:
    assert trained(data, tmp_path / "old", said={"training.epochs": 1}).bundle.task["directions"] == [list(SIDES)]
    begun = {"model.start": tmp_path / "old", "training.epochs": 1, "pairs.languages": '["en", "de"]'}
    assert trained(data, tmp_path / "new", said=begun | without_shape()).bundle.task["directions"] == [["en", "de"]]


def test_pairs_into_a_language_that_the_model_does_not_learn_are_refused_before_it_learns(tmp_path: Path) -> None:
    (tmp_path / "test.tsv").write_text("en\tfr\none\tun\n")
    (tmp_path / "train.tsv").write_text("en\tde\n" + "one\teins\ntwo\tzwei\nthree\tdrei\n" * 5)
    for part in ("test", "validation"):
        with pytest.raises(DataError, match=r"test\.tsv is to be translated into fr, but the model learns to write de"):
            trained(tmp_path / "train.tsv", tmp_path / "m", said={f"pairs.{part}": tmp_path / "test.tsv"})
    assert not (tmp_path / "m").exists()


def test_scores_that_cannot_be_counted_are_told_of_before_the_model_learns(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sacremoses", None)
    with pytest.raises(InputError, match=r"minnow-lm\[translate\]"):
        trained(data, tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_what_was_decided_about_each_part_is_told_once_and_before_the_model_learns(data: Path, tmp_path: Path) -> None:
    said: dict[str, object] = {"training.epochs": 1}
    for part, key in (("valid", "validation"), ("test", "test")):
        for side, target in (("sources", ""), ("targets", "_target")):
            lines = (data / f"test.{side}").read_text()
            (tmp_path / f"{part}.{side}").write_text(lines + ("\n" if side == "targets" else "one\n"))
            said[f"pairs.{key}{target}"] = tmp_path / f"{part}.{side}"
    notes: list[str] = []
    made = trained(data, tmp_path / "m", said=said, note=notes.append)
    learnt = next(place for place, line in enumerate(notes) if line.startswith("rnn_seq2seq"))
    for line in (
        *("valid.sources+valid.targets: 20 pairs of source to target", "1 pair with an empty side left out"),
        *("test.sources+test.targets: 21 pairs of source to target",),
        *("source: test.sources, target: test.targets",),
    ):
        assert notes.count(line) == 1
        assert notes.index(line) < learnt
    assert "1 pair with an empty side left out" in made.validation.notes


def test_targets_without_spaces_whose_language_is_not_named_are_told_of(tmp_path: Path) -> None:
    words = dict(zip(WORDS, "一二三四五六七八", strict=True))
    sources = sequences(60, 1)
    (tmp_path / "train.sources").write_text("\n".join(sources) + "\n")
    targets = ["".join(words[word] for word in text.split()) for text in sources]
    (tmp_path / "train.targets").write_text("\n".join(targets) + "\n", encoding="utf-8")
    for languages, told in (("[]", 1), ('["en", "zh"]', 0)):
        notes: list[str] = []
        said = {"pairs.languages": languages, "training.epochs": 1}
        made = trained(tmp_path, tmp_path / f"m{told}", said=said, note=notes.append)
        for lines in (notes, made.validation.notes):
            assert sum("--langs en,zh" in line for line in lines) == told


# Several languages


def test_three_languages_make_one_model_with_a_tag_each(table: Path, tmp_path: Path) -> None:
    made = trained(table, tmp_path / "m", said={"pairs.languages": '["en", "de", "fr"]', "training.epochs": 1})
    assert made.bundle.task["tagged"]
    assert len(made.bundle.task["directions"]) == 6
    assert {row["direction"] for row in made.validation.directions} == {
        "en-de",
        "en-fr",
        "de-en",
        "de-fr",
        "fr-en",
        "fr-de",
    }
    assert made.bundle.provenance["data"]["directions"].keys() == {
        row["direction"] for row in made.validation.directions
    }
    reading: Any = made.bundle.tokenizer
    assert reading.vocabulary[-3:] == ("<2de>", "<2fr>", "<2en>")
    model = load(tmp_path / "m")
    with pytest.raises(InputError, match="say which: --to"):
        model.translate("one two")
    assert {type(model.translate("one two", to=to).text) for to in ("en", "de", "fr")} == {str}


def test_a_direction_that_was_never_learnt_is_told_of(table: Path, tmp_path: Path) -> None:
    made = trained(table, tmp_path / "m", said={"pairs.languages": '["en", "de", "fr"]', "training.epochs": 1})
    pairs, learnt = load_pairs(table, languages=("de", "fr")), [["en", "de"], ["fr", "en"], ["en", "fr"]]
    for directions, told in (
        ([*learnt, ["de", "en"]], "de-fr was never learnt: the model pairs languages by itself"),
        (learnt, "the model has never read de; it reads en, fr"),
    ):
        bundle = Bundle(made.bundle.model, {**made.bundle.task, "directions": directions}, made.bundle.tokenizer)
        assert told in measure_translation(bundle, pairs, "m").notes
    with pytest.raises(InputError, match="does not write 'it'"):
        measure_translation(bundle, Pairs(["a"], ["b"], [("de", "it")], "one", "0" * 64), "m")


def test_references_in_traditional_characters_are_read_as_the_model_writes_them(table: Path, tmp_path: Path) -> None:
    simplified = {"tokenizer.kind": "character", "tokenizer.simplified": "true", "training.epochs": 1}
    made = trained(table, tmp_path / "m", said={"pairs.languages": '["en", "de", "fr"]', **simplified})
    pairs = Pairs(["one", "two"], ["現在", "now"], [("en", "de")] * 2, "two", "0" * 64)
    report = measure_translation(made.bundle, pairs, "m")
    assert {row["reference"] for row in report.worst} == {"现在", "now"}
    assert report.notes[-1].startswith("references are read in simplified characters")
    untold = measure_translation(made.bundle, replace(pairs, targets=["现在", "now"]), "m")
    assert untold.scores == report.scores
    assert not any("simplified" in note for note in untold.notes)

    model = load(tmp_path / "m")
    for asked, term in (("計程車", "计程车"), ("计程车", "計程車")):  # a glossary in the other script
        assert "two" in model.translate(asked, to="de", glossary={term: "two"}).text
    rows = tmp_path / "rows.tsv"
    for written in ("現在", "现在"):
        rows.write_text(f"en\tde\none\t{written}\n", encoding="utf-8")
        compared = compare(model, tmp_path / "m", rows)
        assert compared.differences["bleu"].difference == 0
        assert any("simplified" in note for note in compared.notes) == (written == "現在")


def test_mixed_scripts_are_told_of_where_they_are_not_read_as_one(tmp_path: Path) -> None:
    rows = [("one", "計程車來了。"), ("two", "出租车来了。"), ("three", "你好。"), ("four", "她在。")]
    lines = [f"{number} {one}\t{other}{number}\n" for number in range(9) for one, other in rows]
    (tmp_path / "both.tsv").write_text("".join(["en\tzh\n", *lines]), encoding="utf-8")
    for simplified in ("false", "true"):
        notes: list[str] = []
        said = {"tokenizer.simplified": simplified, "training.epochs": 1}
        trained(tmp_path / "both.tsv", tmp_path / simplified, said=said, note=notes.append)
        told = [note for note in notes if "traditional" in note]
        assert len(told) == (simplified == "false")
        assert all("--set tokenizer.simplified=true" in note for note in told)


def test_a_model_for_something_else_cannot_be_measured_on_pairs() -> None:
    with pytest.raises(DataError, match="task is text generation; pairs of texts measure translation only"):
        measure_translation(writing_bundle(), Pairs(["a"], ["b"], [("en", "de")], "one", "0" * 64), "m")


# Going on


@pytest.mark.parametrize(
    ("kind", "steps", "said"),
    [
        ("transformer", 7, {}),
        ("transformer", 9, {"pairs.joined": 0.5, "training.weights": "last"}),
        ("dot", 7, {}),
        ("additive", 2, {}),
    ],
)
def test_a_run_that_was_cut_off_ends_as_an_unbroken_one(
    kind: str, steps: int, said: dict[str, object], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unbroken = trained(data, tmp_path / "unbroken", kind, said)
    assert unbroken.summary["steps"] > 4
    real = Trainer._step

    def failing(self: Trainer, batch: Any) -> None:
        if self.progress.step == steps:
            raise MemoryError("killed")
        real(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_step", failing)
        with pytest.raises(MemoryError):
            trained(data, tmp_path / "cut", kind, said)
    assert not (tmp_path / "cut" / "minnow.json").exists()
    state = tmp_path / "cut" / "run" / "checkpoint" / "state.json"
    state.write_text(json.dumps(json.loads(state.read_bytes()) | {"seconds": 1000.0}))
    resumed = trained(data, tmp_path / "cut", kind, said, resume=True)
    assert 1000 < resumed.summary["train_seconds"] < 2000
    assert same(tmp_path / "cut", tmp_path / "unbroken")
    assert journal(tmp_path / "cut") == journal(tmp_path / "unbroken")
    assert resumed.validation.scores == unbroken.validation.scores
    assert files_in(tmp_path / "cut") == files_in(tmp_path / "unbroken")


def test_ctrl_c_keeps_the_best_model_so_far(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, notes = Trainer._step, []

    def interrupted(self: Trainer, batch: Any) -> None:
        if self.progress.step == 7:
            raise KeyboardInterrupt
        real(self, batch)

    monkeypatch.setattr(Trainer, "_step", interrupted)
    made = trained(data, tmp_path / "m", note=notes.append)
    assert any("interrupted: the model of step 5 is kept" in note for note in notes)
    assert journal(tmp_path / "m")[-1]["epoch"] == 1
    assert load(tmp_path / "m").translate("one two").finish_reason in ("stop", "length")
    assert (made.summary["step"], made.summary["steps"]) == (5, 7)


def killed(row: dict[str, Any]) -> None:
    if row.get("epoch") == 2:
        raise RuntimeError("killed")


def test_a_run_goes_on_only_with_the_pairs_and_the_model_it_began_with(data: Path, tmp_path: Path) -> None:
    trained(data, tmp_path / "old", said={"training.epochs": 1})
    files(tmp_path / "own", 60, seed=5)
    sources, targets = files(tmp_path / "own", 20, seed=6, name="valid")
    valid = {"pairs.validation": sources, "pairs.validation_target": targets}
    begun = {"model.start": tmp_path / "old", **valid, **without_shape()}
    with pytest.raises(RuntimeError, match="killed"):
        trained(tmp_path / "own", tmp_path / "m", said=begun, show=killed)
    for name in ("train", "valid"):
        targets = tmp_path / "own" / f"{name}.targets"
        before = targets.read_text()
        targets.write_text(before.upper())
        with pytest.raises(DataError, match=rf"{name}\.sources\+{name}\.targets has changed since the run began"):
            trained(tmp_path / "own", tmp_path / "m", said=begun, resume=True)
        targets.write_text(before)
    weights = (tmp_path / "old" / "model.safetensors").read_bytes()
    trained(data, tmp_path / "old", said={"training.epochs": 1, "training.seed": 9}, overwrite=True)
    with pytest.raises(DataError, match=r"the model .*old has changed since the run began"):
        trained(tmp_path / "own", tmp_path / "m", said=begun, resume=True)
    (tmp_path / "old" / "model.safetensors").write_bytes(weights)
    assert trained(tmp_path / "own", tmp_path / "m", said=begun, resume=True).summary["rows"] > 40


@pytest.mark.parametrize("joint", [True, False])
def test_a_run_goes_on_from_another_model(joint: bool, data: Path, tmp_path: Path) -> None:
    first = trained(data, tmp_path / "first", said={"training.epochs": 6, "tokenizer.joint": str(joint).lower()})
    files(tmp_path / "own", 60, seed=5)
    begun = {"model.start": tmp_path / "first", "model.name": None, "training.learning_rate": 1e-6, **without_shape()}
    notes: list[str] = []
    asked = {**begun, "shape.hidden_size": 512}
    second = trained(tmp_path / "own", tmp_path / "second", said=asked, note=notes.append)
    unused = "rnn_seq2seq with a shape and a tokenizer of its own; what the recipe says as tokenizer, shape is not used"
    assert sum(unused in line for line in notes) == 1
    trained(tmp_path / "own", tmp_path / "fresh", said={"training.learning_rate": 1e-6})
    first_losses = [journal(tmp_path / name)[0]["validation_loss"] for name in ("second", "fresh")]
    assert first_losses[0] < 0.9 * first_losses[1]
    reading: Any = second.bundle.tokenizer
    before: Any = first.bundle.tokenizer
    assert reading.to_json() == before.to_json()
    assert (reading.target is None) == joint
    assert second.bundle.model.config == first.bundle.model.config
    written = tomllib.loads(second.bundle.recipe)
    assert (written["model"]["name"], written["shape"]) == ("rnn_seq2seq", {})
    assert second.bundle.provenance["model"] == "rnn_seq2seq"
    assert second.bundle.provenance["from"]["name"] == "first"


def test_a_model_that_is_gone_on_from_reads_texts_as_long_as_before(data: Path, tmp_path: Path) -> None:
    first = trained(data, tmp_path / "first", said={"training.epochs": 1})
    (tmp_path / "train.sources").write_text("one two\ntwo three\nthree four\n" * 9)
    (tmp_path / "train.targets").write_text("two one\nthree two\nfour three\n" * 9)
    begun: dict[str, object] = {"model.start": tmp_path / "first", "training.epochs": 1, **without_shape()}
    second = trained(tmp_path, tmp_path / "second", said=begun)
    assert second.bundle.task["max_tokens"] == first.bundle.task["max_tokens"] > 3


def test_a_model_that_is_gone_on_from_learns_new_directions_into_its_languages(table: Path, tmp_path: Path) -> None:
    trained(table, tmp_path / "old", said={"pairs.languages": '["en", "de", "fr"]', "training.epochs": 1})
    begun: dict[str, object] = {"model.start": tmp_path / "old", "training.epochs": 1, **without_shape()}
    (tmp_path / "it.tsv").write_text("it\ten\n" + "uno\tone\ndue\ttwo\ntre\tthree\n" * 5)
    more = trained(tmp_path / "it.tsv", tmp_path / "more", said=begun)
    assert len(more.bundle.task["directions"]) == 7
    assert ["it", "en"] in more.bundle.task["directions"]
    (tmp_path / "into.tsv").write_text("en\tit\n" + "one\tuno\ntwo\tdue\nthree\ttre\n" * 5)
    with pytest.raises(InputError, match="does not write 'it'"):
        trained(tmp_path / "into.tsv", tmp_path / "no", said=begun)
    assert not (tmp_path / "no").exists()


def test_only_a_model_that_translates_can_be_gone_on_from(data: Path, tmp_path: Path) -> None:
    writer(tmp_path / "writer")
    for start, words in ((tmp_path / "writer", "does not translate"), (tmp_path / "none", "there is no model")):
        with pytest.raises(BundleError, match=words):
            trained(data, tmp_path / "m", said={"model.start": start, **without_shape()})
        assert not (tmp_path / "m").exists()


# What is left out and what is refused


def test_pairs_that_are_none_are_left_out_and_told_of(tmp_path: Path) -> None:
    sources = [*sequences(40, 1), "twelve letters the same", "", "one two", "one"]
    targets = [*map(turned, sequences(40, 1)), "twelve letters the same", "one", "two one", "one " * 80]
    (tmp_path / "train.sources").write_text("\n".join(sources) + "\n")
    (tmp_path / "train.targets").write_text("\n".join(targets) + "\n")
    notes: list[str] = []
    trained(tmp_path, tmp_path / "m", said={"pairs.clean": "true", "training.epochs": 1}, note=notes.append)
    told = "\n".join(notes)
    for words in (
        "left out 1 pairs with the same text on both sides",
        "too different lengths",
        "1 pair with an empty side",
    ):
        assert words in told
    trained(
        tmp_path,
        tmp_path / "all",
        said={"pairs.clean": "false", "cleaning.max_length_ratio": 2.5, "training.epochs": 1},
        note=notes.append,
    )
    assert "pairs.clean is off; what the recipe says as cleaning.max_length_ratio is not used" in notes


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("other_names", r"added \d+ pairs with another name"),
        ("joined", r"each epoch reads up to \d+ joined pairs besides"),
    ],
)
def test_added_pairs_are_learnt_from_and_told_of(key: str, line: str, tmp_path: Path) -> None:
    """They are neither in the vocabulary nor in what the card counts."""
    names = ("Tom", "Martin", "Barbara", "Tobias", "Bastian", "Tamara")
    sources = [f"{name} {text}" for name, text in zip(names * 10, sequences(60, 1), strict=True)]
    (tmp_path / "train.sources").write_text("\n".join(sources) + "\n")
    (tmp_path / "train.targets").write_text("\n".join(map(turned, sources)) + "\n")
    notes: list[str] = []
    told, plain = (
        trained(tmp_path, tmp_path / f"{share}", said={f"pairs.{key}": share, "training.epochs": 1}, note=note)
        for share, note in ((0.5, notes.append), (0, lambda _: None))
    )
    assert any(re.fullmatch(line, note) for note in notes)
    assert not same(told.folder, plain.folder), "the weights must have seen them"
    assert (told.folder / "tokenizer.json").read_bytes() == (plain.folder / "tokenizer.json").read_bytes()
    assert told.summary["rows"] == plain.summary["rows"]


def test_a_pair_that_is_too_long_to_be_a_sentence_is_left_out(tmp_path: Path) -> None:
    sources = [*sequences(30, 1), "one " * 300]
    (tmp_path / "train.sources").write_text("\n".join(sources) + "\n")
    (tmp_path / "train.targets").write_text("\n".join(sources) + "\n")
    notes: list[str] = []
    made = trained(tmp_path, tmp_path / "m", said={"training.epochs": 1}, note=notes.append)
    assert any("left out 1 pairs of more than 256 tokens on a side" in note for note in notes)
    assert made.bundle.task["max_tokens"] == 7  # six words and the end
    (tmp_path / "train.sources").write_text(("one " * 300 + "\n") * 5 + ("two " * 300 + "\n") * 5)
    (tmp_path / "train.targets").write_text(("one " * 300 + "\n") * 5 + ("two " * 300 + "\n") * 5)
    with pytest.raises(DataError, match=r"every pair of .* has more than 256 tokens on a side; cut the texts"):
        trained(tmp_path, tmp_path / "no")
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        ({"pairs.train": "", "pairs.train_target": ""}, RecipeError, "minnow train SOURCE TARGET --task translation"),
        ({"pairs.train": "nowhere.en"}, DataError, "nowhere.en"),
        ({"pairs.test": "nowhere.en"}, InputError, "nowhere.en"),
        ({"pairs.validation": "nowhere.en"}, InputError, "nowhere.en"),
        ({"pairs.languages": '["en", "en"]'}, DataError, "each language may be named once"),
        ({"pairs.languages": '["en", "de", "fr"]'}, DataError, "two files hold two languages"),
        ({"shape.hiden_size": 8}, RecipeError, "'hiden_size' in shape; did you mean 'hidden_size'"),
        ({"shape.hidden_size": "big"}, RecipeError, "shape.hidden_size must be a whole number"),
        ({"shape.hidden_size": 7}, RecipeError, "hidden_size must be even"),
        ({"shape.attention": "aditive"}, RecipeError, "did you mean 'additive'"),
        ({"shape.num_heads": 2}, RecipeError, "'num_heads' in shape"),
        ({"shape.vocab_size": 10}, RecipeError, "shape.vocab_size follows from the tokenizer"),
        ({"shape.start_id": 2}, RecipeError, "shape.start_id follows from the tokenizer"),
        ({"shape.hidden_size": 10**12}, RecipeError, "takes more memory than there is"),
    ],
    ids=str,
)
def test_what_cannot_be_costs_neither_a_folder_nor_an_older_model(
    wrong: dict[str, object], error: type[InputError], words: str, data: Path, old: Path, tmp_path: Path
) -> None:
    with pytest.raises(error, match=words) as caught:
        trained(data, tmp_path / "new", said=wrong)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "new").exists()
    Bundle.load(old).save(tmp_path / "old")
    with pytest.raises(error):
        trained(data, tmp_path / "old", said=wrong, overwrite=True)
    assert same(tmp_path / "old", old)


@pytest.fixture(scope="module")
def old(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "old"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("minnow.evaluation.plots.available", lambda: False)
        trained(data, folder, said={"training.epochs": 1, "tokenizer.joint": "false"})
    return folder


def test_a_model_that_stands_is_replaced_only_where_that_was_said(data: Path, old: Path, tmp_path: Path) -> None:
    Bundle.load(old).save(tmp_path / "m")
    with pytest.raises(StorageError, match="already holds a model"):
        trained(data, tmp_path / "m")
    trained(data, tmp_path / "m", "transformer", overwrite=True)
    assert load(tmp_path / "m").bundle.model.config.model_type == "transformer_seq2seq"
    assert not (tmp_path / "m" / "target_tokenizer.json").exists()


def test_pairs_that_are_all_left_out_say_why(tmp_path: Path) -> None:
    english = "A brown dog runs through the deep snow of the mountains number"
    german = "Ein brauner Hund rennt durch den tiefen Schnee der Berge Nummer"
    rows = "".join(f"{german} {row}\t{english} {row}\n" for row in range(20))
    (tmp_path / "turned.tsv").write_text(f"en\tde\n{rows}")
    with pytest.raises(DataError, match=r"all 20 pairs .*in another language; see whether .* the right way round"):
        trained(tmp_path / "turned.tsv", tmp_path / "m", said={"pairs.clean": "true"})


def test_too_few_pairs_are_refused(tmp_path: Path) -> None:
    (tmp_path / "train.sources").write_text("one\n")
    (tmp_path / "train.targets").write_text("two\n")
    with pytest.raises(DataError, match="too few pairs to learn from and to hold some out; add pairs"):
        trained(tmp_path, tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_a_vocabulary_that_is_lost_or_left_over_is_noticed(old: Path, tmp_path: Path) -> None:
    Bundle.load(old).save(tmp_path / "m")
    (tmp_path / "m" / "target_tokenizer.json").rename(tmp_path / "kept.json")
    with pytest.raises(BundleError, match=r"target_tokenizer\.json is missing"):
        Model(Bundle.load(tmp_path / "m"), tmp_path / "m")
    (tmp_path / "kept.json").rename(tmp_path / "m" / "target_tokenizer.json")
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    (tmp_path / "m" / "config.json").write_text(json.dumps({**config, "target_vocab_size": 0}))
    with pytest.raises(BundleError):
        Model(Bundle.load(tmp_path / "m"), tmp_path / "m")
