"""Attention scores: how much each position of a memory matters to a query.

B rows · S positions · D memory features · Q query features · A units of the additive scorer
"""

import torch
from torch import Tensor, nn

from minnow.errors import UnknownNameError


class AdditiveScore(nn.Module):
    """v' tanh(W query + U memory); Bahdanau et al. (2015), appendix A.1.2."""

    def __init__(self, query_size: int, memory_size: int):
        super().__init__()
        self.query = nn.Linear(query_size, memory_size, bias=False)
        self.memory = nn.Linear(memory_size, memory_size)
        self.vector = nn.Linear(memory_size, 1, bias=False)

    def forward(self, query_BQ: Tensor, memory_BSD: Tensor) -> Tensor:
        hidden_BSA = torch.tanh(self.query(query_BQ).unsqueeze(1) + self.memory(memory_BSD))
        scores_BS: Tensor = self.vector(hidden_BSA).squeeze(-1)
        return scores_BS


class DotScore(nn.Module):
    """query · memory; Luong et al. (2015), equation 8, first line. The two must have one size."""

    def __init__(self, query_size: int, memory_size: int):
        super().__init__()
        if query_size != memory_size:
            raise ValueError(f"dot attention needs one size, but got query {query_size} and memory {memory_size}")

    def forward(self, query_BQ: Tensor, memory_BSD: Tensor) -> Tensor:
        return torch.einsum("bd,bsd->bs", query_BQ, memory_BSD)


class GeneralScore(nn.Module):
    """query W memory; Luong et al. (2015), equation 8, second line."""

    def __init__(self, query_size: int, memory_size: int):
        super().__init__()
        self.query = nn.Linear(query_size, memory_size, bias=False)

    def forward(self, query_BQ: Tensor, memory_BSD: Tensor) -> Tensor:
        return torch.einsum("bd,bsd->bs", self.query(query_BQ), memory_BSD)


SCORES = {"additive": AdditiveScore, "dot": DotScore, "general": GeneralScore}


def attention_score(kind: str, query_size: int, memory_size: int) -> nn.Module:
    """The scorer of that name.

    Raises:
        UnknownNameError: there is none.
    """
    if kind not in SCORES:
        raise UnknownNameError("attention", kind, SCORES)
    return SCORES[kind](query_size, memory_size)


def attention_weights(scores_BS: Tensor, mask_BS: Tensor) -> Tensor:
    """Softmax over the positions that are text; a row without text gets zeros."""
    weights = torch.softmax(scores_BS.float().masked_fill(~mask_BS, -1e30), dim=-1)
    return (weights * mask_BS).to(scores_BS.dtype)
