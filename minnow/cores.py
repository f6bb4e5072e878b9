"""What this process may use: processor cores, memory."""

import os
from pathlib import Path

CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")
MORE_THAN_ANY = 1 << 62


def available_cores() -> int:
    """Those that the system allows this process, where it says so; else all that there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_bytes() -> int:
    """What this process may use of the machine's memory; where the system does not say, more than any has."""
    try:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return MORE_THAN_ANY
    return min(whole, _limit_of_container())


def _limit_of_container() -> int:
    """As Linux tells it in version 2 of control groups; "max" for none."""
    try:
        return int(CONTAINER_LIMIT.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return MORE_THAN_ANY
