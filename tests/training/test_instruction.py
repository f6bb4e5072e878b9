"""From conversations to a model that answers: what is learnt, what is written, what is refused."""

import hashlib
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import tomlkit
import torch
from command import minnow as command

import minnow
from minnow.bundle.bundle import Bundle
from minnow.decoding.chat import ROLE_TOKENS
from minnow.errors import BundleError, DataError, InputError, RecipeError
from minnow.layers.lora import adapters
from minnow.strict import write_record
from minnow.training.instruction import instruct
from minnow.training.instruction_recipe import InstructionRecipe, recipe_from
from minnow.training.journal import read_journal
from minnow.training.pretrain import Pretrained, pretrain
from minnow.training.pretraining_recipe import recipe_from as pretraining_recipe_from
from minnow.training.recipe_file import attribute_lines

COLOURS = {"grass": "green", "sky": "blue", "snow": "white", "coal": "black", "blood": "red", "lemons": "yellow"}
WAYS = ("what is the colour of {}?", "{}: which colour?", "tell me the colour of {}.", "name the colour of {}")
TINY = [
    "training.epochs=2",
    "training.batch_rows=4",
    "training.validations=2",
    "training.sample_tokens=8",
    "training.checkpoint_seconds=0",
    "training.device=cpu",
    "training.precision=float32",
    "data.validation=0.2",
]
TIMINGS = ("seconds", "tokens_per_second", "memory_mib")


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minnow.evaluation.plots.available", lambda: False)


