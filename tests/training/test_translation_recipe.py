"""The recipe for pairs reads back as it was written, explains itself, and refuses what cannot be in one line."""

import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from minnow.api import resolve_translation_recipe, translates
from minnow.errors import InputError, RecipeError, UnknownNameError
from minnow.training.classification_recipe import ClassificationRecipe
from minnow.training.recipe_file import to_toml
from minnow.training.translation_recipe import TranslationRecipe, recipe_from, render

SECTIONS = [section.name for section in fields(TranslationRecipe)]
CHANGED = [
    "pairs.train=train.en",
    'pairs.languages=["en", "de", "zh-Hans"]',
    "pairs.validation=0.1",
    "pairs.clean=false",
    "pairs.other_names=0.1",
    "pairs.joined=0.2",
    "cleaning.max_length_ratio=2.5",
    "model.name=rnn_seq2seq",
    "tokenizer.joint=false",
    "tokenizer.bpe_dropout=0.1",
    "shape.attention=general",
    "shape.hidden_size=64",
    "shape.tied=false",
    "training.learning_rate=1e-4",
    "training.metric=chrf",
    "training.r_drop=2.5",
]


@pytest.mark.parametrize("overrides", [[], CHANGED])
@pytest.mark.parametrize("write", [render, to_toml])
def test_a_recipe_reads_back_as_it_was_written(overrides: list[str], write: Any) -> None:
    recipe = recipe_from({}, overrides)
    assert recipe_from(tomllib.loads(write(recipe))) == recipe


def test_every_key_of_a_written_recipe_has_a_comment_and_every_section() -> None:
    lines = render(recipe_from({}, CHANGED)).splitlines()
    keys = [at for at, line in enumerate(lines) if " = " in line and not line.startswith("#")]
    free = [at for at in keys if lines[at].partition(" ")[0] in ("attention", "hidden_size", "tied")]
    assert [lines[at] for at in keys if not lines[at - 1].startswith("# ") and at not in free] == []
    for section in SECTIONS:
        assert lines[lines.index(f"[{section}]") + 1].startswith("# ")


def test_comments_say_what_is_so_of_pairs() -> None:
    lines = render(TranslationRecipe()).splitlines()
    assert "bleu" in lines[lines.index('metric = "bleu"') - 1]
    assert "accuracy" not in "\n".join(lines)
    assert lines[lines.index("[training]") + 1] == "# How a model learns to translate."


def test_every_key_may_be_left_out() -> None:
    assert recipe_from({}) == TranslationRecipe() == recipe_from({name: {} for name in SECTIONS})


def test_pairs_are_trained_otherwise_than_labels_where_it_matters() -> None:
    ours, others = TranslationRecipe().training, ClassificationRecipe().training
    assert (ours.metric, others.metric) == ("bleu", "accuracy")
    assert {field.name for field in fields(ours)} == {field.name for field in fields(others)} | {"r_drop"}


@pytest.mark.parametrize(
    "override",
    [
        "pairs.trian=x",
        "pairs.validation=7",
        "pairs.validation=nan",
        "pairs.validation=0",
        'pairs.languages=["en"]',
        "pairs.languages=en",
        "pairs.languages=[1, 2]",
        "pairs.clean=1",
        "pairs.other_names=2",
        "pairs.joined=-0.1",
        "tokenizer.bpe_dropout=1",
        "tokenizer.bpe_dropout=-0.1",
        "training.r_drop=-1",
        "cleaning.max_length_ratio=0.5",
        "cleaning.language_confidence=2",
        "cleaning.max_characters=-1",
        "model.name=transformer",
        "model.name=ngram",
        "tokenizer.joint=both",
        "tokenizer.kind=bpee",
        "tokenizer.vocab_size=0",
        "tokenizer.vocab_size=200",
        "tokenizer.normalization=nfd",
        "tokenizer.min_frequency=0",
        "shape=3",
        "training.epochs=0",
        "training.metric=accuracy",
        "training.label_smoothing=1",
        "training.average=1",
        "training.learning_rate=nan",
        "training.max_minutes=-1",
        "training.seed=-1",
        "training.precision=float16",
        "training.schedule=noam",
    ],
)
def test_an_impossible_value_is_one_line_that_names_it(override: str) -> None:
    key = override.partition("=")[0]
    with pytest.raises(InputError, match=key.rpartition(".")[2].replace("trian", "train")) as caught:
        recipe_from({}, [override])
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, RecipeError)


@pytest.mark.parametrize("key", ["pairs.other_names", "pairs.joined"])
@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_an_impossible_share_of_added_pairs_is_refused(key: str, share: float) -> None:
    with pytest.raises(RecipeError, match=rf"{key} must lie in \[0, 1\], but got .*; try 0.1, or 0 for off"):
        recipe_from({}, [f"{key}={share}"])


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        (["pairs.test_target=test.de"], "pairs.test_target"),
        (["pairs.validation_target=valid.de"], "pairs.validation_target"),
        (["pairs.validation=0.1", "pairs.validation_target=valid.de"], "pairs.validation_target"),
    ],
)
def test_a_file_of_targets_without_its_sources_is_refused(overrides: list[str], key: str) -> None:
    with pytest.raises(RecipeError, match=f"leave {key} out"):
        recipe_from({}, overrides)
    sources = ["pairs.test=test.en", "pairs.validation=valid.en"]
    assert recipe_from({}, [*overrides, *sources]).pairs.test == "test.en"


def test_what_the_caller_says_goes_before_the_file(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(to_toml(recipe_from({}, CHANGED)))
    recipe = resolve_translation_recipe(
        tmp_path / "recipe.toml",
        ["training.epochs=3"],
        data="mine.en",
        target_data="mine.fr",
        languages=("en", "fr"),
        model="transformer_seq2seq",
        start="runs/old",
        seed=7,
    )
    assert (recipe.pairs.train, recipe.pairs.train_target) == ("mine.en", "mine.fr")
    assert recipe.pairs.languages == ("en", "fr")
    assert (recipe.model.name, recipe.model.start) == ("transformer_seq2seq", "runs/old")
    assert (recipe.training.epochs, recipe.training.seed, recipe.training.metric) == (3, 7, "chrf")
    assert resolve_translation_recipe(tmp_path / "recipe.toml") == recipe_from({}, CHANGED)


def test_pairs_are_told_from_labels(tmp_path: Path) -> None:
    (tmp_path / "pairs.toml").write_text(to_toml(TranslationRecipe()))
    (tmp_path / "labels.toml").write_text(to_toml(ClassificationRecipe()))
    assert translates("a.en", "a.de")
    assert translates("a.tsv", task="translation")
    assert translates("multi30k")
    assert translates(None, recipe=tmp_path / "pairs.toml")
    assert not translates("a.csv")
    assert not translates("imdb")
    assert not translates("multi30k", task="text_classification")
    assert not translates(None, recipe=tmp_path / "labels.toml")
    for wrong in ("translate", "fill_mask"):
        with pytest.raises(UnknownNameError, match="unknown task"):
            translates("a.csv", task=wrong)
