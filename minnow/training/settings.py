"""How a training loop goes: what every recipe of labels or pairs says of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from minnow.training.recipe_file import above_zero, among, at_least, below, check_seed
from minnow.training.schedule import SCHEDULES

OPTIMIZERS = ("sgd", "rmsprop", "adam", "adamw", "muon")


@dataclass(frozen=True)
class TrainingSettings:
    """How a neural model is trained.

    Attributes:
        epochs: passes over the training rows, at most.
        tokens_per_batch: padded tokens of a batch; rows of like length share one. 0 for a hundredth of all training
            tokens, within 512 and 8192, or more under fine_tuning.batch_norm.
        optimizer: sgd, rmsprop, adam, adamw, or muon (matrices inside; AdamW for embeddings, output layer and vectors).
        learning_rate: the highest; warm-up leads to it, the schedule away from it.
        weight_decay: of matrices; vectors and embeddings are spared.
        schedule: constant, linear, cosine, warmup_stable_decay (falls in the last three tenths), or plateau (halved
            when validation does not improve).
        warmup: share of all steps over which the learning rate rises from zero.
        clip: the largest norm of the gradient; 0 for no clipping.
        label_smoothing: share of each target that goes to all labels evenly.
        average: decay of the running average of the weights that is validated and kept; 0 for the weights themselves.
        metric: to choose the best epoch by: accuracy, f1_macro, f1_micro, f1_weighted, precision_macro, recall_macro
            or loss.
        weights: best, those of the best epoch are kept, or last, those after the last.
        patience: stop after so many validations without a better one; 0 for never.
        max_minutes: stop after so long, the schedule having ended by then; 0 for no limit.
        precision: auto, float32 or bfloat16; auto takes bfloat16 where this processor is faster with it.
        device: auto, cpu or cuda.
        checkpoint_seconds: how often the state of the run is saved.
        seed: of everything random.
    """

    epochs: int = 10
    tokens_per_batch: int = 0
    optimizer: str = "adamw"
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    schedule: str = "linear"
    warmup: float = 0.05
    clip: float = 1.0
    label_smoothing: float = 0.0
    average: float = 0.99
    metric: str = "accuracy"
    weights: str = "best"
    patience: int = 4
    max_minutes: float = 0.0
    precision: str = "auto"
    device: str = "auto"
    checkpoint_seconds: float = 30.0
    seed: int = 0


def unused(why: str, asked: Mapping[str, bool]) -> Iterator[str]:
    """A sentence on what a recipe says to no effect, where it says anything.

    Args:
        why: it has none.
        asked: for each name of a key or section whether the recipe says something else there than it does by itself.
    """
    if names := [name for name, said in asked.items() if said]:
        yield f"{why}; what the recipe says as {', '.join(names)} is not used"


def has_its_own(start: str, model_type: str) -> str:
    """Why a recipe says shape and tokenizer to no effect: the model in the folder ``start`` is there already."""
    return f"{start} is a {model_type} with a shape and a tokenizer of its own"


def keys_asked(name: str, section: Any, usual: Any) -> dict[str, bool]:
    """For each key of a section whether it says something else than the usual section."""
    return {f"{name}.{key.name}": getattr(section, key.name) != getattr(usual, key.name) for key in fields(section)}


def check_training(said: TrainingSettings, metrics: Sequence[str]) -> None:
    """RecipeError for what the loop cannot do."""
    among("training.optimizer", said.optimizer, OPTIMIZERS)
    among("training.schedule", said.schedule, SCHEDULES)
    among("training.metric", said.metric, metrics)
    among("training.weights", said.weights, ("best", "last"))
    among("training.precision", said.precision, ("auto", "float32", "bfloat16"))
    among("training.device", said.device, ("auto", "cpu", "cuda"))
    at_least("training", "epochs", said.epochs, 1)
    for key in ("tokens_per_batch", "weight_decay", "clip", "patience", "max_minutes", "checkpoint_seconds"):
        at_least("training", key, getattr(said, key), 0)
    above_zero("training", "learning_rate", said.learning_rate)
    for key, high in (("learning_rate", 100), ("warmup", 1), ("average", 1), ("label_smoothing", 1)):
        below("training", key, getattr(said, key), high)
    check_seed(said.seed)
