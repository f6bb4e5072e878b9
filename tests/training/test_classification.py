"""The main job as a function: what it decides, what it writes, and that equal seeds give equal files."""

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from colours import HINTS, OTHERS, csv_file, rows
from command import TINY, files_in
from safetensors.numpy import load_file

from minnow.bundle.bundle import Bundle
from minnow.errors import BundleError, DataError, InputError, StorageError
from minnow.tasks.registry import task_from
from minnow.training.classification import Classifier, train_classifier
from minnow.training.classification_recipe import recipe_from

pytestmark = pytest.mark.usefixtures("no_pictures")
NGRAM: dict[str, object] = {"model.name": "ngram"}
NET: dict[str, object] = {"model.name": "text_classifier", **TINY}


def trained(data: Path, out: Path, settings: dict[str, object], **more: Any) -> Classifier:
    overrides = [f"{key}={value}" for key, value in (settings | {"data.train": data}).items()]
    return train_classifier(recipe_from({}, overrides), out, **more)


def written(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in ("model.safetensors", "config.json")]


def predicted(made: Classifier, texts: Sequence[str]) -> list[Any]:
    return task_from(made.bundle.task).predict(made.bundle.model, made.bundle.tokenizer, list(texts))  # type: ignore[arg-type]


@pytest.mark.parametrize("settings", [NGRAM, NET | {"training.epochs": 2}], ids=["ngram", "text_classifier"])
def test_the_same_seed_gives_the_same_file(colours: Path, tmp_path: Path, settings: dict[str, object]) -> None:
    made = [
        trained(colours / "train.csv", tmp_path / name, settings | {"training.seed": seed})
        for name, seed in (("one", 3), ("same", 3), ("other", 4))
    ]
    assert written(made[0].folder) == written(made[1].folder)
    assert made[0].validation.scores == made[1].validation.scores
    assert written(made[0].folder) != written(made[2].folder)


def test_small_data_get_the_linear_model_and_what_was_decided_is_told(colours: Path, tmp_path: Path) -> None:
    notes: list[str] = []
    made = trained(colours / "train.csv", tmp_path / "out", {}, note=notes.append)
    assert made.bundle.model.config.model_type == "ngram"
    told = "\n".join(notes)
    for words in ("240 rows", 'text: column "text" (by name)', 'label: column "label"', "model: ngram", "--model"):
        assert words in told


def test_test_rows_that_stand_in_the_training_part_are_counted(colours: Path, tmp_path: Path) -> None:
    notes: list[str] = []
    test = csv_file(tmp_path / "test.csv", [*rows(30, seed=9), *rows(240, seed=1)[:10]])
    said = NGRAM | {"data.test": test, "data.validation": test}
    trained(colours / "train.csv", tmp_path / "out", said, note=notes.append)
    for part in ("test", "validation"):
        assert any(f"10 {part} rows (25.0%)" in note for note in notes)


def test_scores_are_those_of_the_test_part_where_there_is_one(colours: Path, tmp_path: Path) -> None:
    made = trained(colours / "train.csv", tmp_path / "out", NGRAM | {"data.test": colours / "test.csv"})
    assert made.test is not None
    assert made.summary["measured_on"] == "test"
    assert made.summary["test_rows"] == 80
    assert made.summary["accuracy"] == made.test.scores["accuracy"] > 0.9
    alone = trained(colours / "train.csv", tmp_path / "alone", NGRAM)
    assert alone.test is None
    assert alone.summary["measured_on"] == "held-out folds"


@pytest.mark.parametrize("settings", [NGRAM, NET], ids=["ngram", "text_classifier"])
def test_a_validation_file_is_what_is_validated_on(colours: Path, tmp_path: Path, settings: dict[str, object]) -> None:
    strange = [("a word of another colour", "violet"), *rows(25, seed=5)]
    valid = csv_file(tmp_path / "valid.csv", strange)
    made = trained(colours / "train.csv", tmp_path / "out", settings | {"data.validation": valid})
    assert made.validation.data["part"] == "validation"
    assert made.validation.data["rows"] == 25
    assert made.bundle.task["labels"] == ["blue", "green", "red"]
    assert made.validation.data["name"] == "valid.csv"
    card = (made.folder / "README.md").read_text()
    assert "calibrated on the rows of valid.csv" in card
    assert "the scores come from valid.csv" in card
    assert "held out" not in card


