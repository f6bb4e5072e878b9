"""Decoders of the Llama family keep the promises of a language model, in every shape that the family has."""

from typing import Any

import pytest
import torch
from contracts.language_model import LanguageModelPromises

from minnow.errors import BundleError, InputError
from minnow.layers.positions import RopeScaling
from minnow.layers.transformer import Sight
from minnow.models.llama import Llama, LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config

SMALL = {
    "vocab_size": 24,
    "hidden_size": 16,
    "intermediate_size": 20,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
}


def small(kind: type[LlamaConfig] = LlamaConfig, **changes: object) -> LlamaConfig:
    return kind(**{**SMALL, **changes})  # type: ignore[arg-type]


LLAMA3 = RopeScaling(
    rope_type="llama3", factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=16
)


class TestEveryShape(LanguageModelPromises):
    @pytest.fixture(
        params=[
            pytest.param(small(num_key_value_heads=2, tie_word_embeddings=True), id="grouped-tied"),
            pytest.param(small(num_key_value_heads=1, attention_bias=True, mlp_bias=True), id="one-key-head-biased"),
            pytest.param(small(head_dim=6, rope_scaling=LLAMA3, eos_token_id=(3, 4)), id="own-head-size-scaled"),
            pytest.param(small(MistralConfig, num_key_value_heads=2, sliding_window=3), id="mistral-window"),
            pytest.param(
                small(Qwen3Config, head_dim=8, use_sliding_window=True, sliding_window=4, max_window_layers=1),
                id="qwen3-window",
            ),
        ]
    )
    def config(self, request: pytest.FixtureRequest) -> LlamaConfig:
        config: LlamaConfig = request.param
        return config


def test_checkpointing_changes_no_gradient() -> None:
    torch.manual_seed(0)
    model = Llama(small(num_key_value_heads=2, attention_dropout=0.3)).train()
    model.model.layers[0].self_attn.attend.generator = generator = torch.Generator()
    token_ids_BS, gradients = torch.arange(24).view(2, 12), []
    for lean in (False, True):
        model.gradient_checkpointing = lean
        generator.manual_seed(0)
        torch.manual_seed(0)
        model.zero_grad()
        model(token_ids_BS).square().sum().backward()
        gradients.append([parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None])
    for plain, again in zip(*gradients, strict=True):
        torch.testing.assert_close(again, plain)


def test_beginning_a_text_leaves_a_memory_only_where_no_gradients_are_recorded() -> None:
    model, token_ids_BS = Llama(small()), torch.arange(8).view(2, 4)
    assert model.hidden(token_ids_BS)[1] is None
    with torch.no_grad():
        _, state = model.hidden(token_ids_BS)
    assert state.lengths_B.tolist() == [4, 4]
    assert model.hidden(token_ids_BS, state)[1].lengths_B.tolist() == [8, 8]


@pytest.mark.parametrize("lower", ["autocast", "weights"])
def test_in_bfloat16_steps_follow_the_whole_text_as_closely_as_it_can(lower: str) -> None:
    torch.manual_seed(0)
    model = Llama(small(num_key_value_heads=2)).eval()
    token_ids_BS = torch.arange(1, 21).view(2, 10)
    if lower == "weights":
        model = model.to(torch.bfloat16)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=lower == "autocast"):
        whole_BSV = model(token_ids_BS).float()
        logits_BV, state = model.prefill(token_ids_BS[:, :5], torch.tensor([5, 3]))
        for step in range(3):
            logits_BV, state = model.step(token_ids_BS[torch.arange(2), torch.tensor([5, 3]) + step], state)
    expected_BV = whole_BSV[torch.arange(2), torch.tensor([7, 5])]
    torch.testing.assert_close(logits_BV.float(), expected_BV, rtol=0.05, atol=0.02)


def test_a_window_hides_what_is_further_back() -> None:
    torch.manual_seed(0)
    model = Llama(small(MistralConfig, sliding_window=3, num_hidden_layers=1)).eval()
    token_ids_BS = torch.arange(1, 11)[None]
    changed = token_ids_BS.clone()
    changed[0, 2] = 20
    with torch.inference_mode():
        moved_S = (model(changed) - model(token_ids_BS)).abs().amax(-1)[0]
    assert (moved_S[2:5] > 1e-6).all()
    assert (moved_S[5:] == 0).all()


def test_layers_look_back_as_far_as_their_place_says() -> None:
    later = {"num_hidden_layers": 3, "use_sliding_window": True, "sliding_window": 4, "max_window_layers": 1}
    assert small(Qwen2Config, **later).windows == (None, 4, 4)
    assert small(Qwen2Config, **{**later, "use_sliding_window": False}).windows == (None, None, None)
    named = ("sliding_attention", "full_attention", "sliding_attention")
    assert small(Qwen3Config, **later, layer_types=named).windows == (4, None, 4)
    assert small(MistralConfig, sliding_window=5).windows == (5, 5)
    assert small().windows == (None, None)


