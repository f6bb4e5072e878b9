"""A model folder comes back as it was saved, is there whole or not at all, and says in one line what is wrong."""

import json
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from contracts.model import arrays, assert_bits_equal
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save as safetensors_bytes

from minnow.bundle import layout
from minnow.bundle.bundle import FORMAT_VERSION, Bundle, size_on_disk
from minnow.bundle.provenance import machine, versions
from minnow.bundle.weights import load_weights, save_weights
from minnow.errors import BundleError, InputError, StorageError
from minnow.models.ngram import NgramConfig, NgramModel, View, ViewConfig
from minnow.models.registry import architecture
from minnow.models.text_classifier import TextClassifier, TextClassifierConfig
from minnow.text.ngrams import NgramVocabulary
from minnow.text.tokenizer import Tokenizer, TokenizerSettings

TASK = {"name": "text_classification", "version": 1, "labels": ["late", "坏了"]}
FILES = (layout.CONFIG, layout.WEIGHTS, layout.TOKENIZER, layout.MANIFEST, layout.RECIPE)


def linear() -> Bundle:
    keys = np.array([3, 2**32 - 1, 77], np.uint32)
    view = View(NgramVocabulary(keys), np.ones((3, 1), np.float32), np.full((3, 1), 0.25, np.float32))
    return Bundle(NgramModel(NgramConfig(2, (ViewConfig(2),)), [view]), TASK)


def neural() -> Bundle:
    torch.manual_seed(0)
    config = TextClassifierConfig(vocab_size=16, num_labels=2, embedding_size=4, hidden_size=3, widths=(2,))
    tokenizer = Tokenizer.train(["the kettle leaks", "水壶漏水"], TokenizerSettings(min_frequency=1))
    return Bundle(TextClassifier(config), TASK, tokenizer, {"rows": 2, "data": "Küche"}, 'task = "分类"\n')


