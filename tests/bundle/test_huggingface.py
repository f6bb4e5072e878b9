"""A Hugging Face folder becomes a bundle, or one line says what is wrong with it, before a weight is read."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from houses import HOUSES, byte_level, wordpiece
from safetensors.torch import load_file, save_file

from minnow.bundle import layout
from minnow.bundle.bundle import Bundle
from minnow.bundle.huggingface import INDEX, read_huggingface, weight_files
from minnow.errors import BundleError, InputError
from minnow.models.bert import Bert, BertConfig
from minnow.models.distilbert import DistilBert, DistilBertConfig
from minnow.models.gpt2 import GPT2, GPT2Config
from minnow.models.llama import Llama, LlamaConfig
from minnow.text.opening import open_tokenizer

VOCABULARY = 500


def llama(tied: bool = True) -> Llama:
    torch.manual_seed(0)
    return Llama(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=8,
            intermediate_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            tie_word_embeddings=tied,
        )
    )


def gpt2() -> GPT2:
    torch.manual_seed(0)
    return GPT2(GPT2Config(vocab_size=VOCABULARY, n_embd=8, n_layer=2, n_head=2, n_positions=32))


def bert(**parts: bool) -> Bert:
    torch.manual_seed(0)
    sizes = {"vocab_size": VOCABULARY, "hidden_size": 8, "intermediate_size": 16}
    return Bert(BertConfig(**sizes, num_hidden_layers=1, num_attention_heads=2, max_position_embeddings=32, **parts))


def published(model: Any, folder: Path) -> Path:
    """The folder as another program would have written it."""
    house = wordpiece if isinstance(model, Bert | DistilBert) else byte_level
    tokenizer = open_tokenizer(house(folder) / "tokenizer.json")
    Bundle(model, {"name": "x"}, tokenizer).save(folder)
    (folder / layout.MANIFEST).unlink()
    return folder


def with_tensors(folder: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> Path:
    tensors = load_file(folder / layout.WEIGHTS)
    save_file(change(tensors) or tensors, folder / layout.WEIGHTS)
    return folder


def with_config(folder: Path, **changed: Any) -> Path:
    path = folder / layout.CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))
    return folder


def weights_of(model: Any) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in model.tensors().items()}


def refused(folder: Path, *more: Any) -> str:
    with pytest.raises(BundleError) as caught:
        read_huggingface(folder, *more)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(("made", "task"), [(llama, "text_generation"), (gpt2, "text_generation"), (bert, "fill_mask")])
def test_a_folder_comes_in_with_its_weights_and_its_tokenizer(
    made: Callable[[], Any], task: str, tmp_path: Path
) -> None:
    model = made()
    bundle = read_huggingface(published(model, tmp_path))
    assert weights_of(bundle.model) == weights_of(model)
    assert bundle.model.config == model.config
    assert bundle.task == {"name": task, "version": 1}
    assert bundle.tokenizer is not None
    assert bundle.tokenizer.encode("a kettle") == open_tokenizer(tmp_path / "tokenizer.json").encode("a kettle")


def test_names_of_other_times_and_programs_are_understood(tmp_path: Path) -> None:
    model = gpt2()

    def bare(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        renamed = {name.removeprefix("transformer."): tensor for name, tensor in tensors.items()}
        extra = {"h.0.attn.bias": torch.ones(1, 1, 4, 4), "lm_head.weight": tensors["transformer.wte.weight"].clone()}
        return renamed | extra

    folder = with_tensors(published(model, tmp_path / "gpt2"), bare)
    assert weights_of(read_huggingface(folder).model) == weights_of(model)

    encoder = bert()

    def old(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        renamed = {
            name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor
            for name, tensor in tensors.items()
        }
        renamed["cls.predictions.decoder.bias"] = renamed.pop("cls.predictions.bias")
        return renamed | {"cls.seq_relationship.weight": torch.ones(2, 8)}

    notes: list[str] = []
    folder = with_tensors(published(encoder, tmp_path / "bert"), old)
    assert weights_of(read_huggingface(folder, None, notes.append).model) == weights_of(encoder)
    assert notes == ["left out, as no part of the language model: cls.seq_relationship.weight"]


def test_an_encoder_without_a_head_comes_in_as_one(tmp_path: Path) -> None:
    notes: list[str] = []
    model = bert(masked_head=False, pooler=True)
    folder = with_tensors(
        published(model, tmp_path),
        lambda tensors: {name.removeprefix("bert."): tensor for name, tensor in tensors.items()},
    )
    config = json.loads((folder / layout.CONFIG).read_text())
    del config["masked_head"], config["pooler"]
    (folder / layout.CONFIG).write_text(json.dumps(config))
    bundle = read_huggingface(folder, None, notes.append)
    assert weights_of(bundle.model) == weights_of(model)
    assert "no masked-LM head" in notes[0]


def test_a_smaller_encoder_without_a_head_comes_in_as_one(tmp_path: Path) -> None:
    notes: list[str] = []
    sizes: dict[str, Any] = {"vocab_size": VOCABULARY, "dim": 16, "hidden_dim": 20, "n_layers": 2, "n_heads": 4}
    model = DistilBert(DistilBertConfig(**sizes, masked_head=False))
    folder = with_tensors(
        published(model, tmp_path),
        lambda tensors: {name.removeprefix("distilbert."): tensor for name, tensor in tensors.items()},
    )
    config = json.loads((folder / layout.CONFIG).read_text())
    assert config["architectures"] == ["DistilBertModel"]
    del config["masked_head"]
    (folder / layout.CONFIG).write_text(json.dumps(config))
    bundle = read_huggingface(folder, None, notes.append)
    assert weights_of(bundle.model) == weights_of(model)
    assert "no masked-LM head" in notes[0]
    with pytest.raises(InputError, match="without a masked-LM head"):
        bundle.model(torch.zeros(1, 3, dtype=torch.int64), torch.tensor([3]))


EMBEDDINGS = {llama: "model.embed_tokens.weight", gpt2: "transformer.wte.weight"}


@pytest.mark.parametrize("made", EMBEDDINGS)
def test_an_output_layer_that_is_not_the_embedding_is_one_of_its_own(made: Callable[[], Any], tmp_path: Path) -> None:
    """Whatever ``config.json`` says."""
    model, notes = made(), list[str]()
    own = torch.randn(VOCABULARY, 8)
    folder = with_tensors(published(model, tmp_path), lambda tensors: {**tensors, "lm_head.weight": own})
    found = read_huggingface(folder, None, notes.append).model
    assert torch.equal(found.output_weight_VD, own)
    assert not found.config.tie_word_embeddings
    assert "lm_head.weight is not the embedding" in notes[0]
    assert weights_of(found) == {**weights_of(model), "lm_head.weight": own.numpy().tobytes()}

    with_tensors(folder, lambda tensors: {**tensors, "lm_head.weight": own[:-1].clone()})
    assert "'lm_head.weight' has shape (499, 8)" in refused(folder)


@pytest.mark.parametrize("made", EMBEDDINGS)
def test_the_output_layer_alone_stands_for_the_embedding_too(made: Callable[[], Any], tmp_path: Path) -> None:
    model = made()

    def renamed(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"lm_head.weight" if name == EMBEDDINGS[made] else name: x for name, x in tensors.items()}

    found = read_huggingface(with_tensors(published(model, tmp_path), renamed)).model
    assert weights_of(found) == weights_of(model)
    assert found.config.tie_word_embeddings


@pytest.mark.parametrize(
    ("copy", "original"),
    [("decoder.weight", "bert.embeddings.word_embeddings.weight"), ("decoder.bias", "cls.predictions.bias")],
)
def test_an_encoder_whose_output_layer_is_not_the_embedding_is_refused(
    copy: str, original: str, tmp_path: Path
) -> None:
    folder = published(bert(), tmp_path)
    name = f"cls.predictions.{copy}"
    with_tensors(folder, lambda tensors: {**tensors, name: tensors[original].clone()})
    assert weights_of(read_huggingface(folder).model) == weights_of(bert())
    with_tensors(folder, lambda tensors: {**tensors, name: tensors[original] + 1})
    assert f"{name!r} of the files is not {original!r}" in refused(folder)


def test_one_whole_file_comes_before_several(tmp_path: Path) -> None:
    """An index that an earlier state of the folder left behind says nothing, as in transformers."""
    model = llama()
    folder = published(model, tmp_path)
    (folder / INDEX).write_text(json.dumps({"weight_map": {"lm_head.weight": "model-00001-of-00002.safetensors"}}))
    assert weights_of(read_huggingface(folder).model) == weights_of(model)


def test_weights_may_lie_in_several_files(tmp_path: Path) -> None:
    model = llama()
    folder = published(model, tmp_path)
    tensors = load_file(folder / layout.WEIGHTS)
    names = sorted(tensors)
    parts = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, part in parts.items():
        save_file({name: tensors[name] for name in part}, folder / file)
    (folder / layout.WEIGHTS).unlink()
    index = {"weight_map": {name: file for file, part in parts.items() for name in part}}
    (folder / INDEX).write_text(json.dumps(index))
    assert weights_of(read_huggingface(folder).model) == weights_of(model)

    (folder / "model-00002-of-00002.safetensors").unlink()
    assert "names 'model-00002-of-00002.safetensors', which is not in the folder" in refused(folder)
    (folder / INDEX).write_text(json.dumps({"weight_map": {"a": "../model.safetensors"}}))
    assert "'../model.safetensors', which is not in the folder" in refused(folder)
    (folder / INDEX).write_text("{}")
    assert "weight_map" in refused(folder)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_any_precision_become_single(kind: torch.dtype, tmp_path: Path) -> None:
    model = llama(tied=False)
    folder = with_tensors(
        published(model, tmp_path), lambda tensors: {name: tensor.to(kind) for name, tensor in tensors.items()}
    )
    bundle = read_huggingface(folder)
    for name, tensor in model.tensors().items():
        found = bundle.model.tensors()[name]
        assert found.dtype == torch.float32
        assert torch.equal(found, tensor.to(kind).float())


def test_tensors_that_do_not_fit_are_named(tmp_path: Path) -> None:
    folder = published(llama(tied=False), tmp_path)
    original = (folder / layout.WEIGHTS).read_bytes()

    def message(change: Callable[[dict[str, torch.Tensor]], Any]) -> str:
        (folder / layout.WEIGHTS).write_bytes(original)
        return refused(with_tensors(folder, change))

    assert "'lm_head.weight' missing from the files" in message(lambda t: t.pop("lm_head.weight") is None)
    assert "'model.layers.2.x' in the files, but not in the model" in message(
        lambda t: t.update({"model.layers.2.x": torch.ones(1)})
    )
    assert "and 17 more missing" in message(lambda t: {"model.norm.weight": t["model.norm.weight"]})
    assert "'model.norm.weight' has shape (9,), but the configuration asks for (8,)" in message(
        lambda t: t.update({"model.norm.weight": torch.ones(9)})
    )
    assert "stored as I8" in message(lambda t: t.update({"model.norm.weight": torch.ones(8, dtype=torch.int8)}))
    for cut in (0, 5, 100, len(original) - 1):
        (folder / layout.WEIGHTS).write_bytes(original[:cut])
        assert "cut off or damaged" in refused(folder)


def test_configurations_that_cannot_be_are_refused(tmp_path: Path) -> None:
    folder = published(llama(), tmp_path)
    original = (folder / layout.CONFIG).read_text()
    for changed, words in (
        ({"model_type": "lama"}, "did you mean 'llama'"),
        ({"model_type": None}, "unknown model_type"),
        ({"model_type": "text_classifier"}, "unknown model_type"),
        ({"auto_map": {"AutoConfig": "code.Config"}}, "never run"),
        ({"quantization_config": {"bits": 4}}, "quantization_config"),
        ({"hidden_size": 2 * 10**18}, "cannot be"),
        ({"hidden_size": 16}, "has shape"),
        ({"attention_multiplier": 2.0}, "attention_multiplier"),
    ):
        (folder / layout.CONFIG).write_text(original)
        assert words in refused(with_config(folder, **changed)), changed
    for damaged in ("", "[]", original[:-9]):
        (folder / layout.CONFIG).write_text(damaged)
        assert "config.json" in refused(folder)


def test_folders_that_are_no_model_say_what_to_do(tmp_path: Path) -> None:
    assert "no config.json" in refused(tmp_path)
    folder = published(gpt2(), tmp_path / "gpt2")
    (folder / layout.WEIGHTS).rename(folder / "pytorch_model.bin")
    for kind, words in (("gpt2", "AutoModelForCausalLM"), ("distilbert", "AutoModelForMaskedLM")):
        config = json.loads((folder / layout.CONFIG).read_text())
        (folder / layout.CONFIG).write_text(json.dumps({**config, "model_type": kind}))
        with pytest.raises(BundleError, match=rf"{words}\.from_pretrained.*AutoTokenizer\.from_pretrained"):
            weight_files(folder)
    (folder / layout.CONFIG).write_text(json.dumps({**config, "model_type": "gpt2"}))
    (folder / "pytorch_model.bin").unlink()
    assert "fetch the whole folder" in refused(folder)
    Bundle(gpt2(), {"name": "x"}).save(tmp_path / "ours")
    assert "already" in refused(tmp_path / "ours")


def test_a_tokenizer_may_stand_elsewhere(tmp_path: Path) -> None:
    folder = published(gpt2(), tmp_path / "model")
    for name in (layout.TOKENIZER, layout.TOKENIZER_CONFIG):
        (folder / name).rename(tmp_path / name)
    assert "--tokenizer" in refused(folder)
    for given in (tmp_path, tmp_path / layout.TOKENIZER):
        assert read_huggingface(folder, given).tokenizer is not None


@pytest.mark.parametrize("house", HOUSES)
def test_a_folder_that_came_in_is_saved_the_same_again(house: str, tmp_path: Path) -> None:
    tokenizer = open_tokenizer(HOUSES[house](tmp_path / house) / "tokenizer.json")
    Bundle(gpt2(), {"name": "x"}, tokenizer).save(tmp_path / "one")
    Bundle.load(tmp_path / "one").save(tmp_path / "two")
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == two


def test_nothing_is_read_before_the_shapes_are_known_to_fit(tmp_path: Path) -> None:
    # A folder of another size is refused without memory for either.
    folder = with_config(published(llama(), tmp_path), vocab_size=2**40)
    assert "asks for (1099511627776, 8)" in refused(folder)


def test_of_a_masked_model_no_generation_is_written(tmp_path: Path) -> None:
    published(bert(), tmp_path / "bert")
    assert not (tmp_path / "bert" / layout.GENERATION_CONFIG).exists()
    published(gpt2(), tmp_path / "gpt2")
    Bundle(gpt2(), {"name": "x"}, open_tokenizer(tmp_path / "gpt2" / layout.TOKENIZER)).save(tmp_path / "bert")
    assert json.loads((tmp_path / "bert" / layout.GENERATION_CONFIG).read_text()) == {
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 2,
    }
    Bundle(bert(), {"name": "x"}).save(tmp_path / "bert")
    left = {path.name for path in (tmp_path / "bert").iterdir()}
    assert left == {layout.CONFIG, layout.WEIGHTS, layout.MANIFEST}
    assert np.isfinite(next(iter(Bundle.load(tmp_path / "bert").model.tensors().values())).numpy()).all()
