"""What a person sees while a model trains: one moving line on a terminal, one line an epoch elsewhere."""

from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class TrainingDisplay:
    """A progress display on standard error; call it with journal rows."""

    def __init__(self, console: Console, num_epochs: int):
        self._console = console
        self._epochs = num_epochs
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

    def __call__(self, row: dict[str, Any]) -> None:
        if "validation_loss" in row:
            self._console.print(epoch_line(row), markup=False)
        elif self._bar is None or self._task is None:
            return
        elif "stage" in row:
            self._bar.update(self._task, completed=row["done"], total=row["total"], description=row["stage"])
        elif "batch" in row:
            done = row["epoch"] - 1 + row["batch"] / max(1, row["num_batches"])
            text = f"epoch {row['epoch']}  loss {row['loss']:.3f}  {row['tokens_per_second']:,.0f} tokens/s"
            self._bar.update(self._task, completed=done, total=self._epochs, description=text)


def epoch_line(row: dict[str, Any]) -> str:
    """One epoch in one line."""
    metric = next((name for name in ("accuracy", "f1_macro") if name in row), "validation_loss")
    return (
        f"epoch {row['epoch']:>2}  loss {row['loss']:.4f}  validation loss {row['validation_loss']:.4f}  "
        f"{metric.replace('_', ' ')} {row[metric]:.2%}  {row['tokens_per_second']:,.0f} tokens/s  "
        f"{row['seconds']:.0f} s{'  best so far' if row.get('best') else ''}"
    )
