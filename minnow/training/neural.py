"""Fits a ``text_classifier``: tokenizer, starting embeddings, the training loop."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from minnow.bundle import layout
from minnow.errors import RecipeError
from minnow.layers.bigrams import frequent_bigrams
from minnow.listeners import Show
from minnow.models.text_classifier import TextClassifier, TextClassifierConfig
from minnow.tasks.batching import TokenRows, tokenize
from minnow.tasks.text_classification import LabelIds, TextClassification
from minnow.text.opening import open_tokenizer
from minnow.text.tokenizer import Tokenizer
from minnow.training.classification_recipe import ClassificationRecipe
from minnow.training.labelled import LabelledRows, Labelling
from minnow.training.outcome import Outcome
from minnow.training.trainer import Trainer, choose_device, settled


def fit_text_classifier(
    task: TextClassification,
    texts: Sequence[str],
    label_ids: LabelIds,
    validation_texts: Sequence[str],
    validation_ids: LabelIds,
    recipe: ClassificationRecipe,
    folder: Path,
    show: Show,
    class_weights_K: NDArray[np.float32] | None = None,
) -> tuple[TextClassifier, Tokenizer, Outcome, ClassificationRecipe]:
    """Train from scratch, or from the checkpoint in ``folder``, where the tokenizer of the run stands too; the recipe
    comes back with what was left open decided."""
    tokenizer = _tokenizer(texts, recipe, folder / layout.TOKENIZER)
    shape = _shape(recipe)
    vectors = _vectors(recipe, tokenizer)
    if vectors is not None:
        shape["embedding_size"] = vectors[0].shape[1]
    train = labelled_rows(task, tokenizer, texts, label_ids)
    validation = labelled_rows(task, tokenizer, validation_texts, validation_ids)
    pairs_P = _bigrams(recipe, train.tokens)
    shape["bigrams"] = len(pairs_P)
    torch.manual_seed(recipe.training.seed)
    try:
        model = TextClassifier(TextClassifierConfig(tokenizer.vocab_size, len(task.labels), **shape))
    except (RuntimeError, TypeError) as error:  # torch's for a size beyond memory, and for one beyond 64 bits
        raise RecipeError(
            f"a text_classifier of hidden_size={shape['hidden_size']} and embedding_size={shape['embedding_size']} "
            "takes more memory than there is; make them smaller"
        ) from error
    thaw = _start_embeddings(model, vectors, freeze=recipe.model.freeze_vectors)
    if model.bigrams is not None:
        model.bigrams.pairs_P.copy_(torch.from_numpy(pairs_P))
    show({"num_parameters": model.num_parameters(), "vocab_size": tokenizer.vocab_size})
    weights = None if class_weights_K is None else torch.from_numpy(class_weights_K)
    lesson = Labelling(task, train, validation, recipe.training.label_smoothing, weights)
    recipe = settled(recipe, model, folder)
    outcome = Trainer(model, lesson, recipe.training, folder, show).fit()
    thaw()
    return model.to("cpu").eval(), tokenizer, outcome, recipe


def check_neural(recipe: ClassificationRecipe) -> None:
    """Find settings that cannot be before anything is written."""
    TextClassifierConfig(1, 2, **_shape(recipe))
    if recipe.text_classifier.max_tokens < 0:
        raise RecipeError(f"max_tokens must be at least 0, but got max_tokens={recipe.text_classifier.max_tokens}")
    if recipe.model.vectors and not Path(recipe.model.vectors).is_file():
        raise RecipeError(f"there is no file of word vectors at {recipe.model.vectors}; check model.vectors")
    choose_device(recipe.training.device)


def _shape(recipe: ClassificationRecipe) -> dict[str, Any]:
    elsewhere = ("bigram_texts", "max_tokens", "keep")
    return {k: v for k, v in asdict(recipe.text_classifier).items() if k not in elsewhere}


def _bigrams(recipe: ClassificationRecipe, rows: TokenRows) -> np.ndarray[Any, Any]:
    """The word pairs that get vectors of their own."""
    said = recipe.text_classifier
    return frequent_bigrams(rows.ids, rows.starts, said.bigrams, said.bigram_texts)


def _tokenizer(texts: Sequence[str], recipe: ClassificationRecipe, path: Path) -> Tokenizer:
    """The run's tokenizer: read where the run has one already, else learnt from the training texts."""
    if path.is_file():
        return open_tokenizer(path)
    tokenizer = Tokenizer.train(texts, recipe.tokenizer)
    tokenizer.save(path)
    return tokenizer


def labelled_rows(
    task: TextClassification, tokenizer: Tokenizer, texts: Sequence[str], label_ids: LabelIds
) -> LabelledRows:
    """Prepared texts as what the training loop reads."""
    return LabelledRows(
        tokenize(tokenizer, texts, task.max_tokens, task.keep), task.targets(label_ids), list(label_ids)
    )


def _vectors(
    recipe: ClassificationRecipe, tokenizer: Tokenizer
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]] | None:
    """Vectors [V, D] for the vocabulary and which of them were found [V], None where the recipe names no file."""
    if not recipe.model.vectors:
        return None
    from minnow.vectors.keyed import KeyedVectors

    words = set(tokenizer.vocabulary)
    keyed = KeyedVectors.load(recipe.model.vectors, only=words | {word.lower() for word in words})
    return keyed.matrix_for(tokenizer.vocabulary)


def _start_embeddings(
    model: TextClassifier, vectors: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]] | None, freeze: bool
) -> Callable[[], None]:
    """Put vectors [V, D] of the words that were found [V] in the model's embedding, there to stay if they are frozen.

    Returns:
        What ends the freezing.
    """
    if vectors is None:
        return lambda: None
    matrix_VD, found_V = vectors
    known_V = torch.from_numpy(found_V)
    with torch.no_grad():
        model.embedding.weight[known_V] = torch.from_numpy(matrix_VD[found_V])

    def held(_: nn.Module, inputs: tuple[Tensor], states_BSD: Tensor) -> Tensor:
        frozen_BS = known_V.to(states_BSD.device)[inputs[0]]
        return torch.where(frozen_BS[..., None], states_BSD.detach(), states_BSD)

    # A hook and not a mask of the gradient: each core's copy of the model has its own gradient, and this hook.
    return model.embedding.register_forward_hook(held).remove if freeze else lambda: None
