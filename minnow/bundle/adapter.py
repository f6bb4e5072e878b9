"""An adapter as a folder beside the model it belongs to, in the file format of PEFT."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import torch
from torch import nn

from minnow.bundle.layout import ADAPTER_CONFIG as CONFIG
from minnow.bundle.layout import ADAPTER_WEIGHTS as WEIGHTS
from minnow.bundle.weights import load_weights, save_weights
from minnow.errors import BundleError, RecipeError
from minnow.files import write_text
from minnow.layers.lora import LoraSettings, adapters, attach, is_transposed, settings_of

PREFIX = "base_model.model."  # PEFT wraps a model twice; the names say so

# What would change the computation and is not made here; a file that asks for it is refused.
PLAIN: Mapping[str, Any] = {
    "use_dora": False,
    "use_rslora": False,
    "use_qalora": False,
    "lora_bias": False,
    "bias": "none",
    "rank_pattern": {},
    "alpha_pattern": {},
    "modules_to_save": None,
    "layer_replication": None,
    "target_parameters": None,
    "trainable_token_indices": None,
    "alora_invocation_tokens": None,
}


def save_adapter(folder: Path, model: nn.Module, base: Path, task_type: str | None = "CAUSAL_LM") -> None:
    """Write the adapters of ``model``, which must have some; ``base`` is the folder of the model without them.

    The path to ``base`` is kept relative to ``folder``, so that both may move together.
    """
    layers = adapters(model)
    settings = settings_of(list(layers.values()), list(layers))
    tensors = {}
    for name, layer in layers.items():
        tensors[f"{PREFIX}{name}.lora_A.weight"] = layer.lora_A.weight
        tensors[f"{PREFIX}{name}.lora_B.weight"] = layer.lora_B.weight
    config = {
        "peft_type": "LORA",
        "task_type": task_type,
        "base_model_name_or_path": os.path.relpath(base.resolve(), folder.resolve()),
        "r": settings.rank,
        "lora_alpha": settings.alpha,
        "lora_dropout": settings.dropout,
        "target_modules": list(settings.targets),
        "fan_in_fan_out": any(is_transposed(layer.base) for layer in layers.values()),
        "bias": "none",
        "inference_mode": True,
    }
    save_weights(folder / WEIGHTS, tensors)
    write_text(folder / CONFIG, orjson.dumps(config, option=orjson.OPT_INDENT_2).decode() + "\n")


def base_of(folder: Path) -> Path:
    """The folder of the model that an adapter belongs to.

    Raises:
        BundleError: the adapter does not say, or nothing is there.
    """
    named = read_config(folder).get("base_model_name_or_path")
    if not isinstance(named, str) or not named:
        raise BundleError(f"{folder / CONFIG} names no base_model_name_or_path; write the model's folder there")
    base = (folder / named).resolve()
    if not base.is_dir():
        raise BundleError(f"the adapter {folder} belongs to a model at {base}, but nothing is there; move it back")
    return base


def read_config(folder: Path) -> dict[str, Any]:
    """``adapter_config.json``, checked to ask for nothing that is not made here."""
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(
            f"{path} is missing or damaged ({error}); train the adapter again or fetch it anew"
        ) from error
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise BundleError(f"{path} describes no LoRA adapter; other kinds are not read")
    for key, plain in PLAIN.items():
        if config.get(key, plain) != plain and config.get(key):
            raise BundleError(f"{path} has {key} = {config[key]!r}, which is not read; only plain LoRA adapters are")
    return config


def load_adapter(folder: Path, model: nn.Module) -> None:
    """Put the adapter of ``folder`` beside the layers of ``model``.

    Raises:
        BundleError: it is damaged, or was made for another model.
    """
    config = read_config(folder)
    try:
        targets = config["target_modules"]
        targets = (targets,) if isinstance(targets, str) else tuple(targets)
        settings = LoraSettings(
            int(config["r"]), float(config["lora_alpha"]), float(config.get("lora_dropout", 0)), targets
        )
        attach(model, settings)
    except (KeyError, TypeError, ValueError, RecipeError) as error:
        raise BundleError(f"{folder / CONFIG} does not fit the model: {error}") from error
    tensors = dict(load_weights(folder / WEIGHTS))
    model.eval()  # the new layers as well
    with torch.no_grad():
        for name, layer in adapters(model).items():
            for part in ("lora_A", "lora_B"):
                _fill(layer.get_submodule(part), tensors, f"{PREFIX}{name}.{part}.weight", folder / WEIGHTS)
    if tensors:
        raise BundleError(f"{folder / WEIGHTS} does not fit the model: {sorted(tensors)[0]!r} has no layer there")


def _fill(layer: nn.Module, tensors: dict[str, Any], name: str, path: Path) -> None:
    weight = layer.get_parameter("weight")
    if name not in tensors:
        raise BundleError(f"{path} does not fit the model: {name!r} is missing from the file")
    found = tensors.pop(name)
    if tuple(found.shape) != tuple(weight.shape):
        raise BundleError(
            f"{path} does not fit the model: {name!r} has shape {tuple(found.shape)}, "
            f"but the model asks for {tuple(weight.shape)}"
        )
    weight.copy_(torch.from_numpy(found.copy()))
