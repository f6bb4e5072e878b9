"""How many steps a run has: a number that was asked for, or what its time allows, planned anew when that changes.

The schedule follows the share of the run that is done, so a new plan bends it and breaks it nowhere.
"""

from dataclasses import asdict, dataclass
from typing import Any, Self

TOLERANCE = 0.03  # of the steps that are left; smaller changes of speed are noise


@dataclass(frozen=True)
class Pace:
    """A plan: from ``base_step``, where ``base_share`` of the run was done, in even steps to ``num_steps``."""

    num_steps: int
    base_step: int = 0
    base_share: float = 0.0

    def share(self, step: int) -> float:
        """What is done of the run when ``step`` steps are done."""
        ahead = max(1, self.num_steps - self.base_step)
        return min(1.0, self.base_share + (1 - self.base_share) * (step - self.base_step) / ahead)

    def finished(self, step: int) -> bool:
        return step >= self.num_steps

    def replanned(self, step: int, seconds_left: float, seconds_a_step: float) -> Self:
        """The plan that ends in ``seconds_left``; this one, where it does so closely enough."""
        planned = self.num_steps - step
        possible = max(0, int(seconds_left / seconds_a_step))
        if abs(possible - planned) <= max(1, TOLERANCE * planned):
            return self
        return type(self)(step + possible, step, self.share(step))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def passed(before: float, after: float, times: int) -> bool:
    """Whether one of ``times`` even marks of a run lies between two shares of it; the last mark is its end."""
    return int(after * times + 1e-9) > int(before * times + 1e-9)