def test_the_validation_part_of_a_folder_is_called_as_folders_call_it(colours: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name in ("train", "dev"):
        (tmp_path / "data" / f"{name}.csv").write_bytes((colours / "test.csv").read_bytes())
    made = trained(colours / "train.csv", tmp_path / "out", NGRAM | {"data.validation": tmp_path / "data"})
    assert made.validation.data["name"] == "data/dev.csv"


def test_what_was_decided_about_each_part_is_told_once_and_before_the_model_learns(
    colours: Path, tmp_path: Path
) -> None:
    notes: list[str] = []
    parts = {}
    for part, empty in (("validation", 2), ("test", 3)):
        parts[f"data.{part}"] = csv_file(
            tmp_path / f"{part}.csv", [*rows(30, seed=5), *[("a rose", "")] * empty, ("a whale", "violet")]
        )
    made = trained(colours / "train.csv", tmp_path / "out", NGRAM | parts, note=notes.append)
    learnt = next(place for place, line in enumerate(notes) if line.startswith("n-grams:"))
    for line in (
        *("validation.csv: 31 rows", "2 rows without a label left out", "test.csv: 31 rows"),
        *("3 rows without a label left out", "1 row of validation.csv left out: train.csv does not have their labels"),
    ):
        assert notes.count(line) == 1
        assert notes.index(line) < learnt
    assert any("'violet' (1 rows) is unknown to the model" in line for line in notes[learnt:])
    assert made.test is not None
    assert "3 rows without a label left out" in made.test.notes
    assert "2 rows without a label left out" in made.validation.notes


@pytest.mark.parametrize(
    "settings",
    [
        NGRAM | {"ngram.word_order": 1, "ngram.letters": "off", "ngram.naive_bayes_cost": 0.1},
        NET | {"training.epochs": 8, "training.average": 0, "training.metric": "f1_macro"},
    ],
    ids=["ngram", "text_classifier"],
)
def test_balanced_class_weights_give_a_rare_label_its_due(tmp_path: Path, settings: dict[str, object]) -> None:
    """Of the texts with "maybe" two in five are red, and none of the other texts is."""
    random = np.random.default_rng(0)
    made = []
    for i in range(240):
        word, colour = (
            ("maybe", "red" if i % 5 < 2 else "blue") if i < 100 else (str(random.choice(HINTS["blue"])), "blue")
        )
        made.append((" ".join([word, *random.choice(OTHERS, 4)]), colour))
    data = csv_file(tmp_path / "data.csv", made)

    def num_red(weights: str) -> int:
        model = trained(data, tmp_path / weights, settings | {"data.class_weights": weights})
        asked = [" ".join(["maybe", *random.choice(OTHERS, 4)]) for _ in range(50)]
        return sum(answer.label == "red" for answer in predicted(model, asked))

    assert num_red("balanced") > num_red("none") + 10


@pytest.mark.parametrize(
    ("settings", "unread"),
    [
        ({"training.epochs": 3, "text_classifier.hidden_size": 8}, "ngram; what the recipe says as {} is not used"),
        ({"training.seed": 3, "ngram.folds": 3}, ""),
    ],
)
def test_what_the_model_does_not_read_is_told_in_one_line(
    settings: dict[str, object], unread: str, colours: Path, tmp_path: Path
) -> None:
    notes: list[str] = []
    trained(colours / "train.csv", tmp_path / "out", settings, note=notes.append)
    told = [f"the model is {unread.format('text_classifier.hidden_size, training.epochs')}"] if unread else []
    assert [note for note in notes if "is not used" in note] == told


@pytest.mark.parametrize("freeze", [True, False])
def test_word_vectors_from_a_file_start_the_embeddings(colours: Path, tmp_path: Path, freeze: bool) -> None:
    random = np.random.default_rng(0)
    known = {word: random.normal(size=6).astype(np.float32) for word in [*HINTS["red"], *HINTS["blue"], "森"]}
    lines = [f"{word} {' '.join(map(str, vector))}\n" for word, vector in known.items()]
    (tmp_path / "vectors.txt").write_text("".join(lines), encoding="utf-8")
    vectors = {"model.vectors": tmp_path / "vectors.txt", "model.freeze_vectors": str(freeze).lower()}
    made = trained(colours / "train.csv", tmp_path / "out", NET | vectors | {"training.epochs": 1})
    assert made.bundle.tokenizer is not None
    embedding = load_file(made.folder / "model.safetensors")["embedding.weight"]
    assert embedding.shape[1] == 6
    place = {word: i for i, word in enumerate(made.bundle.tokenizer.vocabulary)}
    for word, vector in known.items():
        kept = embedding[place[word]]
        assert np.array_equal(kept, vector) if freeze else 0 < np.abs(kept - vector).max() < 0.5
    still = NET | vectors | {"training.epochs": 1, "training.learning_rate": 1e-12}
    begun = load_file(trained(colours / "train.csv", tmp_path / "still", still).folder / "model.safetensors")
    learnt = place[HINTS["green"][0]]  # a word without a vector
    assert np.abs(embedding[learnt] - begun["embedding.weight"][learnt]).max() > 1e-3
    assert not made.bundle.model.embedding._forward_hooks


def test_several_labels_a_text(tmp_path: Path) -> None:
    made = [
        {"text": f"{first} and {second}", "label": sorted({a, b} - {"green"})}
        for (first, a), (second, b) in zip(rows(240, 1), rows(240, 2), strict=True)
    ]
    data = tmp_path / "data.jsonl"
    data.write_text("\n".join(json.dumps(row) for row in made))
    for settings in (NGRAM, NET | {"training.epochs": 30}):
        model = trained(data, tmp_path / str(settings["model.name"]), settings)
        assert model.bundle.task["multi_label"]
        answers = predicted(model, ["apple ruby on the sky in the navy ocean", "the frog of some grass and a leaf"])
        assert {label.label for label in answers[0].labels} == {"red", "blue"}
        assert answers[1].labels == ()
        assert model.summary["f1_micro"] > 0.8


def test_a_label_that_stands_on_every_row_may_be_weighed(tmp_path: Path) -> None:
    data = tmp_path / "data.jsonl"
    made = [{"text": text, "label": ["any", *([label] if label != "green" else [])]} for text, label in rows(60, 1)]
    data.write_text("\n".join(json.dumps(row) for row in made))
    model = trained(data, tmp_path / "out", NGRAM | {"data.class_weights": "balanced"})
    assert model.summary["f1_micro"] > 0.8


def test_curves_mark_the_best_by_what_the_run_was_chosen_by(
    colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str | None] = []

    def curves(_: object, metric: str | None = None) -> None:
        drawn.append(metric)

    monkeypatch.setattr("minnow.evaluation.plots.available", lambda: True)
    monkeypatch.setattr("minnow.evaluation.plots.save_report", lambda *_: [])
    monkeypatch.setattr("minnow.evaluation.plots.training_curves", curves)
    monkeypatch.setattr("minnow.evaluation.plots.save", lambda *_: [])
    for metric in ("f1_weighted", "loss"):
        trained(colours / "train.csv", tmp_path / metric, NET | {"training.epochs": 2, "training.metric": metric})
    assert drawn == ["f1_weighted", None]


def test_a_finished_folder_holds_the_model_the_evidence_and_no_state(neural: Path) -> None:
    found = files_in(neural)
    model = ["config.json", "minnow.json", "model.safetensors", "recipe.toml", "tokenizer.json", "README.md"]
    pictures = [f"{kind}.{end}" for kind in ("confusion", "labels", "reliability") for end in ("png", "svg")]
    evidence = [*(f"evaluation/{name}" for name in [*pictures, "report.json", "validation/report.json"])]
    run = [f"run/{name}" for name in ("curves.png", "curves.svg", "journal.jsonl", "recipe.toml")]
    assert found == sorted([*model, *evidence, *run])


def test_a_run_goes_on_in_the_arithmetic_that_it_began_in(
    colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The two kinds are timed once: another measurement, as a busy machine may give, must not change a run half-way."""
    settings = NET | {"training.precision": "auto", "training.epochs": 2, "training.checkpoint_seconds": 0}

    def measures(gain: float) -> None:
        monkeypatch.setattr("minnow.layers.precision.bfloat16_gain", lambda: gain)

    def killed(row: dict[str, Any]) -> None:
        if row.get("epoch") == 2:
            raise RuntimeError("killed")

    measures(2.0)
    whole = trained(colours / "train.csv", tmp_path / "whole", settings)
    with pytest.raises(RuntimeError, match="killed"):
        trained(colours / "train.csv", tmp_path / "cut", settings, show=killed)
    measures(1.0)
    kept = recipe_from(tomllib.loads((tmp_path / "cut" / "run" / "recipe.toml").read_text()))
    train_classifier(kept, tmp_path / "cut", resume=True)
    assert written(tmp_path / "cut") == written(whole.folder)
    for name in ("recipe.toml", "run/recipe.toml", "README.md"):
        assert 'precision = "bfloat16"' in (whole.folder / name).read_text()


def test_a_run_goes_on_only_with_the_data_it_began_with(colours: Path, tmp_path: Path) -> None:
    def killed(row: dict[str, Any]) -> None:
        if row.get("epoch") == 2:
            raise RuntimeError("killed")

    data = tmp_path / "data.csv"
    data.write_bytes((colours / "train.csv").read_bytes())
    valid = csv_file(tmp_path / "valid.csv", rows(25, seed=5))
    settings = NET | {"training.checkpoint_seconds": 0, "data.validation": valid}
    with pytest.raises(RuntimeError, match="killed"):
        trained(data, tmp_path / "out", settings, show=killed)
    for path, other in ((data, rows(240, seed=8)), (valid, rows(25, seed=6))):
        before = path.read_bytes()
        csv_file(path, other)
        with pytest.raises(DataError, match=f"{path.name} has changed since the run began"):
            trained(data, tmp_path / "out", settings, resume=True)
        path.write_bytes(before)
    state = tmp_path / "out" / "run" / "checkpoint" / "state.json"
    state.write_text(json.dumps(json.loads(state.read_bytes()) | {"seconds": 1000.0}))
    resumed = trained(data, tmp_path / "out", settings, resume=True).summary
    assert resumed["accuracy"] > 0.5
    assert 1000 < resumed["train_seconds"] < 2000


@pytest.mark.parametrize(
    "wrong",
    [
        NGRAM | {"ngram.word_order": 9},
        NGRAM | {"data.validation": 2},
        NET | {"text_classifier.encoder": "lstmm"},
        NET | {"text_classifier.dropout": 1},
        NET | {"text_classifier.max_tokens": -1},
        NET | {"model.vectors": "nowhere.txt"},
        NGRAM | {"data.test": "nowhere.csv"},
    ],
    ids=lambda settings: str(list(settings.items())[-1]),
)
def test_settings_that_cannot_be_cost_neither_a_folder_nor_an_older_model(
    linear: Path, colours: Path, tmp_path: Path, wrong: dict[str, object]
) -> None:
    with pytest.raises(InputError):
        trained(colours / "train.csv", tmp_path / "new", wrong)
    assert not (tmp_path / "new").exists()
    old = tmp_path / "old"
    Bundle.load(linear).save(old)
    with pytest.raises(InputError):
        trained(colours / "train.csv", old, wrong, overwrite=True)
    assert Bundle.load(old).task["labels"] == ["blue", "green", "red"]


@pytest.mark.parametrize("part", ["test", "validation"])
def test_data_that_cannot_measure_the_model_are_refused_before_it_is_trained(
    colours: Path, tmp_path: Path, part: str
) -> None:
    foreign = csv_file(tmp_path / "foreign.csv", [("one", "violet"), ("two", "pink")])
    with pytest.raises(DataError, match=r"labels of foreign\.csv \(pink, violet\) are none of those"):
        trained(colours / "train.csv", tmp_path / "out", NGRAM | {f"data.{part}": foreign})
    several = tmp_path / "several.jsonl"
    several.write_text('{"text": "one", "label": ["red", "blue"]}\n{"text": "two", "label": ["red"]}\n')
    with pytest.raises(DataError, match="several labels"):
        trained(colours / "train.csv", tmp_path / "out", NGRAM | {f"data.{part}": several})
    assert not (tmp_path / "out").exists()


def test_other_files_in_the_folder_outlive_an_overwrite(linear: Path, colours: Path, tmp_path: Path) -> None:
    Bundle.load(linear).save(tmp_path / "out")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(StorageError, match="already holds a model"):
        trained(colours / "train.csv", tmp_path / "out", NGRAM)
    trained(colours / "train.csv", tmp_path / "out", NGRAM, overwrite=True)
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "labelled",
    [
        [("x y", "a"), ("z w", "b")],
        [("x y", "a"), ("x y", "b"), ("z", "a")],
        [("!!!", "a"), ("???", "b"), ("!!", "a"), ("??", "b")] * 3,
        [("same", "a"), ("SAME", "b"), ("Same ", "a"), ("other", "b")],
    ],
    ids=["two rows", "contradiction", "no words", "equal but for case"],
)
def test_the_linear_model_takes_the_smallest_data(tmp_path: Path, labelled: list[tuple[str, str]]) -> None:
    made = trained(csv_file(tmp_path / "data.csv", labelled), tmp_path / "out", NGRAM)
    assert all(np.isfinite(answer.confidence) for answer in predicted(made, ["x", "", "!!!"]))


@pytest.mark.parametrize("settings", [NGRAM, NET], ids=["ngram", "text_classifier"])
@pytest.mark.parametrize(
    "labelled",
    [[("same", "a"), ("same", "b")], [("<br>", "a"), ("<p>", "b"), ("<br/>", "a")]],
    ids=["one text", "markup alone"],
)
def test_texts_that_tell_nothing_apart_are_refused(
    tmp_path: Path, labelled: list[tuple[str, str]], settings: dict[str, object]
) -> None:
    with pytest.raises(DataError, match="rows"):
        trained(csv_file(tmp_path / "data.csv", labelled), tmp_path / "out", settings)
    assert not (tmp_path / "out").exists()


def test_a_recipe_without_data_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="minnow train DATA"):
        train_classifier(recipe_from({}), tmp_path / "out")


def test_a_checkpoint_that_is_damaged_says_to_start_anew(colours: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / "run" / "checkpoint").mkdir(parents=True)
    (tmp_path / "out" / "run" / "checkpoint" / "state.json").write_text("{")
    with pytest.raises(BundleError, match=r"damaged.*--overwrite"):
        trained(colours / "train.csv", tmp_path / "out", NET, resume=True)
    assert (tmp_path / "out" / "run" / "checkpoint" / "state.json").exists()
