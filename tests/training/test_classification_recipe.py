"""A recipe reads back as it was written, explains itself, and refuses what it does not know."""

import tomllib
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from minnow.errors import InputError, RecipeError
from minnow.training import pretraining_recipe, translation_recipe
from minnow.training.classification_recipe import MODELS, ClassificationRecipe, read_recipe, recipe_from, render
from minnow.training.recipe_file import attribute_lines, parse, to_toml
from minnow.training.schedule import SCHEDULES
from minnow.training.settings import OPTIMIZERS, TrainingSettings

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.toml"))
TRAINING_PAGE = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
SECTIONS = [section.name for section in fields(ClassificationRecipe)]
CHANGED = [
    "data.train=reviews.csv",
    "data.validation=0.25",
    'data.label=a "quoted" label # no comment',
    "model.name=text_classifier",
    "text_classifier.widths=[3, 5]",
    "text_classifier.bidirectional=false",
    "training.learning_rate=1e-4",
    "training.max_minutes=3",
]


@pytest.mark.parametrize("overrides", [[], CHANGED])
@pytest.mark.parametrize("write", [render, to_toml])
def test_a_recipe_reads_back_as_it_was_written(overrides: list[str], write: Any, tmp_path: Path) -> None:
    recipe = recipe_from({}, overrides)
    (tmp_path / "recipe.toml").write_text(write(recipe), encoding="utf-8")
    assert read_recipe(tmp_path / "recipe.toml") == recipe


def test_every_key_of_a_written_recipe_has_a_comment() -> None:
    lines = render(ClassificationRecipe()).splitlines()
    keys = [at for at, line in enumerate(lines) if " = " in line and not line.startswith("#")]
    assert len(keys) == sum(len(table) for table in tomllib.loads(render(ClassificationRecipe())).values())
    assert [lines[at] for at in keys if not lines[at - 1].startswith("# ")] == []


def test_every_name_that_the_loop_knows_is_told() -> None:
    said = attribute_lines(TrainingSettings)
    for key, names in {"schedule": SCHEDULES, "optimizer": OPTIMIZERS}.items():
        (row,) = [line for line in TRAINING_PAGE.splitlines() if line.startswith(f"| `{key}` |")]
        for told in (" ".join(said[key]), row):
            assert not [name for name in names if name not in told]


def test_comments_are_the_lines_of_the_docstring() -> None:
    class Shape:
        """A shape.

        Attributes:
            width, height: in pixels,
                at most a thousand.
            name: of it.
        """

    class Ball(Shape):
        """A round one.

        Attributes:
            name: of the ball.
        """

    both = ["in pixels,", "at most a thousand."]
    assert attribute_lines(Shape) == {"width": both, "height": both, "name": ["of it."]}
    assert attribute_lines(Ball) == {"width": both, "height": both, "name": ["of the ball."]}


def test_every_key_may_be_left_out() -> None:
    assert recipe_from({}) == ClassificationRecipe() == recipe_from({name: {} for name in SECTIONS})


@pytest.mark.parametrize("file", RECIPES, ids=lambda path: path.name)
def test_the_recipes_of_the_house_can_be_read(file: Path) -> None:
    tables = parse(file)
    if translation_recipe.KIND in tables:
        assert translation_recipe.recipe_from(tables).pairs.train
    elif tables["model"]["name"] in MODELS:
        assert read_recipe(file).data.train
    else:
        assert pretraining_recipe.read_recipe(file).data.train


def test_overrides_are_typed_and_the_last_one_counts() -> None:
    recipe = recipe_from({"training": {"epochs": 2, "seed": 1}}, ["training.epochs=3", "training.epochs=4"])
    assert (recipe.training.epochs, recipe.training.seed) == (4, 1)
    assert recipe_from({}, ["training.clip=2"]).training.clip == 2.0
    assert recipe_from({}, [" training.optimizer = sgd "]).training.optimizer == "sgd"
    assert recipe_from({}, ['training.optimizer="sgd"']).training.optimizer == "sgd"


@pytest.mark.parametrize("written", ["0.2", "2024", "true", "[a]", "valid=2.csv", "a b.csv"])
def test_a_string_stays_a_string_whatever_it_looks_like(written: str) -> None:
    assert recipe_from({}, [f"data.train={written}"]).data.train == written


def test_overrides_leave_the_tables_they_were_given_alone() -> None:
    tables = {"training": {"epochs": 2}}
    recipe_from(tables, ["training.epochs=3"])
    assert tables == {"training": {"epochs": 2}}


