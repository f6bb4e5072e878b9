"""What numba keeps of compiled kernels beside their source.

It compiles anew where the file of a kernel has changed. But kernels take code from other files into themselves, and
after a change of these alone would stay as they were.
"""

from pathlib import Path

PACKAGE = Path(__file__).parent
_KEPT = ("*.nbi", "*.nbc")


def forget_stale(package: Path = PACKAGE) -> int:
    """Remove what was compiled before a file that knows numba changed last; returns how many files that were."""
    sources = (path for path in package.rglob("*.py") if b"numba" in path.read_bytes())
    changed = max((path.stat().st_mtime for path in sources), default=0.0)
    kept = [path for pattern in _KEPT for path in package.rglob(f"__pycache__/{pattern}")]
    stale = [path for path in kept if path.stat().st_mtime < changed]
    for path in stale:
        path.unlink(missing_ok=True)
    return len(stale)
