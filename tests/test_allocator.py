"""Memory that was freed once is used again without asking the system for fresh pages."""

import subprocess
import sys

import pytest

PROGRAM = """
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


def page_faults(how: str) -> int:
    found = subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=False)
    if found.returncode == 3:
        pytest.skip("another C library than GNU's")
    return int(found.stdout)


def test_freed_memory_is_kept() -> None:
    assert page_faults("keep") < 100 < page_faults("leave")
