"""The journal of a run: one JSON object a line, appended as training goes on, read again when it resumes."""

from pathlib import Path
from typing import Any

import orjson

from minnow.errors import BundleError
from minnow.files import storage_error, write_bytes


class Journal:
    """Rows of numbers under the names of the field: ``step``, ``epoch``, ``loss``, ``tokens_per_second`` …"""

    def __init__(self, path: Path):
        self.path = path

    def append(self, row: dict[str, Any]) -> None:
        """Add one row; whoever reads the file finds it when this returns."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as stream:
                stream.write(orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE))
        except OSError as error:
            raise storage_error(error, self.path) from error

    def rows(self) -> list[dict[str, Any]]:
        """All rows; a last line that a killed run left unfinished is passed over."""
        if not self.path.is_file():
            return []
        rows = []
        for line in self.path.read_bytes().splitlines():
            try:
                rows.append(orjson.loads(line))
            except orjson.JSONDecodeError:
                break
        return rows

    def cut_after(self, last: int, key: str = "epoch") -> None:
        """Forget the rows of epochs (or steps) that a resumed run will write again."""
        kept = [row for row in self.rows() if row.get(key, 0) <= last]
        write_bytes(self.path, b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in kept))


def peak_memory_mib() -> float:
    """The most memory this process has held so far, in MiB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def read_journal(path: Path) -> list[dict[str, Any]]:
    """The rows of a finished run's journal; BundleError where there is none."""
    if not path.is_file():
        raise BundleError(f"there is no journal at {path}; it is written while a model trains")
    return Journal(path).rows()
