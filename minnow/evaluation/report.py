"""What a model was measured at: scores with intervals, per label, calibration and the worst mistakes, as one value."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import orjson

from minnow.errors import BundleError
from minnow.files import write_bytes

REPORT_FILE = "report.json"
FORMAT = 1


@dataclass(frozen=True)
class Report:
    """One model on one data set; plain numbers and text throughout, so that it goes to JSON and back unchanged.

    ``confusion`` has a row for each of ``labels`` as reference and a column for each as prediction, and one more row
    at the end where ``unseen`` labels occur; it is None where a text may bear several labels.
    ``calibration`` holds ``temperature`` (None: not scaled), ``expected_calibration_error`` and ``bins``.
    """

    name: str
    scores: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    per_label: list[dict[str, Any]]
    labels: list[str]
    confusion: list[list[int]] | None
    calibration: dict[str, Any]
    worst: list[dict[str, Any]]
    data: dict[str, Any]
    multi_label: bool = False
    unseen: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float | None = None
    documents_per_second: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Everything as a dict that any JSON writer takes; ``format`` numbers the shape of the file."""
        content = asdict(self)
        content["intervals"] = {name: list(ends) for name, ends in self.intervals.items()}
        return {"format": FORMAT, **content}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """The report that ``to_json`` described; keys that this version does not know are left aside.

        Raises:
            BundleError: a needed key is missing, or the file is of a later format.
        """
        if content.get("format") != FORMAT:
            raise BundleError(
                f"report format must be {FORMAT}, but is {content.get('format')!r}; evaluate the model again"
            )
        known = {f.name for f in fields(cls)}
        try:
            intervals = {name: (float(low), float(high)) for name, (low, high) in content["intervals"].items()}
            return cls(**{key: content[key] for key in content.keys() & known} | {"intervals": intervals})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BundleError(f"the report is damaged ({error}); evaluate the model again") from error

    def save(self, folder: str | Path, pictures: bool | None = None) -> list[Path]:
        """Write ``report.json`` and the pictures (PNG and SVG) into ``folder``; each file is there whole or not at all.

        ``pictures=None`` draws them where the plots extra is installed. Returns the paths written.

        Raises:
            MinnowError: ``pictures`` is True and the plots extra is missing (``report.json`` is written all the same).
            StorageError: the disk refuses.
        """
        from minnow.evaluation import plots

        path = write_report(folder, self.to_json())
        wanted = plots.available() if pictures is None else pictures
        return [path, *(plots.save_report(self, Path(folder)) if wanted else [])]

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read ``report.json`` from a folder, or the file itself.

        Raises:
            BundleError: no such file, or it is damaged.
        """
        return cls.from_json(read_report(folder))


def write_report(folder: str | Path, content: Mapping[str, Any]) -> Path:
    """Write ``report.json`` of any kind of report; a StorageError where the disk refuses."""
    path = Path(folder) / REPORT_FILE
    write_bytes(path, orjson.dumps(content, option=orjson.OPT_INDENT_2))
    return path


def read_report(folder: str | Path) -> dict[str, Any]:
    """What ``report.json`` in a folder holds, or the file itself, whatever kind of report it is.

    Raises:
        BundleError: no such file, or it is damaged.
    """
    path = Path(folder)
    path = path / REPORT_FILE if path.is_dir() else path
    try:
        content = orjson.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise BundleError(f"no report at {path}; make one with `minnow evaluate MODEL DATA --out DIR`") from error
    except (OSError, orjson.JSONDecodeError) as error:
        raise BundleError(f"{path} cannot be read as a report ({error}); evaluate the model again") from error
    if not isinstance(content, dict):
        raise BundleError(f"{path} must hold a JSON object; evaluate the model again")
    return content


def values_of_kind(content: Mapping[str, Any], kind: str, names: Iterable[str]) -> dict[str, Any]:
    """The named values of a report that was written with its ``kind``, such as ``language``.

    Raises:
        BundleError: a key is missing, or it is a report of something else.
    """
    try:
        if content["kind"] != kind or content["format"] != FORMAT:
            raise ValueError(f"kind {content['kind']!r}, format {content['format']!r}")
        return {name: content[name] for name in names}
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(
            f"the report is damaged or not of a {kind} model ({error}); evaluate the model again"
        ) from error
