"""Adapters in a run: beside the model before the first step; merged, or kept apart, after the last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from minnow.bundle.bundle import Bundle
from minnow.errors import RecipeError
from minnow.layers.lora import LoraSettings, attach, chosen_layers, merge
from minnow.training.pretraining_recipe import AdapterSettings

LEARNING_RATE = 1e-3


def check_adapter(settings: AdapterSettings, source: Bundle | None, start: str) -> None:
    """Find out before anything is written what an adapter could not stand beside.

    Raises:
        RecipeError: the model has no such layers, or is itself an adapter and a second one is to be kept apart.
    """
    if not settings.rank or source is None:
        return
    if settings.apart and source.base is not None:
        raise RecipeError(
            f"{start} is itself an adapter, and a second one cannot be kept apart from it; take adapter.merge=true"
        )
    chosen_layers(source.model, settings.targets)


def adapt(model: Any, settings: AdapterSettings, seed: int) -> int:
    """Put the adapter beside the layers and hold all else still; how many parameters learn then.

    Raises:
        RecipeError: the model has no such layers; the message lists those it has.
    """
    torch.manual_seed(seed)
    alpha = settings.alpha or 2.0 * settings.rank
    attach(model, LoraSettings(settings.rank, alpha, settings.dropout, settings.targets))
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def settle(model: Any, settings: AdapterSettings, start: str) -> Path | None:
    """End a run: merge the adapter, or say which folder holds the model that it is kept apart from."""
    if settings.apart:
        return Path(start)
    if settings.rank:
        merge(model)
    return None
