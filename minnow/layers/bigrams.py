"""Embeddings of frequent word pairs beside those of words, which a recurrent net on little data learns too slowly.

On few labels a linear model over word pairs beats one over words by far (Wang & Manning 2012), because "not bad" need
not be composed. Here each frequent pair has a small vector of its own, looked up exactly, without hashing.
B rows · S positions · E features · P pairs · N tokens of all texts
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from minnow.layers.dropout import TokenDropout

TOKEN_BITS = 32


class BigramEmbedding(nn.Module):
    """Token ids [B, S] to the vectors [B, S, E] of each token with the one before it; zeros for pairs it has none of.

    ``rate`` drops pairs, each wherever it occurs in a row. ``pairs_P`` are the pairs it knows, ascending, each as
    previous · 2^32 + current, whatever the size of the vocabulary; they travel with the weights.
    """

    pairs_P: Tensor

    def __init__(self, num_pairs: int, size: int, rate: float):
        super().__init__()
        self.register_buffer("pairs_P", torch.zeros(num_pairs, dtype=torch.int64))
        self.embedding = nn.Embedding(num_pairs + 1, size, padding_idx=0)
        nn.init.normal_(self.embedding.weight[1:], std=0.1)
        self.dropout = TokenDropout(rate)

    def forward(self, token_ids_BS: Tensor, before_B: Tensor | None = None) -> Tensor:
        """``before_B`` are the tokens before the first ones, where the rows go on from something."""
        first_B1 = torch.zeros_like(token_ids_BS[:, :1]) if before_B is None else before_B[:, None]
        pairs_BS = (torch.cat([first_B1, token_ids_BS[:, :-1]], dim=1) << TOKEN_BITS) + token_ids_BS
        places_BS = torch.searchsorted(self.pairs_P, pairs_BS).clamp_(max=len(self.pairs_P) - 1)
        rows_BS = torch.where(self.pairs_P[places_BS] == pairs_BS, places_BS + 1, 0)
        embedded_BSE: Tensor = self.dropout(self.embedding(rows_BS), rows_BS)
        return embedded_BSE


def frequent_bigrams(ids_N: NDArray[Any], starts: NDArray[np.int64], most: int, least_texts: int) -> NDArray[np.int64]:
    """The pairs that stand in at least so many texts, at most ``most`` of them, ascending.

    Args:
        ids_N, starts: text ``i`` is ``ids_N[starts[i]:starts[i + 1]]``.
    """
    if most == 0 or len(ids_N) < 2:
        return np.zeros(0, np.int64)
    ids_N = ids_N.astype(np.int64)
    pairs = (ids_N[:-1] << TOKEN_BITS) + ids_N[1:]
    texts = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    inside = texts[:-1] == texts[1:]
    found, numbers = np.unique(pairs[inside], return_inverse=True)
    if not len(found):
        return found
    once_a_text = np.unique(texts[1:][inside] * len(found) + numbers) % len(found)
    counts = np.bincount(once_a_text, minlength=len(found))
    ranked = np.lexsort((found, -counts))[:most]
    return np.sort(found[ranked[counts[ranked] >= least_texts]])
