"""The push on the embeddings goes against the label, has the length asked for, and leaves the model as it was.

B rows · S positions · E embedding
"""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from minnow.training.adversarial import adversarial_loss, token_embedding

TOKEN_IDS_BS = torch.tensor([[1, 2, 3], [4, 5, 6], [7, 8, 9], [3, 2, 1]])
LABELS_B = torch.tensor([0, 1, 0, 1])


class Net(nn.Module):
    """Remembers what its last layer was given."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.positions = nn.Embedding(5, 4)
        self.embedding = nn.Embedding(10, 4)
        self.head = nn.Linear(12, 2)
        self.seen: list[Tensor] = []

    def forward(self, token_ids_BS: Tensor) -> Tensor:
        embedded_BSE = self.embedding(token_ids_BS)
        self.seen.append(embedded_BSE.detach())
        return self.head(torch.tanh(embedded_BSE.flatten(1)))


def losses(model: Net) -> Tensor:
    return F.cross_entropy(model(TOKEN_IDS_BS), LABELS_B, reduction="none")


@pytest.mark.parametrize("size", [0.01, 0.1])
def test_each_row_is_pushed_by_its_share_of_its_length_to_a_higher_loss(size: float) -> None:
    model = Net()
    per_row: list[Tensor] = []

    def loss() -> Tensor:
        per_row.append(losses(model))
        return per_row[-1].mean()

    found = adversarial_loss(loss, model.embedding, size)
    plain_BSE, pushed_BSE = model.seen
    pushes_B = (pushed_BSE - plain_BSE).norm(dim=(1, 2)) / plain_BSE.norm(dim=(1, 2))
    torch.testing.assert_close(pushes_B, torch.full((4,), size))
    assert (per_row[1] > per_row[0]).all()
    torch.testing.assert_close(found, (per_row[0].mean() + per_row[1].mean()) / 2)


@pytest.mark.parametrize("share", [1.0, 0.25])
def test_the_gradient_is_that_of_the_mean_of_both_losses_and_no_hook_stays(share: float) -> None:
    model = Net()
    kept: list[Tensor] = []

    def loss() -> Tensor:
        kept.append(losses(model).mean())
        return kept[-1]

    (share * adversarial_loss(loss, model.embedding, 0.1, share)).backward()
    push_BSE = model.seen[1] - model.seen[0]
    other = Net()
    logits = other.head(torch.tanh((other.embedding(TOKEN_IDS_BS) + push_BSE).flatten(1)))
    (share * (losses(other).mean() + F.cross_entropy(logits, LABELS_B)) / 2).backward()
    for ours, theirs in zip((model.embedding, model.head), (other.embedding, other.head), strict=True):
        torch.testing.assert_close(ours.weight.grad, theirs.weight.grad)
    before = losses(model)
    torch.testing.assert_close(losses(model), before)
    assert torch.equal(model.seen[-1], model.embedding.weight[TOKEN_IDS_BS].detach())


def test_frozen_embeddings_are_left_alone() -> None:
    model = Net()
    model.embedding.requires_grad_(False)
    torch.testing.assert_close(
        adversarial_loss(lambda: losses(model).mean(), model.embedding, 0.5), losses(model).mean()
    )
    assert len(model.seen) == 2


def test_the_embedding_of_tokens_is_the_one_over_the_vocabulary() -> None:
    model = Net()
    assert token_embedding(model, 10) is model.embedding
