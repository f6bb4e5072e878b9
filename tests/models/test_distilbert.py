"""DistilBERT keeps the promises of a masked language model."""

import pytest
import torch
from contracts.masked_model import MaskedModelPromises

from minnow.errors import BundleError, InputError
from minnow.models.distilbert import DistilBert, DistilBertConfig

SMALL = {"vocab_size": 24, "dim": 16, "hidden_dim": 20, "n_layers": 2, "n_heads": 4, "max_position_embeddings": 16}
NO_DROPOUT = {"dropout": 0.0, "attention_dropout": 0.0}


def small(**changes: object) -> DistilBertConfig:
    return DistilBertConfig(**{**SMALL, **NO_DROPOUT, **changes})  # type: ignore[arg-type]


class TestDistilBert(MaskedModelPromises):
    @pytest.fixture
    def config(self) -> DistilBertConfig:
        return small()


def test_dropout_varies_training_only() -> None:
    batch = torch.arange(24).view(2, 12), torch.tensor([12, 9])
    for name in NO_DROPOUT:
        model = DistilBert(small(**{name: 0.3}))
        assert torch.equal(model.eval()(*batch), model(*batch))
        assert not torch.equal(model.train()(*batch), model(*batch)), name


def test_impossible_shapes_say_what_would_do() -> None:
    for change, message in (({"dim": 18}, "multiple of n_heads"), ({"activation": "rleu"}, "did you mean 'relu'")):
        with pytest.raises(InputError, match=message):
            small(**change)
        with pytest.raises(BundleError, match=message):
            DistilBertConfig.from_dict({**SMALL, **change})
