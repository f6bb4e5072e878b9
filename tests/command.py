"""The command ``minnow`` as a person runs it: in this process, or in one of its own where that matters."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from minnow.cli.main import app

# A net that learns the colours in a moment.
TINY: dict[str, object] = {
    "text_classifier.encoder": "none",
    "text_classifier.embedding_size": 16,
    "text_classifier.hidden_size": 8,
    "text_classifier.pooling": "mean",
    "text_classifier.dropout": 0.1,
    "text_classifier.token_dropout": 0.1,
    "text_classifier.embedding_dropout": 0.1,
    "training.learning_rate": 0.03,
    "training.tokens_per_batch": 512,
    "training.epochs": 4,
    "training.average": 0.9,
}


class Outcome:
    """What came back: the exit code and both streams."""

    def __init__(self, code: int, out: str, err: str):
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        """Standard output as the one JSON object that it must be."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """Standard output as one JSON object a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def error(self) -> str:
        """The one line that begins with ``error:``; any other number of them, or a traceback, fails."""
        errors = [line for line in self.err.splitlines() if line.startswith("error:")]
        assert len(errors) == 1, self.err
        assert self.err.splitlines()[-1] == errors[0], "something follows the error"
        assert "Traceback" not in self.err
        return errors[0]


def minnow(*arguments: object, given: str | bytes | None = None, fails: bool = False) -> Outcome:
    """Run in this process. ``fails`` says that an exit code other than 0 is expected."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=given)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert fails == (result.exit_code != 0), result.output
    return Outcome(result.exit_code, result.stdout, result.stderr)


MAIN = "from minnow.cli.main import main; main()"
# The peak of this program alone, in KiB; getrusage would count the process that started it too.
TELL_PEAK = """
import atexit, pathlib, sys
words = lambda: pathlib.Path("/proc/self/status").read_text().split()
atexit.register(lambda: print((found := words())[found.index("VmHWM:") + 1], file=sys.stderr))
"""


def start(*arguments: object, tells_peak: bool = False, **options: Any) -> "subprocess.Popen[str]":
    """Run in a process of its own, with pipes for both outputs; ``tells_peak`` ends standard error with its memory."""
    program = [sys.executable, "-c", TELL_PEAK + MAIN if tells_peak else MAIN, *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
    return subprocess.Popen(program, **pipes)


def with_settings(settings: dict[str, object]) -> list[str]:
    return [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]


def net(**more: object) -> list[str]:
    """The options that train a tiny text_classifier; ``training__epochs=2`` stands for ``training.epochs=2``."""
    changed = {key.replace("__", "."): value for key, value in more.items()}
    return ["--model", "text_classifier", *with_settings(TINY | changed)]


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
