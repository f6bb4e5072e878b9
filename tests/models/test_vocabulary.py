"""A vocabulary that grows leaves what the model said as it was."""

from typing import Any

import pytest
import torch

from minnow.models.registry import architecture
from minnow.models.vocabulary import grown

SHAPES: dict[str, dict[str, Any]] = {
    "llama": {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2},
    "gpt2": {"n_embd": 8, "n_layer": 1, "n_head": 2, "n_positions": 11},  # as many positions as tokens
    "rnn_lm": {"embedding_size": 8, "hidden_size": 8, "num_layers": 1},
}
TIES = {"llama": "tie_word_embeddings", "gpt2": "tie_word_embeddings", "rnn_lm": "tied"}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("tied", [True, False])
def test_the_old_tokens_keep_their_logits_and_the_new_ones_can_be_read(name: str, tied: bool) -> None:
    config_class, model_class = architecture(name)
    torch.manual_seed(0)
    model = model_class(config_class.from_dict({"vocab_size": 11, **SHAPES[name], TIES[name]: tied})).eval()
    larger = grown(model, 14)
    ids = torch.tensor([[1, 5, 10, 3]])
    with torch.no_grad():
        before, after = model(ids), larger(ids)
        assert larger(torch.tensor([[11, 12, 13]])).isfinite().all()
    assert larger.config.vocab_size == 14
    assert after.shape[-1] == 14
    assert torch.allclose(after[..., :11], before, atol=1e-6)
    assert not torch.allclose(after[..., 11], after[..., 12])
    assert (after[..., 11:].max() < before.max() + 1).all()
    positions = sum(len(tensor) == 14 for tensor in larger.tensors().values() if tensor.dim() == 2)
    assert positions == (1 if tied else 2)


def test_pairs_of_old_tokens_are_still_known() -> None:
    config_class, model_class = architecture("rnn_lm")
    model = model_class(config_class.from_dict({"vocab_size": 11, **SHAPES["rnn_lm"], "bigrams": 2})).eval()
    model.bigrams.pairs_P.copy_(torch.tensor([(1 << 32) + 5, (10 << 32) + 3]))
    ids = torch.tensor([[1, 5, 10, 3]])
    assert torch.allclose(grown(model, 14)(ids)[..., :11], model(ids), atol=1e-6)


def test_a_model_with_rows_enough_is_left_alone() -> None:
    config_class, model_class = architecture("rnn_lm")
    model = model_class(config_class.from_dict({"vocab_size": 11, **SHAPES["rnn_lm"]}))
    assert grown(model, 11) is model
    assert grown(model, 9) is model
