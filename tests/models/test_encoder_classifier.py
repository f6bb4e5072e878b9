"""A classifier over the encoder of a language model keeps the promises of a model, with and without border tokens."""

from typing import Any

import pytest
import torch
from contracts.model import TokenModelPromises

from minnow.errors import BundleError, InputError, RecipeError, UnknownNameError
from minnow.models.encoder_classifier import EncoderClassifier, EncoderClassifierConfig
from minnow.models.rnn_lm import RnnLM, RnnLMConfig

NO_DROPOUT = {"input_dropout": 0.0, "hidden_dropout": 0.0, "output_dropout": 0.0}


def encoder(**changes: Any) -> dict[str, Any]:
    return RnnLMConfig(**{"vocab_size": 24, "embedding_size": 8, "hidden_size": 8, **NO_DROPOUT, **changes}).to_dict()


def small(**changes: Any) -> EncoderClassifierConfig:
    return EncoderClassifierConfig(
        **{"encoder": encoder(), "num_labels": 3, "head_size": 16, "dropout": 0.0, "head_dropout": 0.0, **changes}
    )


class TestEveryPooling(TokenModelPromises):
    @pytest.fixture(params=["concat", "max", "additive"])
    def config(self, request: pytest.FixtureRequest) -> EncoderClassifierConfig:
        return small(pooling=request.param)


SIZES = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
TRANSFORMERS: dict[str, dict[str, Any]] = {
    "llama": SIZES,
    "gpt2": {"n_embd": 8, "n_head": 2, "n_layer": 2, "n_positions": 16, "resid_pdrop": 0.0, "embd_pdrop": 0.0}
    | {"attn_pdrop": 0.0},
    "bert": {**SIZES, "type_vocab_size": 1, "pooler": True, "max_position_embeddings": 16}
    | {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0},
    "distilbert": {"dim": 8, "hidden_dim": 16, "n_layers": 2, "n_heads": 2, "max_position_embeddings": 16}
    | {"dropout": 0.0, "attention_dropout": 0.0},
}


class TestTransformers(TokenModelPromises):
    @pytest.fixture(params=TRANSFORMERS)
    def config(self, request: pytest.FixtureRequest) -> EncoderClassifierConfig:
        values = {"model_type": request.param, "vocab_size": 24, **TRANSFORMERS[request.param]}
        return small(encoder=values, first_id=1, last_id=2, head_size=0, pooling="mean")

    def new(self, config: Any, seed: int) -> Any:
        """With weights large enough that every position matters to the outputs."""
        model = super().new(config, seed)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
        return model

    def test_a_gradient_reaches_every_parameter(self, config: Any) -> None:
        model = self.new(config, seed=0).train()
        self.loss(model).backward()
        still = {name for name, p in model.named_parameters() if p.grad is None or p.grad.abs().max() < 1e-6}
        assert {
            name for name in still if not name.endswith(("key.bias", "k_lin.bias"))
        } == set()  # softmax cancels them


class TestVariants(TokenModelPromises):
    @pytest.fixture(
        params=[
            small(head_size=0),
            small(first_id=3, last_id=2),
            small(encoder=encoder(tied=False, num_layers=2, cell="gru", hidden_size=12), last_id=0),
        ],
        ids=["linear", "bordered", "untied"],
    )
    def config(self, request: pytest.FixtureRequest) -> EncoderClassifierConfig:
        config: EncoderClassifierConfig = request.param
        return config


class TestNormed(TokenModelPromises):
    """Before it answers, its batch norm is measured on the rows, as whoever trains does."""

    @pytest.fixture
    def config(self) -> EncoderClassifierConfig:
        return small(batch_norm=True)

    def loss(self, model: Any) -> torch.Tensor:
        if not model.training:
            model.batch_norm.measure(model.features(*self.padded(self.rows())))
        return super().loss(model)


def test_what_only_the_language_model_needs_is_left_out() -> None:
    whole = set(RnnLM(RnnLMConfig(24, 8, 8, tied=False)).tensors())
    kept = {name[8:] for name in EncoderClassifier(small(encoder=encoder(tied=False))).tensors() if "encoder." in name}
    assert whole - kept == {"output_weight", "output_bias"}
    assert kept < whole


