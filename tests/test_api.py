"""Minnow in Python: train, load, ask, measure, compare."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from colours import csv_file, rows
from command import TINY
from command import minnow as command
from pairs import TURNING
from writers import folder

import minnow
from minnow.api.recipes import overrides_of, resolve_pretraining_recipe, teaches
from minnow.api.settings import Translating, Writing
from minnow.decoding.translating import TranslationSettings
from minnow.decoding.writing import GenerationSettings
from minnow.errors import BundleError, DataError, InputError, RecipeError

pytestmark = pytest.mark.usefixtures("no_pictures")
TEXTS = [text for text, _ in rows(30, seed=6)]


@pytest.fixture
def model(linear: Path) -> minnow.Model:
    return minnow.load(linear)


def test_train_takes_a_file_and_gives_a_model(colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = minnow.train(colours / "train.csv")
    assert model.folder == Path("runs/train")
    assert model("an apple and a ruby").label == "red"
    assert minnow.load("runs/train").batch(TEXTS) == model.batch(TEXTS)
    assert minnow.train(str(colours / "train.csv")).folder == Path("runs/train-2")


def test_settings_are_those_of_the_recipe(colours: Path, tmp_path: Path) -> None:
    settings = TINY | {"training.epochs": 1, "text_classifier.widths": (2, 3), "text_classifier.bidirectional": False}
    model = minnow.train(
        colours / "train.csv", out=tmp_path / "out", model="text_classifier", settings=settings, seed=3
    )
    for line in ("epochs = 1", "widths = [2, 3]", "bidirectional = false", "seed = 3"):
        assert line in model.bundle.recipe
    with pytest.raises(RecipeError, match="did you mean 'epochs'"):
        minnow.train(colours / "train.csv", out=tmp_path / "no", settings={"training.epoch": 1})
    with pytest.raises(RecipeError, match="unknown key 'epoch' in training; did you mean 'epochs'"):
        minnow.train(colours / "train.csv", out=tmp_path / "no", settings={"training": {"epoch": 1}})
    assert not (tmp_path / "no").exists()


def test_training_tells_what_it_does_and_goes_on(colours: Path, linear: Path, tmp_path: Path) -> None:
    told: list[str] = []
    rows: list[dict[str, Any]] = []
    model = minnow.train(
        colours / "train.csv", out=tmp_path / "m", text="label", label="text", note=told.append, show=rows.append
    )
    assert 'text: column "label" (as asked)' in told
    assert set(model.labels) > {"an apple"} or len(model.labels) > 3  # the texts are the labels now
    assert rows
    (tmp_path / "cut" / "run").mkdir(parents=True)
    (tmp_path / "cut" / "run" / "recipe.toml").write_bytes((linear / "recipe.toml").read_bytes())
    again = minnow.train(out=tmp_path / "cut", resume=True, seed=3, note=told.append)
    assert again.batch(TEXTS) == minnow.load(linear).batch(TEXTS)
    assert told.count("--resume goes on with the recipe of the run; what else was said is not used") == 1
    for go_on in (minnow.train, minnow.pretrain):
        with pytest.raises(InputError, match="is finished; there is nothing to resume"):
            go_on(out=linear, resume=True)


def test_a_label_has_a_name_a_confidence_and_all_scores(model: minnow.Model) -> None:
    label = model("an apple and a ruby")
    assert isinstance(label, minnow.Label)
    assert str(label) == label.label == "red"
    assert label.confidence == max(label.scores.values()) == label.scores["red"]
    assert set(label.scores) == set(model.labels) == {"red", "blue", "green"}


def test_one_many_and_a_stream_are_answered_alike(model: minnow.Model) -> None:
    many = model.batch(TEXTS)
    assert [model(text).label for text in TEXTS] == [label.label for label in many]
    assert [label.label for label in model.stream(iter(TEXTS), batch_rows=7)] == [label.label for label in many]
    assert model.batch([]) == []


def test_a_stream_takes_no_more_than_it_needs(model: minnow.Model) -> None:
    taken: list[str] = []

    def endless():  # type: ignore[no-untyped-def]
        while True:
            taken.append("the sky")
            yield "the sky"

    answers = model.stream(endless(), batch_rows=10)
    assert [next(answers).label for _ in range(15)] == ["blue"] * 15
    assert len(taken) == 20


def test_the_api_and_the_command_answer_alike(model: minnow.Model) -> None:
    rows_of_command = command("predict", model.folder, *TEXTS).lines
    assert [
        {"text": t, **label.to_dict()} for t, label in zip(TEXTS, model.batch(TEXTS), strict=True)
    ] == rows_of_command


def test_a_model_of_a_hub_has_the_name_that_it_was_asked_for_by(
    linear: Path, colours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minnow.api.model.folder_of", lambda *_, **__: linear)  # as if it had been pulled
    assert minnow.evaluate("team/colours@v1", colours / "test.csv").name == "team/colours@v1"
    found = minnow.compare("team/colours@v1", "team/colours@v2", colours / "test.csv")
    assert (found.name_a, found.name_b) == ("team/colours@v1", "team/colours@v2")


def test_evaluate_and_compare(model: minnow.Model, neural: Path, colours: Path, tmp_path: Path) -> None:
    report = model.evaluate(colours / "test.csv")
    assert isinstance(report, minnow.Report)
    assert report.scores == minnow.evaluate(model.folder, colours / "test.csv").scores
    assert report.scores["accuracy"] > 0.9
    report.save(tmp_path / "report")
    assert minnow.Report.load(tmp_path / "report") == report
    found = minnow.compare(model, neural, colours / "test.csv")
    assert found.differences["accuracy"].a == report.scores["accuracy"]
    assert (found.name_a, found.name_b) == ("linear", "neural")


def test_mistakes_are_errors_of_the_house(model: minnow.Model, colours: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"model\.batch"):
        model(["one", "two"])  # type: ignore[arg-type]
    with pytest.raises(BundleError, match="there is no model"):
        minnow.load(tmp_path / "none")
    with pytest.raises(DataError, match="no part 'valid'"):
        minnow.evaluate(model, colours, part="valid")
    with pytest.raises(InputError, match="one label"):
        minnow.train(csv_file(tmp_path / "data.csv", [("one", "a"), ("two", "a")]), out=tmp_path / "out")
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        minnow.lod  # noqa: B018


def test_pairs_are_learnt_measured_and_compared(translator: Path, turning: Path, tmp_path: Path) -> None:
    sides = [turning / f"test.{side}" for side in ("sources", "targets")]
    quick = TURNING | {"training.epochs": 1}
    learner = minnow.train(*sides, out=tmp_path / "m", settings=quick, source="en", target="de", seed=3)
    assert learner.task.name == "translation"
    assert learner.bundle.task["directions"] == [["en", "de"]]
    model = minnow.load(translator)
    report = model.evaluate(*sides)
    assert report.scores == minnow.evaluate(translator, *sides).scores
    assert report.scores["bleu"] > 50
    found = minnow.compare(model, translator, *sides)
    assert found.differences["bleu"].difference == 0
    named = minnow.compare(learner, model, *sides, languages="en,de", beam=1)  # the other one names no languages
    assert named.differences["bleu"].b == model.evaluate(*sides, beam=1, source="en", target="de").scores["bleu"]
    told: list[tuple[str, int, int]] = []
    minnow.evaluate(model, *sides, beam=1, progress=lambda *row: told.append(row))
    assert told[-1] == ("translating", 40, 40)


def test_one_text_and_many_are_translated_alike(translator: Path) -> None:
    model = minnow.load(translator)
    texts = ["one two", "", "three four five"]
    many = model.translate(texts)
    assert [text.text for text in many] == ["two one", "", "five four three"]
    assert model.translate("one two").text == model("one two").text == "two one"
    for answers in (model.batch(texts), model.stream(texts, batch_rows=2)):
        assert [answer.text for answer in answers] == [text.text for text in many]
    best = model.translate("one two", n_best=3)
    assert [text.text for text in best][:1] == ["two one"]
    assert len(best) == 3
    assert [len(row) for row in model.translate(texts, n_best=2, beam=5)] == [2, 1, 2]  # of nothing there is one
    assert model.translate([]) == []
    assert model.translate("one two", to="target", beam=1, length_penalty=0.0).text == "two one"


def test_a_model_may_compute_in_bfloat16(translator: Path, neural: Path) -> None:
    narrow = minnow.load(translator, precision="bfloat16")
    texts = ["one two", "three four five"]
    assert [text.text for text in narrow.translate(texts)] == ["two one", "five four three"]
    assert [text.text for text in narrow.translate(texts, beam=1)] == ["two one", "five four three"]
    assert str(narrow.vectors(texts).dtype) == "float32"
    wide, narrow = minnow.load(neural), minnow.load(neural, precision="bfloat16")
    assert narrow("red as ever").confidence == pytest.approx(wide("red as ever").confidence, abs=0.02)
    with pytest.raises(InputError, match="did you mean 'bfloat16'"):
        minnow.load(neural, precision="float16")
    with pytest.raises(InputError, match="in a precision of its own"):
        minnow.evaluate(narrow, "reviews.csv", precision="float32")


def test_a_translator_shows_where_it_looked_and_what_is_alike(translator: Path) -> None:
    model = minnow.load(translator)
    looked = model.attention("one two three")
    assert (looked.source_tokens, looked.target_tokens) == (("one", "two", "three"), ("three", "two", "one"))
    assert model.attention("one two", target="two").target_tokens == ("two",)
    vectors = model.vectors(["one two", "one two", "six"])
    assert vectors.shape[0] == 3
    assert vectors[0] @ vectors[1] == pytest.approx(1, abs=1e-5)
    assert vectors[0] @ vectors[2] < 0.99


def test_mistakes_with_pairs_are_errors_of_the_house(
    model: minnow.Model, translator: Path, turning: Path, colours: Path, tmp_path: Path
) -> None:
    sides = [turning / f"train.{side}" for side in ("sources", "targets")]
    turner = minnow.load(translator)
    for call, words in (
        (lambda: model.translate("a"), "does not translate"),
        (lambda: model.attention("a"), "does not translate"),
        (lambda: model.vectors(["a"]), "does not translate"),
        (lambda: turner.generate("a"), "use minnow translate"),
        (lambda: turner.translate("a", beams=3), "no setting 'beams'; did you mean 'beam'"),
        (lambda: turner.translate("a", to="xx"), "does not write 'xx'"),
        (lambda: turner.translate("a", n_best=9), "n_best must be a whole number"),
        (lambda: turner.translate("a", beam="3"), "beam must be a whole number from 1 to 64, but got '3'"),
        (lambda: turner.translate("a", length_penalty="1"), "length_penalty must .* but got .*'1'"),
        (lambda: turner.translate(3), "texts come as a list, but got 3"),
        (lambda: turner.translate(["a", None]), "text 2 of 2 is None"),
        (lambda: turner.translate("a", glossary="none.tsv"), "none.tsv"),
        (lambda: turner.batch([1]), "text 1 of 1 is 1"),
        (lambda: turner.vectors("one two"), r"texts come as a list, but got 'one two'; put one text into \[ \]"),
        (lambda: turner.neighbours("one", "one two"), "texts come as a list"),
        (lambda: turner.neighbours(["one", 2], ["one two"]), "text 2 of 2 is 2"),
        (lambda: minnow.load(None), "a model is named by its folder"),
        (lambda: minnow.evaluate(turner, *sides, samples=3), "for language models"),
        (lambda: minnow.evaluate(model, *sides), "for models that translate"),
        (lambda: minnow.compare(model, model, *sides), "neither of these does"),
        (lambda: minnow.train(*sides, task="text_classification", out=tmp_path / "m"), "are for translation"),
        (lambda: minnow.train(sides[0], languages=("en", "de"), out=tmp_path / "m"), "are for translation"),
        (lambda: minnow.train(*sides, lora=3, out=tmp_path / "m"), "lora is for language models"),
        (lambda: minnow.train(*sides, test=sides[0], out=tmp_path / "m"), "pairs.test"),
        (lambda: minnow.train(*sides, task="translating", out=tmp_path / "m"), "did you mean 'translation'"),
        (lambda: minnow.train(*sides, languages=("en",), out=tmp_path / "m"), "two or more"),
        (lambda: minnow.train(*sides, source="en", out=tmp_path / "m"), "name a direction together"),
        (lambda: minnow.evaluate(turner, *sides, source="a", target="b", languages="en,de"), "say one of the two"),
        (lambda: minnow.train(sides[0], model="gpt2", out=tmp_path / "m"), "minnow pretrain DATA --model gpt2"),
        (lambda: minnow.compare(turner, model, *sides), "is a model for text classification and does not translate"),
        (lambda: minnow.compare(turner, model, *sides, precision="auto"), "in a precision of its own"),
        (lambda: minnow.train(sides[0], colours / "test.csv", out=tmp_path / "m"), "lines"),
    ):
        with pytest.raises(InputError, match=words):
            call()
        assert not (tmp_path / "m").exists()


def test_all_public_names_are_there() -> None:
    assert all(getattr(minnow, name) is not None for name in minnow.__all__)
    assert repr(minnow.Model).endswith("Model'>")
    assert dir(minnow) == sorted([*minnow.__all__, "__version__"])
    assert minnow.errors.InputError is InputError


def test_what_may_be_said_of_a_text_is_what_its_settings_are() -> None:
    """The names for a type checker and a completion; seed and n_best stand before them."""
    assert {*Writing.__annotations__, "seed"} == {field.name for field in fields(GenerationSettings)}
    assert {*Translating.__annotations__, "n_best"} == {field.name for field in fields(TranslationSettings)}


def test_a_glossary_may_be_a_file(translator: Path, tmp_path: Path) -> None:
    (tmp_path / "terms.tsv").write_text("one\tsix\n")
    found = minnow.load(translator).translate("one two", glossary=tmp_path / "terms.tsv")
    assert "six" in found.text.split()


def test_a_writer_begins_answers_and_tells_what_it_is(tmp_path: Path) -> None:
    model = minnow.load(folder(tmp_path / "talker"))
    written = model.generate(max_tokens=4, seed=1)  # without a prompt it begins a text
    assert "'' so far" in repr(written)
    assert repr(str(written)) in repr(written)
    assert written.log_probability == written.samples[0].log_probability
    said = model.chat("Hello", seed=1, max_tokens=4)
    assert str(said) == str(model.chat([{"role": "user", "content": "Hello"}], seed=1, max_tokens=4))
    with pytest.raises(InputError, match=r"temperature must .* got .*'0\.5'"):
        model.generate("a", temperature="0.5")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="a prompt is one text, but got None"):
        model.generate(None)  # type: ignore[arg-type]


def test_a_classifier_that_is_talked_to_says_what_it_is(model: minnow.Model) -> None:
    with pytest.raises(InputError, match="writes no text of its own; use minnow predict"):
        model.chat("Hello")


def test_a_batch_is_no_single_text(model: minnow.Model) -> None:
    with pytest.raises(DataError, match="call the model with it"):
        model.batch("an apple")


def test_models_without_labels_are_not_compared(tmp_path: Path, colours: Path) -> None:
    talker = folder(tmp_path / "talker")
    with pytest.raises(InputError, match="no labels that could be compared"):
        minnow.compare(talker, talker, colours / "test.csv")


@pytest.mark.parametrize("value", ["Once ", '"Hi"', "a\nb", "3", "true", "C:\\new", Path("a b"), "中文"])
def test_a_string_of_the_settings_arrives_as_it_is(value: object) -> None:
    recipe = resolve_pretraining_recipe(None, overrides_of({"training.sample_prompt": value}), corpus=value)
    assert (recipe.training.sample_prompt, recipe.data.train) == (str(value), str(value))


def test_a_number_of_the_settings_may_stand_in_quotes() -> None:
    settings = {"training.steps": "3", "training.learning_rate": "1e-3", "training.compile": "true"}
    training = resolve_pretraining_recipe(None, overrides_of(settings), corpus="novel.txt").training
    assert (training.steps, training.learning_rate, training.compile) == (3, 1e-3, True)


@pytest.mark.parametrize("value", [None, object(), "caf\udce9"])
def test_what_has_no_form_in_a_recipe_is_refused(value: object) -> None:
    with pytest.raises(RecipeError, match=r"data\.text takes numbers, strings"):
        overrides_of({"data.text": value})


def test_a_task_that_is_named_is_not_guessed(tmp_path: Path) -> None:
    chats = tmp_path / "chats.jsonl"
    chats.write_text('{"prompt": "a", "completion": "b", "label": "red"}\n' * 4)
    assert teaches(chats)
    assert not teaches(chats, task="text_classification")
