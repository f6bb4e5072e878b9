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
from torch.nn import functional as F

from minnow.layers.dropout import TokenDropout


class BigramEmbedding(nn.Module):
    """Token ids [B, S] to the vectors [B, S, E] of each token with the one before it; zeros for pairs it has none of.

    ``rate`` drops pairs, each wherever it occurs in a row. ``keys_P`` are the pairs it knows, ascending, each as
    previous · vocab_size + current; they travel with the weights.
    """

    keys_P: Tensor

    def __init__(self, vocab_size: int, num_pairs: int, size: int, rate: float):
        super().__init__()
        self.vocab_size = vocab_size
        self.register_buffer("keys_P", torch.zeros(num_pairs, dtype=torch.int64))
        self.embedding = nn.Embedding(num_pairs + 1, size, padding_idx=0)
        nn.init.normal_(self.embedding.weight[1:], std=0.1)
        self.dropout = TokenDropout(rate)

    def forward(self, token_ids_BS: Tensor) -> Tensor:
        keys_BS = F.pad(token_ids_BS[:, :-1], (1, 0)) * self.vocab_size + token_ids_BS
        places_BS = torch.searchsorted(self.keys_P, keys_BS).clamp_(max=len(self.keys_P) - 1)
        rows_BS = torch.where(self.keys_P[places_BS] == keys_BS, places_BS + 1, 0)
        embedded_BSE: Tensor = self.dropout(self.embedding(rows_BS), rows_BS)
        return embedded_BSE


def frequent_bigrams(
    ids_N: NDArray[Any], starts: NDArray[np.int64], vocab_size: int, most: int, least_texts: int
) -> NDArray[np.int64]:
    """The keys of the pairs that stand in at least so many texts, at most ``most`` of them, ascending.

    Args:
        ids_N, starts: text ``i`` is ``ids_N[starts[i]:starts[i + 1]]``.
    """
    if most == 0 or len(ids_N) < 2:
        return np.zeros(0, np.int64)
    ids_N = ids_N.astype(np.int64)
    keys = ids_N[:-1] * vocab_size + ids_N[1:]
    texts = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    inside = texts[:-1] == texts[1:]
    found, numbers = np.unique(keys[inside], return_inverse=True)
    if not len(found):
        return found
    once_a_text = np.unique(texts[1:][inside] * len(found) + numbers) % len(found)
    counts = np.bincount(once_a_text, minlength=len(found))
    ranked = np.lexsort((found, -counts))[:most]
    return np.sort(found[ranked[counts[ranked] >= least_texts]])
