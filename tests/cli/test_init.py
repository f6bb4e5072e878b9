"""``minnow init``: a whole recipe to start from."""

from pathlib import Path

import pytest
from command import minnow

from minnow.training import pretraining_recipe
from minnow.training.classification_recipe import ClassificationRecipe, read_recipe
from minnow.training.recipe_file import parse


def test_it_writes_the_defaults_and_never_over_a_file(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    assert f"minnow train DATA --recipe {path}" in minnow("init", path).err
    assert read_recipe(path) == ClassificationRecipe()
    path.write_text("mine")
    refused = minnow("init", path, fails=True)
    assert refused.code == 2
    assert "--overwrite" in refused.error
    assert path.read_text() == "mine"
    minnow("init", path, "--overwrite")
    assert read_recipe(path) == ClassificationRecipe()


def test_what_was_said_stands_in_it(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    said = ("--data", "my reviews.csv", "--model", "ngram", "--set", "training.epochs=3")
    assert minnow("init", path, *said, "--json").json == {"recipe": str(path)}
    recipe = read_recipe(path)
    assert (recipe.data.train, recipe.model.name, recipe.training.epochs) == ("my reviews.csv", "ngram", 3)


@pytest.mark.usefixtures("no_pictures")
def test_the_recipe_trains(colours: Path, tmp_path: Path) -> None:
    minnow("init", tmp_path / "recipe.toml", "--data", colours / "train.csv", "--set", "ngram.folds=2")
    made = minnow("train", "--recipe", tmp_path / "recipe.toml", "--out", tmp_path / "out", "--json").json
    assert made["accuracy"] > 0.9


def test_an_unknown_key_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    failed = minnow("init", tmp_path / "recipe.toml", "--set", "training.epoch=3", fails=True)
    assert failed.code == 2
    assert "did you mean 'epochs'" in failed.error
    assert list(tmp_path.iterdir()) == []


def test_a_recipe_of_pretraining_can_be_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "lm.toml"
    told = minnow("init", path, "--pretrain", "--data", "novel.txt", "--model", "gpt2").err
    assert f"minnow pretrain novel.txt --recipe {path}" in told
    recipe = pretraining_recipe.read_recipe(path)
    assert (recipe.data.train, recipe.model.name) == ("novel.txt", "gpt2")


def test_a_language_model_is_sent_to_its_own_recipe(tmp_path: Path) -> None:
    refused = minnow("init", tmp_path / "r.toml", "--model", "llama", fails=True)
    assert "llama is a language model, which learns from raw text: minnow pretrain" in refused.error
    assert "minnow init --pretrain" in refused.error


def test_a_recipe_of_pretraining_is_of_no_task(tmp_path: Path) -> None:
    failed = minnow("init", tmp_path / "lm.toml", "--pretrain", "--task", "translation", fails=True)
    assert failed.code == 2
    assert "has no --task, but got translation" in failed.error
    assert list(tmp_path.iterdir()) == []


def test_for_conversations_it_writes_a_recipe_that_teaches(tmp_path: Path) -> None:
    path = tmp_path / "chat.toml"
    chats = Path(__file__).parents[2] / "samples" / "assistant" / "train.jsonl"
    minnow("init", path, "--data", chats, "--set", "training.epochs=2")
    tables = parse(path)
    assert (tables["data"]["train"], tables["training"]["epochs"]) == (str(chats), 2)
    assert "instruction" in tables
