"""The recipe of pre-training reads back as it was written, explains itself, and refuses what cannot be."""

import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import tomlkit

from minnow.errors import RecipeError
from minnow.strict import write_record
from minnow.training.pretraining_recipe import (
    PretrainingRecipe,
    parameters_of,
    recipe_from,
    render,
    seconds_of,
    to_toml,
)

CHANGED = ["data.train=a.txt", "shape.num_hidden_layers=3", "shape.hidden_act=gelu", "training.budget=3m"]


@pytest.mark.parametrize("overrides", [[], CHANGED])
@pytest.mark.parametrize("write", [render, to_toml])
def test_a_recipe_reads_back_as_it_was_written(overrides: list[str], write: Any) -> None:
    recipe = recipe_from({}, overrides)
    assert recipe_from(tomllib.loads(write(recipe))) == recipe


def test_every_key_of_a_written_recipe_has_a_comment() -> None:
    lines = render(PretrainingRecipe()).splitlines()
    keys = [at for at, line in enumerate(lines) if " = " in line and not line.startswith("#")]
    assert len(keys) == sum(len(fields(getattr(PretrainingRecipe(), s))) for s in SECTIONS if s != "shape")
    assert [lines[at] for at in keys if not lines[at - 1].startswith("# ")] == []
    assert any("config.json" in line for line in lines)


SECTIONS = [section.name for section in fields(PretrainingRecipe)]


def test_times_and_sizes_are_read_as_people_write_them() -> None:
    assert [seconds_of(text) for text in ("90s", "20m", "1.5h", "2", "")] == [90, 1200, 5400, 120, 0]
    assert [parameters_of(text) for text in ("5M", "1.5m", "135M", "0.36B", "20K")] == [
        5_000_000,
        1_500_000,
        135_000_000,
        360_000_000,
        20_000,
    ]


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("training.optimiser=adamw", "optimizer"),
        ("training.optimizer=lion", "muon"),
        ("training.schedule=plateau", "cosine"),
        ("training.context=1", "at least 2"),
        ("training.accumulation=0", "accumulation"),
        ("training.warmup=1.5", "warmup"),
        ("training.mask_share=0", "0.15"),
        ("training.learning_rate=nan", "learning_rate"),
        ("training.seed=-1", "seed"),
        ("training.budget=0s", "20m"),
        ("model.size=5X", "5M"),
        ("model.size=1", "10K"),
        ("tokenizer.kind=bp", "bpe"),
        ("tokenizer.vocab_size=10", "vocab_size"),
        ("shapes.n=1", "shape"),
    ],
)
def test_what_cannot_be_is_refused_and_says_what_can(setting: str, named: str) -> None:
    with pytest.raises(RecipeError, match=named):
        recipe_from({}, [setting])


def test_what_is_compiled_for_all_cores_has_no_copies() -> None:
    with pytest.raises(RecipeError, match=r"take training.parallel=threads"):
        recipe_from({}, ["training.compile=true", "training.parallel=replicas"])


@pytest.mark.parametrize("name", [name for name in SECTIONS if name != "shape"])
def test_every_key_is_documented_with_its_default(name: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "pretraining.md").read_text(encoding="utf-8")
    documented = page.split(f"### `[{name}]`")[1].split("\n### ")[0]
    written = dict(re.findall(r"^\| `(\w+)` \| `(.*?)` \|", documented, re.MULTILINE))
    settings = write_record(getattr(PretrainingRecipe(), name))
    assert written == {key: tomlkit.item(value).as_string() for key, value in settings.items()}
