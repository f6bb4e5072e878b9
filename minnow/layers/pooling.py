"""From the states of all positions to one vector a row.

B rows · S positions · D features · H heads
"""

import torch
from torch import Tensor, nn

from minnow.errors import UnknownNameError
from minnow.layers.attention import SCORES, attention_score, attention_weights

SIMPLE = ("first", "last", "mean", "max")
KINDS = (*SIMPLE, "concat", *SCORES, "self_attention")


def pooling(kind: str, size: int, two_way: bool = False) -> nn.Module:
    """The pooling of that name; every one takes states [B, S, D], lengths [B] and a mask [B, S].

    ``two_way`` says that the second half of the features was read from the end: its last state stands at position 0.
    It returns the pooled rows [B, ``pooled_size``] and the attention weights [B, S], None where there are none.

    Raises:
        UnknownNameError: there is none.
    """
    if kind == "self_attention":
        return SelfAttentionPooling(size)
    if kind in SCORES:
        return AttentionPooling(kind, size, two_way)
    if kind in SIMPLE:
        return SimplePooling(kind, two_way)
    if kind == "concat":
        return ConcatPooling(two_way)
    raise UnknownNameError("pooling", kind, KINDS)


def pooled_size(kind: str, size: int) -> int:
    """Numbers a row after the pooling of states of ``size``."""
    return 3 * size if kind == "concat" else size


Pooled = tuple[Tensor, Tensor | None]


class SimplePooling(nn.Module):
    """``first``: the state at the first position; ``last``: the state after the last token that was read, in each
    direction; ``mean``; ``max``."""

    def __init__(self, kind: str, two_way: bool):
        super().__init__()
        self.kind = kind
        self.two_way = two_way

    def forward(self, states_BSD: Tensor, lengths_B: Tensor, mask_BS: Tensor) -> Pooled:
        if self.kind == "first":
            return states_BSD[:, 0], None
        if self.kind == "last":
            places = (lengths_B - 1).clamp(min=0)[:, None, None].expand(-1, 1, states_BSD.shape[2])
            last_BD = states_BSD.gather(1, places).squeeze(1)
            if self.two_way:
                half = states_BSD.shape[2] // 2
                last_BD = torch.cat([last_BD[:, :half], states_BSD[:, 0, half:]], dim=-1)
            return last_BD, None
        mask_BS1 = mask_BS.unsqueeze(-1)
        if self.kind == "mean":
            return (states_BSD * mask_BS1).sum(1) / lengths_B.clamp(min=1)[:, None], None
        lowest = torch.finfo(states_BSD.dtype).min
        highest = states_BSD.masked_fill(~mask_BS1, lowest).amax(1)
        return torch.where(lengths_B[:, None] > 0, highest, torch.zeros_like(highest)), None


class ConcatPooling(nn.Module):
    """The last state, the maximum and the mean side by side, [B, 3 D]; Howard & Ruder (2018), "Universal Language Model
    Fine-tuning for Text Classification", section 3.3."""

    def __init__(self, two_way: bool):
        super().__init__()
        self.parts = nn.ModuleList(SimplePooling(kind, two_way) for kind in ("last", "max", "mean"))

    def forward(self, states_BSD: Tensor, lengths_B: Tensor, mask_BS: Tensor) -> Pooled:
        return torch.cat([part(states_BSD, lengths_B, mask_BS)[0] for part in self.parts], dim=-1), None


class AttentionPooling(nn.Module):
    """The mean of the states, weighted by their scores against a learnt query (additive), or against the last state
    (dot, general), which sums the row up (Luong et al. 2015 take the decoder's state in its place)."""

    def __init__(self, kind: str, size: int, two_way: bool):
        super().__init__()
        self.score = attention_score(kind, size, size)
        self.query = nn.Parameter(torch.zeros(size)) if kind == "additive" else None
        self.last = SimplePooling("last", two_way)

    def forward(self, states_BSD: Tensor, lengths_B: Tensor, mask_BS: Tensor) -> Pooled:
        if self.query is not None:
            query_BD = self.query.expand(len(states_BSD), -1)
        else:
            query_BD, _ = self.last(states_BSD, lengths_B, mask_BS)
        weights_BS = attention_weights(self.score(query_BD, states_BSD), mask_BS)
        return torch.einsum("bs,bsd->bd", weights_BS.to(states_BSD.dtype), states_BSD), weights_BS


class SelfAttentionPooling(nn.Module):
    """Several weighted means side by side, projected back; Lin et al. (2017), "A Structured Self-attentive Sentence
    Embedding", equations 5 and 6: A = softmax(W2 tanh(W1 H')). The weights shown are the mean over the heads."""

    def __init__(self, size: int, num_heads: int = 4):
        super().__init__()
        self.hidden = nn.Linear(size, size)
        self.heads = nn.Linear(size, num_heads, bias=False)  # which the softmax would cancel
        self.merge = nn.Linear(size * num_heads, size)

    def forward(self, states_BSD: Tensor, lengths_B: Tensor, mask_BS: Tensor) -> Pooled:  # noqa: ARG002
        scores_BHS = self.heads(torch.tanh(self.hidden(states_BSD))).transpose(1, 2)
        weights_BHS = attention_weights(scores_BHS, mask_BS.unsqueeze(1))
        merged_BD = self.merge(torch.einsum("bhs,bsd->bhd", weights_BHS.to(states_BSD.dtype), states_BSD).flatten(1))
        return merged_BD, weights_BHS.mean(1)
