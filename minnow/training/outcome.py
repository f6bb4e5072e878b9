"""How a run ended: at its last step, by Ctrl-C, or where its loss became no number."""

import math
from dataclasses import dataclass
from typing import Protocol

from minnow.errors import MinnowError

INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Outcome:
    """What a loop leaves beside the weights.

    Attributes:
        scores: of the validation whose weights are kept.
        step: after which that was.
        num_steps: how many were taken.
        seconds: they and their validations took.
        tokens: that were learnt from.
        ended: why it ended early, "" where it did not.
        advice: what to do about that.
    """

    scores: dict[str, float]
    step: int
    num_steps: int
    seconds: float
    tokens: int
    ended: str = ""
    advice: str = ""

    @property
    def interrupted(self) -> bool:
        return bool(self.ended)

    @property
    def notes(self) -> list[str]:
        """For people, of a run that ended early."""
        if not self.ended:
            return []
        then = f"; {self.advice}" if self.advice else ""
        return [f"{self.ended}: the model of step {self.step:,} is kept{then}"]


class Followed(Protocol):
    """Settings of a loop."""

    @property
    def learning_rate(self) -> float: ...

    @property
    def precision(self) -> str: ...


class DivergedError(MinnowError):
    """A loss is no finite number, and no step from there would make it one again."""

    def __init__(self, loss: float, step: int, settings: Followed):
        self.what = f"the loss is {loss} at step {step:,}"
        self.advice = f"try a smaller training.learning_rate than {settings.learning_rate:g}"
        if settings.precision != "float32":
            self.advice += ", or training.precision=float32"
        super().__init__(f"{self.what}; {self.advice}")


def check_finite(loss: float, step: int, settings: Followed) -> None:
    """DivergedError where the loss after so many steps is none that a run could go on from."""
    if not math.isfinite(loss):
        raise DivergedError(loss, step, settings)
