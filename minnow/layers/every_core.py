"""Work in pieces on all cores, each piece on one: products this small gain nothing from being shared."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

from minnow.cores import available_cores

Piece = TypeVar("Piece")


def on_every_core(work: Callable[[Piece], None], pieces: Sequence[Piece], device: torch.device) -> None:
    """``work`` on each piece, which come from the smallest to the largest; one after another for a device that is not
    the processor. Inference mode is one thread's, so ``work`` sets it itself."""
    if device.type != "cpu" or len(pieces) == 1:
        for piece in pieces:
            work(piece)
        return
    threads = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(available_cores(), initializer=torch.set_num_threads, initargs=(1,)) as pool:
            list(pool.map(work, pieces[::-1]))  # the largest first, so that no core waits at the end
    finally:
        torch.set_num_threads(threads)  # what a worker sets is what threads are born with from then on