@pytest.mark.parametrize(
    ("tables", "overrides", "words"),
    [
        ({"trainng": {}}, [], "'trainng'.*did you mean 'training'"),
        ({"training": {"epoch": 1}}, [], "'epoch'.*did you mean 'epochs'"),
        ({}, ["training.optimiser=sgd"], "'optimiser'.*did you mean 'optimizer'"),
        ({}, ["ngrams.folds=3"], "'ngrams'.*did you mean 'ngram'"),
        ({}, ["training.epochs"], r"section\.key=value.*'training\.epochs'"),
        ({}, ["epochs=3"], r"section\.key=value"),
        ({}, ["training.=3"], r"section\.key=value"),
        ({"data": "reviews.csv"}, [], "must be a table"),
        ({"data": "reviews.csv"}, ["data.train=x"], "must be a table"),
    ],
)
def test_what_a_recipe_does_not_know_it_refuses(tables: dict[str, Any], overrides: list[str], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        recipe_from(tables, overrides)


@pytest.mark.parametrize(
    "override",
    [
        "training.epochs=0",
        "training.epochs=2.5",
        "training.epochs=many",
        "training.epochs=true",
        "training.tokens_per_batch=-1",
        "training.learning_rate=0",
        "training.learning_rate=nan",
        "training.warmup=1",
        "training.average=1",
        "training.weight_decay=-0.1",
        "training.label_smoothing=1",
        "training.clip=-1",
        "training.patience=-1",
        "training.max_minutes=-1",
        "training.max_minutes=nan",
        "training.checkpoint_seconds=-1",
        "training.seed=-1",
        "training.seed=99999999999999999999",
        "training.optimizer=adamm",
        "training.schedule=cosin",
        "training.metric=f1",
        "training.precision=float16",
        "training.device=tpu",
        "model.name=ngrams",
        "data.class_weights=even",
        "data.strip_markup=1",
        "text_classifier.keep=middle",
        "text_classifier.widths=3",
        "ngram.letters=yes",
        "ngram.folds=1",
        "ngram.max_passes=0",
        "ngram.naive_bayes_cost=0",
        "ngram.tf_idf_cost=-1",
        "ngram.tolerance=0",
        "ngram.min_texts=-1",
        "tokenizer.kind=wrod",
        "tokenizer.vocab_size=0",
    ],
)
def test_an_impossible_value_is_named_with_its_key(override: str) -> None:
    with pytest.raises(InputError, match=override.partition("=")[0].partition(".")[2]):
        recipe_from({}, [override])


@pytest.mark.parametrize("name", ["ngram", "encoder_classifier"])
def test_word_vectors_are_for_a_model_that_has_a_place_for_them(name: str) -> None:
    recipe = recipe_from({}, ["model.vectors=glove.txt"])
    with pytest.raises(RecipeError, match=f"the model is {name}; take --model text_classifier"):
        replace(recipe, model=replace(recipe.model, name=name))  # as what auto comes to, too


@pytest.mark.parametrize(
    ("name", "also", "read"),
    [
        ("ngram", "", "ngram.folds"),
        ("text_classifier", "", "tokenizer.kind text_classifier.pooling training.epochs"),
        ("text_classifier", "model.wide=true", "ngram.folds tokenizer.kind text_classifier.pooling training.epochs"),
        (
            "text_classifier",
            "model.vectors=a.txt",
            "tokenizer.kind text_classifier.pooling training.epochs model.freeze_vectors",
        ),
        ("encoder_classifier", "", "fine_tuning.pooling training.epochs"),
    ],
)
def test_a_recipe_knows_what_its_model_does_not_read(name: str, also: str, read: str) -> None:
    overrides = {
        "ngram.folds": "3",
        "tokenizer.kind": "bpe",
        "text_classifier.pooling": "last",
        "text_classifier.embedding_size": "7",
        "fine_tuning.pooling": "last",
        "model.freeze_vectors": "true",
        "training.epochs": "3",
        "training.seed": "3",
    }
    said = [f"{key}={value}" for key, value in overrides.items()]
    recipe = recipe_from({}, [*said, f"model.name={name}", *([also] if also else [])])
    found = {key for key, asked in recipe.unread().items() if asked}
    sized = {"text_classifier.embedding_size"} if name == "text_classifier" and "vectors" not in also else set()
    assert found == overrides.keys() - {"training.seed", *read.split()} - sized


def test_the_validation_part_is_a_share_or_a_file() -> None:
    recipe = ClassificationRecipe()
    assert recipe.validation_share() == 0.1
    assert replace(recipe, data=replace(recipe.data, validation="valid.csv")).validation_share() is None
    assert replace(recipe, data=replace(recipe.data, validation="")).validation_share() == 0.1
    for wrong in ("0", "0.95", "-1", "nan"):
        with pytest.raises(RecipeError, match="validation must lie between"):
            replace(recipe, data=replace(recipe.data, validation=wrong)).validation_share()


@pytest.mark.parametrize("content", ["[training\n", "\x00", "epochs = = 1"])
def test_a_file_that_is_not_toml_is_an_error(content: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(content)
    with pytest.raises(RecipeError, match="not valid TOML"):
        read_recipe(tmp_path / "recipe.toml")


def test_a_recipe_that_is_not_there_says_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="minnow init"):
        read_recipe(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes('# "größer"'.encode("latin-1"))
    with pytest.raises(RecipeError, match="not valid TOML"):
        read_recipe(tmp_path / "latin.toml")
