"""Memory that was freed once is used again without asking the system for fresh pages, until it is given back."""

import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import numpy as np
from minnow.allocator import keep_freed_memory
if sys.argv[1] == "keep" and not keep_freed_memory():
    sys.exit(3)
np.ones(8_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    np.ones(8_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def told(program: str, *arguments: str) -> int:
    """The number that a program prints."""
    command = [sys.executable, "-c", program, *arguments]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode == 3:
        pytest.skip("another C library than GNU's")
    return int(found.stdout)


def test_freed_memory_is_kept() -> None:
    assert told(FAULTS, "keep") < 100 < told(FAULTS, "leave")


SIZES = """
import resource, sys
import numpy as np
from minnow.allocator import give_back_freed_memory, keep_freed_memory
if not keep_freed_memory():
    sys.exit(3)
blocks = [np.ones(1_000_000) for _ in range(20)]
kept = blocks.pop()
del blocks
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() / 1e6
before = resident()
give_back_freed_memory()
print(round(before - resident()))
"""


def test_what_lies_free_is_given_back_when_asked() -> None:
    assert 140 < told(SIZES) < 170
