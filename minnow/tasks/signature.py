"""The typed face of a model: what goes in, what comes out, and how an answer looks to a person and as JSON."""

from dataclasses import dataclass, field
from typing import Any, Protocol


class Output(Protocol):
    """What every kind of answer can do."""

    def to_dict(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Field:
    """One input of a model; ``kind`` says what it holds, such as ``text``."""

    name: str
    kind: str
    description: str


@dataclass(frozen=True)
class Signature:
    """A task's inputs in order, and the class of its output."""

    name: str
    inputs: tuple[Field, ...]
    output: type[Output]


@dataclass(frozen=True)
class Label:
    """One label for a text. ``confidence`` is the calibrated probability of ``label``; ``scores`` holds all labels'."""

    label: str
    confidence: float
    scores: dict[str, float] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        return self.label

    def to_dict(self) -> dict[str, Any]:
        return {"label": self.label, "confidence": self.confidence, "scores": dict(self.scores)}


@dataclass(frozen=True)
class Labels:
    """Any number of labels for a text, surest first; ``scores`` holds the probability of every label of the model."""

    labels: tuple[Label, ...]
    scores: dict[str, float] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        return ", ".join(label.label for label in self.labels)

    def to_dict(self) -> dict[str, Any]:
        return {"labels": [label.label for label in self.labels], "scores": dict(self.scores)}
