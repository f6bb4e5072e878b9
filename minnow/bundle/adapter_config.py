"""``adapter_config.json`` in PEFT's words: what of it is made here is read, all else is refused by name."""

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minnow.bundle.layout import ADAPTER_CONFIG
from minnow.errors import BundleError, RecipeError
from minnow.layers.lora import LoraSettings

# About files, training, or how the matrices began; none changes what they compute.
HARMLESS = frozenset(
    """
    arrow_config auto_mapping base_model_name_or_path bias corda_config eva_config exclude_modules
    fan_in_fan_out inference_mode init_lora_weights layers_pattern layers_to_transform loftq_config lora_dropout
    lora_ga_config megatron_core peft_version qalora_group_size revision runtime_config task_type
    """.split()  # noqa: SIM905 - a list would be a page of quotes
)
READ = frozenset(
    """
    alpha_pattern ensure_weight_tying lora_alpha modules_to_save peft_type r rank_pattern target_modules use_rslora
    """.split()  # noqa: SIM905
)
# Ways to begin that take what the matrices say away from the model's own weights, which are then others than ours.
MOVING_STARTS = ("pissa", "olora", "corda", "loftq", "lora_ga")
OTHER_TASKS = ("SEQ_CLS", "TOKEN_CLS", "QUESTION_ANS", "SEQ_2_SEQ_LM")
LONGEST, MOST_REPEATS = 500, 4  # of an expression, so that no stranger's can take long


@dataclass(frozen=True)
class AdapterConfig:
    """How an adapter was made.

    Attributes:
        path: where it says so.
        rank, alpha, dropout: of layers that no pattern names.
        rank_pattern, alpha_pattern: for names of layers, or expressions for them.
        rank_stabilised: the scale is alpha / √rank (Kalajdzievski 2023).
        targets: ends of the names of the adapted layers; None where an expression tells.
        sparing: not every layer with such a name is adapted.
        tied: an output layer that is the embedding changes with it.
        base: the model that it belongs to, as the file names it.
    """

    path: Path
    rank: int
    alpha: float
    dropout: float
    rank_pattern: Mapping[str, float]
    alpha_pattern: Mapping[str, float]
    rank_stabilised: bool
    targets: tuple[str, ...] | None
    sparing: bool
    tied: bool
    base: str

    def settings_of(self, name: str) -> LoraSettings:
        """Rank and alpha of a layer; the scale is always alpha / rank.

        Raises:
            BundleError: they are impossible.
        """
        alpha = self._of(name, self.alpha_pattern, self.alpha)
        try:
            rank = int(self._of(name, self.rank_pattern, self.rank))
            if self.rank_stabilised and rank > 0:
                alpha *= math.sqrt(rank)
            return LoraSettings(rank, alpha, self.dropout)
        except (RecipeError, OverflowError, ValueError) as error:
            raise BundleError(f"{self.path} does not fit the model: {error}") from error

    def names(self, layer: str) -> bool:
        """Whether ``target_modules`` name this layer."""
        return self.targets is None or any(_ends(layer, target) for target in self.targets)

    def _of(self, name: str, patterns: Mapping[str, float], usual: float) -> float:
        """What the first pattern says that fits the name."""
        return next((said for pattern, said in patterns.items() if self._fits(name, pattern)), usual)

    def _fits(self, name: str, pattern: str) -> bool:
        if re.fullmatch(r"[\w.]+", pattern):
            return _ends(name, pattern)
        repeats = len(re.findall(r"[*+?{]", pattern.replace("(?:", "(")))
        if len(pattern) > LONGEST or repeats > MOST_REPEATS or re.search(r"\)[*+?{]", pattern):
            raise self._unreadable(pattern, "it repeats too much")
        try:
            return re.match(rf"(.*\.)?({pattern})$", name) is not None
        except (re.error, OverflowError, RecursionError) as error:
            raise self._unreadable(pattern, str(error)) from error

    def _unreadable(self, pattern: str, why: str) -> BundleError:
        return BundleError(
            f"{self.path} names layers by the expression {pattern!r}, which is not read ({why}); "
            "write the layers' names in rank_pattern and alpha_pattern"
        )


def read_config(folder: Path) -> AdapterConfig:
    """The configuration of the adapter in ``folder``.

    Raises:
        BundleError: it is missing or damaged, or asks for something that is not made here.
    """
    path = folder / ADAPTER_CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(
            f"{path} is missing or damaged ({error}); train the adapter again or fetch it anew"
        ) from error
    if not isinstance(config, dict):
        raise BundleError(f"{path} should hold one JSON object; fetch it anew")
    _check(path, config)
    try:
        return AdapterConfig(
            path,
            int(config["r"]),
            float(config["lora_alpha"]),
            float(config.get("lora_dropout") or 0),
            _numbers(config.get("rank_pattern")),
            _numbers(config.get("alpha_pattern")),
            bool(config.get("use_rslora")),
            _targets(config["target_modules"]),
            bool(config.get("exclude_modules")) or config.get("layers_to_transform") not in (None, []),
            bool(config.get("ensure_weight_tying")),
            str(config.get("base_model_name_or_path") or ""),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise BundleError(f"{path} does not fit the model: {error!r}; fetch it anew") from error


def _check(path: Path, config: Mapping[str, Any]) -> None:
    kind = config.get("peft_type")
    if kind != "LORA":
        raise BundleError(f"{path} has peft_type = {kind!r}, which is no LoRA adapter; other kinds are not read")
    if config.get("task_type") in OTHER_TASKS:
        raise BundleError(
            f"{path} has task_type = {config['task_type']!r}, whose head has no place in a language model; "
            "only adapters of language models and encoders are read"
        )
    start = str(config.get("init_lora_weights")).lower()
    if start.startswith(MOVING_STARTS):
        raise BundleError(
            f"{path} has init_lora_weights = {config['init_lora_weights']!r}, which began by changing the model "
            "beneath; save it as plain LoRA: save_pretrained(FOLDER, path_initial_model_for_weight_conversion=START)"
        )
    for key, value in config.items():
        if value and key not in HARMLESS and key not in READ and key != "megatron_config":
            raise BundleError(
                f"{path} has {key} = {value!r}, which is not read; only plain LoRA adapters are: merge it with "
                "peft's merge_and_unload, and import the whole model"
            )


def _numbers(said: Any) -> dict[str, float]:
    return {str(name): float(value) for name, value in (said or {}).items()}


def _targets(said: Any) -> tuple[str, ...] | None:
    if said is None or isinstance(said, str):
        return None
    return tuple(_strings(said))


def _strings(said: Iterable[Any]) -> Iterable[str]:
    for name in said:
        if not isinstance(name, str):
            raise TypeError(f"target_modules must be names, but got {name!r}")
        yield name


def _ends(name: str, end: str) -> bool:
    return name == end or name.endswith(f".{end}")
