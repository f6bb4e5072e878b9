"""A glossary from a file: a term and its translation a line, a tab between."""

from pathlib import Path

from minnow.data.table import read_lines
from minnow.errors import DataError


def read_glossary(path: Path) -> dict[str, list[str]]:
    """The translations of each term, in the order of the file; a term that stands on several lines has several.

    Raises:
        DataError: the file cannot be read, holds nothing, or a line is not a term and its translation.
    """
    found: dict[str, list[str]] = {}
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        cells = [" ".join(cell.split()) for cell in line.split("\t")]
        if len(cells) != 2 or not all(cells):
            raise DataError(
                f"line {number} of {path} should hold a term and its translation with a tab between, but holds "
                f"{line[:60]!r}; mend the line or take it out"
            )
        found.setdefault(cells[0], []).append(cells[1])
    if not found:
        raise DataError(f"{path} holds no term; write a term and its translation a line, with a tab between")
    return found
