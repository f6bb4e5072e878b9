"""Every optimiser finds its way down, and weight decay touches matrices only."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from minnow.errors import UnknownNameError
from minnow.models.encoder_classifier import EncoderClassifier, EncoderClassifierConfig
from minnow.models.registry import architecture
from minnow.models.text_classifier import TextClassifier, TextClassifierConfig
from minnow.training.muon import Muon
from minnow.training.optimizer import OPTIMIZERS, optimizers
from training.language_runs import SHAPES, VOCABULARY, net


class Net(nn.Module):
    """An embedding, a norm and a linear layer: one of each kind of parameter."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(6, 4)
        self.norm = nn.LayerNorm(4)
        self.linear = nn.Linear(4, 3)

    def forward(self, ids: Tensor) -> Tensor:
        return self.linear(self.norm(self.embedding(ids)))


def loss_of(net: Net) -> Tensor:
    return nn.functional.cross_entropy(net(torch.arange(6)), torch.arange(6) % 3)


def step(chosen: list[torch.optim.Optimizer]) -> None:
    for one in chosen:
        one.step()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_lowers_the_loss(name: str) -> None:
    net = Net()
    before = loss_of(net).item()
    chosen = optimizers(name, net, 0.01, weight_decay=0.01)
    for _ in range(30):
        net.zero_grad()
        loss_of(net).backward()
        step(chosen)
    assert loss_of(net).item() < 0.8 * before


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weight_decay_shrinks_matrices_and_spares_the_rest(name: str) -> None:
    net = Net()
    before = {key: value.detach().clone() for key, value in net.named_parameters()}
    for parameter in net.parameters():
        parameter.grad = torch.zeros_like(parameter)
    step(optimizers(name, net, 0.01, weight_decay=0.1))
    for key, value in net.named_parameters():
        if key == "linear.weight":
            assert value.abs().sum() < before[key].abs().sum()
        else:
            torch.testing.assert_close(value.detach(), before[key], rtol=0, atol=0)


def test_adamw_takes_the_decay_from_the_weights_and_adam_adds_it_to_the_gradient() -> None:
    """Without a gradient AdamW multiplies by 1 - lr * decay; Adam's step has the size of lr, whatever the decay."""
    for name in ("adamw", "adam"):
        net = Net()
        before = net.linear.weight.detach().clone()
        for parameter in net.parameters():
            parameter.grad = torch.zeros_like(parameter)
        step(optimizers(name, net, 0.01, weight_decay=0.1))
        after = net.linear.weight.detach()
        expected = before * (1 - 0.01 * 0.1) if name == "adamw" else before - 0.01 * before.sign()
        torch.testing.assert_close(after, expected, rtol=0, atol=1e-5)


def test_an_unknown_optimizer_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'rmsprop'"):
        optimizers("rmspropp", Net(), 0.01, 0.0)


def test_muon_takes_the_matrices_inside_and_adamw_the_rest() -> None:
    model = net()
    first, second = optimizers("muon", model, 0.02, 0.1)
    inside = {id(p) for group in first.param_groups for p in group["params"]}
    others = {id(p) for group in second.param_groups for p in group["params"]}
    assert isinstance(first, Muon)
    assert inside | others == {id(p) for p in model.parameters()}
    assert not inside & others
    assert id(model.output_weight_VD) in others


def encoder_classifier(name: str) -> EncoderClassifier:
    encoder = {"model_type": name, "vocab_size": VOCABULARY, **SHAPES[name]}
    return EncoderClassifier(EncoderClassifierConfig(encoder, 3, head_size=8))


def seq2seq(name: str, **shape: Any) -> nn.Module:
    config_class, model_class = architecture(name)
    return model_class(config_class(vocab_size=12, target_vocab_size=14, hidden_size=16, tied=False, **shape))


ANSWERING = {
    "text_classifier": (lambda: TextClassifier(TextClassifierConfig(20, 3, 8, hidden_size=6)), {"head.weight"}),
    "over bert": (lambda: encoder_classifier("bert"), {"head.weight"}),
    "over rnn_lm": (lambda: encoder_classifier("rnn_lm"), {"head.weight"}),
    "rnn_lm": (lambda: net("rnn_lm"), {"embedding.weight"}),
    "rnn_lm untied": (lambda: net("rnn_lm", tied=False), {"output_weight"}),
    "bert": (lambda: net("bert"), {"bert.embeddings.word_embeddings.weight"}),
    "transformer_seq2seq": (lambda: seq2seq("transformer_seq2seq", num_heads=2), {"output_weight"}),
    "rnn_seq2seq": (lambda: seq2seq("rnn_seq2seq", embedding_size=8), {"output_weight"}),
}


@pytest.mark.parametrize("name", ANSWERING)
def test_muon_leaves_what_answers_and_what_embeds_to_adamw(name: str) -> None:
    make, answering = ANSWERING[name]
    model = make()
    first, second = optimizers("muon", model, 0.02, 0.1)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    inside, others = ({names[id(p)] for group in one.param_groups for p in group["params"]} for one in (first, second))
    matrices = {name for name, parameter in model.named_parameters() if parameter.dim() == 2}
    assert answering <= others
    assert inside == {name for name in matrices - answering if "embedding" not in name}


def test_muon_keeps_what_a_group_says_and_leaves_out_what_holds_still() -> None:
    model = net()
    matrices = [p for p in model.parameters() if p.dim() == 2 and p is not model.output_weight_VD]
    slow, still, *_ = matrices
    still.requires_grad_(False)
    groups = [{"params": [slow, still], "weight_decay": 0.3, "factor": 0.5}]
    (only,) = optimizers("muon", model, 0.02, 0.1, groups=groups)
    assert isinstance(only, Muon)
    (group,) = only.param_groups
    assert (group["params"], group["weight_decay"], group["factor"]) == ([slow], 0.3, 0.5)
