"""``minnow augment``: a table of pairs out of a text and a model of the other direction, whole or not at all."""

import json
import signal
import time
from pathlib import Path

import pytest
from command import files_in, minnow, start, with_settings
from pairs import TURNING, sequences, turned

import minnow as house
from minnow.data.pairs import load_pairs

QUICK = with_settings(TURNING | {"training.epochs": 1, "training.tokens_per_batch": 512})


@pytest.fixture
def mono(tmp_path: Path) -> Path:
    """Forty lines, and two that make no pair."""
    path = tmp_path / "mono.txt"
    path.write_text("\n".join(["", *sequences(40, seed=9), "   "]) + "\n", encoding="utf-8")
    return path


def test_the_table_goes_straight_into_training(translator: Path, mono: Path, turning: Path, tmp_path: Path) -> None:
    real = tmp_path / "real.jsonl"
    sides = [(turning / f"test.{side}").read_text().splitlines()[:10] for side in ("sources", "targets")]
    real.write_text("".join(json.dumps({"en": a, "de": b}) + "\n" for a, b in zip(*sides, strict=True)))
    out = tmp_path / "pairs.tsv"
    said = ("--back-translate", translator, "--source", "en", "--target", "de", "--with", real, "--out", out)
    made = minnow("augment", mono, *said)
    assert "real pairs                  10" in made.out
    assert "synthetic pairs             40" in made.out
    assert "left out 2 lines: empty, or without a whole translation" in made.err
    assert f"next: minnow train {out} --task translation --langs en,de" in made.err
    pairs = load_pairs(out, languages=("en", "de"))
    assert pairs.sources[:10] == sides[0]
    assert pairs.targets[10:] == sequences(40, seed=9)
    right = sum(source == turned(target) for source, target in zip(pairs.sources[10:], pairs.targets[10:], strict=True))
    assert right > 10, "the model has learnt to turn sequences round a little"
    asked = ("train", out, "--task", "translation", "--langs", "en,de", "--out", tmp_path / "m", "--json")
    told = minnow(*asked, "--set", "pairs.clean=false", *QUICK).json
    assert told["directions"] == ["en-de"]


def test_json_is_one_object_and_python_does_the_same(translator: Path, mono: Path, tmp_path: Path) -> None:
    out = tmp_path / "pairs.jsonl"
    told = minnow("augment", mono, "--back-translate", translator, "--out", out, "--beam", 2, "--json").json
    assert {key: told[key] for key in ("path", "source", "target", "real", "synthetic", "left_out")} == {
        "path": str(out),
        "source": "source",
        "target": "target",
        "real": 0,
        "synthetic": 40,
        "left_out": 2,
    }
    told_of: list[int] = []
    made = house.augment(
        mono,
        back_translate=translator,
        out=tmp_path / "again.jsonl",
        beam=2,
        progress=lambda _, done, __: told_of.append(done),
    )
    assert (made.synthetic, told_of[-1]) == (40, 40)
    assert (tmp_path / "again.jsonl").read_bytes() == out.read_bytes()


def test_sources_may_be_drawn_and_marked(translator: Path, mono: Path, tmp_path: Path) -> None:
    def rows(name: str, *said: object) -> list[dict[str, str]]:
        minnow("augment", mono, "--back-translate", translator, "--out", tmp_path / name, *said)
        return [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]

    warm = ("--sample", "--temperature", 3)
    first = rows("a.jsonl", *warm, "--seed", 1)
    assert rows("b.jsonl", *warm, "--seed", 1) == first
    assert rows("c.jsonl", *warm, "--seed", 2) != first
    assert rows("d.jsonl", "--sample", "--top-k", 1) == rows("e.jsonl", "--beam", 1)
    tagged = rows("f.jsonl", "--beam", 1, "--tag", "<BT>")
    assert [row["source"] for row in tagged] == [f"<BT> {row['source']}" for row in rows("g.jsonl", "--beam", 1)]


def test_what_cannot_be_is_one_line_and_nothing_is_written(
    translator: Path, linear: Path, mono: Path, tmp_path: Path
) -> None:
    def error(*said: object, file: Path = mono, model: Path = translator, out: str = "pairs.tsv") -> str:
        return minnow("augment", file, "--back-translate", model, "--out", tmp_path / out, *said, fails=True).error

    before = files_in(tmp_path)
    assert "sample (--sample) draws and beam (--beam) searches" in error("--sample", "--beam", 2)
    assert "temperature, top_k and seed are of a draw" in error("--seed", 3)
    assert "does not translate" in error(model=linear)
    assert "written as .tsv or .jsonl" in error(out="pairs.csv")
    assert "does not write 'fr'" in error("--to", "fr")
    assert "cannot read" in error(file=tmp_path / "none.txt")
    assert "name a direction together" in error("--source", "en")
    assert "no file, folder or public set" in error("--with", tmp_path / "none.tsv")
    assert "would overwrite what is read" in error(out="mono.txt")
    assert files_in(tmp_path) == before


def test_a_run_that_is_stopped_leaves_no_half_file(translator: Path, tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("\n".join(sequences(200_000, seed=3)), encoding="utf-8")
    run = start("augment", tmp_path / "long.txt", "--back-translate", translator, "--out", tmp_path / "pairs.tsv")
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob(".pairs.tsv.*")):
        assert run.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=60)
    assert run.returncode == 130
    assert files_in(tmp_path) == ["long.txt"]
