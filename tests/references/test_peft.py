"""Adapters as ``peft`` writes them give the logits here that they give there; what is not made here is refused."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from minnow.bundle.adapter import CONFIG, WEIGHTS, load_adapter, save_adapter
from minnow.errors import BundleError
from minnow.layers.lora import adapters
from minnow.models.bert import Bert, BertConfig
from minnow.models.gpt2 import GPT2, GPT2Config
from minnow.models.llama import Llama, LlamaConfig, Qwen2Config

transformers, peft = pytest.importorskip("transformers"), pytest.importorskip("peft")

IDS = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6, 15, 0]])
SHAPE: dict[str, Any] = {
    "vocab_size": 16,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}


def made(kind: str) -> Any:
    torch.manual_seed(3)
    if kind == "gpt2":
        model: Any = GPT2(GPT2Config(vocab_size=16, n_embd=16, n_layer=2, n_head=4))
    elif kind == "qwen2":
        model = Llama(Qwen2Config(**SHAPE))
    else:
        model = Llama(LlamaConfig(**SHAPE, tie_word_embeddings=kind == "tied"))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3)  # so that every part has a say
    return model.eval()


def theirs(model: Any, **settings: Any) -> Any:
    """The same model under ``peft``, with an adapter in which nothing is zero."""
    config = transformers.AutoConfig.for_model(**model.config.to_dict())
    other = transformers.AutoModelForCausalLM.from_config(config, torch_dtype=torch.float32)
    other.load_state_dict(model.tensors(), strict=False)
    other.tie_weights()
    adapted = peft.get_peft_model(other, peft.LoraConfig(task_type="CAUSAL_LM", init_lora_weights=False, **settings))
    torch.manual_seed(5)
    with torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter.normal_(0, 0.4)
    return adapted.eval()


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        found = model(IDS)
    return found if isinstance(found, torch.Tensor) else found.logits


PATTERNS = {"rank_pattern": {"q_proj": 5}, "alpha_pattern": {"model.layers.1.self_attn.q_proj": 7, r".*\.1\.mlp.*": 9}}

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("llama", {"r": 3, "target_modules": ["q_proj", "down_proj"]}),
    "all-linear": ("qwen2", {"r": 3, "target_modules": "all-linear"}),
    "transposed": ("gpt2", {"r": 3, "target_modules": ["c_attn", "c_proj", "c_fc"], "fan_in_fan_out": True}),
    "rank-stabilised": ("llama", {"r": 3, "use_rslora": True, "target_modules": ["v_proj"], **PATTERNS}),
    "patterns": ("llama", {"r": 3, "target_modules": ["q_proj", "v_proj", "up_proj"], **PATTERNS}),
    "some-layers": ("llama", {"r": 3, "target_modules": ["q_proj"], "layers_to_transform": [1]}),
    "sparing": ("llama", {"r": 3, "target_modules": ["q_proj"], "exclude_modules": ["layers.0.self_attn.q_proj"]}),
    "expression": ("llama", {"r": 3, "target_modules": r".*\.1\..*(q|v)_proj"}),
    "biases": ("qwen2", {"r": 3, "target_modules": ["q_proj"], "bias": "all"}),
    "biases-of-adapted": ("gpt2", {"r": 3, "target_modules": ["c_attn"], "bias": "lora_only", "fan_in_fan_out": True}),
    "embedding": ("llama", {"r": 3, "target_modules": ["q_proj", "embed_tokens"]}),
    "embedding-of-tied": ("tied", {"r": 3, "target_modules": ["q_proj", "embed_tokens"]}),
    "embedding-and-still-tied": (
        "tied",
        {"r": 3, "target_modules": ["q_proj", "embed_tokens"], "ensure_weight_tying": True},
    ),
    "both-and-still-tied": (
        "tied",
        {"r": 3, "target_modules": ["embed_tokens", "lm_head"], "ensure_weight_tying": True, "use_rslora": True},
    ),
    "head": ("llama", {"r": 3, "target_modules": ["q_proj", "lm_head"]}),
    "head-of-tied": ("tied", {"r": 3, "target_modules": ["q_proj", "lm_head"]}),
    "whole": ("llama", {"r": 3, "target_modules": ["q_proj"], "modules_to_save": ["embed_tokens", "lm_head", "norm"]}),
    "whole-mlp": ("llama", {"r": 3, "target_modules": ["q_proj"], "modules_to_save": ["mlp"]}),
    "whole-of-tied": ("tied", {"r": 3, "target_modules": ["q_proj"], "modules_to_save": ["embed_tokens"]}),
    "whole-head-of-tied": ("tied", {"r": 3, "target_modules": ["q_proj"], "modules_to_save": ["lm_head"]}),
    "whole-and-still-tied": (
        "tied",
        {"r": 3, "target_modules": ["q_proj"], "modules_to_save": ["embed_tokens"], "ensure_weight_tying": True},
    ),
    "whole-of-gpt2": ("gpt2", {"r": 3, "target_modules": ["c_attn"], "modules_to_save": ["wte", "ln_f"]}),
}
APART = ("plain", "all-linear", "transposed", "rank-stabilised", "patterns", "some-layers", "sparing", "expression")


@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("ignore")
def test_an_adapter_of_theirs_says_the_same_here(case: str, tmp_path: Path) -> None:
    kind, settings = CASES[case]
    model = made(kind)
    before = logits(model)
    other = theirs(model, **settings)
    other.save_pretrained(str(tmp_path / "theirs"))
    opened = load_adapter(tmp_path / "theirs", model)
    assert not torch.allclose(logits(opened), before, atol=0.01)
    torch.testing.assert_close(logits(opened), logits(other), atol=1e-4, rtol=1e-4)
    assert bool(adapters(opened)) == (case in APART)
    if "still-tied" in case:
        assert opened.config.tie_word_embeddings
    if case in APART:
        save_adapter(tmp_path / "ours", opened, tmp_path)
        torch.testing.assert_close(logits(load_adapter(tmp_path / "ours", made(kind))), logits(opened))
        back = peft.PeftModel.from_pretrained(other.unload(), str(tmp_path / "ours")).eval()
        torch.testing.assert_close(logits(back), logits(opened), atol=1e-4, rtol=1e-4)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["llama", "tied"])
def test_a_vocabulary_that_grew_comes_with_the_adapter(kind: str, tmp_path: Path) -> None:
    """As chat templates make it: new tokens, whole embeddings in the file."""
    model = made(kind)
    other = transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.for_model(**model.config.to_dict()))
    other.load_state_dict(model.tensors(), strict=False)
    other.tie_weights()
    other.resize_token_embeddings(19)
    adapted = peft.get_peft_model(other, peft.LoraConfig(target_modules=["q_proj"], init_lora_weights=False)).eval()
    adapted.save_pretrained(str(tmp_path), save_embedding_layers=True)
    opened = load_adapter(tmp_path, model)
    assert (opened.config.vocab_size, opened.config.tie_word_embeddings) == (19, kind == "tied")
    torch.testing.assert_close(logits(opened), logits(adapted), atol=1e-4, rtol=1e-4)


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    theirs(made("llama"), r=3, target_modules=["q_proj"]).save_pretrained(str(tmp_path))
    return tmp_path


def refused(folder: Path, kind: str = "llama") -> str:
    with pytest.raises(BundleError) as caught:
        load_adapter(folder, made(kind))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"use_dora": True}, "use_dora = True, which is not read"),
        ({"peft_type": "PROMPT_TUNING"}, "peft_type = 'PROMPT_TUNING', which is no LoRA adapter"),
        ({"task_type": "SEQ_CLS"}, "whose head has no place"),
        ({"init_lora_weights": "pissa_niter_16"}, "path_initial_model_for_weight_conversion"),
        ({"of_a_year_to_come": 3}, "of_a_year_to_come = 3, which is not read"),
        ({"alpha_pattern": {"(a+)+": 3}}, "it repeats too much"),
        ({"alpha_pattern": {"(q_proj": 3}}, "which is not read (missing )"),
        ({"alpha_pattern": {"q_proj": "many"}}, "does not fit"),
        ({"alpha_pattern": {"q_proj": -1.0}}, "above 0"),
        ({"rank_pattern": {"q_proj": 4}}, "has shape (3, 16), but the model asks for (4, 16)"),
        ({"target_modules": [3]}, "must be names"),
    ],
)
def test_what_is_not_made_here_is_refused_by_name(changes: dict[str, Any], says: str, adapter: Path) -> None:
    path = adapter / CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    assert says in refused(adapter)


def test_an_adapter_of_another_model_is_refused(adapter: Path) -> None:
    assert "is missing from the file" not in refused(adapter, "gpt2")
    assert "take the model that the adapter was trained beside" in refused(adapter, "gpt2")
    tensors = load_file(adapter / WEIGHTS)
    name = next(iter(tensors))
    save_file(tensors | {name: torch.zeros(3, 17)}, adapter / WEIGHTS)
    assert re.search(r"has shape \(3, 17\), but the model asks for \(3, 16\)", refused(adapter))
    save_file(tensors | {"base_model.model.model.norm.weight": torch.zeros(17)}, adapter / WEIGHTS)
    assert "'model.norm.weight' has shape (17,), but the model asks for (16,)" in refused(adapter)
    save_file(tensors | {"base_model.model.model.embed_tokens.weight": torch.zeros(19, 16)}, adapter / WEIGHTS)
    assert "has shape (19, 16), but the model asks for (16, 16)" in refused(adapter)
    save_file({name: tensors[name]}, adapter / WEIGHTS)
    assert "is missing from the file" in refused(adapter)
    (adapter / WEIGHTS).rename(adapter / "adapter_model.bin")
    assert "a pickle could run code" in refused(adapter)


def test_weights_in_half_precision_are_read(adapter: Path) -> None:
    tensors = {name: tensor.bfloat16() for name, tensor in load_file(adapter / WEIGHTS).items()}
    save_file(tensors, adapter / WEIGHTS)
    layers = adapters(load_adapter(adapter, made("llama")))
    assert {layer.lora_A.weight.dtype for layer in layers.values()} == {torch.float32}


def test_an_adapter_with_its_embedding_changed_alone_is_none_for_a_masked_model(tmp_path: Path) -> None:
    sizes = {"vocab_size": 16, "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1}
    model = Bert(BertConfig(**sizes, num_attention_heads=2, max_position_embeddings=32))
    config = transformers.AutoConfig.for_model(**model.config.to_dict())
    other = transformers.AutoModelForMaskedLM.from_config(config)
    settings = peft.LoraConfig(target_modules=["query"], modules_to_save=["word_embeddings"], init_lora_weights=False)
    peft.get_peft_model(other, settings).save_pretrained(str(tmp_path))
    with pytest.raises(BundleError, match="which is the output layer too"):
        load_adapter(tmp_path, model)
