"""The likeliest next tokens of many rows.

A search needs a handful of the thousands of log-probabilities that a softmax gives. On a processor one kernel goes
through a row's logits while they are in the cache, and writes down that handful alone.

B rows · C candidates · V vocabulary
"""

from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor

from minnow.decoding.sampling import MINUS_INFINITY
from minnow.layers.vector_math import FAST, LOG2_E, array_of, exp2, of_rank, rank_of, wide

BLOCK = 64


def leading(logits_BV: Tensor, forbidden_V: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The log-probabilities of the ``count`` likeliest tokens that may be written, likeliest first, and their ids.

    The probabilities are the model's own: what may not be written takes its share of them.

    Args:
        logits_BV: of any floating type.
        forbidden_V: True for tokens that may not be written. Where fewer than ``count`` may, the others come with minus
            infinity.
    """
    if logits_BV.device.type != "cpu" or count > BLOCK:
        return log_probabilities(logits_BV, forbidden_V).topk(count, dim=1)
    if logits_BV.dtype not in (torch.float32, torch.bfloat16):
        logits_BV = logits_BV.float()
    logits_BV = logits_BV.contiguous()
    found_BC = torch.empty(len(logits_BV), count)
    token_ids_BC = torch.empty(len(logits_BV), count, dtype=torch.long)
    _leading(array_of(logits_BV), forbidden_V.numpy(), array_of(found_BC), token_ids_BC.numpy())
    return found_BC, token_ids_BC


def log_probabilities(logits_BV: Tensor, forbidden_V: Tensor) -> Tensor:
    """The model's own of all tokens; what may not be written has minus infinity."""
    return logits_BV.float().log_softmax(dim=1).masked_fill_(forbidden_V, MINUS_INFINITY)


@njit(**FAST | {"fastmath": {"reassoc", "contract", "nsz", "arcp"}})  # type: ignore[untyped-decorator]
def _leading(logits_BV: Any, forbidden_V: Any, found_BC: Any, token_ids_BC: Any) -> None:
    num_rows, num_tokens = logits_BV.shape
    count = found_BC.shape[1]
    log2_e = np.float32(LOG2_E)
    nothing = np.float32(-np.inf)
    for b in range(num_rows):
        row, best, ids = logits_BV[b], found_BC[b], token_ids_BC[b]
        for c in range(count):
            best[c], ids[c] = nothing, c
        highest = nothing
        for start in range(0, num_tokens, BLOCK):
            end = min(start + BLOCK, num_tokens)
            top = _highest(row[start:end])
            highest = max(highest, top)
            if top <= best[count - 1]:
                continue
            for v in range(start, end):
                value = wide(row[v])
                if value > best[count - 1] and not forbidden_V[v]:
                    place = count - 1
                    while place > 0 and value > best[place - 1]:
                        best[place], ids[place] = best[place - 1], ids[place - 1]
                        place -= 1
                    best[place], ids[place] = value, v
        total = np.float32(0)
        for v in range(num_tokens):
            total += exp2((wide(row[v]) - highest) * log2_e)
        norm = highest + np.float32(np.log(total))
        for c in range(count):
            best[c] -= norm


@njit(**FAST)  # type: ignore[untyped-decorator]
def _highest(block: Any) -> Any:
    """Of a block's logits; the length of a whole one is known beforehand, which makes vectors of it."""
    rank = rank_of(wide(block[0]))
    if block.size == BLOCK:
        for v in range(BLOCK):
            rank = max(rank, rank_of(wide(block[v])))
    else:
        for v in range(block.size):
            rank = max(rank, rank_of(wide(block[v])))
    return of_rank(rank)