def test_more_layers_leave_the_scale_of_the_stream_where_it_was() -> None:
    scales = []
    for num_layers in (2, 24):
        torch.manual_seed(0)
        model = Llama(small(hidden_size=64, intermediate_size=128, num_hidden_layers=num_layers, vocab_size=500)).eval()
        states_BSD = model.model.embed_tokens(torch.arange(60)[None])
        for block in model.blocks:
            states_BSD, _ = block(states_BSD, Sight(causal=True), 0)
        scales.append(float(states_BSD.detach().std()))
    assert scales[1] < 1.5 * scales[0]


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        (LlamaConfig, {"hidden_size": 18}, "multiple of num_attention_heads.*try 16 or 20"),
        (LlamaConfig, {"num_key_value_heads": 3}, "num_attention_heads must be a multiple of num_key_value_heads"),
        (LlamaConfig, {"head_dim": 5}, "head_dim must be even.*head_dim=5"),
        (LlamaConfig, {"hidden_act": "silo"}, "did you mean 'silu'"),
        (LlamaConfig, {"num_hidden_layers": 10**9}, "at most 512"),
        (LlamaConfig, {"rope_theta": 0.0}, "rope_theta=0.0; try 10000.0"),
        (LlamaConfig, {"sliding_window": 4}, "llama has no sliding_window, but got sliding_window=4"),
        (MistralConfig, {"attention_bias": True}, "mistral has no attention_bias"),
        (MistralConfig, {"sliding_window": 0}, "sliding_window=0"),
        (Qwen2Config, {"layer_types": ("full_attention",)}, "got 1 for num_hidden_layers=2"),
        (Qwen3Config, {"layer_types": ("full_attention", "linear_attention")}, "linear_attention"),
    ],
)
def test_impossible_shapes_say_what_would_do(kind: type[LlamaConfig], change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        small(kind, **change)
    with pytest.raises(BundleError, match=message):
        kind.from_dict({**SMALL, **change})


SMOLLM = {
    **{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "is_llama_config": True, "use_cache": True},
    **{"_name_or_path": "x", "_num_labels": 1, "n_special": 0, "predict_special_tokens": True},
    **{"rope_interleaved": False, "rope_scaling": None, "pretraining_tp": 1, "torch_dtype": "bfloat16"},
    **{"transformers_version": "4.40.1", "rope_theta": 100000, "eos_token_id": 0, "rms_norm_eps": 1e-05},
}


def test_a_file_of_another_house_is_read_with_what_is_harmless_passed_over() -> None:
    config = LlamaConfig.from_dict({**SMALL, **SMOLLM})
    assert config == small(rope_theta=100000.0, eos_token_id=0, rms_norm_eps=1e-5)


def test_the_rotation_is_read_from_either_place_and_written_where_all_find_it() -> None:
    scaling = {"factor": 2.0, "rope_type": "linear"}
    older = LlamaConfig.from_dict({**SMALL, "rope_theta": 500.0, "rope_scaling": {"type": "linear", "factor": 2.0}})
    newer = LlamaConfig.from_dict({**SMALL, "rope_parameters": {"rope_theta": 500.0, **scaling}})
    assert older == newer == LlamaConfig.from_dict(newer.to_dict())
    assert newer.to_dict()["rope_theta"] == 500.0
    assert newer.to_dict()["rope_scaling"] == {"rope_type": "linear", "factor": 2.0}


def test_of_two_tables_of_the_rotation_the_older_one_is_read() -> None:
    """As transformers does it; the theta of the other goes with it."""
    both = {
        "rope_theta": 500.0,
        "rope_scaling": {"rope_type": "linear", "factor": 2.0},
        "rope_parameters": {"rope_type": "dynamic", "factor": 9.0, "rope_theta": 3.0},
    }
    config = LlamaConfig.from_dict({**SMALL, **both})
    assert config.rope_scaling == RopeScaling(rope_type="linear", factor=2.0)
    assert config.rope_theta == 500.0


def test_yarn_reaches_as_far_as_its_factor_says() -> None:
    """Also where ``max_position_embeddings`` was left at what the model had learnt with."""
    yarn = {"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32}}
    for learnt, reaches in ((32, 128), (128, 128), (200, 200)):
        config = LlamaConfig.from_dict({**SMALL, **yarn, "max_position_embeddings": learnt})
        assert Llama(config).context_size == reaches


@pytest.mark.parametrize(("kind", "longest"), [(LlamaConfig, 2048), (MistralConfig, 131072), (Qwen2Config, 32768)])
def test_a_rotation_counts_from_the_reach_that_its_family_has_by_default(kind: type[LlamaConfig], longest: int) -> None:
    shape = {key: value for key, value in SMALL.items() if key != "max_position_embeddings"}
    read = kind.from_dict({**shape, "rope_scaling": {"type": "yarn", "factor": 4.0}})
    assert read.rope_scaling is not None
    assert read.rope_scaling.original_max_position_embeddings == longest


def test_several_ends_of_a_text_are_kept() -> None:
    config = LlamaConfig.from_dict({**SMALL, "eos_token_id": [5, 6]})
    assert config.eos_token_id == (5, 6)
    assert LlamaConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rope_scaling": {"rope_type": "proportional", "factor": 2.0}}, "unknown rope_type 'proportional'"),
        ({"rope_scaling": {"rope_type": "longrope", "factor": 2.0}}, "positive numbers in short_factor, but got None"),
        (
            {"rope_scaling": {"rope_type": "longrope", "short_factor": [1.0] * 9, "long_factor": [2.0] * 9}},
            "short_factor of rope_scaling must have one number for each pair .* but got 9",
        ),
        ({"rope_scaling": {"rope_type": "dynamic", "factor": 0.5}}, "factor of rope_scaling must be at least 1"),
        ({"rope_parameters": {"rope_type": "linear", "factor": 2.0, "betafast": 3}}, "unknown key 'betafast'"),
        ({"rope_parameters": {"sliding_attention": {}}}, "'sliding_attention' in its rope parameters"),
        ({"rope_scaling": 3}, "rope_scaling must be a table"),
        ({"rope_interleaved": True}, "rope_interleaved=True, which llama of this house does not compute"),
        ({"quantization_config": {"bits": 4}}, "quantization_config="),
        ({"logit_scale": 0.5}, "unknown key 'logit_scale'"),
        ({"eos_token_id": ["x"]}, "eos_token_id must be whole numbers"),
    ],
)
def test_what_would_change_the_answer_is_refused_by_name(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BundleError, match=message):
        LlamaConfig.from_dict({**SMALL, **change})
