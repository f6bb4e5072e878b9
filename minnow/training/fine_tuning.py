"""Fits an ``encoder_classifier``: what a language model has learnt goes into a classifier, layer by layer.

Howard & Ruder (2018), "Universal Language Model Fine-tuning for Text Classification": layers nearer to the text learn
more slowly (section 3.2) and begin to learn later (section 3.3). Its slanted triangular rates are the schedule
``linear`` with a warm-up of 0.1.

A group is a layer of the encoder; below the first stands what embeds the tokens, above the last the head.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from minnow.bundle import layout
from minnow.bundle.bundle import Bundle
from minnow.errors import BundleError, RecipeError
from minnow.listeners import Show
from minnow.models.encoder_classifier import EncoderClassifier, EncoderClassifierConfig, is_encoder
from minnow.models.registry import architecture
from minnow.models.wide_and_deep import WideAndDeep
from minnow.tasks.text_classification import LabelIds, TextClassification
from minnow.text.tokenizer import Tokenizer
from minnow.training.classification_recipe import ClassificationRecipe, FineTuningRecipe
from minnow.training.labelled import Labelling
from minnow.training.neural import labelled_rows
from minnow.training.normed_labelling import NormedLabelling, with_rows_to_compare
from minnow.training.optimizer import parameter_groups
from minnow.training.outcome import Outcome
from minnow.training.trainer import Trainer, choose_device, settled

# Of the last layer, as a share of the head's, and of each layer below, as a share of the one above; attention layers
# forget at rates that suit recurrent ones.
RECURRENT_RATES, TRANSFORMER_RATES = (1.0, 1.0), (0.05, 0.4)
_LAYER = re.compile(r"(?:^|\.)(?:layers|layer|h|blocks)\.(\d+)\.")

Groups = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Plan:
    """Which parameters learn when and how fast.

    Attributes:
        groups: names of parameters, from the text upwards.
        factors: on the learning rate, one a group.
        unfreeze_epochs: after which one group more learns, from the top; 0 for all at once.
        adversarial: the length of a perturbation of the embeddings, as a share of their own; 0 for none.
    """

    groups: Groups
    factors: tuple[float, ...]
    unfreeze_epochs: float = 0.0
    adversarial: float = 0.0

    def parameter_groups(self, model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
        """For an optimiser: each group with its factor, and weight decay where it belongs."""
        parameters = dict(model.named_parameters())
        decays = {
            id(parameter): part["weight_decay"]
            for part in parameter_groups(model, weight_decay)
            for parameter in part["params"]
        }
        return [
            {"params": chosen, "factor": factor, "weight_decay": decay}
            for names, factor in zip(self.groups, self.factors, strict=True)
            for decay in sorted({decays[id(parameters[name])] for name in names})
            if (chosen := [parameters[name] for name in names if decays[id(parameters[name])] == decay])
        ]

    def num_learning(self, epochs: float) -> int:
        """How many groups learn after so many epochs, counted from the top."""
        if not self.unfreeze_epochs:
            return len(self.groups)
        return min(len(self.groups), 1 + int(epochs / self.unfreeze_epochs + 1e-9))

    def freeze(self, model: nn.Module, epochs: float) -> None:
        """Let those groups of ``model`` learn whose time has come, and no others."""
        frozen = {name for names in self.groups[: len(self.groups) - self.num_learning(epochs)] for name in names}
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name not in frozen)


def plan_for(model: EncoderClassifier, settings: FineTuningRecipe) -> Plan:
    """The rates fall by ``layer_decay`` from group to group, from the top of the encoder down."""
    groups = layer_groups(model)
    recurrent = any(isinstance(module, nn.RNNBase) for module in model.encoder.modules())
    rate, decay = RECURRENT_RATES if recurrent else TRANSFORMER_RATES
    rate, decay = settings.encoder_rate or rate, settings.layer_decay or decay
    factors = tuple(rate * decay**depth for depth in reversed(range(len(groups) - 1)))
    return Plan(groups, (*factors, 1.0), settings.unfreeze_epochs, settings.adversarial)


def layer_groups(model: EncoderClassifier) -> Groups:
    """The names of the parameters: embeddings, each layer, and the head with the pooling.

    What the encoder has above its last layer, such as a norm, learns with that layer.
    """
    groups: dict[int, list[str]] = {}
    last = 0
    for name, _ in model.encoder.named_parameters(prefix="encoder"):
        found = _LAYER.search(name)
        place = int(found.group(1)) + 1 if found else (last if last and "embed" not in name else 0)
        last = max(last, place)
        groups.setdefault(place, []).append(name)
    head = tuple(name for name, _ in model.named_parameters() if not name.startswith("encoder."))
    return (*(tuple(groups[place]) for place in sorted(groups)), head)


def fit_encoder_classifier(
    task: TextClassification,
    texts: Sequence[str],
    label_ids: LabelIds,
    validation_texts: Sequence[str],
    validation_ids: LabelIds,
    recipe: ClassificationRecipe,
    folder: Path,
    show: Show,
    class_weights_K: NDArray[np.float32] | None = None,
) -> tuple[EncoderClassifier, Tokenizer, Outcome, ClassificationRecipe]:
    """Train from the encoder of ``fine_tuning.model``, or from the checkpoint in ``folder``; the recipe comes back with
    what was left open decided."""
    source = Bundle.load(recipe.fine_tuning.model).merged()
    torch.manual_seed(recipe.training.seed)
    model, tokenizer = classifier_from(source, len(task.labels), recipe.fine_tuning)
    show({"num_parameters": model.num_parameters(), "vocab_size": tokenizer.vocab_size})
    train = labelled_rows(task, tokenizer, texts, label_ids)
    validation = labelled_rows(task, tokenizer, validation_texts, validation_ids)
    weights = None if class_weights_K is None else torch.from_numpy(class_weights_K)
    plan = plan_for(model, recipe.fine_tuning)
    normed = recipe.fine_tuning.batch_norm
    lesson = (NormedLabelling if normed else Labelling)(
        task, train, validation, recipe.training.label_smoothing, weights
    )
    training = with_rows_to_compare(recipe.training, train.tokens) if normed else recipe.training
    recipe = settled(replace(recipe, training=training), model, folder)
    outcome = Trainer(model, lesson, recipe.training, folder, show, plan).fit()
    if isinstance(lesson, NormedLabelling):
        lesson.settle(model)
    return model.to("cpu").eval().requires_grad_(), tokenizer, outcome, recipe


def classifier_from(source: Bundle, num_labels: int, settings: FineTuningRecipe) -> tuple[EncoderClassifier, Tokenizer]:
    """A classifier with the encoder's weights of another model, and that model's tokenizer.

    Raises:
        BundleError: the model has no encoder, or no tokenizer.
    """
    encoder = _encoder_of(source.model)
    taught = isinstance(_deep(source.model), EncoderClassifier)  # its encoder has the dropouts of fine-tuning already
    kind = encoder.config.model_type
    if not is_encoder(architecture(kind)[1]):
        raise BundleError(f"{settings.model} holds a {kind}, which is no encoder; give a language model to --from")
    if source.tokenizer is None:
        raise BundleError(f"{settings.model} has no tokenizer, and a classifier reads text; give another model")
    first_id, last_id = _borders(source)
    config = EncoderClassifierConfig(
        encoder=_with_dropout(encoder.config.to_dict(), 1.0 if taught else settings.dropout_factor),
        num_labels=num_labels,
        pooling=settings.pooling,
        head_size=settings.head_size,
        dropout=settings.dropout,
        head_dropout=settings.head_dropout,
        token_dropout=settings.token_dropout,
        batch_norm=settings.batch_norm,
        first_id=first_id,
        last_id=last_id,
        unk_id=source.tokenizer.unk_id if settings.token_dropout else None,
    )
    model = EncoderClassifier(config)
    weights = encoder.tensors()
    model.encoder.load_state_dict({name: weights[name] for name in model.encoder.state_dict()})
    return model, source.tokenizer


def _encoder_of(model: Any) -> Any:
    """What a classifier stands on; a language model stands on itself."""
    model = _deep(model)
    return model.encoder if isinstance(model, EncoderClassifier) else model


def _deep(model: Any) -> Any:
    """The neural part, where n-grams stand beside one."""
    return model.deep if isinstance(model, WideAndDeep) else model


def check_fine_tuning(recipe: ClassificationRecipe) -> None:
    """Find settings that cannot be before anything is written."""
    settings = recipe.fine_tuning
    if not settings.model:
        raise RecipeError(
            "an encoder_classifier starts from a language model; name one: minnow train DATA --from MODEL"
        )
    layout.check_bundle(Path(settings.model))
    EncoderClassifierConfig(
        {"model_type": "any"}, 2, settings.pooling, settings.head_size, settings.dropout, settings.head_dropout
    )
    choose_device(recipe.training.device)


def most_tokens(recipe: ClassificationRecipe) -> int:
    """Of a text that are read: those asked for, as far as the encoder reaches.

    Raises:
        BundleError: the model cannot be read.
    """
    source = Bundle.load(recipe.fine_tuning.model)
    encoder = _encoder_of(source.model)
    reach: int | None = getattr(encoder, "context_size", None)
    asked = recipe.fine_tuning.max_tokens
    if reach is None:
        return asked
    room = reach - sum(token_id is not None for token_id in _borders(source))
    return min(asked, room) if asked else room


def _borders(source: Bundle) -> tuple[int | None, int | None]:
    """What stands before and after a text as the encoder has learnt it.

    In pre-training one <eos> stands between documents, so a text begins after one.
    """
    model = _deep(source.model)
    if isinstance(model, EncoderClassifier):
        return model.config.first_id, model.config.last_id
    if source.tokenizer is None:
        return None, None
    before, after = source.tokenizer.prefix_ids, source.tokenizer.suffix_ids
    return (before[0] if before else source.tokenizer.eos_id), (after[0] if after else None)


def _with_dropout(config: dict[str, Any], factor: float) -> dict[str, Any]:
    """The encoder's configuration with every rate of dropout multiplied."""
    return {
        key: min(0.9, value * factor) if "drop" in key and isinstance(value, float) else value
        for key, value in config.items()
    }
