"""Runs the functions of a module in their order; tells as one line of JSON what became of each."""

import json
import sys
import traceback
from types import ModuleType


def run(module: ModuleType) -> None:
    """A function whose name begins with ``step_`` is a step; after a failure the others are still run."""
    outcomes = {}
    for name, step in vars(module).items():
        if name.startswith("step_"):
            try:
                step()
                outcomes[name.removeprefix("step_")] = "done"
            except BaseException:  # the process must tell of every failure
                outcomes[name.removeprefix("step_")] = traceback.format_exc()
    sys.stdout.write(json.dumps(outcomes) + "\n")
