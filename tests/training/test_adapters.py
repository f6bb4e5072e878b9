"""A run that trains an adapter beside a model: merged, or kept apart and opened together with its model."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import minnow
from minnow.bundle.bundle import Bundle
from minnow.errors import BundleError, RecipeError, StorageError
from minnow.layers.lora import adapters
from minnow.training.pretrain import Pretrained, pretrain
from minnow.training.pretraining_recipe import read_recipe, recipe_from

SENTENCES = ("the cat sat on the mat.", "a dog ran to the cat.", "the mat was red and the dog sat.", "who ran?")
TINY = [
    "training.context=16",
    "training.batch_rows=4",
    "training.steps=10",
    "training.validations=2",
    "training.sample_tokens=0",
    "training.checkpoint_seconds=0",
    "training.device=cpu",
    "training.precision=float32",
]
IDS = torch.tensor([[5, 7, 9, 6, 8]])


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minnow.evaluation.plots.available", lambda: False)


@pytest.fixture(scope="module")
def novel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "novel.txt"
    path.write_text("\n".join(SENTENCES[i % 4] for i in range(200)) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def base(novel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "base"
    run(novel, folder, "model.size=20K", "tokenizer.kind=character")
    return folder


def run(novel: Path, folder: Path, *settings: str, **more: Any) -> Pretrained:
    trained = pretrain(recipe_from({}, [f"data.train={novel}", *TINY, *settings]), folder, **more)
    assert trained is not None
    return trained


def adapted(novel: Path, folder: Path, base: Path, *settings: str, **more: Any) -> Pretrained:
    return run(novel, folder, f"model.start={base}", "adapter.rank=2", *settings, **more)


def logits(folder: Path) -> torch.Tensor:
    with torch.no_grad():
        found = Bundle.load(folder).model(IDS)
    assert isinstance(found, torch.Tensor)
    return found


def test_an_adapter_kept_apart_is_a_small_folder_that_opens_with_its_model(
    novel: Path, base: Path, tmp_path: Path
) -> None:
    before = (base / "model.safetensors").read_bytes()
    trained = adapted(novel, tmp_path / "mine", base, "adapter.dropout=0.1")
    names = {path.name for path in (tmp_path / "mine").iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors", "minnow.json", "tokenizer.json"} <= names
    assert names.isdisjoint({"config.json", "model.safetensors"})
    assert (base / "model.safetensors").read_bytes() == before
    assert trained.summary["size_bytes"] < sum(path.stat().st_size for path in base.glob("*.safetensors"))
    bundle = Bundle.load(tmp_path / "mine")
    assert bundle.base == base.resolve()
    assert len(adapters(bundle.model)) > 0
    assert not any(module.training for module in bundle.model.modules())
    assert not torch.allclose(logits(tmp_path / "mine"), logits(base))
    written = minnow.load(tmp_path / "mine").generate("the ", max_tokens=5, temperature=0, ignore_end=True)
    assert written.tokens == 5


def test_a_merged_adapter_is_a_whole_model_that_says_the_same(novel: Path, base: Path, tmp_path: Path) -> None:
    adapted(novel, tmp_path / "apart", base)
    adapted(novel, tmp_path / "merged", base, "adapter.merge=true")
    assert not (tmp_path / "merged" / "adapter_config.json").exists()
    assert Bundle.load(tmp_path / "merged").base is None
    assert torch.allclose(logits(tmp_path / "apart"), logits(tmp_path / "merged"), atol=1e-5)
    both = Bundle.load(tmp_path / "apart").merged()
    with torch.no_grad():
        assert torch.allclose(both.model(IDS), logits(tmp_path / "merged"), atol=1e-6)


def test_only_the_adapter_learns_and_a_cut_off_run_goes_on(
    novel: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from minnow.training.language_trainer import LanguageTrainer

    adapted(novel, tmp_path / "whole", base)
    real = LanguageTrainer._step

    def failing(self: LanguageTrainer) -> None:
        if self.progress.step == 7:
            raise MemoryError("killed")
        real(self)

    monkeypatch.setattr(LanguageTrainer, "_step", failing)
    with pytest.raises(MemoryError):
        adapted(novel, tmp_path / "cut", base)
    monkeypatch.setattr(LanguageTrainer, "_step", real)
    saved = next((tmp_path / "cut" / "run" / "checkpoint").glob("tensors-*.safetensors"))
    assert b".base." not in saved.read_bytes()
    pretrain(read_recipe(tmp_path / "cut" / "run" / "recipe.toml"), tmp_path / "cut", resume=True)
    assert torch.equal(logits(tmp_path / "whole"), logits(tmp_path / "cut"))


def test_a_bundle_with_an_adapter_is_saved_as_one_that_finds_its_model(novel: Path, base: Path, tmp_path: Path) -> None:
    adapted(novel, tmp_path / "mine", base)
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "model.safetensors").write_bytes(b"of an older model")
    Bundle.load(tmp_path / "mine").save(tmp_path / "copy")
    assert not (tmp_path / "copy" / "model.safetensors").exists()
    assert torch.equal(logits(tmp_path / "copy"), logits(tmp_path / "mine"))
    Bundle.load(base).save(tmp_path / "copy")
    assert not (tmp_path / "copy" / "adapter_config.json").exists()


def test_what_cannot_be_is_refused_before_anything_is_written(novel: Path, base: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="--from MODEL"):
        recipe_from({}, ["adapter.rank=4"])
    with pytest.raises(RecipeError, match=r"adapter\.dropout"):
        recipe_from({}, ["adapter.dropout=1.0"])
    with pytest.raises(StorageError, match="from which it starts"):
        adapted(novel, base, base, overwrite=True)
    with pytest.raises(RecipeError, match=r"it has: .*q_proj"):
        adapted(novel, tmp_path / "m", base, "adapter.targets=['nowhere']")
    assert not (tmp_path / "m").exists()


def test_an_adapter_of_an_adapter_is_refused_apart_and_merged_otherwise(
    novel: Path, base: Path, tmp_path: Path
) -> None:
    adapted(novel, tmp_path / "first", base)
    with pytest.raises(RecipeError, match="itself an adapter"):
        adapted(novel, tmp_path / "second", tmp_path / "first")
    adapted(novel, tmp_path / "second", tmp_path / "first", "adapter.merge=true")
    assert not adapters(Bundle.load(tmp_path / "second").model)
    config = tmp_path / "first" / "adapter_config.json"
    copied = tmp_path / "third"
    Bundle.load(tmp_path / "first").save(copied)
    content = json.loads((copied / "adapter_config.json").read_text()) | {"base_model_name_or_path": "../first"}
    (copied / "adapter_config.json").write_text(json.dumps(content))
    with pytest.raises(BundleError, match="itself an adapter"):
        Bundle.load(copied)
    assert config.is_file()
