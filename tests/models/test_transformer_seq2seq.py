"""The transformer that turns one text into another keeps the promises of such a model in every shape."""

from typing import Any

import pytest
import torch
from contracts.seq2seq import Seq2SeqPromises
from torch import Tensor

from minnow.errors import RecipeError
from minnow.layers.dropout import Dropping
from minnow.models.transformer_seq2seq import TransformerSeq2Seq, TransformerSeq2SeqConfig

SMALL = {
    "vocab_size": 24,
    "hidden_size": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "num_heads": 2,
    "inner_size": 20,
    "dropout": 0.0,
}


def small(**changes: Any) -> TransformerSeq2SeqConfig:
    return TransformerSeq2SeqConfig(**{**SMALL, **changes})


class TestEveryShape(Seq2SeqPromises):
    @pytest.fixture(
        params=[
            pytest.param(small(), id="joint-tied"),
            pytest.param(small(target_vocab_size=19, encoder_layers=2, num_heads=4), id="separate-deep-encoder"),
            pytest.param(small(tied=False, decoder_layers=3, start_id=7, num_heads=1), id="untied-deep-decoder"),
            pytest.param(small(target_vocab_size=31, tied=False, norm_eps=1e-5), id="separate-untied"),
        ]
    )
    def config(self, request: pytest.FixtureRequest) -> TransformerSeq2SeqConfig:
        config: TransformerSeq2SeqConfig = request.param
        return config

    def remembered(self, state: Any) -> list[Tensor]:
        return [state.lengths_B, *(part for pair in state.memory for part in pair)]


@pytest.mark.parametrize("name", ["dropout", "attention_dropout"])
def test_every_dropout_varies_training_alone_and_repeats_with_its_stream(name: str) -> None:
    torch.manual_seed(0)
    model = TransformerSeq2Seq(small(**{name: 0.4}))
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


@pytest.mark.parametrize("joint", [True, False])
def test_tied_embeddings_are_one_matrix(joint: bool) -> None:
    model = TransformerSeq2Seq(small(target_vocab_size=0 if joint else 19))
    assert model.output_weight_VD is model.target_embedding.weight
    assert (model.target_embedding is model.source_embedding) == joint
    untied = TransformerSeq2Seq(small(target_vocab_size=0 if joint else 19, tied=False))
    assert untied.num_parameters() - model.num_parameters() == 16 * (24 if joint else 19)


def test_more_layers_leave_the_scale_of_the_output_where_it_was() -> None:
    scales = []
    for num_layers in (1, 8):
        torch.manual_seed(0)
        model = TransformerSeq2Seq(small(encoder_layers=num_layers, decoder_layers=num_layers)).eval()
        given = torch.randint(1, 24, (8, 9)), torch.full((8,), 9), torch.randint(1, 24, (8, 9))
        scales.append(model(*given).std().item())
    assert 0.3 < scales[1] / scales[0] < 3


@pytest.mark.usefixtures("one_thread")
def test_a_target_padded_to_the_length_of_its_source_is_computed_as_ever() -> None:
    """In training of one thread, where attention has kernels of its own."""
    torch.manual_seed(0)
    model = TransformerSeq2Seq(small())
    source_ids_BS, target_ids_BT = torch.randint(1, 24, (2, 3, 72)).unbind()
    given = source_ids_BS, torch.tensor([9, 72, 40]), target_ids_BT

    def trained() -> list[Tensor]:
        model.zero_grad()
        logits_BTV = model(*given)
        logits_BTV.logsumexp(-1).sum().backward()
        return [logits_BTV.detach(), *(parameter.grad for parameter in model.parameters())]

    ours = trained()
    torch.set_num_threads(2)  # where the kernels are left alone
    for wanted, got in zip(trained(), ours, strict=True):
        assert torch.allclose(got, wanted, rtol=1e-3, atol=1e-4 * wanted.abs().max().item())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_size": 20, "num_heads": 8}, "hidden_size=20 and num_heads=8; try num_heads=1"),
        ({"hidden_size": 6, "num_heads": 2}, "even multiple of num_heads"),
        ({"num_heads": 0}, "num_heads=0"),
        ({"inner_size": -1}, "inner_size=-1"),
        ({"encoder_layers": 0}, "encoder_layers=0"),
        ({"decoder_layers": 10**9}, "decoder_layers must be at most 64"),
        ({"dropout": 1.0}, r"dropout=1\.0; try 0\.1"),
        ({"target_vocab_size": -1}, "target_vocab_size must be at least 0, but got -1"),
        ({"start_id": 24}, "start_id must be one of 24 tokens, but got start_id=24"),
        ({"rope_theta": 0.0}, "rope_theta"),
        ({"norm_eps": -1.0}, "norm_eps"),
    ],
)
def test_impossible_shapes_say_what_would_do(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        small(**change)
