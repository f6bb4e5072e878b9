"""Two cores as two workers: each takes half of a batch through its own copy of the model, without a barrier inside.

The copies share their weights and differ in their gradients and random streams. A parallel region costs little in a
large matrix product and much in the thousands of small ones of a recurrent net, where this is about twice as fast as
letting the library spread every product over both cores.

B rows of a batch
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor, nn

from minnow.cores import available_cores
from minnow.layers.dropout import Drawing

MOST_WORKERS = 8

Step = Callable[[nn.Module, Any], Tensor]


class Replicas:
    """A model and its copies; ``backward`` leaves the gradient of the whole batch in the model."""

    def __init__(self, model: nn.Module, num_workers: int, seed: int):
        self.model = model
        self.copies = [model, *(_sharing(model) for _ in range(num_workers - 1))]
        self.generators = []
        for worker, one in enumerate(self.copies):
            generator = torch.Generator(device=next(model.parameters()).device).manual_seed(seed * 1_000_003 + worker)
            self.generators.append(generator)
            for module in one.modules():
                if isinstance(module, Drawing):
                    module.generator = generator
        self._pool = ThreadPoolExecutor(num_workers, initializer=torch.set_num_threads, initargs=(1,))

    def backward(self, step: Step, parts: Sequence[Any], shares: Sequence[float], accumulate: bool = False) -> float:
        """Run ``step`` on each part in a worker of its own; the loss, weighted by ``shares``.

        Args:
            step: from a copy of the model and a part of the batch to the part's loss.
            parts: at most as many as there are workers.
            shares: of the batch that each part is; they add up to one.
            accumulate: add to the gradient that the model holds.
        """

        def one(worker: int) -> float:
            with torch.enable_grad():
                loss = step(self.copies[worker], parts[worker]) * shares[worker]
            loss.backward()  # type: ignore[no-untyped-call]
            return float(loss.detach())

        for copied in self.copies[1 if accumulate else 0 :]:
            copied.zero_grad(set_to_none=True)
        total = sum(self._pool.map(one, range(len(parts)))) if len(parts) > 1 else one(0)
        for other in self.copies[1 : len(parts)]:
            for own, theirs in zip(self.model.parameters(), other.parameters(), strict=True):
                if theirs.grad is not None:
                    own.grad = theirs.grad if own.grad is None else own.grad.add_(theirs.grad)
        return float(total)

    def random_states(self) -> dict[str, Tensor]:
        """The state of each random stream, for a checkpoint."""
        return {f"random.{worker}": generator.get_state() for worker, generator in enumerate(self.generators)}

    def restore_random_states(self, tensors: dict[str, Tensor]) -> None:
        for worker, generator in enumerate(self.generators):
            if f"random.{worker}" in tensors:
                generator.set_state(tensors[f"random.{worker}"])

    def close(self) -> None:
        self._pool.shutdown()


def num_workers_for(device: torch.device) -> int:
    """One for each core; one in all for a device that is not the processor."""
    return min(MOST_WORKERS, available_cores()) if device.type == "cpu" else 1


def _sharing(model: nn.Module) -> nn.Module:
    """A copy whose parameters are the same memory."""
    other = copy.deepcopy(model)
    for own, theirs in zip(model.parameters(), other.parameters(), strict=True):
        theirs.data = own.data
    for own_buffer, their_buffer in zip(model.buffers(), other.buffers(), strict=True):
        their_buffer.data = own_buffer.data
    return other
