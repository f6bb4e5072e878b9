"""One search for every architecture: what a language model promises is all that is asked of it."""

from typing import Any

import pytest
import torch
from writers import tokenizer

from minnow.decoding.writing import Finished, GenerationSettings, write
from minnow.models.registry import architecture

SHAPES: dict[str, dict[str, Any]] = {
    "rnn_lm": {"embedding_size": 16, "hidden_size": 24, "num_layers": 2},
    "llama": {
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 40,
    },
    "gpt2": {"n_embd": 16, "n_layer": 2, "n_head": 4, "n_positions": 40},
}
PROMPTS = ["Once upon a time", "girl", "Lily", "girl"]


def written(model: Any, prompts: list[str], **said: Any) -> list[list[int]]:
    made = tokenizer()
    settings = GenerationSettings.of(max_tokens=20, seed=4, ignore_end=True, **said)
    events = write(model, made, made.encode_ids(prompts), settings)
    found = {event.number: list(event.token_ids) for event in events if isinstance(event, Finished)}
    return [found[number] for number in sorted(found)]


@pytest.fixture(params=SHAPES)
def model(request: pytest.FixtureRequest) -> Any:
    config_class, model_class = architecture(request.param)
    torch.manual_seed(2)
    built = model_class(config_class.from_dict({**SHAPES[request.param], "vocab_size": tokenizer().vocab_size}))
    with torch.no_grad():
        for parameter in built.parameters():
            if parameter.dim() > 1:
                parameter.copy_(torch.randn_like(parameter) * 0.5)
    return built.eval()


@pytest.mark.parametrize("said", [{"temperature": 0}, {"top_k": 10}, {"beam": 3}])
def test_prompts_of_any_length_are_written_on_together_as_each_alone(model: Any, said: dict[str, Any]) -> None:
    together = written(model, PROMPTS, **said)
    assert together == [written(model, [prompt], **said)[0] for prompt in PROMPTS]
    assert together[1] == together[3] != together[2]


def test_greedy_text_is_what_the_whole_sequence_gives(model: Any) -> None:
    """Each token is the likeliest behind all before it, read anew without any memory."""
    (prompt,) = tokenizer().encode_ids(PROMPTS[:1])
    (answer,) = written(model, PROMPTS[:1], temperature=0)
    with torch.inference_mode():
        logits_SV = model(torch.tensor([prompt + answer]))[0, :, : tokenizer().vocab_size]
    assert logits_SV.argmax(1)[len(prompt) - 1 : -1].tolist() == answer
