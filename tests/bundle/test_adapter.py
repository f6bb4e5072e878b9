"""Adapters travel in PEFT's file format: what is written here opens there, and the other way round."""

import json
from pathlib import Path

import pytest
import torch

from minnow.bundle.adapter import CONFIG, WEIGHTS, base_of, load_adapter, save_adapter
from minnow.bundle.bundle import Bundle
from minnow.bundle.provenance import came_from
from minnow.bundle.weights import load_weights, save_weights
from minnow.errors import BundleError
from minnow.layers.lora import LoraSettings, adapters, attach
from minnow.models.gpt2 import GPT2, GPT2Config
from minnow.models.llama import Llama, LlamaConfig

IDS = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6]])


def llama() -> Llama:
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=16,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    return Llama(config).eval()


def gpt2() -> GPT2:
    torch.manual_seed(3)
    return GPT2(GPT2Config(vocab_size=16, n_embd=16, n_layer=2, n_head=4)).eval()


def adapted(model: torch.nn.Module, *targets: str) -> torch.nn.Module:
    attach(model, LoraSettings(rank=3, alpha=5, targets=targets))
    with torch.no_grad():
        for layer in adapters(model).values():
            torch.nn.init.normal_(layer.lora_B.weight)
    return model


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        found = model(IDS)
    return found if isinstance(found, torch.Tensor) else found.logits


@pytest.mark.parametrize(("make", "targets"), [(llama, ("q_proj", "down_proj")), (llama, ()), (gpt2, ("c_attn",))])
def test_an_adapter_that_was_saved_is_the_same_when_loaded(make, targets: tuple[str, ...], tmp_path: Path) -> None:
    model = adapted(make(), *targets)
    save_adapter(tmp_path / "adapter", model, tmp_path / "base")
    again = make()
    load_adapter(tmp_path / "adapter", again)
    assert torch.equal(logits(again), logits(model))


@pytest.mark.parametrize(
    ("make", "theirs", "target"), [(llama, "LlamaForCausalLM", "q_proj"), (gpt2, "GPT2LMHeadModel", "c_attn")]
)
def test_peft_opens_our_adapter(make, theirs: str, target: str, tmp_path: Path) -> None:
    transformers, peft = pytest.importorskip("transformers"), pytest.importorskip("peft")
    model = make()
    config = transformers.AutoConfig.for_model(**model.config.to_dict())
    other = getattr(transformers, theirs)(config).eval()
    other.load_state_dict(model.tensors(), strict=False)
    other.tie_weights()
    adapted(model, target)
    save_adapter(tmp_path, model, tmp_path)
    opened = peft.PeftModel.from_pretrained(other, str(tmp_path)).eval()
    assert torch.allclose(logits(opened), logits(model), atol=1e-5)


def test_an_adapter_of_peft_opens_here(tmp_path: Path) -> None:
    transformers, peft = pytest.importorskip("transformers"), pytest.importorskip("peft")
    model = llama()
    other = transformers.LlamaForCausalLM(transformers.AutoConfig.for_model(**model.config.to_dict())).eval()
    other.load_state_dict(model.tensors(), strict=False)
    other.tie_weights()
    made = peft.get_peft_model(
        other, peft.LoraConfig(r=2, lora_alpha=6, target_modules=["v_proj", "up_proj"], init_lora_weights=False)
    ).eval()
    made.save_pretrained(str(tmp_path))
    load_adapter(tmp_path, model)
    assert torch.allclose(logits(model), logits(made), atol=1e-5)


def test_the_base_is_found_from_wherever_both_stand(tmp_path: Path) -> None:
    (tmp_path / "models" / "base").mkdir(parents=True)
    save_adapter(tmp_path / "models" / "mine", adapted(llama()), tmp_path / "models" / "base")
    (tmp_path / "models").rename(tmp_path / "elsewhere")
    assert base_of(tmp_path / "elsewhere" / "mine") == tmp_path / "elsewhere" / "base"
    (tmp_path / "elsewhere" / "base").rmdir()
    with pytest.raises(BundleError, match="nothing is there"):
        base_of(tmp_path / "elsewhere" / "mine")


def _rewrite(folder: Path, **changes: object) -> None:
    path = folder / CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"use_dora": True}, "use_dora"),
        ({"peft_type": "IA3"}, "no LoRA adapter"),
        ({"target_modules": ["nowhere"]}, "nowhere"),
        ({"r": 4}, "shape"),
        ({"r": "many"}, "does not fit"),
        ({"target_modules": ["q_proj", "v_proj"]}, "missing from the file"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, object], says: str, tmp_path: Path) -> None:
    save_adapter(tmp_path, adapted(llama(), "q_proj"), tmp_path)
    _rewrite(tmp_path, **changes)
    with pytest.raises(BundleError, match=says):
        load_adapter(tmp_path, llama())


def test_a_surplus_tensor_and_a_damaged_file_are_refused(tmp_path: Path) -> None:
    save_adapter(tmp_path, adapted(llama(), "q_proj"), tmp_path)
    tensors = load_weights(tmp_path / WEIGHTS)
    save_weights(tmp_path / WEIGHTS, {**tensors, "base_model.model.more": next(iter(tensors.values()))})
    with pytest.raises(BundleError, match="more"):
        load_adapter(tmp_path, llama())
    (tmp_path / WEIGHTS).write_bytes(b"\x00" * 7)
    with pytest.raises(BundleError, match="damaged"):
        load_adapter(tmp_path, llama())


def test_a_model_that_has_changed_since_the_adapter_was_made_is_refused(tmp_path: Path) -> None:
    task = {"name": "text_generation", "version": 1}
    base, folder = tmp_path / "base", tmp_path / "adapter"
    Bundle(llama(), task).save(base)
    Bundle(adapted(llama(), "q_proj"), task, None, came_from(str(base)), base=base).save(folder)
    before = logits(Bundle.load(folder).model)
    torch.manual_seed(99)
    Bundle(Llama(llama().config), task).save(base)
    with pytest.raises(BundleError, match=r"base has changed since the adapter .*adapter was made beside it; put the"):
        Bundle.load(folder)
    Bundle(llama(), task).save(base)
    assert torch.equal(logits(Bundle.load(folder).model), before)


def test_an_adapter_that_does_not_tell_the_weights_beneath_is_taken_as_it_is(tmp_path: Path) -> None:
    task = {"name": "text_generation", "version": 1}
    Bundle(llama(), task).save(tmp_path / "base")
    Bundle(adapted(llama(), "q_proj"), task, None, {"from": "base"}, base=tmp_path / "base").save(tmp_path / "adapter")
    assert Bundle.load(tmp_path / "adapter").base == tmp_path / "base"
