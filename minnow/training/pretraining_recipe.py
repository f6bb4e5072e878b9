"""The recipe of ``minnow pretrain``: everything that decides a run on raw text.

What is left at 0, "" or auto follows from the size and the budget (``training/sizes.py``); the recipe that a run writes
down has every value filled in, so it repeats the run without measuring anything again.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from minnow.errors import RecipeError, UnknownNameError
from minnow.text.tokenizer import TokenizerSettings
from minnow.training import recipe_file
from minnow.training.recipe_file import (
    among,
    at_least,
    below,
    check_seed,
    held_out_share,
    parse,
    to_toml,
)
from minnow.training.schedule import SCHEDULES

__all__ = ["PretrainingRecipe", "parse", "read_recipe", "recipe_from", "render", "seconds_of", "to_toml"]

OBJECTIVES = ("auto", "causal", "masked")
OPTIMIZERS = ("auto", "adamw", "muon")
PARALLEL = ("auto", "threads", "replicas")
DISTRIBUTED = ("ddp", "fsdp")
LM_SCHEDULES = tuple(name for name in SCHEDULES if name != "plateau")
_UNITS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class CorpusSettings:
    """Where the text comes from.

    Attributes:
        train: a text file, a folder of them, a table with a text column, or a name of `minnow data list`.
        validation: the same, for the text that is measured on; or the share of `train` to hold out; "" for the set's
            own part or else 0.05.
        text: the column with the text; "" to find it.
    """

    train: str = ""
    validation: str = ""
    text: str = ""


@dataclass(frozen=True)
class ArchitectureSettings:
    """Which model, how large.

    Attributes:
        name: llama, gpt2, rnn_lm or bert.
        size: the number of parameters, such as 1M, 5M, 15M, 50M, 135M or 360M.
        start: a model folder whose tokenizer and weights the run goes on from; "" to begin anew.
    """

    name: str = "llama"
    size: str = "5M"
    start: str = ""


@dataclass(frozen=True)
class AdapterSettings:
    """A low-rank adapter that learns in place of the model's own weights (Hu et al. 2022).

    Attributes:
        rank: of the two small matrices beside each layer; 0 for no adapter: the model's own weights learn.
        alpha: what the adapter says is multiplied by alpha / rank; 0 for twice the rank.
        dropout: of what goes into it.
        targets: last names of the layers that get one, such as q_proj; none for every linear layer of the blocks.
        merge: add it to the weights at the end, which gives a whole model; else the folder holds the adapter alone and
            names the model that it belongs to.
    """

    rank: int = 0
    alpha: float = 0.0
    dropout: float = 0.0
    targets: tuple[str, ...] = ()
    merge: bool = False

    def __post_init__(self) -> None:
        at_least("adapter", "rank", self.rank, 0)
        at_least("adapter", "alpha", self.alpha, 0)
        if not 0 <= self.dropout < 1:
            raise RecipeError(f"adapter.dropout must lie in [0, 1), but got {self.dropout}; try 0.05")

    @property
    def apart(self) -> bool:
        """Whether the run leaves the adapter alone behind."""
        return self.rank > 0 and not self.merge


@dataclass(frozen=True)
class CorpusTokenizer:
    """How text becomes tokens; it is learnt from the training text.

    Attributes:
        kind: bpe, character, unigram, word, whitespace or wordpiece.
        vocab_size: the entries of the vocabulary; 0 for what suits the size of the model and of the corpus.
        lowercase: drop case.
        normalization: nfkc, nfc or none.
        min_frequency: how often something must occur to earn an entry.
        simplified: read traditional Chinese characters as simplified ones; what is written has none then.
    """

    kind: str = "bpe"
    vocab_size: int = 0
    lowercase: bool = False
    normalization: str = "nfc"
    min_frequency: int = 1
    simplified: bool = False

    def settings(self, vocab_size: int) -> TokenizerSettings:
        return TokenizerSettings(
            self.kind,
            self.vocab_size or vocab_size,
            self.lowercase,
            self.normalization,
            self.min_frequency,
            self.simplified,
        )


@dataclass(frozen=True)
class PretrainingSettings:
    """How the model is trained.

    Attributes:
        objective: causal (the next token), masked (BERT), or auto: what the architecture is made for.
        budget: wall time of the whole run, such as 90s, 20m or 1.5h; the schedule ends inside it. "" for 20m, unless
            steps are given.
        steps: updates of the weights, at most; 0 for what the budget allows.
        context: tokens of a row; 0 for what suits the size.
        batch_rows: rows of a step, over all processes; 0 likewise.
        accumulation: parts in which a step's rows go through the model, one after another; more take less memory.
        optimizer: adamw, muon (matrices; AdamW for the rest), or auto: muon for transformers.
        learning_rate: the highest; 0 for what suits the size.
        weight_decay: of matrices; vectors and embeddings are spared.
        beta2: of AdamW.
        schedule: constant, linear, cosine or warmup_stable_decay.
        warmup: share of the run over which the learning rate rises from zero.
        clip: the largest norm of the gradient; 0 for no clipping.
        sampled_tokens: drawn from the vocabulary, to tell each target from in training, instead of from the whole
            vocabulary: several times faster where that is large (Jean et al. 2015); 0 for the whole. Measured is always
            against the whole.
        mask_share: of the tokens that a masked model must guess.
        validations: how often the validation text is measured.
        validation_tokens: of it that are measured while training, at most; fewer where that would take over a tenth of
            the budget. At the end all are, unless that would take over a twentieth.
        sample_tokens: length of the text that is written at each validation; 0 for none.
        sample_prompt: how that text begins; "" for a piece of the validation text.
        precision: auto, float32 or bfloat16.
        compile: fuse the model with torch.compile.
        activation_checkpointing: compute activations twice instead of keeping them.
        parallel: threads (all cores on one product), replicas (a copy of the model a core), or auto: replicas,
            unless the model is compiled.
        distributed: under torchrun: ddp (a copy of the model each) or fsdp (a share of it each).
        device: auto, cpu or cuda.
        checkpoint_seconds: how often the state of the run is saved.
        seed: of everything random.
    """

    objective: str = "auto"
    budget: str = ""
    steps: int = 0
    context: int = 0
    batch_rows: int = 0
    accumulation: int = 1
    optimizer: str = "auto"
    learning_rate: float = 0.0
    weight_decay: float = 0.1
    beta2: float = 0.95
    schedule: str = "warmup_stable_decay"
    warmup: float = 0.02
    clip: float = 1.0
    sampled_tokens: int = 0
    mask_share: float = 0.15
    validations: int = 20
    validation_tokens: int = 100_000
    sample_tokens: int = 120
    sample_prompt: str = ""
    precision: str = "auto"
    compile: bool = False
    activation_checkpointing: bool = False
    parallel: str = "auto"
    distributed: str = "ddp"
    device: str = "auto"
    checkpoint_seconds: float = 60.0
    seed: int = 0

    def __post_init__(self) -> None:
        for key, known in (
            ("objective", OBJECTIVES),
            ("optimizer", OPTIMIZERS),
            ("schedule", LM_SCHEDULES),
            ("precision", ("auto", "float32", "bfloat16")),
            ("parallel", PARALLEL),
            ("distributed", DISTRIBUTED),
            ("device", ("auto", "cpu", "cuda")),
        ):
            among(f"training.{key}", getattr(self, key), known)
        for key in ("steps", "context", "batch_rows", "weight_decay", "clip", "sampled_tokens", "sample_tokens"):
            at_least("training", key, getattr(self, key), 0)
        at_least("training", "checkpoint_seconds", self.checkpoint_seconds, 0)
        for key in ("accumulation", "validations", "validation_tokens"):
            at_least("training", key, getattr(self, key), 1)
        for key, high in (("warmup", 1), ("mask_share", 1), ("beta2", 1), ("learning_rate", 100)):
            below("training", key, getattr(self, key), high)
        if self.mask_share == 0:
            raise RecipeError("training.mask_share must be above 0, but got 0; try 0.15")
        check_seed(self.seed)
        if self.context == 1:
            raise RecipeError("training.context must be at least 2, or 0 for what suits the size, but got 1")
        seconds_of(self.budget)
        if self.compile and self.parallel == "replicas":
            raise RecipeError("training.compile=true is for all cores at once; take training.parallel=threads or auto")


@dataclass(frozen=True)
class PretrainingRecipe:
    """One whole experiment on raw text.

    Attributes:
        shape: Keys of the architecture's config.json that replace what the size says, such as num_hidden_layers = 8.
    """

    data: CorpusSettings = field(default_factory=CorpusSettings)
    model: ArchitectureSettings = field(default_factory=ArchitectureSettings)
    adapter: AdapterSettings = field(default_factory=AdapterSettings)
    tokenizer: CorpusTokenizer = field(default_factory=CorpusTokenizer)
    shape: dict[str, Any] = field(default_factory=dict)
    training: PretrainingSettings = field(default_factory=PretrainingSettings)

    def __post_init__(self) -> None:
        at_least("tokenizer", "vocab_size", self.tokenizer.vocab_size, 0)
        self.tokenizer.settings(1 << 20)  # its own rules
        if self.adapter.rank and not self.model.start:
            raise RecipeError("an adapter learns beside a model that is there already; name it: --from MODEL")
        if self.adapter.rank and self.training.distributed == "fsdp":
            raise RecipeError("an adapter is trained with training.distributed=ddp, but got fsdp")
        parameters_of(self.model.size)

    def validation_share(self) -> float | None:
        """The share to hold out, None where ``data.validation`` names a text."""
        return held_out_share("data.validation", self.data.validation or "0.05", usual=0.05)


def read_recipe(path: Path) -> PretrainingRecipe:
    """Read a recipe file.

    Raises:
        RecipeError: no such file, not TOML, an unknown key or an impossible value.
    """
    return recipe_from(parse(path))


def recipe_from(tables: Mapping[str, Any], overrides: Sequence[str] = ()) -> PretrainingRecipe:
    """A recipe from tables and ``section.key=value`` overrides.

    Raises:
        RecipeError: an unknown key, which names the nearest, or an impossible value.
    """
    try:
        return recipe_file.read(PretrainingRecipe, tables, overrides)
    except UnknownNameError as error:
        raise RecipeError(str(error)) from error


def render(recipe: PretrainingRecipe) -> str:
    """The recipe as TOML with a comment above every key."""
    return recipe_file.render(recipe, "minnow pretrain CORPUS --recipe THIS_FILE")


def seconds_of(written: str) -> float:
    """``90s``, ``20m``, ``1.5h`` or a number of minutes, in seconds; 0 for ""."""
    if not written:
        return 0.0
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smh]?)\s*", written)
    if not found or not float(found.group(1)) > 0:
        raise RecipeError(f"a budget is a time such as 90s, 20m or 1.5h, but got {written!r}")
    return float(found.group(1)) * _UNITS[found.group(2) or "m"]


def parameters_of(written: str) -> int:
    """``5M`` as 5,000,000."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KkMmBbGg]?)\s*", written)
    scale = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9}
    number = float(found.group(1)) * scale[found.group(2).lower()] if found else 0.0
    if not 1e4 <= number <= 2e10:
        raise RecipeError(f"model.size is a number of parameters from 10K to 20B, such as 5M, but got {written!r}")
    return int(number)
