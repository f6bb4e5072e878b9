"""The recurrent language model keeps the promises of one with every cell, and its state those of a value."""

from typing import Any

import pytest
import torch
from contracts.language_model import LanguageModelPromises
from torch import Tensor, nn
from torch.nn import functional as F

from minnow.errors import InputError
from minnow.layers.dropout import Dropping
from minnow.models.rnn_lm import RATES, RnnLM, RnnLMConfig, RnnState

NO_DROPOUT = dict.fromkeys(RATES, 0.0)


def small(**changes: Any) -> RnnLMConfig:
    return RnnLMConfig(**{"vocab_size": 24, "embedding_size": 12, "hidden_size": 10, **NO_DROPOUT, **changes})


class TestEveryCell(LanguageModelPromises):
    learning_rate = 0.05

    @pytest.fixture(
        params=[
            small(cell="rnn"),
            small(cell="gru", num_layers=2, hidden_size=16),
            small(cell="lstm", num_layers=2, embedding_size=16, hidden_size=16),
            small(cell="lstm", tied=False),
        ],
        ids=["rnn", "gru", "lstm", "untied"],
    )
    def config(self, request: pytest.FixtureRequest) -> RnnLMConfig:
        config: RnnLMConfig = request.param
        return config


def text(num_rows: int = 3, num_tokens: int = 9) -> Tensor:
    return torch.randint(1, 24, (num_rows, num_tokens), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_it_is_the_library_s_net_between_embeddings_and_their_transpose(cell: str) -> None:
    torch.manual_seed(0)
    model = RnnLM(small(cell=cell)).double().eval()
    kind = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[cell]
    reference = kind(12, 12, batch_first=True).double()
    reference.load_state_dict({name[14:]: value for name, value in model.state_dict().items() if "cell" in name})
    states, _ = reference(F.embedding(text(), model.embedding.weight))
    torch.testing.assert_close(model(text()), states @ model.embedding.weight.T + model.output_bias)


def test_tied_embeddings_are_one_matrix_and_the_last_layer_fits_it() -> None:
    model = RnnLM(small(num_layers=3))
    assert model.output_weight_VD is model.embedding.weight
    assert [layer.cell.hidden_size for layer in model.layers] == [10, 10, 12]
    assert RnnLM(small(num_layers=3, tied=False)).output_size == 10


def reading_pairs(**changes: Any) -> RnnLM:
    """A model that knows each pair in two."""
    model = RnnLM(small(bigrams=24 * 12, bigram_size=5, **changes)).eval()
    assert model.bigrams is not None
    pairs = [(before << 32) + token for before in range(24) for token in range(before % 2, 24, 2)]
    model.bigrams.pairs_P.copy_(torch.tensor(pairs))
    return model


@torch.no_grad()
def test_pairs_are_read_the_same_in_one_go_and_in_parts() -> None:
    model = reading_pairs()
    whole = model(text(3, 9))
    lengths = torch.tensor([6, 3, 5])
    logits, state = model.prefill(text(3, 9)[:, :6], lengths)
    rows = torch.arange(3)
    torch.testing.assert_close(logits, whole[rows, lengths - 1])
    state = RnnState.from_tensors(state.select(rows.flip(0)).tensors()).select(rows.flip(0))
    logits, state = model.step(text(3, 9)[rows, lengths], state)
    torch.testing.assert_close(logits, whole[rows, lengths])
    hidden, _ = model.hidden(text(3, 9)[:, 7:], model.hidden(text(3, 9)[:, :7])[1])
    torch.testing.assert_close(model.logits(hidden), whole[:, 7:])


def test_a_pair_says_something_of_its_own_and_learns() -> None:
    model = reading_pairs()
    before = model(torch.tensor([[4, 6, 8]]))
    before[0, 1, 0].backward()
    assert model.bigrams is not None
    row = int((model.bigrams.pairs_P == (4 << 32) + 6).nonzero()) + 1
    gradient = model.bigrams.embedding.weight.grad
    assert gradient is not None
    assert gradient[row].abs().sum() > 0
    with torch.no_grad():
        model.bigrams.embedding.weight[row] += 1
        after = model(torch.tensor([[4, 6, 8], [3, 6, 8]]))
    assert not torch.allclose(after[0, 1], before[0, 1])
    assert torch.allclose(after[0, 0], before[0, 0])


def test_no_gradient_flows_through_a_detached_state() -> None:
    model = RnnLM(small(num_layers=2))
    _, state = model.hidden(text())
    before = state.tensors()
    detached = state.detach().tensors()
    assert all(torch.equal(before[name], detached[name]) for name in before)
    assert all(part.requires_grad for name, part in before.items() if name != "last")
    assert not any(part.requires_grad for part in detached.values())


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@torch.no_grad()
def test_a_state_goes_through_named_tensors(cell: str) -> None:
    model = RnnLM(small(cell=cell, num_layers=12)).eval()
    _, state = model.hidden(text())
    tensors = state.tensors()
    again = RnnState.from_tensors({name: tensors[name] for name in reversed(tensors)})
    assert torch.equal(model.step(text()[:, 0], again)[0], model.step(text()[:, 0], state)[0])


@pytest.mark.parametrize("name", RATES)
def test_every_dropout_varies_training_alone_and_repeats_with_its_stream(name: str) -> None:
    model = reading_pairs(num_layers=2, **{name: 0.4})

    def trained(seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        for module in model.modules():
            if isinstance(module, Dropping):
                module.generator = generator
        return model.train()(text())

    assert torch.equal(trained(1), trained(1))
    assert not torch.equal(trained(1), trained(2))
    assert torch.equal(model.eval()(text()), model(text()))


def test_windows_with_the_carried_state_train_under_bfloat16() -> None:
    model = RnnLM(small(num_layers=2, weight_dropout=0.2)).train()
    state: RnnState | None = None
    for window in text(4, 12).split(4, dim=1):
        with torch.autocast("cpu", torch.bfloat16):
            hidden, state = model.hidden(window, state.detach() if state else None)
        hidden.float().square().sum().backward()  # type: ignore[no-untyped-call]
    model.eval()(text())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cell": "lsmt"}, "did you mean 'lstm'"),
        ({"hidden_size": 0}, "hidden_size=0"),
        ({"num_layers": 10**9}, "at most 64"),
        ({"bigrams": -1}, "bigrams=-1; try 30000"),
        ({"weight_dropout": 1.0}, r"weight_dropout=1\.0; try 0\.1"),
    ],
)
def test_impossible_shapes_say_what_would_do(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        small(**change)
