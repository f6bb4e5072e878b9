"""The path from raw text to a language model's folder: what is decided, what is written, what is refused."""

import json
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from command import minnow as command

from minnow.bundle import layout
from minnow.bundle.bundle import Bundle
from minnow.errors import DataError, InputError, RecipeError, StorageError
from minnow.training.distributed import World
from minnow.training.journal import read_journal
from minnow.training.language_run import unheard
from minnow.training.language_trainer import LanguageTrainer, num_replicas
from minnow.training.pretrain import Pretrained, Pretraining, pretrain
from minnow.training.pretraining_recipe import PretrainingSettings, read_recipe, recipe_from
from minnow.training.recipe_file import to_toml

SENTENCES = ("the cat sat on the mat.", "a dog ran to the cat.", "the mat was red and the dog sat.", "who ran?")
TINY = [
    "model.size=20K",
    "tokenizer.kind=character",
    "training.context=16",
    "training.batch_rows=4",
    "training.steps=12",
    "training.validations=2",
    "training.sample_tokens=8",
    "training.checkpoint_seconds=0",
    "training.device=cpu",
]
TIMINGS = ("seconds", "tokens_per_second", "memory_mib")


@pytest.fixture(scope="module")
def novel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "novel.txt"
    path.write_text("\n".join(SENTENCES[i % 4] for i in range(300)) + "\n", encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minnow.evaluation.plots.available", lambda: False)


def run(novel: Path | str, folder: Path, *settings: str, **more: Any) -> Pretrained:
    trained = pretrain(recipe_from({}, [f"data.train={novel}", *TINY, *settings]), folder, **more)
    assert trained is not None
    return trained


def curve(folder: Path) -> list[dict[str, Any]]:
    rows = read_journal(folder / layout.RUN / "journal.jsonl")
    return [{key: value for key, value in row.items() if key not in TIMINGS} for row in rows]


def same_weights(first: Path, second: Path) -> bool:
    one, other = (Bundle.load(folder).model.tensors() for folder in (first, second))
    return all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.parametrize("model", ["llama", "gpt2", "rnn_lm", "bert"])
def test_every_architecture_becomes_a_whole_folder(model: str, novel: Path, tmp_path: Path) -> None:
    trained = run(novel, tmp_path / "m", f"model.name={model}")
    bundle = Bundle.load(tmp_path / "m")
    assert bundle.model.config.model_type == model == trained.summary["model_type"]
    assert bundle.task["name"] == ("fill_mask" if model == "bert" else "text_generation")
    assert bundle.tokenizer is not None
    assert (bundle.tokenizer.mask_id is not None) == (model == "bert")
    assert trained.summary["steps"] == 12
    assert 0 < trained.summary["loss"] < 10
    card = (tmp_path / "m" / layout.CARD).read_text(encoding="utf-8")
    assert f"{trained.summary['loss']:.4f}" in card
    assert sorted(path.name for path in (tmp_path / "m" / layout.RUN).iterdir()) == [
        "journal.jsonl",
        "recipe.toml",
        *(["samples.md"] if model != "bert" else []),
    ]


def test_the_recipe_that_is_kept_repeats_the_run(novel: Path, tmp_path: Path) -> None:
    run(novel, tmp_path / "first", "model.name=rnn_lm")
    kept = read_recipe(tmp_path / "first" / layout.RECIPE)
    assert kept.training.learning_rate > 0
    assert kept.shape["embedding_size"] > 0
    pretrain(kept, tmp_path / "second")
    assert curve(tmp_path / "first") == curve(tmp_path / "second")
    assert same_weights(tmp_path / "first", tmp_path / "second")


def test_the_plan_is_told_before_the_first_step(novel: Path, tmp_path: Path) -> None:
    told: list[str] = []
    run(novel, tmp_path / "m", note=told.append, show=lambda row: told.append("step") if "share" in row else None)
    plan = next(line for line in told if line.startswith("plan: "))
    assert "12 steps" in plan
    assert "tokens a second" in plan
    assert "MiB of memory" in plan
    assert told.index(plan) < told.index("step")


def test_a_budget_that_reading_has_used_up_is_told(novel: Path, tmp_path: Path) -> None:
    told: list[str] = []
    trained = run(novel, tmp_path / "m", "training.steps=0", "training.budget=0.001s", note=told.append)
    assert trained.summary["steps"] == 1
    assert any("time for a single step" in line for line in told)


@pytest.mark.parametrize(("size", "said"), [(1, "threads"), (2, "2 processes (fsdp)")])
def test_the_plan_says_how_a_step_is_shared_out(size: int, said: str, tmp_path: Path) -> None:
    recipe = recipe_from({"training": {"parallel": "threads", "distributed": "fsdp"}})
    device = torch.device("cpu")
    assert Pretraining(recipe, tmp_path, World(0, size), device, unheard, unheard, 0.0).division == said


def test_samples_are_written_while_it_trains(novel: Path, tmp_path: Path) -> None:
    run(novel, tmp_path / "m", "training.sample_prompt=the cat")
    samples = (tmp_path / "m" / layout.RUN / "samples.md").read_text(encoding="utf-8")
    assert samples.count("## Step ") == 2
    assert samples.count("    the cat") == 2


def test_pretraining_goes_on_from_a_model_with_its_tokenizer(novel: Path, tmp_path: Path) -> None:
    first = run(novel, tmp_path / "first", "training.steps=60", "training.learning_rate=0.01")
    second = run(novel, tmp_path / "second", f"model.start={tmp_path / 'first'}", "training.learning_rate=1e-6")
    assert second.bundle.tokenizer.vocabulary == first.bundle.tokenizer.vocabulary  # type: ignore[union-attr]
    assert second.summary["loss"] == pytest.approx(first.summary["loss"], abs=0.02)


@pytest.mark.parametrize(
    ("name", "asked", "reasons"),
    [
        (
            "llama",
            ("training.mask_share=0.2", "adapter.alpha=3", "data.text=story"),
            ("no column of novel.txt can be chosen", "adapter.rank is 0", "the model is llama"),
        ),
        ("bert", ("training.sample_prompt=the", "training.mask_share=0.2"), ("the model is bert",)),
        ("rnn_lm", ("training.activation_checkpointing=true",), ("the model is rnn_lm",)),
    ],
)
def test_what_the_run_does_not_read_is_told(
    name: str, asked: tuple[str, ...], reasons: tuple[str, ...], novel: Path, tmp_path: Path
) -> None:
    said: list[str] = []
    run(novel, tmp_path / "m", "training.steps=2", f"model.name={name}", *asked, note=said.append)
    assert tuple(line.split(";")[0] for line in said if "is not used" in line) == reasons


def test_what_a_model_to_go_on_from_brings_is_said_and_stands_in_the_recipe(novel: Path, tmp_path: Path) -> None:
    run(novel, tmp_path / "first", "model.name=gpt2", "training.steps=2")
    said: list[str] = []
    asked = ("training.steps=2", "tokenizer.vocab_size=99", "model.name=bert")
    run(novel, tmp_path / "second", f"model.start={tmp_path / 'first'}", *asked, note=said.append)
    notes = "\n".join(said)
    assert "is a gpt2" in notes
    assert "model.name, model.size, tokenizer is not used" in notes
    assert "model: gpt2" in notes
    assert read_recipe(tmp_path / "second" / layout.RECIPE).model.name == "gpt2"


@pytest.mark.parametrize("files", [("other.txt",), ("other/a.txt", "other/b.txt"), ("other/valid.txt",)])
def test_a_validation_text_of_its_own_is_used(files: tuple[str, ...], novel: Path, tmp_path: Path) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("the dog sat. " * (40 // len(files)), encoding="utf-8")
    notes: list[str] = []
    run(novel, tmp_path / "m", f"data.validation={tmp_path / Path(files[0]).parts[0]}", note=notes.append)
    assert any(re.match("validation: 52[0-9] tokens", line) for line in notes)


def test_shape_replaces_what_the_size_says(novel: Path, tmp_path: Path) -> None:
    trained = run(novel, tmp_path / "m", "shape.num_hidden_layers=3", "shape.hidden_size=24", "shape.head_dim=8")
    assert trained.bundle.model.config.num_hidden_layers == 3
    assert trained.bundle.model.config.hidden_size == 24


def test_a_recurrent_model_reads_the_most_frequent_pairs_of_its_corpus(novel: Path, tmp_path: Path) -> None:
    trained = run(novel, tmp_path / "m", "model.name=rnn_lm", "shape.bigrams=10", "tokenizer.kind=word")
    pairs = trained.bundle.model.bigrams.pairs_P.tolist()
    words = trained.bundle.tokenizer.vocabulary  # type: ignore[union-attr]
    found = {(words[pair >> 32], words[pair & 0xFFFFFFFF]) for pair in pairs}
    assert len(found) == 10
    assert {("the", "cat"), ("the", "mat"), ("the", "dog")} < found
    assert ("who", "cat") not in found
    more = run(novel, tmp_path / "n", "model.name=rnn_lm", "shape.bigrams=999", "tokenizer.kind=word")
    assert 10 < more.bundle.model.config.bigrams < 40


def test_a_running_text_has_frequent_pairs_too(tmp_path: Path) -> None:
    novel = tmp_path / "one.txt"
    novel.write_text(" ".join(SENTENCES[i % 4] for i in range(600)), encoding="utf-8")
    trained = run(novel, tmp_path / "m", "model.name=rnn_lm", "shape.bigrams=10", "tokenizer.kind=word")
    assert trained.bundle.model.config.bigrams == 10


def test_rows_are_shared_out_evenly_unless_a_person_says_how_many(tmp_path: Path) -> None:
    shared = Pretraining(recipe_from({}), tmp_path, World(0, 6), torch.device("cpu"), unheard, unheard, 0.0)
    assert (shared.even(8), shared.even(12)) == (12, 12)
    with pytest.raises(RecipeError, match="multiple of the 6 processes, but got 8; try 12"):
        shared.check_rows(8)


def test_a_killed_run_resumes_to_the_same_curve(novel: Path, tmp_path: Path) -> None:
    # On a busy machine the two runs could find different arithmetics the faster one.
    settings = [*TINY, "training.steps=40", "training.validations=4", "training.precision=float32"]
    recipe = recipe_from({}, [f"data.train={novel}", *settings])
    pretrain(recipe, tmp_path / "whole")
    arguments = [part for setting in settings for part in ("--set", setting)]
    program = "from minnow.cli.main import main; main()"
    killed = subprocess.Popen(
        [sys.executable, "-c", program, "pretrain", str(novel), "--out", str(tmp_path / "cut"), *arguments],
        stderr=subprocess.DEVNULL,
    )
    checkpoint = tmp_path / "cut" / layout.RUN / "checkpoint" / "state.json"
    deadline = time.monotonic() + 240
    try:
        while not (checkpoint.is_file() and json.loads(checkpoint.read_bytes())["step"] > 5):
            assert killed.poll() is None, "the run ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.005)
    finally:
        killed.kill()
        killed.wait()
    assert not layout.is_bundle(tmp_path / "cut")
    pretrain(read_recipe(tmp_path / "cut" / layout.RUN / layout.RECIPE), tmp_path / "cut", resume=True)
    assert curve(tmp_path / "cut") == curve(tmp_path / "whole")
    assert same_weights(tmp_path / "cut", tmp_path / "whole")


def refused(novel: Path | str, folder: Path, *settings: str) -> str:
    with pytest.raises(InputError) as caught:
        run(novel, folder, *settings)
    assert not folder.exists()
    return str(caught.value)


def test_a_corpus_without_text_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty.txt"
    empty.write_text("  \n\n", encoding="utf-8")
    assert "no text" in refused(empty, tmp_path / "m")


def test_a_corpus_shorter_than_a_row_is_refused(tmp_path: Path) -> None:
    short = tmp_path / "short.txt"
    short.write_text("hi there, you and you and you and you and you\n", encoding="utf-8")
    assert "context" in refused(short, tmp_path / "m", "training.context=64")


def test_a_vocabulary_that_the_corpus_cannot_fill_is_refused(novel: Path, tmp_path: Path) -> None:
    message = refused(novel, tmp_path / "m", "tokenizer.kind=bpe", "tokenizer.vocab_size=5000")
    assert "5000" in message
    assert "--vocab-size" in message


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("model.name=lama", "llama"),
        ("model.name=ngram", "language model"),
        ("model.name=text_classifier", "language model"),
        ("model.name=transformer_seq2seq", "is no language model"),
        ("model.name=rnn_seq2seq", "is no language model"),
        ("shape.hiden_size=8", "hidden_size"),
        ("shape.vocab_size=3", "vocab_size"),
        ("shape.vocab_size=big", "vocab_size"),
        ("model.size=20B", "memory"),
        ("shape.intermediate_size=99999999999999", "memory"),
        ("training.objective=masked", "causal"),
        ("model.start=nowhere", "nowhere"),
        ("data.validation=0.9999", "0.9"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(
    setting: str, named: str, novel: Path, tmp_path: Path
) -> None:
    assert named in refused(novel, tmp_path / "m", setting)


def test_a_recurrent_model_is_not_shared_out(novel: Path, tmp_path: Path) -> None:
    assert "training.distributed=ddp" in refused(
        novel, tmp_path / "m", "model.name=rnn_lm", "training.distributed=fsdp"
    )


def test_a_folder_that_holds_a_model_is_not_replaced_unasked(novel: Path, tmp_path: Path) -> None:
    run(novel, tmp_path / "m")
    with pytest.raises(StorageError, match="--overwrite"):
        run(novel, tmp_path / "m")
    run(novel, tmp_path / "m", overwrite=True)


def test_a_resumed_run_must_see_the_text_it_began_with(novel: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.txt"
    own.write_bytes(novel.read_bytes())

    def killed(row: dict[str, Any]) -> None:
        if "validation_loss" in row:
            raise MemoryError

    with pytest.raises(MemoryError):
        run(own, tmp_path / "m", show=killed)
    own.write_text("something else altogether\n" * 50, encoding="utf-8")
    recipe = read_recipe(tmp_path / "m" / layout.RUN / layout.RECIPE)
    with pytest.raises(DataError, match="changed"):
        pretrain(recipe, tmp_path / "m", resume=True)
    assert (tmp_path / "m" / layout.RUN / "checkpoint").is_dir()


def test_a_resumed_run_must_start_from_the_model_it_began_with(novel: Path, tmp_path: Path) -> None:
    run(novel, tmp_path / "base")

    def killed(row: dict[str, Any]) -> None:
        if "validation_loss" in row:
            raise MemoryError

    with pytest.raises(MemoryError):
        run(novel, tmp_path / "m", f"model.start={tmp_path / 'base'}", "adapter.rank=2", show=killed)
    run(novel, tmp_path / "base", "training.seed=1", overwrite=True)
    recipe = read_recipe(tmp_path / "m" / layout.RUN / layout.RECIPE)
    with pytest.raises(DataError, match=r"the model .*base has changed since the run began"):
        pretrain(recipe, tmp_path / "m", resume=True)


def test_a_run_is_resumed_by_the_verb_that_began_it(novel: Path, tmp_path: Path) -> None:
    """Also one that was cut off while its tokenizer was learnt."""
    place = tmp_path / "m" / layout.RUN
    place.mkdir(parents=True)
    (place / layout.RECIPE).write_text(to_toml(recipe_from({}, [f"data.train={novel}", *TINY])))
    right = f"minnow pretrain --resume --out {tmp_path / 'm'}"
    with pytest.raises(InputError, match="unfinished training run") as caught:
        layout.check_bundle(tmp_path / "m")
    assert right in str(caught.value)
    assert right in command("train", "--resume", "--out", tmp_path / "m", fails=True).error
    command("pretrain", "--resume", "--out", tmp_path / "m", "--json")
    assert layout.is_bundle(tmp_path / "m")


@pytest.mark.parametrize("how", [{"resume": True}, {"overwrite": True}])
def test_a_run_that_goes_on_is_not_disturbed_by_another(how: dict[str, bool], novel: Path, tmp_path: Path) -> None:
    tried: list[str] = []

    def disturb(row: dict[str, Any]) -> None:
        if "validation_loss" in row:
            with pytest.raises(StorageError, match="another run"):
                run(novel, tmp_path / "m", **how)
            tried.append("in vain")

    run(novel, tmp_path / "m", show=disturb)
    run(novel, tmp_path / "alone")
    assert tried == ["in vain", "in vain"]
    assert same_weights(tmp_path / "m", tmp_path / "alone")


def test_a_recipe_without_a_corpus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="minnow pretrain CORPUS"):
        pretrain(recipe_from({}), tmp_path / "m")


def test_copies_of_a_model_are_as_many_as_share_out_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the memory that a run needs is counted from."""
    cpu, said = torch.device("cpu"), PretrainingSettings()
    monkeypatch.setattr("minnow.training.replicas.available_cores", lambda: 64)
    assert num_replicas(said, cpu, World()) == 8
    assert num_replicas(said, torch.device("cuda"), World()) == 1
    assert num_replicas(said, cpu, World(size=2)) == 1
    assert num_replicas(replace(said, parallel="threads"), cpu, World()) == 1
    assert num_replicas(replace(said, compile=True), cpu, World()) == 1


def test_a_new_model_has_no_more_positions_than_it_is_taught(novel: Path, tmp_path: Path) -> None:
    """Two layers instead of six make a model so small that its own size would get half of the positions."""
    said = [*TINY, "model.name=gpt2", "model.size=15M", "shape.n_layer=1", "training.context=0"]
    kept = Pretraining(
        recipe_from({}, [f"data.train={novel}", *said]), tmp_path, World(), torch.device("cpu"), unheard, unheard, 0.0
    )
    assert kept.read()
    model = kept._draft(kept._shape(100))
    assert kept._filled(model).training.context == model.context_size > 256


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("shape.num_hidden_layer=3", "did you mean 'num_hidden_layers'"),
        ("training.objective=masked", "training.objective of a llama is causal"),
        ("model.name=lama", "did you mean 'llama'"),
        ("model.size=20B", "takes more memory to train than there is"),
    ],
)
def test_what_cannot_be_is_told_before_the_corpus_is_read(
    setting: str, message: str, novel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minnow.training.pretrain.write_shards", lambda *_: pytest.fail("the corpus was read"))
    monkeypatch.setattr("minnow.training.pretrain.Tokenizer.train", lambda *_: pytest.fail("a tokenizer was learnt"))
    with pytest.raises(InputError, match=message):
        run(novel, tmp_path / "m", setting)
    assert not (tmp_path / "m").exists()


def test_a_gpu_that_is_too_small_for_a_step_is_told_of_in_one_line(
    novel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def burst(_: object) -> float:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(LanguageTrainer, "rehearse", burst)
    with pytest.raises(RecipeError, match=r"4 rows takes more memory than the GPU has; take training.accumulation=2"):
        run(novel, tmp_path / "m")
    assert not (tmp_path / "m" / layout.MANIFEST).exists()
