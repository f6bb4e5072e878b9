"""Which arithmetic a model computes in: single precision, or bfloat16 where that is the faster one.

What a processor says of itself does not tell. Those with matrix units multiply bfloat16 six times as fast as float32,
others twice, and some that have the instructions take twice as long with them. So the two are timed.
"""

import time
from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from torch import nn

PRECISIONS = ("auto", "float32", "bfloat16", "int8")
SIDE = 768  # of the matrices that are timed
PACKED_ROWS, PACKED_SIZE = 128, 256  # a batch of a search on its way into a layer
REPEATS = 5
GAIN = 1.2  # what bfloat16 must bring to pay for its conversions


def precision_for(said: str, model: nn.Module, device: torch.device) -> str:
    """``float32`` or ``bfloat16``: what was asked for, or with ``auto`` what is faster for this model here."""
    if said != "auto":
        return said
    return "bfloat16" if _faster_in_bfloat16(model, device) else "float32"


def precision_of_search(said: str, model: nn.Module, device: torch.device) -> str:
    """The same for a model in use, whose search may multiply by kernels of its own (``packed.py``)."""
    from minnow.layers.tiles import arithmetics_here

    packed = hasattr(model, "eight_bits") and device.type == "cpu" and "bfloat16" in arithmetics_here()
    if said != "auto" or not packed:
        return precision_for(said, model, device)
    return "bfloat16" if packed_gain() > GAIN else "float32"


def _faster_in_bfloat16(model: nn.Module, device: torch.device) -> bool:
    if device.type != "cpu":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # torch runs these step by step; converting at each step loses more than it gains.
    if any(isinstance(module, nn.RNN | nn.GRU) for module in model.modules()):
        return False
    return bfloat16_gain() > GAIN


@cache
def bfloat16_gain() -> float:
    """How many times as fast as float32 this processor multiplies matrices in bfloat16; measured once a process."""
    return _seconds_of_product(torch.float32) / _seconds_of_product(torch.bfloat16)


@cache
def packed_gain() -> float:
    """The same of products with packed weights: where the system keeps the matrix units to itself, the vector units of
    the same processor multiply half as many numbers in bfloat16 as in float32."""
    from minnow.layers.packed import pack, product, room_for

    def seconds(arithmetic: str) -> float:
        weights, rows = pack(torch.ones(SIDE, PACKED_SIZE), arithmetic), room_for(PACKED_ROWS, PACKED_SIZE, arithmetic)
        rows.numbers[:] = 0
        out = np.empty((PACKED_ROWS, SIDE), np.float32)
        return _least_seconds(lambda: product(rows, weights, out, False))

    return seconds("float32") / seconds("bfloat16")


def _seconds_of_product(dtype: torch.dtype) -> float:
    matrix = torch.ones(SIDE, SIDE, dtype=dtype)
    return _least_seconds(lambda: torch.mm(matrix, matrix))


def _least_seconds(work: Callable[[], object]) -> float:
    """Of a few runs after one that is not counted."""
    times = []
    for _ in range(1 + REPEATS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times[1:])
