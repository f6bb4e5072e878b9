"""Activation checkpointing: a block's inner values are computed again on the way back, not kept.

Chen et al. (2016), "Training Deep Nets with Sublinear Memory Cost".
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from minnow.layers.dropout import Dropping


def checkpointed(block: nn.Module, *inputs: Any) -> Any:
    """``block(*inputs)``, keeping the inputs alone for the backward pass; dropout draws the same masks both times."""

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        drawn: dict[torch.Generator, torch.Tensor] = {}
        return _remembered(block, drawn), _replayed(drawn)

    return checkpoint(block, *inputs, use_reentrant=False, context_fn=contexts)


@contextmanager
def _remembered(block: nn.Module, drawn: dict[torch.Generator, torch.Tensor]) -> Iterator[None]:
    for module in block.modules():
        if isinstance(module, Dropping) and module.generator is not None:
            drawn[module.generator] = module.generator.get_state()
    yield


@contextmanager
def _replayed(drawn: dict[torch.Generator, torch.Tensor]) -> Iterator[None]:
    """The streams handed to the dropouts go back to where they stood, and afterwards to where they are now; torch
    minds its own stream alone."""
    now = {generator: generator.get_state() for generator in drawn}
    for generator, state in drawn.items():
        generator.set_state(state)
    try:
        yield
    finally:
        for generator, state in now.items():
            generator.set_state(state)
