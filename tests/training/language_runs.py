"""Tiny language models and a text they can learn, for tests of the loop."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from minnow.data.token_stream import Counts
from minnow.data.windows import PackedWindows, StreamWindows
from minnow.models.registry import architecture
from minnow.training.distributed import World
from minnow.training.held_out import HeldOutText
from minnow.training.language_trainer import LanguageTrainer
from minnow.training.objectives import Masked, Objective, causal, model_carries
from minnow.training.pretraining_recipe import PretrainingSettings

VOCABULARY = 24
SHAPES: dict[str, dict[str, Any]] = {
    "llama": {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": 16,
        "tie_word_embeddings": True,
    },
    "gpt2": {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 16},
    "rnn_lm": {"embedding_size": 16, "hidden_size": 24, "num_layers": 1},
    "bert": {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 16,
    },
}
# Runs of two processes, as architecture, wrapper, optimiser; and those that are cut off in the middle as well.
RUNS = [("llama", "ddp", "adamw"), ("llama", "fsdp", "muon"), ("bert", "ddp", "adamw"), ("rnn_lm", "ddp", "adamw")]
CUT = [RUNS[1], RUNS[3]]
# What draws from a stream of each process's own must be off where one process is compared with two.
ALONE: dict[str, dict[str, Any]] = {
    "rnn_lm": {"input_dropout": 0.0, "hidden_dropout": 0.0, "output_dropout": 0.0},
    "bert": {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0},
}
SETTINGS = PretrainingSettings(
    objective="causal",
    steps=12,
    context=12,
    batch_rows=8,
    optimizer="muon",
    learning_rate=0.02,
    validations=3,
    precision="float32",
    parallel="threads",
    device="cpu",
    checkpoint_seconds=0.0,
)
TIMINGS = ("seconds", "tokens_per_second", "memory_mib")


@dataclass(frozen=True)
class Text:
    """Token ids as ``TokenShards`` gives them: each is mostly the one before plus three."""

    ids: NDArray[np.int64]

    @classmethod
    def of(cls, num_tokens: int, seed: int) -> "Text":
        random = np.random.default_rng(seed)
        jumps = np.where(random.random(num_tokens) < 0.9, 3, random.integers(0, 20, num_tokens))
        return cls(5 + np.cumsum(jumps) % (VOCABULARY - 5))

    @property
    def num_tokens(self) -> int:
        return len(self.ids)

    @property
    def counts(self) -> Counts:
        return Counts(len(self.ids), 2 * len(self.ids), len(self.ids) // 4, 1, 0)

    def read(self, start: int, length: int) -> NDArray[np.int64]:
        return self.ids[start : start + length]


TRAIN, VALIDATION = Text.of(3000, 0), Text.of(400, 1)


def net(name: str = "llama", seed: int = 0, **shape: Any) -> Any:
    torch.manual_seed(seed)
    config_class, model_class = architecture(name)
    return model_class(config_class.from_dict({"vocab_size": VOCABULARY, **SHAPES[name], **shape}))


def trainer(
    folder: Path, model: Any = None, rows: list[dict[str, Any]] | None = None, world: World | None = None, **said: Any
) -> LanguageTrainer:
    model = net() if model is None else model
    settings = replace(SETTINGS, **said)
    masked = not hasattr(model, "prefill")
    world = world or World()
    share = settings.batch_rows // world.size
    kind: Any = StreamWindows if model_carries(model) else PackedWindows
    objective: Objective = Masked(VOCABULARY, 4, (0, 1, 2, 3, 4)) if masked else causal
    settings = replace(settings, objective="masked" if masked else "causal")
    return LanguageTrainer(
        model,
        objective,
        kind(TRAIN, settings.context, share, seed=settings.seed, rank=world.rank, world=world.size),
        HeldOutText(VALIDATION, objective, settings, world, model_carries(model)),  # type: ignore[arg-type]
        settings,
        folder,
        ([] if rows is None else rows).append,
        torch.device("cpu"),
        False,
        world,
    )


def curve(folder: Path) -> list[dict[str, Any]]:
    """The journal without what the clock and the machine put into it."""
    from minnow.training.journal import read_journal

    return [
        {key: value for key, value in row.items() if key not in TIMINGS}
        for row in read_journal(folder / "journal.jsonl")
    ]


def run_of(folder: Path, name: str, optimizer: str, **more: Any) -> LanguageTrainer:
    """One of the runs that are made by one process and by two."""
    rate = 1e-3 if optimizer == "adamw" else SETTINGS.learning_rate
    return trainer(folder, net(name, **ALONE.get(name, {})), optimizer=optimizer, learning_rate=rate, **more)
