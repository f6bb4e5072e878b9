"""BERT keeps the promises of a masked language model."""

import pytest
import torch
from contracts.masked_model import MaskedModelPromises

from minnow.errors import BundleError, InputError
from minnow.models.bert import Bert, BertConfig

SMALL = {
    "vocab_size": 24,
    "hidden_size": 16,
    "intermediate_size": 20,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 16,
}
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def small(**changes: object) -> BertConfig:
    return BertConfig(**{**SMALL, **NO_DROPOUT, "type_vocab_size": 1, **changes})  # type: ignore[arg-type]


class TestBert(MaskedModelPromises):
    @pytest.fixture
    def config(self) -> BertConfig:
        return small()


def test_an_encoder_without_a_head_encodes_and_says_why_it_gives_no_logits() -> None:
    torch.manual_seed(0)
    whole = Bert(small()).eval()
    model = Bert(small(masked_head=False, pooler=True)).eval()
    model.load_state_dict(whole.state_dict(), strict=False)
    token_ids_BS, lengths_B = torch.tensor([[3, 4, 5]]), torch.tensor([3])
    assert torch.equal(model.encode(token_ids_BS, lengths_B), whole.encode(token_ids_BS, lengths_B))
    assert model.config.to_dict()["architectures"] == ["BertModel"]
    with pytest.raises(InputError, match="without a masked-LM head"):
        model(token_ids_BS, lengths_B)


def test_dropout_varies_training_only() -> None:
    batch = torch.arange(24).view(2, 12), torch.tensor([12, 9])
    for name in NO_DROPOUT:
        model = Bert(small(**{name: 0.3}))
        assert torch.equal(model.eval()(*batch), model(*batch))
        assert not torch.equal(model.train()(*batch), model(*batch)), name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_size": 18}, "multiple of num_attention_heads, but got hidden_size=18, num_attention_heads=4"),
        ({"num_hidden_layers": 10**9}, "at most 512"),
        ({"hidden_act": "gleu"}, "did you mean 'gelu'"),
        ({"hidden_dropout_prob": -0.1}, "hidden_dropout_prob=-0.1"),
    ],
)
def test_impossible_shapes_say_what_would_do(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        small(**change)
    with pytest.raises(BundleError, match=message):
        BertConfig.from_dict({**SMALL, **change})


@pytest.mark.parametrize(
    "change",
    [{"position_embedding_type": "relative_key"}, {"is_decoder": True}, {"tie_word_embeddings": False}],
    ids=lambda change: next(iter(change)),
)
def test_what_this_house_does_not_compute_is_refused_by_name(change: dict[str, object]) -> None:
    (name,) = change
    with pytest.raises(BundleError, match=f"{name}=.*it can only do"):
        BertConfig.from_dict({**SMALL, **change})
