"""How many processor cores this process may use."""

import os


def available_cores() -> int:
    """Those that the system allows this process, where it says so; else all that there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
