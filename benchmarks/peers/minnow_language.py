"""Minnow's own training steps on the shapes of ``torch_language.py``: the trainer's rehearsal, nothing around it."""

import argparse
import json
import tempfile
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch_language import SHAPES

from minnow.allocator import keep_freed_memory
from minnow.data.windows import Window
from minnow.layers.precision import precision_for
from minnow.models.registry import architecture
from minnow.training import language_trainer
from minnow.training.language_trainer import LanguageTrainer, parallel_for
from minnow.training.objectives import Masked, causal
from minnow.training.pretraining_recipe import PretrainingSettings

NAMES = {"gpt": "gpt2", "lstm": "rnn_lm", "bert": "bert"}


def shape_of(model: str) -> dict[str, Any]:
    shape = SHAPES[model]
    width, layers, heads = shape["width"], shape["layers"], shape["heads"]
    own: dict[str, dict[str, Any]] = {
        "gpt": {
            "n_embd": width,
            "n_layer": layers,
            "n_head": heads,
            "n_positions": shape["positions"],
            "resid_pdrop": 0.0,
            "embd_pdrop": 0.0,
            "attn_pdrop": 0.0,
        },
        "lstm": {
            "embedding_size": width,
            "hidden_size": width,
            "num_layers": layers,
            "embedding_dropout": 0.0,
            "input_dropout": 0.0,
            "hidden_dropout": 0.0,
            "output_dropout": 0.0,
            "weight_dropout": 0.0,
        },
        "bert": {
            "hidden_size": width,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "intermediate_size": 4 * width,
            "max_position_embeddings": shape["positions"],
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
        },
    }
    return {"vocab_size": shape["vocab"], **own[model]}


class RandomWindows:
    """Random ids in the place of a corpus."""

    def __init__(self, shape: dict[str, int]):
        random = np.random.default_rng(0)
        self.token_ids = random.integers(5, shape["vocab"], (shape["rows"], shape["positions"] + 1))

    def batch(self, step: int) -> Window:
        return Window(self.token_ids, step == 0, 0)


class NoText:
    """Nothing to measure on."""

    num_tokens = 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=SHAPES)
    parser.add_argument("--parallel", choices=("threads", "replicas"))
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="auto")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--seconds", type=float, default=6.0)
    given = parser.parse_args()
    keep_freed_memory()
    shape = SHAPES[given.model]
    config_class, model_class = architecture(NAMES[given.model])
    torch.manual_seed(0)
    model = model_class(config_class.from_dict(shape_of(given.model)))
    settings = replace(
        PretrainingSettings(),
        steps=1000,
        context=shape["positions"],
        batch_rows=shape["rows"],
        optimizer="adamw",
        learning_rate=1e-3,
        parallel=given.parallel or parallel_for(given.compile),
        compile=given.compile,
        objective="masked" if given.model == "bert" else "causal",
    )
    objective = Masked(shape["vocab"], 4, (0, 1, 2, 3, 4)) if given.model == "bert" else causal
    language_trainer.REHEARSED = 10_000
    language_trainer.REHEARSAL_SECONDS = given.seconds
    with tempfile.TemporaryDirectory() as folder:
        trainer = LanguageTrainer(
            model,
            objective,
            RandomWindows(shape),
            NoText(),  # type: ignore[arg-type]
            settings,
            Path(folder),
            lambda _: None,
            torch.device("cpu"),
            precision_for(given.precision, model, torch.device("cpu")) == "bfloat16",
        )
        seconds = trainer.rehearse()
    print(
        json.dumps(
            {
                "tokens_per_second": shape["rows"] * shape["positions"] / seconds,
                "parameters": model.num_parameters(),
                "versions": {"minnow-lm": version("minnow-lm"), "torch": torch.__version__},
            }
        )
    )


if __name__ == "__main__":
    main()