@pytest.fixture(params=[linear, neural], ids=["linear", "neural"])
def bundle(request: pytest.FixtureRequest) -> Bundle:
    bundle: Bundle = request.param()
    return bundle


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def refused(folder: Path) -> str:
    """The one line with which a folder is refused."""
    with pytest.raises(BundleError) as caught:
        Bundle.load(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def opened_or_refused(folder: Path) -> bool:
    """True where the folder gives a bundle or a BundleError of one line; anything else is raised."""
    try:
        return isinstance(Bundle.load(folder), Bundle)
    except BundleError as error:
        return "\n" not in str(error)


def test_a_bundle_comes_back_as_it_was_saved(bundle: Bundle, tmp_path: Path) -> None:
    bundle.save(tmp_path / "new" / "folder")
    loaded = Bundle.load(tmp_path / "new" / "folder")
    assert type(loaded.model) is type(bundle.model)
    assert loaded.model.config == bundle.model.config
    assert_bits_equal(arrays(bundle.model), arrays(loaded.model))
    assert (loaded.task, loaded.provenance, loaded.recipe) == (bundle.task, bundle.provenance, bundle.recipe)
    assert (loaded.tokenizer is None) == (bundle.tokenizer is None)
    if bundle.tokenizer is not None:
        assert loaded.tokenizer.vocabulary == bundle.tokenizer.vocabulary


def test_saving_what_was_loaded_gives_the_same_bytes(bundle: Bundle, tmp_path: Path) -> None:
    bundle.save(tmp_path / "one")
    Bundle.load(tmp_path / "one").save(tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_a_bundle_in_the_place_of_another_leaves_nothing_of_it(tmp_path: Path) -> None:
    neural().save(tmp_path / "folder")
    linear().save(tmp_path / "folder")
    linear().save(tmp_path / "fresh")
    assert contents(tmp_path / "folder") == contents(tmp_path / "fresh")
    assert Bundle.load(tmp_path / "folder").recipe == ""


def test_the_files_have_the_names_of_hugging_face_and_no_pickle(tmp_path: Path) -> None:
    neural().save(tmp_path)
    assert sorted(contents(tmp_path)) == sorted(FILES)
    assert json.loads((tmp_path / layout.CONFIG).read_text())["model_type"] == "text_classifier"
    assert json.loads((tmp_path / layout.MANIFEST).read_text(encoding="utf-8"))["task"] == TASK
    header = (tmp_path / layout.WEIGHTS).read_bytes()[8:]
    assert json.loads(header[: header.index(b"}}") + 2])["__metadata__"] == {"format": "pt"}
    assert size_on_disk(tmp_path) == sum(map(len, contents(tmp_path).values())) - len(neural().recipe.encode())


class Killed(BaseException):
    """Ends a block as a signal would: no handler for errors sees it."""


@dataclass
class DyingPart:
    """Stands for the model or the tokenizer of a bundle and ends the run when its turn to be written comes."""

    model: Any
    at: str

    @property
    def config(self) -> Any:
        return self.model.config if self.at == "tensors" else self.die()

    def tensors(self) -> Any:
        return self.die()

    def save(self, _: Path) -> None:
        self.die()

    def die(self) -> Any:
        raise Killed


@pytest.mark.parametrize("over", [None, linear, neural], ids=["new", "over-linear", "over-neural"])
@pytest.mark.parametrize("at", ["config", "tensors", "tokenizer"])
def test_a_bundle_cut_off_in_the_middle_is_no_bundle(at: str, over: Any, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    if over:
        over().save(folder)
    before = contents(folder) if over else {}
    dying = DyingPart(linear().model, at)
    cut_off = replace(neural(), **({"tokenizer": dying} if at == "tokenizer" else {"model": dying}))
    with pytest.raises(Killed):
        cut_off.save(folder)
    if over and at != "tokenizer":  # nothing is removed before there is something to write
        assert contents(folder) == before
    else:
        assert not layout.is_bundle(folder)
        refused(folder)
    neural().save(folder)
    assert Bundle.load(folder).task == TASK


KILLED_WHILE_SAVING = """
import os, signal, sys
from minnow.bundle.bundle import Bundle
from minnow.models.ngram import NgramConfig, ViewConfig

class Model:
    config = NgramConfig(2, (ViewConfig(),))
    def tensors(self):
        return {}

class Tokenizer:
    def save(self, path):
        os.kill(os.getpid(), signal.SIGKILL)

Bundle(Model(), {"name": "text_classification", "version": 1}, Tokenizer()).save(sys.argv[1])
"""


def test_a_killed_process_leaves_no_manifest(tmp_path: Path) -> None:
    linear().save(tmp_path)
    command = [sys.executable, "-c", KILLED_WHILE_SAVING, str(tmp_path)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert not (tmp_path / layout.MANIFEST).exists()
    refused(tmp_path)


def test_a_folder_that_cannot_be_one_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StorageError, match="file"):
        linear().save(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"
    (tmp_path / "folder" / layout.MANIFEST).mkdir(parents=True)
    with pytest.raises(StorageError, match=layout.MANIFEST):
        linear().save(tmp_path / "folder")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    neural().save(folder)
    return folder


def damaged(folder: Path, saved: Path, name: str, content: bytes | None) -> Path:
    """A copy of the saved folder in which one file holds something else, or is gone."""
    for path in saved.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("name", FILES[:4])
@pytest.mark.parametrize(
    "content",
    [None, b"", b"\x00" * 40, b"\xff\xfe\xfd", b"[]", b"null", b"{}", b'{"a": 1', b"[" * 200_000, b"9" * 5000],
    ids=["gone", "empty", "zeros", "not-text", "list", "null", "no-keys", "cut", "deep", "long-number"],
)
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, saved: Path, name: str, content: bytes | None) -> None:
    message = refused(damaged(tmp_path, saved, name, content))
    assert str(tmp_path) in message or name in message


@settings(max_examples=150)
@given(st.sampled_from(FILES), st.data())
def test_any_damage_is_refused_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, saved: Path, name: str, data: st.DataObject
) -> None:
    content = (saved / name).read_bytes()
    at = data.draw(st.integers(0, len(content) - 1))
    length = data.draw(st.integers(0, 3))
    content = content[:at] + data.draw(st.binary(max_size=3)) + content[at + length :]
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content)))]
    folder = damaged(tmp_path_factory.mktemp("damaged"), saved, name, content)
    assert opened_or_refused(folder)


odd_values = st.sampled_from([None, True, -1, 0, 2.5, 10**400, "", "lsmt", [], [0], {}, float("nan")])


@settings(max_examples=80)
@given(st.sampled_from([layout.CONFIG, layout.MANIFEST]), odd_values, st.data())
def test_an_odd_value_is_refused_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, saved: Path, name: str, odd: Any, data: st.DataObject
) -> None:
    table = json.loads((saved / name).read_text(encoding="utf-8"))
    table[data.draw(st.sampled_from(sorted(table)))] = odd
    folder = damaged(tmp_path_factory.mktemp("odd"), saved, name, json.dumps(table).encode())
    assert opened_or_refused(folder)


def test_a_recipe_that_is_not_text_is_refused(tmp_path: Path, saved: Path) -> None:
    assert layout.RECIPE in refused(damaged(tmp_path, saved, layout.RECIPE, b"\xff\xff"))


def test_an_unknown_architecture_names_the_nearest(tmp_path: Path, saved: Path) -> None:
    config = (saved / layout.CONFIG).read_bytes().replace(b"text_classifier", b"text_clasifier")
    assert "did you mean 'text_classifier'" in refused(damaged(tmp_path, saved, layout.CONFIG, config))


def test_a_later_format_asks_for_a_later_minnow(tmp_path: Path, saved: Path) -> None:
    manifest = json.loads((saved / layout.MANIFEST).read_text(encoding="utf-8"))
    later = json.dumps({**manifest, "format_version": FORMAT_VERSION + 1}).encode()
    assert "update Minnow" in refused(damaged(tmp_path, saved, layout.MANIFEST, later))


