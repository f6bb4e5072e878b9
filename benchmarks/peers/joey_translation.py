"""JoeyNMT learning Multi30k: its own program with a configuration of the same shape, stopped after a while.

Its log tells the target tokens a second since its last line, without padding, the end of each sentence counted.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from captions import (
    CLIP,
    DROPOUT,
    HEADS,
    INNER,
    LAYERS,
    LEARNING_RATE,
    ROWS,
    SMOOTHING,
    SOURCE,
    TARGET,
    VOCAB_SIZE,
    WARM_UP,
    WIDTH,
    arguments,
)
from contender import num_cores

SPECIAL_TOKENS = 4  # which JoeyNMT adds to the most frequent words
PATIENCE = 600.0  # seconds until the first lines of the log
_RATE = re.compile(r"Tokens per Sec:\s*([\d.]+)")
_PARAMETERS = re.compile(r"Total params:\s*(\d+)")


def configuration(data: Path, folder: Path) -> dict[str, Any]:
    def side(language: str) -> dict[str, Any]:
        words = {"level": "word", "voc_limit": VOCAB_SIZE - SPECIAL_TOKENS, "voc_min_freq": 1}
        return {"lang": language, "lowercase": True, "max_length": 100, **words}

    stack = {
        "type": "transformer",
        "num_layers": LAYERS,
        "num_heads": HEADS,
        "embeddings": {"embedding_dim": WIDTH, "scale": True, "dropout": DROPOUT},
        "hidden_size": WIDTH,
        "ff_size": INNER,
        "dropout": DROPOUT,
        "layer_norm": "pre",
    }
    return {
        "name": "multi30k",
        "joeynmt_version": version("joeynmt"),
        "model_dir": str(folder),
        "use_cuda": False,
        "fp16": False,
        "random_seed": 0,
        "data": {
            "train": str(data / "train"),
            "dev": str(data / "dev"),
            "dataset_type": "plain",
            "src": side(SOURCE),
            "trg": side(TARGET),
        },
        "testing": {"beam_size": 1, "batch_size": ROWS, "batch_type": "sentence", "eval_metrics": ["bleu"]},
        "training": {
            "optimizer": "adamw",
            "learning_rate": LEARNING_RATE,
            "learning_rate_min": 0.0,  # YAML takes 1e-08 for a word
            "scheduling": "exponential",  # its others do not run under torch 2.13
            "decrease_factor": 0.99,
            "clip_grad_norm": CLIP,
            "normalization": "tokens",
            "loss": "crossentropy",
            "label_smoothing": SMOOTHING,
            "batch_size": ROWS,
            "batch_type": "sentence",
            "epochs": 1000,
            "validation_freq": 10**9,
            "logging_freq": WARM_UP,
            "shuffle": True,
            "overwrite": True,
            "early_stopping_metric": "bleu",
        },
        "model": {
            "initializer": "xavier_uniform",
            "embed_initializer": "xavier_uniform",
            "tied_embeddings": False,
            "tied_softmax": True,
            "encoder": stack,
            "decoder": stack,
        },
    }


@contextmanager
def training(data: Path, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """JoeyNMT at work, what it says in ``said``; it is ended on the way out."""
    file = folder / "configuration.yaml"
    file.write_text(json.dumps(configuration(data, folder / "model")), encoding="utf-8")  # JSON is YAML, too
    command = [sys.executable, "-m", "joeynmt", "train", str(file), "--skip-test"]
    environment = {**os.environ, "OMP_NUM_THREADS": str(num_cores())}
    with (folder / "said").open("wb") as said:
        run = subprocess.Popen(command, stdout=said, stderr=said, env=environment)
        try:
            yield run
        finally:
            run.kill()
            run.wait()


def rates(log: str) -> list[float]:
    """Of the lines that count: the first is of the warm-up."""
    return [float(found) for found in _RATE.findall(log)][1:]


def watched(data: Path, folder: Path, seconds: float) -> str:
    """Its log, so many seconds after the first line that counts."""
    log = folder / "model" / "train.log"
    with training(data, folder) as run:
        began = time.monotonic()
        since = None
        while since is None or time.monotonic() - since < seconds:
            time.sleep(0.1)
            text = log.read_text(encoding="utf-8") if log.is_file() else ""
            if since is None and rates(text):
                since = time.monotonic()
            if run.poll() is not None or (since is None and time.monotonic() - began > PATIENCE):
                last = (folder / "said").read_text(encoding="utf-8").strip().splitlines()[-1:]
                sys.exit(f"JoeyNMT does not train: {last}")
    return text


def main() -> None:
    given = arguments(__doc__).parse_args()
    with TemporaryDirectory() as folder:
        text = watched(given.data, Path(folder), given.seconds)
    found = rates(text)
    print(
        json.dumps(
            {
                "rates": {"training": median(found)},
                "rows_per_batch": ROWS,
                "steps": WARM_UP * (len(found) + 1),
                "parameters": int(_PARAMETERS.findall(text)[0]),
                "arithmetic": "float32",
                "versions": {"joeynmt": version("joeynmt"), "torch": version("torch")},
            }
        )
    )


if __name__ == "__main__":
    main()
