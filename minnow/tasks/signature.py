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


@dataclass(frozen=True)
class Text:
    """A text that a model wrote.

    Attributes:
        tokens: how many were written.
        finish_reason: ``stop`` where it came to its end, ``length`` where it was cut off.
        log_probabilities: each token as the vocabulary spells it, with its log-probability under the model itself, in
            nats.
        end: the log-probability of what ended it, where that is known.
        score: by which a search ranks it among others; None of a text that was not searched for.
    """

    text: str
    tokens: int
    finish_reason: str
    log_probabilities: tuple[tuple[str, float], ...] = ()
    end: float = 0.0
    score: float | None = None

    def __str__(self) -> str:
        return self.text

    @property
    def log_probability(self) -> float:
        """Of all its tokens and its end together, in nats."""
        return sum(found for _, found in self.log_probabilities) + self.end

    def to_dict(self) -> dict[str, Any]:
        return {
            "text": self.text,
            "tokens": self.tokens,
            "finish_reason": self.finish_reason,
            "log_probability": self.log_probability,
            **({} if self.score is None else {"score": self.score}),
        }


@dataclass(frozen=True)
class Neighbour:
    """A text near to another; ``row`` is its place among those that were looked through, from 0."""

    text: str
    cosine: float
    row: int

    def __str__(self) -> str:
        return self.text

    def to_dict(self) -> dict[str, Any]:
        return {"text": self.text, "cosine": self.cosine, "row": self.row}


@dataclass(frozen=True)
class Candidate:
    """What could stand in a gap, and how likely the model holds it to be."""

    text: str
    probability: float

    def to_dict(self) -> dict[str, Any]:
        return {"text": self.text, "probability": self.probability}


@dataclass(frozen=True)
class Filled:
    """A text with its gaps filled.

    ``filled`` has the likeliest word in each, ``gaps`` the candidates of each, likeliest first. Each gap is looked at
    alone, with the others still open.
    """

    filled: str
    gaps: tuple[tuple[Candidate, ...], ...]

    def __str__(self) -> str:
        return self.filled

    def to_dict(self) -> dict[str, Any]:
        return {"filled": self.filled, "gaps": [[one.to_dict() for one in gap] for gap in self.gaps]}
