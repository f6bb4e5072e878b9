"""The recurrent encoder and decoder keep the promises of such a model with every cell under every attention."""

from typing import Any

import pytest
import torch
from contracts.seq2seq import Seq2SeqPromises
from torch import Tensor

from minnow.errors import InputError
from minnow.layers.dropout import Dropping
from minnow.models.rnn_seq2seq import RnnSeq2Seq, RnnSeq2SeqConfig


def small(**changes: Any) -> RnnSeq2SeqConfig:
    return RnnSeq2SeqConfig(**{"vocab_size": 24, "embedding_size": 12, "hidden_size": 10, "dropout": 0.0, **changes})


def shape(cell: str, attention: str, **more: Any) -> Any:
    named = "-".join([cell, attention, *more])
    return pytest.param(small(cell=cell, attention=attention, **more), id=named)


class TestEveryShape(Seq2SeqPromises):
    learning_rate = 0.03

    @pytest.fixture(
        params=[
            shape("gru", "additive"),
            shape("gru", "dot", target_vocab_size=19, tied=False),
            shape("gru", "general", decoder_layers=2),
            shape("lstm", "additive", encoder_layers=2, decoder_layers=2, tied=False),
            shape("lstm", "dot", decoder_layers=2, target_vocab_size=31),
            shape("lstm", "general"),
            shape("rnn", "additive", target_vocab_size=19),
            shape("rnn", "dot", encoder_layers=2),
            shape("rnn", "general", tied=False, start_id=7),
        ]
    )
    def config(self, request: pytest.FixtureRequest) -> RnnSeq2SeqConfig:
        config: RnnSeq2SeqConfig = request.param
        return config

    def remembered(self, state: Any) -> list[Tensor]:
        return [state.source_BSH, state.keys_BSA, state.mask_BS]


@pytest.mark.parametrize("attention", ["additive", "dot"])
@pytest.mark.parametrize("name", ["dropout", "recurrent_dropout"])
def test_every_dropout_varies_training_alone_and_repeats_with_its_stream(name: str, attention: str) -> None:
    torch.manual_seed(0)
    model = RnnSeq2Seq(small(attention=attention, encoder_layers=2, decoder_layers=2, **{name: 0.4}))
    given = torch.arange(1, 13).view(2, 6), torch.tensor([6, 4]), torch.arange(1, 9).view(2, 4)

    def trained(seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        for module in model.modules():
            if isinstance(module, Dropping):
                module.generator = generator
        return model.train()(*given)

    assert torch.equal(trained(1), trained(1))
    assert not torch.equal(trained(1), trained(2))
    assert torch.equal(model.eval()(*given), model(*given))


def test_the_readout_has_the_size_of_what_it_is_multiplied_with() -> None:
    assert RnnSeq2Seq(small()).output_size == 12
    assert RnnSeq2Seq(small(tied=False)).output_size == 10
    assert RnnSeq2Seq(small()).output_weight_VD.shape == (24, 12)


@torch.inference_mode()
def test_only_dot_and_general_attention_feed_what_came_of_them_into_the_next_step() -> None:
    """Luong et al., section 3.3; Bahdanau's decoder sees the context before it steps."""
    given = torch.arange(1, 7).view(1, 6), torch.tensor([6])
    for attention in ("additive", "dot", "general"):
        torch.manual_seed(0)
        model = RnnSeq2Seq(small(attention=attention)).eval()
        _, state = model.prefill(*given)
        assert bool(state.fed.any()) == (attention != "additive")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cell": "lsmt"}, "did you mean 'lstm'"),
        ({"attention": "aditive"}, "did you mean 'additive'"),
        ({"hidden_size": 0}, "hidden_size=0"),
        ({"hidden_size": 7}, "hidden_size must be even.*got 7"),
        ({"embedding_size": -1}, "embedding_size=-1"),
        ({"encoder_layers": 65}, "encoder_layers must be at most 64"),
        ({"recurrent_dropout": 1.0}, r"recurrent_dropout=1\.0; try 0\.1"),
        ({"start_id": -1}, "start_id=-1"),
    ],
)
def test_impossible_shapes_say_what_would_do(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        small(**change)
