"""Our transformers give the logits of ``transformers`` with the same weights, and each reads the other's folders.

B rows · S positions · V vocabulary
"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from minnow.bundle.weights import load_weights, save_weights
from minnow.layers.masks import padding_mask
from minnow.models.llama import LlamaConfig
from minnow.models.registry import architecture, model_from

transformers = pytest.importorskip("transformers")

V = 40
SHAPE = {
    "vocab_size": V,
    "hidden_size": 24,
    "intermediate_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "initializer_range": 0.2,
}
LLAMA3 = {"factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 16}
YARN = {"factor": 4.0, "original_max_position_embeddings": 16}
YARN_ALL = {**YARN, "beta_fast": 3.0, "beta_slow": 0.5, "mscale": 1.2, "mscale_all_dim": 0.7, "truncate": False}
LONGROPE = {
    **{"short_factor": [1.0, 1.5, 2.0], "long_factor": [2.0, 5.0, 9.0]},
    **{"original_max_position_embeddings": 20, "factor": 3.2},
}
DECODERS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("Llama", {**SHAPE, "rms_norm_eps": 1e-5}),
    "llama-tied": ("Llama", {**SHAPE, "tie_word_embeddings": True, "rope_parameters": {"rope_theta": 500.0}}),
    "llama-biased": ("Llama", {**SHAPE, "attention_bias": True, "mlp_bias": True, "head_dim": 8}),
    "llama-linear": ("Llama", {**SHAPE, "rope_scaling": {"type": "linear", "factor": 3.0}}),
    "llama-llama3": ("Llama", {**SHAPE, "rope_scaling": {"rope_type": "llama3", **LLAMA3}, "rope_theta": 100.0}),
    "llama-yarn": ("Llama", {**SHAPE, "rope_scaling": {"rope_type": "yarn", **YARN}, "rope_theta": 1000.0}),
    "qwen3-yarn": ("Qwen3", {**SHAPE, "head_dim": 10, "rope_scaling": {"rope_type": "yarn", **YARN_ALL}}),
    "llama-longrope": ("Llama", {**SHAPE, "rope_scaling": {"rope_type": "longrope", **LONGROPE}}),
    "llama-dynamic": ("Llama", {**SHAPE, "rope_scaling": {"rope_type": "dynamic", "factor": 3.0}}),
    "mistral": ("Mistral", {**SHAPE, "sliding_window": None}),
    "mistral-window": ("Mistral", {**SHAPE, "sliding_window": 5}),
    "qwen2": ("Qwen2", SHAPE),
    "qwen2-window": ("Qwen2", {**SHAPE, "use_sliding_window": True, "sliding_window": 4, "max_window_layers": 1}),
    "qwen3": ("Qwen3", {**SHAPE, "head_dim": 10, "tie_word_embeddings": True}),
    "qwen3-biased": ("Qwen3", {**SHAPE, "head_dim": 6, "attention_bias": True}),
    "gpt2": ("GPT2", {"vocab_size": V, "n_embd": 24, "n_layer": 3, "n_head": 4, "n_positions": 64}),
    "gpt2-odd": (
        "GPT2",
        {
            **{"vocab_size": V, "n_embd": 24, "n_layer": 3, "n_head": 3, "n_positions": 64, "n_inner": 30},
            **{"scale_attn_by_inverse_layer_idx": True, "tie_word_embeddings": False, "activation_function": "relu"},
        },
    ),
}
ENCODERS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("Bert", {key: value for key, value in SHAPE.items() if key != "num_key_value_heads"}),
    "distilbert": (
        "DistilBert",
        {"vocab_size": V, "dim": 24, "hidden_dim": 30, "n_layers": 3, "n_heads": 4, "max_position_embeddings": 64},
    ),
}
HEADS = {"GPT2": "GPT2LMHeadModel", "Bert": "BertForMaskedLM", "DistilBert": "DistilBertForMaskedLM"}


@pytest.fixture(autouse=True)
def quiet() -> None:
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


def theirs(kind: str, shape: dict[str, Any]) -> Any:
    """Random weights, also where theirs start from zeros and ones."""
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**shape)
    model = getattr(transformers, HEADS.get(kind, f"{kind}ForCausalLM"))(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return model


def ours(folder: Path) -> Any:
    return model_from(json.loads((folder / "config.json").read_text()), load_weights(folder / "model.safetensors"))


def token_ids(num_rows: int = 3, num_tokens: int = 20) -> Tensor:
    return torch.randint(0, V, (num_rows, num_tokens), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("case", DECODERS)
def test_a_decoder_of_theirs_gives_the_same_logits_here_and_comes_back_the_same(case: str, tmp_path: Path) -> None:
    reference = theirs(*DECODERS[case])
    reference.save_pretrained(tmp_path)
    model = ours(tmp_path)
    with torch.inference_mode():
        expected_BSV = reference(token_ids()).logits
        assert expected_BSV.std() > 0.3  # logits that say something
        torch.testing.assert_close(model(token_ids()), expected_BSV, rtol=0, atol=1e-4)
        logits_BV, state = model.prefill(token_ids()[:, :9], torch.tensor([9, 4, 6]))
        logits_BV, _ = model.step(token_ids()[torch.arange(3), torch.tensor([9, 4, 6])], state)
    torch.testing.assert_close(logits_BV[1], expected_BSV[1, 4], rtol=0, atol=1e-4)

    back = written(model, tmp_path / "ours")
    again, report = transformers.AutoModelForCausalLM.from_pretrained(back, output_loading_info=True)
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert type(again) is type(reference)
    with torch.inference_mode():
        torch.testing.assert_close(again.eval()(token_ids()).logits, expected_BSV, rtol=0, atol=1e-5)


LONGER = {
    "longrope": {"rope_scaling": {"rope_type": "longrope", **LONGROPE}},
    "longrope-sharper": {"rope_scaling": {"type": "longrope", **LONGROPE, "attention_factor": 1.4}},
    "longrope-as-phi": {
        "rope_scaling": {key: LONGROPE[key] for key in ("short_factor", "long_factor")} | {"rope_type": "longrope"},
        "original_max_position_embeddings": 20,
    },
    "dynamic": {"rope_scaling": {"rope_type": "dynamic", "factor": 3.0}, "max_position_embeddings": 20},
}


@pytest.mark.parametrize("case", LONGER)
def test_texts_beyond_the_original_context_are_turned_as_theirs(case: str, tmp_path: Path) -> None:
    for num_tokens in (20, 21, 50):
        reference = theirs("Llama", {**SHAPE, **LONGER[case]})  # a new one: theirs remembers the longest
        reference.save_pretrained(tmp_path)
        model = ours(tmp_path)
        with torch.inference_mode():
            expected_BSV = reference(token_ids(3, num_tokens)).logits
            torch.testing.assert_close(model(token_ids(3, num_tokens)), expected_BSV, rtol=0, atol=1e-4)
            alone_BV, _ = model.prefill(token_ids(3, num_tokens)[1:2, :8], torch.tensor([8]))
            among_BV, _ = model.prefill(token_ids(3, num_tokens), torch.tensor([num_tokens, 8, 9]))
        torch.testing.assert_close(among_BV[1:2], alone_BV, rtol=0, atol=1e-5)
        torch.testing.assert_close(among_BV[0], expected_BSV[0, -1], rtol=0, atol=1e-4)
    assert model.context_size in (64, 60)


def test_of_two_tables_of_the_rotation_both_take_the_same(tmp_path: Path) -> None:
    tables = {
        "rope_scaling": {"rope_type": "linear", "factor": 3.0},
        "rope_parameters": {"rope_theta": 300.0, "rope_type": "dynamic", "factor": 2.0},
    }
    for theta in ({}, {"rope_theta": 500.0}):
        values = {"model_type": "llama", **SHAPE, **tables, **theta}
        (tmp_path / "config.json").write_text(json.dumps(values))
        read = transformers.AutoConfig.from_pretrained(tmp_path).rope_parameters
        own = LlamaConfig.from_dict(values)
        assert own.rope_scaling is not None
        assert read == {**tables["rope_scaling"], "rope_theta": own.rope_theta}


@pytest.mark.parametrize("case", ENCODERS)
def test_an_encoder_of_theirs_gives_the_same_logits_here_and_comes_back_the_same(case: str, tmp_path: Path) -> None:
    reference = theirs(*ENCODERS[case])
    reference.save_pretrained(tmp_path)
    model, lengths_B = ours(tmp_path), torch.tensor([20, 7, 13])
    mask_BS = padding_mask(lengths_B, 20)
    with torch.inference_mode():
        expected_BSV = reference(token_ids(), attention_mask=mask_BS.long()).logits
        assert expected_BSV.std() > 0.3
        logits_BSV = model(token_ids(), lengths_B)
    torch.testing.assert_close(logits_BSV[mask_BS], expected_BSV[mask_BS], rtol=0, atol=1e-4)

    back = written(model, tmp_path / "ours")
    again, report = transformers.AutoModelForMaskedLM.from_pretrained(back, output_loading_info=True)
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    with torch.inference_mode():
        returned_BSV = again.eval()(token_ids(), attention_mask=mask_BS.long()).logits
    torch.testing.assert_close(returned_BSV[mask_BS], expected_BSV[mask_BS], rtol=0, atol=1e-5)


@pytest.mark.parametrize(("kind", "parts"), [("bert", {"pooler": True}), ("distilbert", {})])
def test_an_encoder_of_ours_without_a_head_opens_as_theirs(kind: str, parts: dict[str, bool], tmp_path: Path) -> None:
    config_class, model_class = architecture(kind)
    torch.manual_seed(0)
    model = model_class(config_class(**{**ENCODERS[kind][1], **parts, "masked_head": False})).eval()
    folder = written(model, tmp_path / "ours")
    again, report = transformers.AutoModel.from_pretrained(folder, output_loading_info=True)
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    lengths_B = torch.full((3,), 20)
    with torch.inference_mode():
        expected_BSD = again.eval()(token_ids()).last_hidden_state
        torch.testing.assert_close(model.encode(token_ids(), lengths_B), expected_BSD, rtol=0, atol=1e-4)


def test_the_same_prompt_is_continued_alike(tmp_path: Path) -> None:
    reference = theirs(*DECODERS["qwen3"])
    reference.save_pretrained(tmp_path)
    model, prompt = ours(tmp_path), token_ids(1, 6)
    expected = reference.generate(prompt, do_sample=False, max_new_tokens=20, min_new_tokens=20, pad_token_id=0)
    logits_BV, state = model.prefill(prompt, torch.tensor([6]))
    found = prompt[0].tolist()
    for _ in range(20):
        best_B = logits_BV.argmax(-1)
        found.append(int(best_B))
        logits_BV, state = model.step(best_B, state)
    assert found == expected[0].tolist()


def written(model: Any, folder: Path) -> Path:
    """The two files of a bundle that say what the model is."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(model.config.to_dict()))
    save_weights(folder / "model.safetensors", model.tensors())
    return folder