@pytest.fixture(scope="module")
def chats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("chats") / "chats.jsonl"
    rows = [
        {"messages": [{"role": "user", "content": way.format(thing)}, {"role": "assistant", "content": colour}]}
        for thing, colour in COLOURS.items()
        for way in WAYS
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A llama over letters and an rnn_lm over words, which know those and little more."""
    folder = tmp_path_factory.mktemp("bases")
    text = folder / "text.txt"
    text.write_text((" ".join(w.format(t) + f" {c}" for t, c in COLOURS.items() for w in WAYS) + "\n") * 4)
    shape = {
        "llama": ("tokenizer.kind=character", "shape.max_position_embeddings=64"),
        "rnn_lm": ("tokenizer.kind=word", "shape.hidden_size=32"),
    }
    for name, said in shape.items():
        recipe = [
            f"data.train={text}",
            f"model.name={name}",
            "model.size=30K",
            "training.context=32",
            "training.batch_rows=4",
            "training.steps=8",
            "training.validations=1",
            "training.sample_tokens=0",
            "training.device=cpu",
            *said,
        ]
        pretrain(pretraining_recipe_from({}, recipe), folder / name)
    return {name: folder / name for name in shape}


def run(chats: Path, base: Path, folder: Path, *settings: str, **more: Any) -> Pretrained:
    said = [f"data.train={chats}", f"instruction.start={base}", *TINY, *settings]
    taught = instruct(recipe_from({}, said), folder, **more)
    assert taught is not None
    return taught


def curve(folder: Path) -> list[dict[str, Any]]:
    rows = read_journal(folder / "run" / "journal.jsonl")
    return [{key: value for key, value in row.items() if key not in TIMINGS} for row in rows]


@pytest.mark.parametrize("name", ["llama", "rnn_lm"])
def test_a_model_is_taught_and_chats(name: str, chats: Path, bases: dict[str, Path], tmp_path: Path) -> None:
    notes: list[str] = []
    taught = run(chats, bases[name], tmp_path / "m", note=notes.append)
    told = "\n".join(notes)
    assert "read from messages" in told
    assert "3 new tokens for the roles" in told
    tokenizer = taught.bundle.tokenizer
    assert tokenizer is not None
    weights = hashlib.sha256((bases[name] / "model.safetensors").read_bytes()).hexdigest()
    assert taught.bundle.provenance["from"] == {"name": name, "weights_sha256": weights}
    assert set(ROLE_TOKENS) <= set(tokenizer.vocabulary)
    assert tokenizer.vocab_size <= taught.bundle.model.config.vocab_size
    asked = [{"role": "user", "content": "snow?"}]
    answer = minnow.load(tmp_path / "m").chat(asked, max_tokens=5, temperature=0, ignore_end=True)
    assert answer.tokens == 5
    card = (tmp_path / "m" / "README.md").read_text(encoding="utf-8")
    assert "minnow chat FOLDER" in card
    assert f"{taught.summary['loss']:.4f}" in card
    assert "→" in (tmp_path / "m" / "run" / "samples.md").read_text(encoding="utf-8")
    assert sorted(path.name for path in (tmp_path / "m" / "run").iterdir()) == [
        "journal.jsonl",
        "recipe.toml",
        "samples.md",
    ]


def test_questions_are_learnt_by_heart_where_there_is_enough_time(
    chats: Path, bases: dict[str, Path], tmp_path: Path
) -> None:
    said = ["training.epochs=25", "training.learning_rate=0.01", "training.validations=5", f"data.validation={chats}"]
    taught = run(chats, bases["llama"], tmp_path / "m", *said)
    rows = [row for row in curve(tmp_path / "m") if "validation_loss" in row]
    assert taught.summary["loss"] < 0.3 * rows[0]["loss"]
    model = minnow.load(tmp_path / "m")
    right = 0
    for thing, colour in COLOURS.items():
        for way in WAYS:
            asked = [{"role": "user", "content": way.format(thing)}]
            answer = model.chat(asked, max_tokens=12, temperature=0)
            right += answer.text == colour and answer.finish_reason == "stop"
    assert right > 0.7 * len(COLOURS) * len(WAYS)


def test_a_model_over_words_ends_its_answers_too(chats: Path, bases: dict[str, Path], tmp_path: Path) -> None:
    run(chats, bases["rnn_lm"], tmp_path / "m", "training.epochs=20", "training.learning_rate=0.03")
    answer = minnow.load(tmp_path / "m").chat([{"role": "user", "content": "snow?"}], max_tokens=12, temperature=0)
    assert answer.text.strip() in COLOURS.values()
    assert answer.finish_reason == "stop"


def test_a_run_that_was_cut_off_ends_as_an_unbroken_one(
    chats: Path, bases: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from minnow.training.language_trainer import LanguageTrainer

    run(chats, bases["llama"], tmp_path / "whole")
    real = LanguageTrainer._step

    def failing(self: LanguageTrainer) -> None:
        if self.progress.step == 6:
            raise MemoryError("killed")
        real(self)

    monkeypatch.setattr(LanguageTrainer, "_step", failing)
    with pytest.raises(MemoryError):
        run(chats, bases["llama"], tmp_path / "cut")
    monkeypatch.setattr(LanguageTrainer, "_step", real)
    told = command("train", "--resume", "--out", tmp_path / "cut", "--json")
    assert told.json["steps"] == 10
    assert curve(tmp_path / "whole") == curve(tmp_path / "cut")
    one, other = (Bundle.load(tmp_path / name).model.tensors() for name in ("whole", "cut"))
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_an_adapter_beside_the_model_leaves_the_vocabulary_alone(
    chats: Path, bases: dict[str, Path], tmp_path: Path
) -> None:
    taught = run(chats, bases["llama"], tmp_path / "m", "adapter.rank=2")
    bundle = Bundle.load(tmp_path / "m")
    assert bundle.base == bases["llama"].resolve()
    assert adapters(bundle.model)
    assert bundle.tokenizer is not None
    assert bundle.tokenizer.vocab_size == Bundle.load(bases["llama"]).model.config.vocab_size
    assert bundle.tokenizer.chat_template is not None
    assert "Assistant:" in bundle.tokenizer.chat_template
    assert taught.summary["size_bytes"] < 60_000
    merged = run(chats, bases["llama"], tmp_path / "merged", "adapter.rank=2", "adapter.merge=true").bundle
    ids = torch.tensor([[5, 6, 7]])
    with torch.no_grad():
        assert torch.allclose(bundle.model(ids), merged.model(ids), atol=1e-5)


def test_transformers_sets_and_answers_a_conversation_as_we_do(
    chats: Path, bases: dict[str, Path], tmp_path: Path
) -> None:
    transformers = pytest.importorskip("transformers")
    run(chats, bases["llama"], tmp_path / "m")
    model = minnow.load(tmp_path / "m")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "m")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "m")
    messages = [{"role": "user", "content": "grass: <eos> which"}]
    asked = [
        {"role": "system", "content": "be kind"},
        {"role": "user", "content": "sky?"},
        {"role": "assistant", "content": "blue"},
        {"role": "user", "content": "snow?"},
    ]
    from minnow.decoding.chat import chat_ids, messages_from

    assert model.bundle.tokenizer is not None
    own = chat_ids(model.bundle.tokenizer, model.bundle.tokenizer.chat_template or "", messages_from(asked))
    found = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    assert found["input_ids"][0].tolist() == own
    written = theirs.generate(**found, max_new_tokens=10, do_sample=False)[0, len(own) :]
    answer = model.chat(asked, max_tokens=10, temperature=0)
    assert tokenizer.decode(written, skip_special_tokens=True) == answer.text
    assert model.chat(messages, max_tokens=3, temperature=0, ignore_end=True).tokens == 3


def test_conversations_on_the_command_line_lead_here(chats: Path, bases: dict[str, Path], tmp_path: Path) -> None:
    settings = [part for one in TINY for part in ("--set", one)]
    told = command("train", chats, "--from", bases["llama"], "--out", tmp_path / "m", "--json", *settings)
    assert told.json["conversations"] < 24
    assert told.json["perplexity"] > 1
    said = command("chat", tmp_path / "m", "--max-tokens", 5, "--seed", 1, given="snow?\n")
    assert "no chat template" not in said.err
    failed = command("train", chats, "--out", tmp_path / "n", fails=True)
    assert failed.code == 2
    assert "--from MODEL" in failed.error
    assert not (tmp_path / "n").exists()


def test_conversations_in_python_lead_here_too(chats: Path, bases: dict[str, Path], tmp_path: Path) -> None:
    settings = dict(one.split("=", 1) for one in TINY)
    model = minnow.train(chats, start=bases["llama"], lora=2, out=tmp_path / "m", settings=settings)
    assert model.bundle.base is not None
    answer = model.chat([{"role": "user", "content": "sky?"}], max_tokens=3, ignore_end=True)
    assert answer.tokens == 3
    (tmp_path / "t.csv").write_text("text,label\na b,x\n")  # the way of classifiers, which have no adapters
    with pytest.raises(InputError, match="lora is for conversations"):
        minnow.train(tmp_path / "t.csv", lora=2, out=tmp_path / "n")


def test_what_cannot_be_is_refused_in_one_line(
    chats: Path, bases: dict[str, Path], linear: Path, tmp_path: Path
) -> None:
    single = tmp_path / "single.jsonl"
    single.write_text(chats.read_text(encoding="utf-8").splitlines()[0])
    for settings, error, says in (
        ([f"instruction.start={linear}"], BundleError, "writes no text"),
        (["instruction.max_tokens=100"], RecipeError, "at most the model's 64"),
        (["instruction.max_tokens=8"], DataError, "no answer begins"),
        (["instruction.template=nowhere.jinja"], DataError, "cannot be read"),
        ([f"data.train={single}"], DataError, "too few"),
        (["training.epochs=0"], RecipeError, "at least 1"),
        (["training.epocs=1"], RecipeError, "epochs"),
    ):
        with pytest.raises(error, match=says):
            run(chats, bases["llama"], tmp_path / "m", *settings)
        assert not (tmp_path / "m").exists()


def test_a_model_that_translates_is_refused(chats: Path, translator: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="seq2seq, which writes no text"):
        run(chats, translator, tmp_path / "m")


def test_a_run_goes_on_only_with_what_it_began_with(chats: Path, bases: dict[str, Path], tmp_path: Path) -> None:
    held, template = tmp_path / "held.jsonl", tmp_path / "t.jinja"
    held.write_bytes(chats.read_bytes())
    template.write_text("{% for m in messages %}{{ m.content }}{% endfor %}")
    said = (f"data.validation={held}", f"instruction.template={template}")

    def killed(row: dict[str, Any]) -> None:
        if "validation_loss" in row:
            raise MemoryError

    with pytest.raises(MemoryError):
        run(chats, bases["llama"], tmp_path / "m", *said, show=killed)
    for path, old, new in ((held, "\n", "\n\n"), (template, "content }}", "content }};")):
        before = path.read_text(encoding="utf-8")
        path.write_text(before.replace(old, new), encoding="utf-8")
        failed = command("train", "--resume", "--out", tmp_path / "m", fails=True)
        named = "held.jsonl" if path == held else "the chat template"
        assert f"{named} has changed since the run began" in failed.error
        path.write_text(before, encoding="utf-8")
    command("train", "--resume", "--out", tmp_path / "m")


def test_conversations_that_stand_in_the_training_part_too_are_counted(
    chats: Path, bases: dict[str, Path], tmp_path: Path
) -> None:
    lines = chats.read_text(encoding="utf-8").splitlines(keepends=True)
    for name, chosen in (("train", lines[:12]), ("valid", lines[10:15]), ("test", [*lines[:1], *lines[15:18]])):
        (tmp_path / f"{name}.jsonl").write_text("".join(chosen), encoding="utf-8")
    notes: list[str] = []

    def told(line: str) -> None:
        notes.append(line)
        if line.startswith("chat template"):  # all that is read has been told by then
            raise KeyboardInterrupt

    parts = [f"data.{part}={tmp_path / name}.jsonl" for part, name in (("validation", "valid"), ("test", "test"))]
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "train.jsonl", bases["llama"], tmp_path / "m", *parts, note=told)
    assert [line for line in notes if "training part" in line] == [
        "2 of 5 conversations of valid.jsonl stand in the training part too",
        "1 of 4 conversations of test.jsonl stand in the training part too",
    ]


def test_what_is_tested_on_is_measured_at_the_end_and_nothing_is_chosen_by_it(
    chats: Path, bases: dict[str, Path], tmp_path: Path
) -> None:
    lines = chats.read_text(encoding="utf-8").splitlines(keepends=True)
    data = tmp_path / "data"
    data.mkdir()
    for name, chosen in (("train", lines[:12]), ("valid", lines[12:18]), ("test", lines[18:])):
        (data / f"{name}.jsonl").write_text("".join(chosen), encoding="utf-8")
    once = [*TINY[:-1], "training.validations=1"]

    def summary(out: str, source: Path, *said: object) -> dict[str, Any]:
        settings = [part for one in once for part in ("--set", one)]
        told = command("train", source, "--from", bases["llama"], "--out", tmp_path / out, "--json", *said, *settings)
        return dict(told.json)

    train, valid, test = (data / f"{name}.jsonl" for name in ("train", "valid", "test"))
    whole = summary("whole", data)
    named = summary("named", train, "--validation", data, "--test", test)
    alone = summary("alone", train, "--validation", valid)
    other = summary("other", train, "--validation", test)
    assert (whole["loss"], whole["test_loss"]) == (alone["loss"], other["loss"])
    assert (named["loss"], named["test_loss"]) == (alone["loss"], other["loss"])
    assert "test_loss" not in alone
    assert curve(tmp_path / "whole") == curve(tmp_path / "alone") != curve(tmp_path / "other")
    card = (tmp_path / "whole" / "README.md").read_text(encoding="utf-8")
    assert f"| test loss | {whole['test_loss']:.4f} |" in card
    assert "on a test part that nothing was chosen by" in card


@pytest.mark.parametrize("name", ["data", "instruction", "training"])
def test_every_key_is_documented_with_its_default(name: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    section = getattr(InstructionRecipe(), name)
    for key, value in write_record(section).items():
        assert f"| `{name}.{key}` | `{tomlkit.item(value).as_string()}` |" in page
    assert set(attribute_lines(type(section))) == {part.name for part in fields(section)}


@pytest.mark.parametrize("part", ["train", "valid"])
def test_the_sample_is_whole_and_no_question_stands_twice(part: str) -> None:
    from minnow.data.conversations import read_conversations

    folder = Path(__file__).parents[2] / "samples" / "assistant"
    found = {name: read_conversations(folder, name).dialogues for name in ("train", "valid")}
    assert len(found[part]) == {"train": 166, "valid": 24}[part]
    asked = [dialogue[-2].content for dialogues in found.values() for dialogue in dialogues]
    assert len(set(asked)) == len(asked)
