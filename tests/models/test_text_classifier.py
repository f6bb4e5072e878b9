"""The neural text classifier keeps the promises of a model with every encoder and every pooling."""

from itertools import product

import pytest
import torch
from contracts.model import TokenModelPromises

from minnow.errors import BundleError, InputError, RecipeError, UnknownNameError
from minnow.layers.pooling import KINDS, SIMPLE
from minnow.models.text_classifier import ENCODERS, RATES, TextClassifier, TextClassifierConfig

NO_DROPOUT = dict.fromkeys(RATES, 0.0)
SOME_DROPOUT = dict.fromkeys(RATES, 0.1)


def small(encoder: str, pooling: str, **changes: object) -> TextClassifierConfig:
    sizes = {"vocab_size": 24, "num_labels": 3, "embedding_size": 8, "hidden_size": 8, "widths": (1, 2, 3)}
    return TextClassifierConfig(encoder=encoder, pooling=pooling, **{**sizes, **NO_DROPOUT, **changes})  # type: ignore[arg-type]


class TestEveryEncoderAndPooling(TokenModelPromises):
    # The first state of a one-way encoder has seen one token: that pooling is for transformers.
    @pytest.fixture(params=product(ENCODERS, [kind for kind in KINDS if kind != "first"]), ids="-".join)
    def config(self, request: pytest.FixtureRequest) -> TextClassifierConfig:
        return small(*request.param)


class TestStackedAndWithDropout(TokenModelPromises):
    @pytest.fixture(
        params=[
            small("lstm", "max", num_layers=2, **SOME_DROPOUT),
            small("gru", "last", num_layers=2, bidirectional=False, **SOME_DROPOUT),
            small("rnn", "additive", bidirectional=False),
            small("convolution", "dot", **SOME_DROPOUT),
        ],
        ids=lambda config: config.encoder,
    )
    def config(self, request: pytest.FixtureRequest) -> TextClassifierConfig:
        config: TextClassifierConfig = request.param
        return config

    def test_dropout_varies_training_only(self, config: TextClassifierConfig) -> None:
        model = TextClassifier(config)
        batch = self.padded(self.rows())
        assert torch.equal(model.eval()(*batch), model(*batch))
        assert torch.equal(model.train()(*batch), model(*batch)) == (config.dropout == 0)


@pytest.mark.parametrize("kind", KINDS)
def test_attention_weights_lie_on_the_text_and_add_up_to_one(kind: str) -> None:
    model = TextClassifier(small("gru", kind)).eval()
    token_ids_BS, lengths_B = torch.tensor([[4, 5, 6, 7], [8, 9, 0, 0]]), torch.tensor([4, 2])
    logits_BK, weights_BS = model.attend(token_ids_BS, lengths_B)
    assert torch.equal(logits_BK, model(token_ids_BS, lengths_B))
    if kind in (*SIMPLE, "concat"):
        assert weights_BS is None
        return
    assert weights_BS is not None
    torch.testing.assert_close(weights_BS.sum(1), torch.ones(2))
    assert (weights_BS >= 0).all()
    assert weights_BS[1, 2:].eq(0).all()


def test_the_embedding_of_padding_stays_zero() -> None:
    model = TextClassifier(small("none", "mean"))
    model(torch.tensor([[3, 0, 0]]), torch.tensor([1])).sum().backward()
    assert model.embedding.weight.grad is not None
    for row in (model.embedding.weight[0], model.embedding.weight.grad[0]):
        assert row.eq(0).all()


@pytest.mark.parametrize(
    ("pooling", "start", "remembers"),
    [("last", "auto", True), ("max", "auto", False), ("max", "remembering", True), ("last", "library", False)],
)
def test_recurrent_weights_start_by_remembering_where_the_last_state_answers(
    pooling: str, start: str, remembers: bool
) -> None:
    model = TextClassifier(small("lstm", pooling, start=start))
    bias = model.encoder.forwards[0].cell.bias_hh_l0  # type: ignore[union-attr]
    assert bool((bias == 0).all()) == remembers


def test_bigrams_tell_apart_what_words_alone_cannot() -> None:
    there_and_back = torch.tensor([[4, 5], [5, 4]]), torch.tensor([2, 2])
    words = TextClassifier(small("none", "mean")).eval()(*there_and_back)
    assert torch.allclose(words[0], words[1])
    model = TextClassifier(small("none", "mean", bigrams=1, bigram_size=4)).eval()
    assert model.bigrams is not None
    model.bigrams.pairs_P.copy_(torch.tensor([(4 << 32) + 5]))
    first, second = model(*there_and_back)
    assert not torch.allclose(first, second)
    again = TextClassifier.from_tensors(model.config, {name: value.numpy() for name, value in model.tensors().items()})
    assert torch.equal(again(*there_and_back)[0], first)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_a_row_with_bigrams_alone_equals_the_row_in_a_batch(encoder: str) -> None:
    model = TextClassifier(small(encoder, "mean", bigrams=2, bigram_size=4)).eval()
    assert model.bigrams is not None
    model.bigrams.pairs_P.copy_(torch.tensor([(4 << 32) + 5, (5 << 32) + 6]))
    together = model(torch.tensor([[4, 5, 6, 7], [5, 6, 0, 0]]), torch.tensor([4, 2]))
    alone = model(torch.tensor([[5, 6]]), torch.tensor([2]))
    assert torch.allclose(together[1], alone[0], atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"start": "libary"}, "did you mean 'library'"),
        ({"bigrams": -1}, "bigrams=-1"),
        ({"bigrams": 5, "bigram_size": 0}, "bigram_size=0"),
        ({"encoder": "lsmt"}, "did you mean 'lstm'"),
        ({"pooling": "aditive"}, "did you mean 'additive'"),
        ({"hidden_size": 0}, "hidden_size=0"),
        ({"num_layers": 10**9}, "at most 64.*num_layers=1000000000; try 2"),
        ({"dropout": 1.0}, "dropout=1.0; try 0.1"),
        ({"recurrent_dropout": -0.1}, "recurrent_dropout=-0.1"),
        ({"token_dropout": float("nan")}, "token_dropout=nan"),
        ({"widths": ()}, "try \\[2, 3, 4\\]"),
        ({"widths": (3, 0)}, "\\[3, 0\\]"),
    ],
)
def test_impossible_shapes_say_what_would_do(change: dict[str, object], message: str) -> None:
    values = {"vocab_size": 9, "num_labels": 2, **change}
    with pytest.raises(InputError, match=message) as caught:
        TextClassifierConfig(**values)  # type: ignore[arg-type]
    assert isinstance(caught.value, RecipeError | UnknownNameError)
    # The same mistake in a file is a damaged bundle.
    with pytest.raises(BundleError, match=message):
        TextClassifierConfig.from_dict(values)


@pytest.mark.parametrize("size", [10**13, 2**62, 10**30])
def test_a_configuration_that_asks_for_more_than_there_is_memory_is_a_damaged_one(size: int) -> None:
    for name in ("vocab_size", "embedding_size", "hidden_size", "num_labels"):
        with pytest.raises(BundleError, match="memory"):
            TextClassifier.from_tensors(small("lstm", "max", **{name: size}), {})


def test_a_mistake_in_an_architecture_is_not_told_as_a_lack_of_memory() -> None:
    class Mistaken(TextClassifier):
        def __init__(self, config: TextClassifierConfig):
            super().__init__(config)
            raise TypeError("unexpected keyword argument")

    with pytest.raises(TypeError, match="unexpected keyword"):
        Mistaken.from_tensors(small("lstm", "max"), {})
