"""``minnow show``: what a model folder holds."""

from pathlib import Path
from typing import Annotated, Any

import typer

from minnow.cli.console import exit_codes, out, print_json
from minnow.cli.inputs import ModelName


def show(
    model: ModelName,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Task, labels, size, scores, data, and where the model comes from."""
    with exit_codes():
        from minnow.api import folder_of

        about = _about(folder_of(model))
        if as_json:
            print_json(about)
            return
        for key, value in about.items():
            out.print(f"{key.replace('_', ' '):<14}{_shown(key, value)}")


def _shown(key: str, value: Any) -> str:
    """A value for a person to read: numbers with commas, directions with arrows, and nothing of what is not known."""
    if key == "directions":
        return ", ".join(" → ".join(direction) for direction in value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown('', part)}" for name, part in value.items() if part not in (None, ""))
    if isinstance(value, list | tuple):
        return ", ".join(_shown("", part) for part in value)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _about(folder: Path) -> dict[str, Any]:
    from minnow.bundle import layout
    from minnow.bundle.bundle import Bundle, size_on_disk
    from minnow.evaluation.report import read_report
    from minnow.tasks.registry import task_from

    bundle = Bundle.load(folder)
    task_from(bundle.task)
    about: dict[str, Any] = {
        "model": str(folder),
        "task": bundle.task["name"],
        "model_type": bundle.model.config.model_type,
        "parameters": bundle.model.num_parameters(),
        "size_bytes": size_on_disk(folder),
        **{key: bundle.task[key] for key in ("labels", "temperature", "directions") if key in bundle.task},
    }
    if (folder / layout.EVALUATION / "report.json").is_file():
        report = read_report(folder / layout.EVALUATION)
        about |= {"measured_on": report["data"], "scores": report["scores"]}
    told = ("imported", "data", "from", "made", "train_seconds", "steps", "tokens_seen", "machine", "versions")
    about |= {key: bundle.provenance[key] for key in told if bundle.provenance.get(key) is not None}
    return about
