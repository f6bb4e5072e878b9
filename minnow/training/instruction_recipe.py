"""The recipe of ``minnow train CONVERSATIONS --from MODEL``: all that decides how a model is taught to answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from minnow.errors import RecipeError, UnknownNameError
from minnow.training import recipe_file
from minnow.training.pretraining_recipe import AdapterSettings, PretrainingSettings
from minnow.training.recipe_file import among, at_least, held_out_share

KIND = "instruction"  # the section by which such a recipe is told from others
LONGEST = 1024  # tokens of a conversation, unless more is asked for


@dataclass(frozen=True)
class ConversationSettings:
    """Where the conversations come from.

    Attributes:
        train: a jsonl, json, csv or parquet file of conversations, or a folder with one named train.
        validation: the same, for those that the weights are chosen by; or the share of `train` to hold out; "" for the
            folder's own file valid.jsonl or else 0.05.
        test: the same, to measure the finished model on; "" for the folder's own file test.jsonl where it has one.
    """

    train: str = ""
    validation: str = ""
    test: str = ""


@dataclass(frozen=True)
class InstructionSettings:
    """Which model is taught, and how a conversation is set.

    Attributes:
        start: the folder of the language model.
        template: a file with a Jinja template; "" for the model's own, or where it has none, one of this house.
        max_tokens: of a conversation that are read; 0 for all that the model can, at most 1024.
    """

    start: str = ""
    template: str = ""
    max_tokens: int = 0


@dataclass(frozen=True)
class TeachingSettings:
    """How the model is trained.

    Attributes:
        epochs: passes over the conversations, at most.
        budget: wall time of the run, such as 90s, 20m or 1.5h, if it shall end before the epochs do; "" for no limit.
        batch_rows: conversations of a step, over all processes.
        accumulation: parts in which a step's rows go through the model, one after another; more take less memory.
        optimizer: adamw, or muon (matrices; AdamW for the rest).
        learning_rate: the highest; 0 for what suits the size, or the adapter.
        weight_decay: of matrices; vectors and embeddings are spared.
        beta2: of AdamW.
        schedule: constant, linear, cosine or warmup_stable_decay.
        warmup: share of the run over which the learning rate rises from zero.
        clip: the largest norm of the gradient; 0 for no clipping.
        validations: how often the held-out answers are measured; the weights of the best are kept.
        sample_tokens: length of the answer that is written at each validation; 0 for none.
        precision: auto, float32 or bfloat16.
        activation_checkpointing: compute activations twice instead of keeping them.
        parallel: threads (all cores on one product), replicas (a copy of the model a core), or auto: replicas.
        device: auto, cpu or cuda.
        checkpoint_seconds: how often the state of the run is saved.
        seed: of everything random.
    """

    epochs: int = 3
    budget: str = ""
    batch_rows: int = 16
    accumulation: int = 1
    optimizer: str = "adamw"
    learning_rate: float = 0.0
    weight_decay: float = 0.01
    beta2: float = 0.95
    schedule: str = "linear"
    warmup: float = 0.05
    clip: float = 1.0
    validations: int = 6
    sample_tokens: int = 80
    precision: str = "auto"
    activation_checkpointing: bool = False
    parallel: str = "auto"
    device: str = "auto"
    checkpoint_seconds: float = 60.0
    seed: int = 0

    def for_loop(self, steps: int, context: int) -> PretrainingSettings:
        """What the loop of all language models takes; every value here must be filled in."""
        shared = {name: getattr(self, name) for name in vars(self) if name != "epochs"}
        return PretrainingSettings(
            objective="causal", steps=steps, context=context, validation_tokens=10_000_000, **shared
        )


@dataclass(frozen=True)
class InstructionRecipe:
    """One whole run on conversations."""

    data: ConversationSettings = field(default_factory=ConversationSettings)
    instruction: InstructionSettings = field(default_factory=InstructionSettings)
    adapter: AdapterSettings = field(default_factory=AdapterSettings)
    training: TeachingSettings = field(default_factory=TeachingSettings)

    def __post_init__(self) -> None:
        said = self.training
        among("training.optimizer", said.optimizer, ("adamw", "muon"))
        for key in ("epochs", "batch_rows"):
            at_least("training", key, getattr(said, key), 1)
        said.for_loop(steps=1, context=LONGEST)  # the loop's own rules
        if self.instruction.max_tokens and self.instruction.max_tokens < 8:
            raise RecipeError(f"instruction.max_tokens must be at least 8, but got {self.instruction.max_tokens}")
        at_least("instruction", "max_tokens", self.instruction.max_tokens, 0)
        self.validation_share()

    def validation_share(self) -> float | None:
        """The share to hold out, None where ``data.validation`` names a file."""
        return held_out_share("data.validation", self.data.validation or "0.05", usual=0.05)


def render(recipe: InstructionRecipe) -> str:
    """The recipe as TOML with a comment above every key."""
    return recipe_file.render(recipe, "minnow train --recipe THIS_FILE")


def recipe_from(tables: Mapping[str, Any], overrides: Sequence[str] = ()) -> InstructionRecipe:
    """A recipe from tables and ``section.key=value`` overrides.

    Raises:
        RecipeError: an unknown key, which names the nearest, or an impossible value.
    """
    try:
        return recipe_file.read(InstructionRecipe, tables, overrides)
    except UnknownNameError as error:
        raise RecipeError(str(error)) from error