def test_tokens_at_the_borders_are_as_if_they_stood_in_the_text() -> None:
    torch.manual_seed(0)
    bordered = EncoderClassifier(small(first_id=3, last_id=2)).eval()
    plain = EncoderClassifier(small()).eval()
    plain.load_state_dict(bordered.state_dict())
    given = torch.tensor([[5, 6, 7], [8, 0, 0]]), torch.tensor([3, 1])
    written = torch.tensor([[3, 5, 6, 7, 2], [3, 8, 2, 0, 0]]), torch.tensor([5, 3])
    torch.testing.assert_close(bordered(*given), plain(*written))


def test_padding_may_stand_where_the_encoder_does_not_reach() -> None:
    values = {"model_type": "bert", "vocab_size": 24, **TRANSFORMERS["bert"]}
    model = EncoderClassifier(small(encoder=values, pooling="additive", first_id=1, last_id=2)).eval()
    token_ids_BS, lengths_B = torch.full((2, 16), 5), torch.tensor([14, 3])
    logits_BK, weights_BS = model.attend(token_ids_BS, lengths_B)
    assert weights_BS is not None
    assert weights_BS.shape == (2, 16)
    torch.testing.assert_close(model(token_ids_BS[:, :14], lengths_B), logits_BK)


def test_a_text_that_the_encoder_does_not_reach_to_the_end_of_is_refused() -> None:
    values = {"model_type": "bert", "vocab_size": 24, **TRANSFORMERS["bert"]}
    model = EncoderClassifier(small(encoder=values, first_id=1, last_id=2)).eval()
    with pytest.raises(ValueError, match="a text has 17 tokens, but the encoder reads 16 at most"):
        model(torch.full((2, 16), 5), torch.tensor([15, 3]))


def test_attention_weights_are_those_of_the_tokens_given() -> None:
    model = EncoderClassifier(small(pooling="additive", first_id=3, last_id=2)).eval()
    _, weights_BS = model.attend(torch.tensor([[5, 6, 7], [8, 0, 0]]), torch.tensor([3, 1]))
    assert weights_BS is not None
    assert weights_BS.shape == (2, 3)
    assert weights_BS[0].min() > 0
    assert weights_BS[1, 2] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pooling": "concatt"}, "did you mean 'concat'"),
        ({"head_size": -1}, "head_size=-1; try 50"),
        ({"dropout": 1.0}, "dropout=1.0; try 0.1"),
        ({"first_id": 24}, "24 tokens, but got first_id=24"),
        ({"encoder": 3}, "model_type, but got encoder=3"),
        ({"encoder": {"vocab_size": 3}}, "model_type"),
        ({"encoder": {**encoder(), "vocab_size": "abc"}, "first_id": 1}, "must be a whole number, but got 'abc'"),
    ],
)
def test_impossible_shapes_say_what_would_do(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        small(**change)


def test_an_encoder_that_is_none_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'rnn_lm'"):
        EncoderClassifier(small(encoder={"model_type": "rnn_ml", "vocab_size": 24}))
    with pytest.raises(BundleError, match="ngram is no encoder"):
        EncoderClassifier(small(encoder={"model_type": "ngram"}))
    with pytest.raises(BundleError, match="rnn_seq2seq is no encoder"):
        EncoderClassifier(small(encoder={"model_type": "rnn_seq2seq", "vocab_size": 24}))
    with pytest.raises(BundleError, match=r"cel.*did you mean 'cell'"):
        EncoderClassifier(small(encoder={**encoder(), "cel": "gru"}))


def test_dropped_types_are_read_as_the_unknown_token_wherever_they_stand() -> None:
    model = EncoderClassifier(small(token_dropout=0.5, unk_id=1, first_id=2))
    seen: list[torch.Tensor] = []
    model.encoder.embedding.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    token_ids = torch.tensor([[4, 5, 6, 7, 8, 9, 4, 5, 6, 7, 8, 9]] * 20)
    model.train()(token_ids, torch.full((20,), 12))
    read = seen[0][:, 1:]
    assert (seen[0][:, 0] == 2).all()  # the border is no part of the text
    assert torch.equal(read[:, :6], read[:, 6:])
    assert ((read == token_ids) | (read == 1)).all()
    assert 0.3 < float((read == 1).double().mean()) < 0.7
    model.eval()(token_ids, torch.full((20,), 12))
    assert torch.equal(seen[1][:, 1:], token_ids)


def test_dropping_types_needs_an_unknown_token() -> None:
    with pytest.raises(RecipeError, match="needs an unknown token"):
        small(token_dropout=0.1)
