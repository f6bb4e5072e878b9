"""``minnow import`` makes a model folder of a foreign one, or leaves everything as it was and says why."""

import json
import os
from pathlib import Path

import pytest
import torch
from command import files_in, minnow
from houses import byte_level
from safetensors.torch import save_file

import minnow as package
from minnow.bundle.bundle import Bundle
from minnow.errors import StorageError
from minnow.models.gpt2 import GPT2, GPT2Config
from minnow.text.opening import open_tokenizer

SHARED = Path(os.environ.get("MINNOW_DATA", "data")) / "stories260K"


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A GPT-2 folder as another program leaves it."""
    folder = byte_level(tmp_path / "foreign")
    torch.manual_seed(0)
    model = GPT2(GPT2Config(vocab_size=500, n_embd=8, n_layer=1, n_head=2, n_positions=32))
    Bundle(model, {"name": "x"}, open_tokenizer(folder / "tokenizer.json")).save(folder)
    (folder / "minnow.json").unlink()
    (folder / "README.md").write_text("a model of strangers")
    (folder / "LICENSE").write_text("MIT")
    return folder


def test_a_folder_is_taken_over(foreign: Path, tmp_path: Path) -> None:
    told = minnow("import", foreign, "--out", tmp_path / "out", "--json").json
    assert told["task"] == "text_generation"
    assert (told["model_type"], told["context"], told["vocabulary"]) == ("gpt2", 32, 392)
    assert (tmp_path / "out" / "LICENSE").read_text() == "MIT"
    model = package.load(tmp_path / "out")
    assert model.bundle.provenance["imported"]["format"] == "Hugging Face"
    assert list(model.bundle.provenance["imported"]["sha256"]) == ["model.safetensors"]
    written = minnow("generate", tmp_path / "out", "a", "--max-tokens", 3, "--ignore-end", "--json").json
    assert written["tokens"] == 3
    shown = minnow("import", foreign, "--out", tmp_path / "two")
    assert "gpt2" in shown.out
    assert "minnow generate" in shown.err


def test_another_model_is_replaced_only_when_asked(foreign: Path, tmp_path: Path) -> None:
    minnow("import", foreign, "--out", tmp_path / "out")
    (tmp_path / "out" / "evaluation").mkdir()
    (tmp_path / "out" / "evaluation" / "report.json").write_text("{}")
    assert "--overwrite" in minnow("import", foreign, "--out", tmp_path / "out", fails=True).error
    before = files_in(tmp_path / "out")
    (foreign / "config.json").write_text("{}")
    failed = minnow("import", foreign, "--out", tmp_path / "out", "--overwrite", fails=True)
    assert (failed.code, files_in(tmp_path / "out")) == (2, before)
    package.load(tmp_path / "out")


def test_replacing_leaves_nothing_of_the_older_model(foreign: Path, tmp_path: Path) -> None:
    minnow("import", foreign, "--out", tmp_path / "out")
    fresh = files_in(tmp_path / "out")
    (tmp_path / "out" / "evaluation").mkdir()
    (tmp_path / "out" / "evaluation" / "report.json").write_text("{}")
    minnow("import", foreign, "--out", tmp_path / "out", "--overwrite")
    assert files_in(tmp_path / "out") == fresh


@pytest.mark.parametrize("name", ["nothing", "a file", "weights", "vocabulary", "tokenizer"])
def test_what_cannot_be_used_leaves_nothing_behind(name: str, foreign: Path, tmp_path: Path) -> None:
    source, options, words = foreign, [], ""
    if name == "nothing":
        source, words = tmp_path / "absent", "there is nothing at"
    elif name == "a file":
        source, words = foreign / "model.safetensors", "name its folder"
    elif name == "weights":
        save_file({"a": torch.ones(2)}, foreign / "model.safetensors")
        words = "missing from the files"
    elif name == "vocabulary":
        content = json.loads((foreign / "tokenizer.json").read_text(encoding="utf-8"))
        content["added_tokens"] += [
            {**content["added_tokens"][-1], "id": 392 + i, "content": f"<{i}>"} for i in range(200)
        ]
        (foreign / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
        words = "not of one model"
    else:
        options, words = ["--tokenizer", tmp_path / "absent"], "there is no tokenizer at"
    failed = minnow("import", source, "--out", tmp_path / "out", *options, "--json", fails=True)
    assert (failed.code, failed.out) == (2, "")
    assert words in failed.error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("there", [True, False])
def test_a_disk_that_refuses_leaves_nothing_behind(
    there: bool, foreign: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StorageError("no space left")

    monkeypatch.setattr("minnow.bundle.bundle.write_bytes", full)
    if there:
        (tmp_path / "out").mkdir()
    assert "no space left" in minnow("import", foreign, "--out", tmp_path / "out", fails=True).error
    assert files_in(tmp_path / "out") == []
    assert not (tmp_path / "out").exists()


def test_show_tells_where_the_model_comes_from(foreign: Path, tmp_path: Path) -> None:
    minnow("import", foreign, "--out", tmp_path / "out")
    assert minnow("show", tmp_path / "out", "--json").json["imported"]["name"] == "foreign"


@pytest.mark.skipif(not SHARED.is_dir(), reason="stories260K is not on this machine")
def test_stories260k_comes_in_by_folder_or_by_file(tmp_path: Path) -> None:
    for number, source in enumerate((SHARED, SHARED / "stories260K.bin")):
        told = minnow("import", source, "--out", tmp_path / str(number), "--json").json
        assert (told["parameters"], told["vocabulary"]) == (260_032, 512)
    text = minnow("generate", tmp_path / "0", "Once upon a time", "--temperature", 0, "--max-tokens", 30, "--json").json
    assert text["text"].startswith(", there was a little girl named Lily.")


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """An adapter as PEFT leaves it, of a model that is not here."""
    folder = tmp_path / "adapter"
    folder.mkdir()
    chance = torch.Generator().manual_seed(0)
    matrices = {"A": torch.randn(2, 8, generator=chance), "B": 9 * torch.randn(24, 2, generator=chance)}
    name = "base_model.model.transformer.h.0.attn.c_attn.lora_{}.weight"
    save_file({name.format(part): matrix for part, matrix in matrices.items()}, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "base_model_name_or_path": "strangers/model", "r": 2, "lora_alpha": 4}
    (folder / "adapter_config.json").write_text(json.dumps({**config, "target_modules": ["c_attn"]}))
    return folder


def test_an_adapter_of_peft_comes_in_beside_its_model_or_as_one_with_it(
    foreign: Path, adapter: Path, tmp_path: Path
) -> None:
    minnow("import", foreign, "--out", tmp_path / "base")
    told = minnow("import", adapter, "--base", tmp_path / "base", "--out", tmp_path / "apart", "--json").json
    assert told["base"] == str((tmp_path / "base").resolve())
    provenance = package.load(tmp_path / "apart").bundle.provenance
    assert provenance["imported"]["format"] == "PEFT"
    assert provenance["from"]["name"] == "base"
    merged = minnow("import", adapter, "--base", tmp_path / "base", "--merge", "--out", tmp_path / "merged", "--json")
    assert "base" not in merged.json
    direct = minnow("import", adapter, "--base", foreign, "--out", tmp_path / "direct")
    assert "the two become one" in direct.err
    asked = ("a", "--max-tokens", 8, "--temperature", 0, "--ignore-end", "--json")
    texts = [minnow("generate", tmp_path / name, *asked).json["text"] for name in ("apart", "merged", "direct", "base")]
    assert texts[0] == texts[1] == texts[2] != texts[3]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "belongs to the model 'strangers/model', which is no folder here"),
        (["--base", "{foreign}/absent"], "there is no model folder at"),
        (["--base", "{base}", "--out", "{base}", "--overwrite"], "would take the place of its own model"),
    ],
)
def test_an_adapter_without_its_model_says_what_to_do(
    options: list[str], words: str, foreign: Path, adapter: Path, tmp_path: Path
) -> None:
    minnow("import", foreign, "--out", tmp_path / "base")
    before = files_in(tmp_path / "base")
    said = [option.format(foreign=foreign, base=tmp_path / "base") for option in options]
    failed = minnow("import", adapter, *(said if "--out" in said else [*said, "--out", tmp_path / "out"]), fails=True)
    assert words in failed.error
    assert not (tmp_path / "out").exists()
    assert files_in(tmp_path / "base") == before


def test_an_adapter_of_peft_is_no_model_yet_and_a_model_is_no_adapter(
    foreign: Path, adapter: Path, tmp_path: Path
) -> None:
    assert f"minnow import {adapter} --base MODEL" in minnow("generate", adapter, "a", fails=True).error
    failed = minnow("import", foreign, "--merge", "--out", tmp_path / "out", fails=True)
    assert "is no adapter, which --base and --merge are for" in failed.error
