"""An adapter starts as nothing, learns beside weights that are held still, and can be merged without a trace."""

import pytest
import torch
from torch import Tensor, nn

from minnow.errors import RecipeError
from minnow.layers.lora import LoraSettings, adapters, attach, detach, merge


class Transposed(nn.Module):
    transposed = True

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6, 4))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Linear(6, 6)
        self.down = Transposed()

    def forward(self, x: Tensor) -> Tensor:
        return self.down(torch.relu(self.up(x)))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.blocks = nn.ModuleList([Block()])
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks[0](x))


X = torch.randn(5, 6, generator=torch.Generator().manual_seed(1))


def trained(net: Net) -> Net:
    with torch.no_grad():
        for layer in adapters(net).values():
            nn.init.normal_(layer.lora_B.weight)
    return net


def test_a_new_adapter_changes_nothing() -> None:
    net = Net()
    before = net(X)
    assert attach(net, LoraSettings(rank=2)) == ["blocks.0.up", "blocks.0.down"]
    assert torch.equal(net(X), before)


def test_only_the_adapter_learns() -> None:
    net = Net()
    attach(net, LoraSettings(rank=2, targets=("up",)))
    trained(net)(X).sum().backward()
    learning = {name for name, parameter in net.named_parameters() if parameter.grad is not None}
    assert learning == {"blocks.0.up.lora_A.weight", "blocks.0.up.lora_B.weight"}


def test_merging_keeps_the_answers_and_the_names() -> None:
    net = Net()
    names = set(net.state_dict())
    attach(net, LoraSettings(rank=2, alpha=3))
    adapted = trained(net)(X)
    merge(net)
    assert set(net.state_dict()) == names
    assert torch.allclose(net(X), adapted, atol=1e-5)


def test_detaching_gives_the_old_model_back() -> None:
    net = Net()
    before = net(X)
    attach(net, LoraSettings(rank=2))
    assert not torch.allclose(trained(net)(X), before)
    detach(net)
    assert torch.equal(net(X), before)
    assert all(parameter.requires_grad for parameter in net.parameters())


def test_an_unknown_layer_is_named_with_those_there_are() -> None:
    with pytest.raises(RecipeError, match=r"'query'.*down, up"):
        attach(Net(), LoraSettings(targets=("query",)))


def test_a_model_without_layers_for_one_is_refused() -> None:
    with pytest.raises(RecipeError, match="no linear layer in its blocks, so no adapter"):
        attach(nn.LSTM(4, 4), LoraSettings())


@pytest.mark.parametrize("wrong", [{"rank": 0}, {"alpha": 0}, {"dropout": 1}])
def test_impossible_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(RecipeError, match=next(iter(wrong))):
        LoraSettings(**wrong)  # type: ignore[arg-type]
