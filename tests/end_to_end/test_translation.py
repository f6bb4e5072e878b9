"""A toy with a known answer: a sequence of words is said in reverse. Whoever does so has learnt where to look.

text → pairs → model → scores → translations → what it looked at
"""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from command import minnow, with_settings
from pairs import SHAPES, TURNING, WORDS, architecture_of, sequences, turned

import minnow as house

GERMAN = dict(zip(WORDS, ["eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht"], strict=True))
FRENCH = dict(zip(WORDS, ["un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit"], strict=True))


def said_in(language: Mapping[str, str], text: str) -> str:
    return " ".join(language[word] for word in text.split())


# The transformer takes smaller steps, and more of them.
STEPS: dict[str, dict[str, object]] = {"transformer": {"training.epochs": 8, "training.learning_rate": 0.004}}


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minnow.evaluation.plots.available", lambda: False)


def settings_of(kind: str, **more: object) -> list[str]:
    usual = {key: value for key, value in TURNING.items() if not key.startswith("shape.")}
    shape = {f"shape.{key}": value for key, value in SHAPES[kind].items()}
    named = {key.replace("__", "."): value for key, value in more.items()}
    own = {"model.name": architecture_of(kind), "shape.dropout": 0.0, "pairs.clean": "false", "training.epochs": 5}
    return with_settings({**usual, **own, **shape, **STEPS.get(kind, {}), **named})


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files to learn from and to be tested on, which share no sequence."""
    folder = tmp_path_factory.mktemp("toy")
    train = sequences(1500, seed=1, longest=5)
    test = [text for text in sequences(150, seed=2, longest=5) if text not in train][:60]
    for name, sources in (("train", train), ("test", test)):
        (folder / f"{name}.sources").write_text("\n".join(sources) + "\n")
        (folder / f"{name}.targets").write_text("\n".join(map(turned, sources)) + "\n")
    return folder


@pytest.mark.parametrize("kind", SHAPES)
def test_every_architecture_learns_to_turn_a_sequence_round(kind: str, toy: Path, tmp_path: Path) -> None:
    held = {"pairs__validation": toy / "test.sources", "pairs__validation_target": toy / "test.targets"}
    sides = [[toy / f"{name}.{side}" for side in ("sources", "targets")] for name in ("train", "test")]
    asked = ["train", *sides[0], "--task", "translation", "--out", tmp_path / "m", "--json"]
    told = minnow(*asked, *settings_of(kind, **held)).json
    assert (told["bleu"], told["chrf"]) == (pytest.approx(100), pytest.approx(100))
    measured = minnow("evaluate", tmp_path / "m", *sides[1], "--json").json
    assert measured["bleu"] == told["bleu"]
    texts = sides[1][0].read_text().splitlines()
    assert len(texts) > 40
    model: Any = house.load(tmp_path / "m")
    for beam in (1, 4):
        assert [found.text for found in model.translate(texts, beam=beam)] == [turned(text) for text in texts]
    looked = model.attention("one two three four five")
    assert looked.target == "five four three two one"
    if kind != "transformer":  # whose layers may each look elsewhere
        right = [word == wanted for word, wanted in zip(looked.weights_TS.argmax(1), [4, 3, 2, 1, 0], strict=True)]
        assert sum(right) >= 4


def test_one_model_learns_six_directions_and_is_told_which_by_a_tag(tmp_path: Path) -> None:
    texts = sequences(300, seed=3, longest=4)
    rows = [(text, said_in(GERMAN, text), said_in(FRENCH, text)) for text in texts]
    table = tmp_path / "three.tsv"
    table.write_text("".join("\t".join(row) + "\n" for row in [("en", "de", "fr"), *rows]))
    asked = ["train", table, "--task", "translation", "--langs", "en,de,fr", "--out", tmp_path / "m", "--json"]
    told = minnow(*asked, *settings_of("general", pairs__validation=0.1, training__epochs=8)).json
    assert len(told["directions"]) == 6
    assert told["bleu"] > 98
    source = "two seven four three"
    same = {"en": source, "de": said_in(GERMAN, source), "fr": said_in(FRENCH, source)}
    for start, into in itertools.permutations(same, 2):
        assert minnow("translate", tmp_path / "m", same[start], "--to", into).out == f"{same[into]}\n"
    model: Any = house.load(tmp_path / "m")
    assert [model.translate(source, to=into).text for into in same] == list(same.values())
