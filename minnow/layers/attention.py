"""Attention scores: how much each position of a memory matters to a query.

B rows · S positions · D memory features · Q query features · A units of the additive scorer
K queries of a row
"""

from abc import abstractmethod

import torch
from torch import Tensor, nn

from minnow.errors import UnknownNameError


class Score(nn.Module):
    """How much each position of a memory matters to a query. ``keys`` are all of the score that the memory alone
    decides, so that a decoder asks for them once a text."""

    @abstractmethod
    def keys(self, memory_BSD: Tensor) -> Tensor:
        """What queries are held against [B, S, A]."""

    @abstractmethod
    def against(self, query_BKQ: Tensor, keys_BSA: Tensor) -> Tensor:
        """The scores of K queries a row [B, K, S]."""

    def forward(self, query_BQ: Tensor, memory_BSD: Tensor) -> Tensor:
        """The scores of one query a row [B, S]."""
        return self.against(query_BQ.unsqueeze(1), self.keys(memory_BSD)).squeeze(1)


class AdditiveScore(Score):
    """v' tanh(W query + U memory); Bahdanau et al. (2015), appendix A.1.2."""

    def __init__(self, query_size: int, memory_size: int):
        super().__init__()
        self.query = nn.Linear(query_size, memory_size, bias=False)
        self.memory = nn.Linear(memory_size, memory_size)
        self.vector = nn.Linear(memory_size, 1, bias=False)

    def keys(self, memory_BSD: Tensor) -> Tensor:
        keys_BSA: Tensor = self.memory(memory_BSD)
        return keys_BSA

    def against(self, query_BKQ: Tensor, keys_BSA: Tensor) -> Tensor:
        hidden_BKSA = torch.tanh(self.query(query_BKQ).unsqueeze(2) + keys_BSA.unsqueeze(1))
        scores_BKS: Tensor = self.vector(hidden_BKSA).squeeze(-1)
        return scores_BKS


class DotScore(Score):
    """query · memory; Luong et al. (2015), equation 8, first line. The two must have one size."""

    def __init__(self, query_size: int, memory_size: int):
        super().__init__()
        if query_size != memory_size:
            raise ValueError(f"dot attention needs one size, but got query {query_size} and memory {memory_size}")

    def keys(self, memory_BSD: Tensor) -> Tensor:
        return memory_BSD

    def against(self, query_BKQ: Tensor, keys_BSA: Tensor) -> Tensor:
        return query_BKQ @ keys_BSA.transpose(1, 2)


class GeneralScore(DotScore):
    """query W memory; Luong et al. (2015), equation 8, second line."""

    def __init__(self, query_size: int, memory_size: int):
        super().__init__(memory_size, memory_size)
        self.query = nn.Linear(query_size, memory_size, bias=False)

    def against(self, query_BKQ: Tensor, keys_BSA: Tensor) -> Tensor:
        return super().against(self.query(query_BKQ), keys_BSA)


SCORES: dict[str, type[AdditiveScore | DotScore | GeneralScore]] = {
    "additive": AdditiveScore,
    "dot": DotScore,
    "general": GeneralScore,
}


def attention_score(kind: str, query_size: int, memory_size: int) -> Score:
    """The scorer of that name.

    Raises:
        UnknownNameError: there is none.
    """
    if kind not in SCORES:
        raise UnknownNameError("attention", kind, SCORES)
    return SCORES[kind](query_size, memory_size)


def attention_weights(scores_BS: Tensor, mask_BS: Tensor) -> Tensor:
    """Softmax over the last axis where ``mask_BS`` has text; a row without text gets zeros."""
    weights = torch.softmax(scores_BS.float().masked_fill(~mask_BS, -1e30), dim=-1)
    return (weights * mask_BS).to(scores_BS.dtype)