def test_what_is_no_bundle_is_told_apart(tmp_path: Path) -> None:
    assert "there is no model" in refused(tmp_path / "nowhere")
    assert "it has no minnow.json" in refused(tmp_path)
    (tmp_path / layout.RUN).mkdir()
    assert "minnow train --resume" in refused(tmp_path)


def test_a_place_is_free_only_where_nothing_would_be_lost(tmp_path: Path) -> None:
    layout.check_free(tmp_path / "new", overwrite=False)
    layout.check_free(tmp_path, overwrite=False)
    (tmp_path / "notes.txt").touch()
    for overwrite in (False, True):  # somebody else's files are never replaced
        with pytest.raises(StorageError, match="is not empty and holds no model"):
            layout.check_free(tmp_path, overwrite=overwrite)
    (tmp_path / layout.RUN).mkdir()
    with pytest.raises(StorageError, match="--resume"):
        layout.check_free(tmp_path, overwrite=False)
    linear().save(tmp_path)
    with pytest.raises(StorageError, match="already holds a model"):
        layout.check_free(tmp_path, overwrite=False)
    layout.check_free(tmp_path, overwrite=True)
    with pytest.raises(StorageError, match="is a file"):
        layout.check_free(tmp_path / "notes.txt", overwrite=True)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.uint32, np.int64, np.bool_])
@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (2, 3, 4)])
def test_arrays_of_any_kind_and_shape_come_back(dtype: type, shape: tuple[int, ...], tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    save_weights(tmp_path / "w", {"plain": array, "turned": array.T, "every second": np.repeat(array[None], 4, 0)[::2]})
    loaded = load_weights(tmp_path / "w")
    expected = {"plain": array, "turned": array.T, "every second": np.stack([array, array])}
    assert_bits_equal(loaded, expected)


def test_tensors_come_back_as_arrays(tmp_path: Path) -> None:
    turned = torch.arange(6.0, requires_grad=True).reshape(2, 3).T
    save_weights(tmp_path / "w", {"turned": turned})
    np.testing.assert_array_equal(load_weights(tmp_path / "w")["turned"], turned.detach().numpy())


def test_a_net_in_bfloat16_is_saved_with_its_numbers_as_they_are(tmp_path: Path) -> None:
    neural().save(tmp_path)
    narrow = Bundle.load(tmp_path).in_precision("bfloat16")
    narrow.save(tmp_path)
    again = Bundle.load(tmp_path).model.tensors()
    for name, value in narrow.model.tensors().items():
        assert torch.equal(again[name], value.float())


def test_a_number_format_that_numpy_lacks_is_refused(tmp_path: Path, saved: Path) -> None:
    content = safetensors_bytes({"w": np.zeros(4, np.float16)}).replace(b'"F16"', b'"XF9"')
    assert layout.WEIGHTS in refused(damaged(tmp_path, saved, layout.WEIGHTS, content))


def test_provenance_tells_versions_and_the_machine_but_not_whose_it_is() -> None:
    assert {"python", "minnow-lm", "numpy", "torch"} <= versions().keys()
    told = machine()
    assert told["cores"] >= 1
    assert set(told) == {"processor", "cores", "system"}


def test_a_net_computes_in_the_precision_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = neural()
    kept = {name: value.clone() for name, value in bundle.model.tensors().items()}
    assert bundle.in_precision("bfloat16").model.head.weight.dtype == torch.bfloat16
    assert bundle.in_precision("float32").model.head.weight.dtype == torch.float32
    for name, value in bundle.model.tensors().items():
        torch.testing.assert_close(value, kept[name], atol=0, rtol=2**-8)
    for gain, taken in ((1.0, torch.float32), (3.0, torch.bfloat16)):
        monkeypatch.setattr("minnow.layers.precision.bfloat16_gain", lambda gain=gain: gain)
        assert bundle.in_precision("auto").model.head.weight.dtype == taken


def test_a_precision_that_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="did you mean 'bfloat16'"):
        neural().in_precision("bfloat61")
    with pytest.raises(InputError, match="ngram has one precision of its own"):
        linear().in_precision("bfloat16")
    assert linear().in_precision("auto").model.config.num_labels == 2
    with pytest.raises(InputError, match="int8 is for models of the type transformer_seq2seq, but this is a text_clas"):
        neural().in_precision("int8")


def test_eight_bits_are_for_what_translates_where_the_processor_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    config_class, model_class = architecture("transformer_seq2seq")
    shape = {"vocab_size": 9, "hidden_size": 8, "num_heads": 2, "inner_size": 8}
    bundle = Bundle(model_class(config_class.from_dict(shape)), {"name": "x"})
    monkeypatch.setattr("minnow.layers.tiles.arithmetics_here", lambda: ("float32", "int8"))
    narrow = bundle.in_precision("bfloat16").in_precision("int8").model
    assert (narrow.eight_bits, narrow.output_weight_VD.dtype) == (True, torch.float32)
    assert not bundle.in_precision("float32").model.eight_bits
    monkeypatch.setattr("minnow.layers.tiles.arithmetics_here", lambda: ("float32",))
    with pytest.raises(InputError, match="int8 needs a processor with AVX-512"):
        bundle.in_precision("int8")
