"""What a verb does not need, it does not load: torch costs a second."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "numba", "polars", "sklearn", "altair", "huggingface_hub")


def loaded(program: str, *arguments: object) -> set[str]:
    """The heavy packages that a program has loaded when it ends."""
    tell = f"import sys, atexit; atexit.register(lambda: print('LOADED', *(set({HEAVY}) & sys.modules.keys())))\n"
    command = [sys.executable, "-c", tell + program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


def test_import_minnow_loads_nothing_heavy() -> None:
    assert loaded("import minnow; minnow.__version__; dir(minnow)") == set()


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["train", "--help"], ["predict", "--help"], ["push", "--help"], ["hub", "--help"], ["--version"]],
)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    assert loaded("from minnow.cli.main import main; main()", *arguments) == set()


def test_the_linear_model_answers_without_torch(linear: Path) -> None:
    found = loaded("from minnow.cli.main import main; main()", "predict", linear, "a text")
    assert found.isdisjoint({"torch", "sklearn", "altair", "huggingface_hub"})


def test_the_linear_model_is_trained_without_torch(colours: Path, tmp_path: Path) -> None:
    program = "import minnow, sys; minnow.train(sys.argv[1], out=sys.argv[2], model='ngram')"
    assert "torch" not in loaded(program, colours / "train.csv", tmp_path / "out")


def test_folders_go_to_a_hub_without_torch(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    asked = ("team/name", "--hub", "http://127.0.0.1:9")
    main = "import contextlib, sys\nfrom minnow.cli.main import main\nwith contextlib.suppress(SystemExit): main()"
    for words in (("push", tmp_path, *asked), ("pull", *asked), ("search", *asked[1:])):
        assert loaded(main, *words).isdisjoint({"torch", "numba", "sklearn"}), words
