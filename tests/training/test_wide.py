"""N-grams beside a neural model: each counts as far as it helps, and the whole is trained, measured and used as one."""

from pathlib import Path

import numpy as np
import pytest
from colours import rows
from command import minnow, with_settings

import minnow as package
from minnow.bundle.bundle import Bundle
from minnow.errors import RecipeError
from minnow.models.wide_and_deep import WideAndDeep
from minnow.tasks.text_classification import TextClassification
from minnow.training.classification_recipe import recipe_from
from minnow.training.wide import DEEP_ALONE, deep_share

pytestmark = pytest.mark.usefixtures("no_pictures")
TASK = TextClassification(("a", "b"))


def answers(right: float, size: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits [N, 2] of which so many are right, and the labels [N]."""
    random = np.random.default_rng(seed)
    truth = np.random.default_rng(9).integers(0, 2, 2000)
    sides = np.where(random.random(2000) < right, truth, 1 - truth) * 2 - 1
    margins = sides * size * random.random(2000)
    return np.stack([-margins / 2, margins / 2], axis=1).astype(np.float32), truth


def test_the_better_part_has_the_greater_say() -> None:
    weak, truth = answers(0.7, 2, 1)
    strong, _ = answers(0.95, 2, 2)
    lost, _ = answers(0.5, 2, 3)
    assert deep_share(TASK, weak, strong, truth) > 0.5 > deep_share(TASK, strong, weak, truth)
    assert deep_share(TASK, -strong, strong, truth) == DEEP_ALONE
    assert deep_share(TASK, strong, lost, truth) < 0.3


def test_several_labels_a_text_are_weighed_too() -> None:
    task = TextClassification(("a", "b"), multi_label=True)
    strong, truth = answers(0.95, 2, 2)
    weak, _ = answers(0.7, 2, 1)
    both = np.stack([truth == 0, truth == 1], axis=1).astype(np.float32)
    assert deep_share(task, weak, strong, both) > 0.5 > deep_share(task, strong, weak, both)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "rows.csv"
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows(240, seed=1)))
    return path


def test_a_neural_model_with_ngrams_beside_it(table: Path, tmp_path: Path) -> None:
    quick = {"training.epochs": 1, "training.precision": "float32", "text_classifier.hidden_size": 8}
    options = with_settings({**quick, "model.wide": "true"})
    told = minnow("train", table, "--model", "text_classifier", "--out", tmp_path / "m", "--json", *options)
    assert "% of the say" in told.err
    assert told.json["model_type"] == "wide_and_deep"
    model = Bundle.load(tmp_path / "m").model
    assert isinstance(model, WideAndDeep)
    assert told.json["parameters"] == model.num_parameters() > model.deep.num_parameters()
    text = rows(1, seed=5)[0][0]
    opened = package.load(tmp_path / "m")
    asked = minnow("predict", tmp_path / "m", text, "--precision", "bfloat16", "--json")
    assert asked.json["predictions"][0]["label"] == opened(text).label


def test_what_has_no_neural_part_has_nothing_to_stand_beside() -> None:
    with pytest.raises(RecipeError, match=r"model\.wide puts an ngram beside a neural model"):
        recipe_from({"model": {"name": "ngram", "wide": True}})
