"""Workers with copies of a model leave the gradient of the whole batch, over the same weights.

B rows · D features
"""

from collections.abc import Iterator
from contextlib import closing

import pytest
import torch
from torch import Tensor, nn

from minnow.layers.dropout import FeatureDropout
from minnow.training.replicas import Replicas, num_workers_for

torch_batch = torch.randn(12, 5, generator=torch.Generator().manual_seed(0)).double()


def net(dropout: float = 0.0) -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(5, 4), nn.Tanh(), FeatureDropout(dropout), nn.Linear(4, 1)).double()


def loss(model: nn.Module, batch_BD: Tensor) -> Tensor:
    return model(batch_BD).square().mean()


@pytest.fixture
def two() -> Iterator[Replicas]:
    with closing(Replicas(net(0.5), 2, seed=3)) as replicas:
        yield replicas


@pytest.mark.parametrize(
    ("num_workers", "sizes"),
    [(1, [12]), (2, [12]), (2, [6, 6]), (2, [11, 1]), (3, [12]), (3, [6, 6]), (3, [5, 4, 3])],
)
def test_the_gradient_is_that_of_the_whole_batch(num_workers: int, sizes: list[int]) -> None:
    whole = net()
    expected = loss(whole, torch_batch)
    expected.backward()
    model = net()
    with closing(Replicas(model, num_workers, seed=0)) as replicas:
        for _ in range(2):  # the second time nothing of the first is left
            found = replicas.backward(loss, torch_batch.split(sizes), [size / 12 for size in sizes])
    assert found == pytest.approx(expected.item(), rel=1e-12)
    for own, theirs in zip(model.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(own.grad, theirs.grad, rtol=1e-12, atol=1e-14)


def test_a_step_of_the_model_is_a_step_of_every_copy(two: Replicas) -> None:
    with torch.no_grad():
        for parameter in two.model.parameters():
            parameter.add_(1)
    for own, theirs in zip(two.model.parameters(), two.copies[1].parameters(), strict=True):
        assert torch.equal(own, theirs)


def test_each_worker_draws_its_own_dropout_and_a_seed_repeats_it(two: Replicas) -> None:
    def drawn(replicas: Replicas) -> list[float]:
        return [float(loss(copy.train(), torch_batch).detach()) for copy in replicas.copies]

    first = drawn(two)
    assert first[0] != first[1]
    with closing(Replicas(net(0.5), 2, seed=3)) as again, closing(Replicas(net(0.5), 2, seed=4)) as other:
        assert drawn(again) == first
        assert drawn(other) != first


def test_random_streams_go_on_from_where_they_were_kept(two: Replicas) -> None:
    kept = two.random_states()
    first = [float(loss(copy.train(), torch_batch).detach()) for copy in two.copies]
    two.restore_random_states(kept)
    assert [float(loss(copy.train(), torch_batch).detach()) for copy in two.copies] == first


def test_an_error_in_a_worker_reaches_the_caller(two: Replicas) -> None:
    def broken(*_: object) -> Tensor:
        raise ValueError("no loss")

    with pytest.raises(ValueError, match="no loss"):
        two.backward(broken, torch_batch.split(6), [0.5, 0.5])


def test_there_is_a_worker_for_each_core_and_one_for_another_device() -> None:
    assert num_workers_for(torch.device("cpu")) >= 1
    assert num_workers_for(torch.device("cuda")) == 1
