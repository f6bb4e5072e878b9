"""What a person sees while a model trains: one moving line on a terminal, one line an epoch elsewhere.

And a bar for whatever else takes its time.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from minnow.cli.console import err


class _Display:
    """The bar, which stands on a terminal only."""

    def __init__(self, console: Console):
        self._console = console
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=self._console, transient=True)
            self._task = self._bar.add_task("reading", total=None)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()


class TrainingDisplay(_Display):
    """A progress display on standard error; call it with journal rows."""

    def __init__(self, console: Console, num_epochs: int):
        super().__init__(console)
        self._epochs = num_epochs

    def __call__(self, row: dict[str, Any]) -> None:
        if "validation_loss" in row:
            self._console.print(epoch_line(row))
        elif self._bar is None or self._task is None:
            return
        elif "stage" in row:
            self._bar.update(self._task, completed=row["done"], total=row["total"], description=row["stage"])
        elif "batch" in row:
            done = row["epoch"] - 1 + row["batch"] / max(1, row["num_batches"])
            text = f"epoch {row['epoch']}  loss {row['loss']:.3f}  {row['tokens_per_second']:,.0f} tokens/s"
            self._bar.update(self._task, completed=done, total=self._epochs, description=text)


class PretrainingDisplay(_Display):
    """The same for a run on raw text: a bar over the share that is done, a line a validation."""

    def __call__(self, row: dict[str, Any]) -> None:
        if "validation_loss" in row:
            self._console.print(step_line(row))
            if row.get("sample"):
                self._console.print("    " + " ".join(row["sample"].split())[:110])
        if self._bar is None or self._task is None:
            return
        if "stage" in row:
            self._bar.update(self._task, completed=row["done"], total=row["total"], description=row["stage"])
        elif "share" in row:
            text = f"step {row['step']:,}  loss {row['loss']:.3f}  {row['tokens_per_second']:,.0f} tokens/s"
            self._bar.update(self._task, completed=row["share"], total=1.0, description=text)


def step_line(row: dict[str, Any]) -> str:
    """One validation of a language model in one line."""
    more = f"  bits per byte {row['bits_per_byte']:.3f}" if "bits_per_byte" in row else ""
    return (
        f"step {row['step']:>6,} of {row['num_steps']:,}  loss {row['loss']:.4f}  "
        f"validation loss {row['validation_loss']:.4f}{more}  {row['tokens_per_second']:,.0f} tokens/s  "
        f"{row['seconds']:.0f} s{'  best so far' if row.get('best') else ''}"
    )


def epoch_line(row: dict[str, Any]) -> str:
    """One epoch in one line."""
    share = next((name for name in ("accuracy", "f1_macro") if name in row), None)
    scored = f"{share.replace('_', ' ')} {row[share]:.2%}  " if share else ""
    written = {"bleu": "BLEU", "chrf": "chrF", "exact_match": "exact match"} if "bleu" in row else {}
    scored += "".join(f"{name} {row[key]:.2f}  " for key, name in written.items())
    return (
        f"epoch {row['epoch']:>2}  loss {row['loss']:.4f}  validation loss {row['validation_loss']:.4f}  "
        f"{scored}{row['tokens_per_second']:,.0f} tokens/s  "
        f"{row['seconds']:.0f} s{'  best so far' if row.get('best') else ''}"
    )


@contextmanager
def progress_of(unit: str) -> Iterator[Callable[[str, int, int], None]]:
    """A bar for what takes more than two seconds, on a terminal only; quick work shows nothing."""
    began = time.monotonic()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} " + unit),
        TimeElapsedColumn(),
    )
    bars = Progress(*columns, console=err, transient=True)
    tasks: dict[str, TaskID] = {}

    def advance(what: str, done: int, total: int) -> None:
        if not err.is_terminal or time.monotonic() - began < 2:
            return
        if not tasks:
            bars.start()
        if what not in tasks:
            tasks[what] = bars.add_task(what, total=total or None)
        bars.update(tasks[what], completed=done)

    try:
        yield advance
    finally:
        if tasks:
            bars.stop()
