"""Generation beside transformers: the same cuts of the same logits, the same penalties, the same greedy text."""

import pytest
import torch
from writers import tokenizer

from minnow.decoding.sampling import SamplingSettings, filtered, penalized
from minnow.decoding.writing import Finished, GenerationSettings, write
from minnow.models.registry import architecture

transformers = pytest.importorskip("transformers")

LOGITS = torch.randn(5, 200, generator=torch.Generator().manual_seed(3)) * 3


@pytest.mark.parametrize(
    "said",
    [
        {"temperature": 0.7},
        {"top_k": 7},
        {"top_p": 0.8},
        {"min_p": 0.1},
        {"temperature": 1.6, "top_k": 50, "top_p": 0.9, "min_p": 0.05},
    ],
)
def test_the_same_tokens_may_come_as_likely(said: dict[str, float]) -> None:
    warpers = {
        "temperature": transformers.TemperatureLogitsWarper,
        "top_k": transformers.TopKLogitsWarper,
        "top_p": transformers.TopPLogitsWarper,
        "min_p": transformers.MinPLogitsWarper,
    }
    expected = LOGITS.clone()
    for name, value in said.items():
        expected = warpers[name](value)(None, expected)
    assert torch.allclose(filtered(LOGITS, SamplingSettings(**said)), expected)  # type: ignore[arg-type]


def test_the_repetition_penalty_is_the_same() -> None:
    texts = torch.randint(0, 200, (5, 40), generator=torch.Generator().manual_seed(4))
    expected = transformers.RepetitionPenaltyLogitsProcessor(1.3)(texts, LOGITS.clone())
    split = [(row[:25], row[25:]) for row in texts.tolist()]
    found = penalized(LOGITS, [a for a, _ in split], [b for _, b in split], SamplingSettings(repetition_penalty=1.3))
    assert torch.allclose(found, expected)


@pytest.mark.parametrize("beam", [1, 4])
def test_a_llama_writes_the_same_text_without_chance(beam: int) -> None:
    """Of beam search, whole texts of one length: how scores of ended texts are kept differs from house to house."""
    made = tokenizer("bpe")
    shape = {
        "vocab_size": made.vocab_size,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 64,
    }
    torch.manual_seed(1)
    theirs = transformers.LlamaForCausalLM(transformers.LlamaConfig(**shape, tie_word_embeddings=False)).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.mul_(6)
    config_class, model_class = architecture("llama")
    config = config_class.from_dict({**theirs.config.to_dict(), "model_type": "llama"})
    ours = model_class.from_tensors(config, {name: one.numpy() for name, one in theirs.state_dict().items()})
    (prompt,) = made.encode_ids(["Once upon a time, there"])
    settings = GenerationSettings(temperature=0.0, max_tokens=24, ignore_end=True, beam=beam)
    end = list(write(ours, made, [prompt], settings))[-1]
    assert isinstance(end, Finished)
    expected = theirs.generate(
        torch.tensor([prompt]), do_sample=False, num_beams=beam, max_new_tokens=24, eos_token_id=None, pad_token_id=0
    )
    assert list(end.token_ids) == expected[0, len(prompt) :].tolist()
    assert len(set(end.token_ids)) > 3
