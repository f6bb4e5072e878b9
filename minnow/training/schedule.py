"""The learning rate over a run, as a factor on its highest value.

Every schedule but ``plateau`` is a function of the share of the run that is done, so a resumed run needs no memory.
"""

import math
from dataclasses import dataclass

from minnow.errors import UnknownNameError

SCHEDULES = ("constant", "linear", "cosine", "warmup_stable_decay", "plateau")
STABLE = 0.7  # the share of warmup_stable_decay at the highest rate, warm-up included


@dataclass
class Schedule:
    """Warm-up from zero over the first ``warmup`` share of the steps, then down as the name says.

    ``warmup_stable_decay`` stays at the highest rate and falls in a straight line at the end (Hu et al. 2024,
    "MiniCPM", section 4): a run may be prolonged from any point before the fall.
    ``plateau`` multiplies by ``decay`` whenever the validation metric has not improved; ``reductions`` counts how often
    and is part of a checkpoint.
    """

    name: str
    num_steps: int
    warmup: float = 0.05
    lowest: float = 0.02
    decay: float = 0.5
    reductions: int = 0

    def __post_init__(self) -> None:
        if self.name not in SCHEDULES:
            raise UnknownNameError("schedule", self.name, SCHEDULES)

    def factor(self, step: int) -> float:
        """The factor for the step that comes after ``step`` steps; 0 before the first, up to 1."""
        num_warmup = self.warmup * self.num_steps
        if step + 1 < num_warmup:
            return (step + 1) / num_warmup
        if self.name == "plateau":
            return self.decay**self.reductions
        return self._fallen(min(1.0, (step + 1 - num_warmup) / max(1.0, self.num_steps - num_warmup)))

    def at(self, share: float) -> float:
        """The factor where that share of the run is done; for runs that a clock ends, whose steps nobody knows."""
        if share < self.warmup:
            return share / self.warmup
        return self._fallen(min(1.0, (share - self.warmup) / max(1e-9, 1 - self.warmup)))

    def _fallen(self, done: float) -> float:
        """The factor where that share of the steps after the warm-up is done."""
        if self.name == "constant":
            return 1.0
        if self.name == "cosine":
            falling = 0.5 * (1 + math.cos(math.pi * done))
        elif self.name == "linear":
            falling = 1 - done
        else:
            stable = max(0.0, STABLE - self.warmup) / max(1e-9, 1 - self.warmup)
            falling = min(1.0, (1 - done) / max(1e-9, 1 - stable))
        return self.lowest + (1 - self.lowest) * falling

    def after_validation(self, improved: bool) -> None:
        """Tell the schedule how the validation went."""
        if self.name == "plateau" and not improved:
            self.reductions += 1
