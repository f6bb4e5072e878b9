"""Text classification: a text in, one label out or several, with calibrated confidence.

N texts · B rows of a batch · K labels
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from minnow.errors import BundleError, RecipeError
from minnow.metrics.calibration import sigmoid, softmax
from minnow.metrics.cells import cells_of_indicators, cells_of_labels, tally
from minnow.metrics.classification import scores_from_tally
from minnow.tasks.base import Task, check_vocabulary
from minnow.tasks.batching import logits_for
from minnow.tasks.signature import Field, Label, Labels, Signature
from minnow.text.clean import strip_markup
from minnow.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.floating[Any]]
LabelIds = Sequence[tuple[int, ...]]


@dataclass(frozen=True)
class TextClassification(Task):
    """What the model answers with and how texts are prepared for it; it travels with the model.

    Attributes:
        labels: K names in the order of the model's outputs.
        multi_label: a text may have any number of labels; each has a probability of its own.
        strip_markup: HTML tags and entities are taken out of every text, in training and in use.
        max_tokens: of a text that a neural model reads; 0 for all.
        keep: which tokens stay of a longer text: first, last or both ends.
        temperature: by which logits are divided before they become probabilities (Guo et al. 2017).
        threshold: from which probability on a label is given, with several labels a text.
    """

    name: ClassVar[str] = "text_classification"
    version: ClassVar[int] = 1
    signature: ClassVar[Signature] = Signature(
        "text_classification", (Field("text", "text", "the text to classify"),), Label
    )

    labels: tuple[str, ...]
    multi_label: bool = False
    strip_markup: bool = True
    max_tokens: int = 0
    keep: str = "both"
    temperature: float = 1.0
    threshold: float = 0.5

    def __post_init__(self) -> None:
        if len(self.labels) < 2 or len(set(self.labels)) < len(self.labels):
            raise RecipeError(f"a classifier needs two or more different labels, but got {list(self.labels)}")
        if not 0 < self.temperature < float("inf"):
            raise RecipeError(f"temperature must be positive, but got temperature={self.temperature}")
        if self.keep not in ("first", "last", "both"):
            raise RecipeError(f"keep must be first, last or both, but got keep={self.keep!r}")

    def check(self, model: Any, tokenizer: Tokenizer | None) -> None:
        if model.config.num_labels != len(self.labels):
            raise BundleError(
                f"minnow.json names {len(self.labels)} labels, but the model in config.json has "
                f"{model.config.num_labels}; train the model again or fetch it anew"
            )
        if model.reads != "ngrams":
            check_vocabulary(model.deep if model.reads == "both" else model, tokenizer)

    def prepare(self, texts: Sequence[str]) -> list[str]:
        """Texts as the tokenizer or the n-gram counter should see them."""
        return [strip_markup(text) for text in texts] if self.strip_markup else list(texts)

    def logits(self, model: Any, tokenizer: Tokenizer | None, texts: Sequence[str]) -> NDArray[np.float32]:
        """The model's raw outputs [N, K]."""
        logits_NK = logits_for(model, tokenizer, self.prepare(texts), self.max_tokens, self.keep)
        if logits_NK.shape[1] != len(self.labels):
            raise BundleError(
                f"minnow.json names {len(self.labels)} labels, but the model answers with {logits_NK.shape[1]}; "
                "train the model again or fetch it anew"
            )
        return logits_NK

    def probabilities(self, logits_NK: Floats) -> NDArray[np.float64]:
        """Calibrated probabilities [N, K]; with several labels a text they do not add up to one."""
        link = sigmoid if self.multi_label else softmax
        return link(logits_NK, self.temperature)

    def predict(self, model: Any, tokenizer: Tokenizer | None, inputs: Sequence[str]) -> list[Label | Labels]:
        return self.outputs(self.probabilities(self.logits(model, tokenizer, inputs)))

    def outputs(self, probabilities_NK: Floats) -> list[Label | Labels]:
        """Answers from probabilities."""
        return [self._output(row) for row in probabilities_NK.tolist()]

    def _output(self, row: list[float]) -> Label | Labels:
        scores = dict(zip(self.labels, row, strict=True))
        if not self.multi_label:
            best = max(scores, key=scores.__getitem__)
            return Label(best, scores[best], scores)
        given = sorted((name for name in scores if scores[name] >= self.threshold), key=lambda name: -scores[name])
        return Labels(tuple(Label(name, scores[name], scores) for name in given), scores)

    def label_ids(self, labels: Sequence[tuple[str, ...]]) -> list[tuple[int, ...]]:
        """Label names as positions in ``labels``; a name that is not among them is left out."""
        ids = {name: i for i, name in enumerate(self.labels)}
        return [tuple(ids[name] for name in names if name in ids) for names in labels]

    def targets(self, label_ids: LabelIds) -> NDArray[np.generic]:
        """What ``loss`` compares with: the id [N], or with several labels a text 0 and 1 [N, K]."""
        if not self.multi_label:
            return np.array([ids[0] for ids in label_ids], np.int64)
        indicators = np.zeros((len(label_ids), len(self.labels)), np.float32)
        for row, ids in enumerate(label_ids):
            indicators[row, list(ids)] = 1
        return indicators

    def loss(
        self, logits_BK: Tensor, targets_B: Tensor, class_weights_K: Tensor | None, label_smoothing: float = 0.0
    ) -> Tensor:
        """Mean cross-entropy in nats; with several labels a text the mean binary cross-entropy over all labels.

        Weights are not divided out again: a text counts as the weight of its label says, whatever stands beside it.
        """
        from torch.nn import functional as F

        if self.multi_label:
            smoothed = targets_B * (1 - label_smoothing) + label_smoothing / 2
            return F.binary_cross_entropy_with_logits(logits_BK.float(), smoothed, pos_weight=class_weights_K)
        smoothing: dict[str, Any] = {"label_smoothing": label_smoothing, "reduction": "sum"}
        return F.cross_entropy(logits_BK.float(), targets_B, class_weights_K, **smoothing) / len(targets_B)

    def score(self, outputs: Floats, references: LabelIds) -> dict[str, float]:
        """Accuracy, precision, recall, F1 from logits [N, K] and label ids."""
        if self.multi_label:
            given = self.probabilities(outputs) >= self.threshold
            cells = cells_of_indicators(self.targets(references).astype(bool), given)
        else:
            cells = cells_of_labels(
                self.targets(references).astype(np.int64), outputs.argmax(axis=1), num_labels=len(self.labels)
            )
        scores = scores_from_tally(tally(cells, cells.counts.astype(np.float64)), self.multi_label)
        return {name: float(value) for name, value in scores.items()}

    def calibrated(self, temperature: float) -> Self:
        """The same task with another temperature."""
        return replace(self, temperature=temperature)
