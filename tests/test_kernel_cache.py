"""Kernels that were compiled before their parts changed are compiled anew."""

import os
from pathlib import Path

from minnow.kernel_cache import forget_stale


def test_what_is_older_than_a_part_of_kernels_goes_and_all_else_stays(tmp_path: Path) -> None:
    for name, time in {
        "layers/parts.py": 200,
        "layers/__pycache__/old.nbi": 100,
        "text/__pycache__/old.nbc": 100,
        "layers/__pycache__/new.nbi": 300,
        "layers/__pycache__/parts.pyc": 100,
        "text/words.py": 400,
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("from numba import njit" if path.name == "parts.py" else "")
        os.utime(path, (time, time))
    assert forget_stale(tmp_path) == 2
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"layers/parts.py", "layers/__pycache__/new.nbi", "layers/__pycache__/parts.pyc", "text/words.py"}
    assert forget_stale(tmp_path) == 0
