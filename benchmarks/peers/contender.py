"""What every contender does in its own process: read, fit, save, answer; one JSON line on standard output tells it all.

Nothing but the standard library is imported here, so that each contender runs in an environment of its own.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

Answer = Callable[[Sequence[str]], Sequence[str]]


class Stopwatch:
    """Seconds since it was made, less those spent in ``paused``: what is measured on the way is not training."""

    def __init__(self) -> None:
        self._since = time.perf_counter()
        self._paused = 0.0

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._since - self._paused

    @contextmanager
    def paused(self) -> Iterator[None]:
        since = time.perf_counter()
        yield
        self._paused += time.perf_counter() - since


@dataclass
class Race:
    """One contender's run: what it was given, and what it reports.

    Attributes:
        test_texts, test_labels: to be answered.
        details: further numbers of the contender's own, such as ``epoch_seconds``.
        curve: (seconds of training, test accuracy) pairs of a model that is trained in epochs.
    """

    folder: Path
    seed: int
    num_epochs: int
    num_threads: int
    train_texts: list[str]
    train_labels: list[str]
    test_texts: list[str]
    test_labels: list[str]
    read_seconds: float
    details: dict[str, Any] = field(default_factory=dict)
    curve: list[tuple[float, float]] = field(default_factory=list)

    def accuracy(self, answers: Sequence[str]) -> float:
        """The share of the test texts that ``answers`` gets right."""
        right = sum(given == label for given, label in zip(answers, self.test_labels, strict=True))
        return right / len(self.test_labels)

    def finish(
        self,
        fit: Callable[[Stopwatch], Any],
        save: Callable[[Any], None],
        answer: Callable[[Any], Answer],
        packages: Sequence[str],
    ) -> None:
        """Fit, save and answer, each timed, and print the report.

        Args:
            fit: makes the model from the texts in memory.
            save: writes it below ``folder``; its size there is counted.
            answer: turns the model into a function from texts to labels.
            packages: whose versions are told.
        """
        watch = Stopwatch()
        model = fit(watch)
        fit_seconds = watch.seconds
        watch = Stopwatch()
        save(model)
        save_seconds = watch.seconds
        label = answer(model)
        label(self.test_texts[:64])
        watch = Stopwatch()
        answers = label(self.test_texts)
        documents_per_second = len(answers) / watch.seconds
        report = {
            "accuracy": self.accuracy(answers),
            "read_seconds": self.read_seconds,
            "fit_seconds": fit_seconds,
            "save_seconds": save_seconds,
            "total_seconds": self.read_seconds + fit_seconds + save_seconds,
            "documents_per_second": documents_per_second,
            "size_bytes": sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file()),
            "curve": self.curve,
            "versions": {name: version(name) for name in packages},
            **self.details,
        }
        print(json.dumps(report), flush=True)


def enter() -> Race:
    """The race as the command line describes it; the training texts are read with the clock running."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="folder with train.jsonl and test.jsonl")
    parser.add_argument("folder", type=Path, help="for the model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=3)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    test_texts, test_labels = read(given.data / "test.jsonl")
    watch = Stopwatch()
    train_texts, train_labels = read(given.data / "train.jsonl")
    seconds = watch.seconds
    return Race(
        given.folder, given.seed, given.epochs, num_cores(), train_texts, train_labels, test_texts, test_labels, seconds
    )


def num_cores() -> int:
    """That this process may use; every contender pins its threads to them."""
    return len(os.sched_getaffinity(0))


def read(path: Path) -> tuple[list[str], list[str]]:
    """Texts and labels of a jsonl file."""
    with path.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [row["text"] for row in rows], [row["label"] for row in rows]


def tell(message: str) -> None:
    """For the person who watches; standard output is the report's."""
    print(message, file=sys.stderr, flush=True)
