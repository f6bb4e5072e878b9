"""A toy with a known answer: a sequence of words is to be said in reverse. Whoever learns it has learnt to look."""

from pathlib import Path

import pytest
from command import minnow, with_settings
from pairs import SHAPES, TURNING, architecture_of, sequences, turned

import minnow as house

WORDS = ["one", "two", "three", "four", "five", "six"]


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minnow.evaluation.plots.available", lambda: False)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toy")
    for name, num_rows, seed in (("train", 1500, 1), ("test", 60, 2)):
        sources = sequences(num_rows, seed, WORDS, longest=5)
        (folder / f"{name}.sources").write_text("\n".join(sources) + "\n")
        (folder / f"{name}.targets").write_text("\n".join(map(turned, sources)) + "\n")
    return folder


@pytest.mark.parametrize("kind", SHAPES)
def test_every_architecture_learns_to_turn_a_sequence_round(kind: str, toy: Path, tmp_path: Path) -> None:
    shape = {f"shape.{key}": value for key, value in SHAPES[kind].items()}
    pairs = {
        "pairs.validation": toy / "test.sources",
        "pairs.validation_target": toy / "test.targets",
        "pairs.clean": "false",
    }
    usual = {key: value for key, value in TURNING.items() if not key.startswith("shape.")}
    settings = {**usual, "model.name": architecture_of(kind), **shape, "shape.dropout": 0.0, **pairs}
    folder = tmp_path / "m"
    sides = [toy / "train.sources", toy / "train.targets"]
    told = minnow(
        *("train", *sides, "--task", "translation", "--out", folder, "--json", *with_settings(settings)),
        *with_settings({"training.epochs": 6, "training.tokens_per_batch": 160}),
    ).json
    assert told["bleu"] == told["chrf"] == pytest.approx(100)
    texts = (toy / "test.sources").read_text().splitlines()
    unseen = [text for text in texts if text not in (toy / "train.sources").read_text().splitlines()]
    assert len(unseen) > 15
    model = house.load(folder)
    for settings in ({"beam": 1}, {"beam": 4}):
        assert [found.text for found in model.translate(texts, **settings)] == [turned(text) for text in texts]
    looked = model.attention("one two three four five")
    assert looked.target == "five four three two one"
    if kind != "transformer":  # whose one layer may look from another place
        assert looked.weights_TS.argmax(1).tolist() == [4, 3, 2, 1, 0]
