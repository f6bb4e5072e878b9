"""Data and models that several tests share, made once a session; nobody may change them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from colours import csv_file, rows
from command import minnow, net, with_settings
from hypothesis import settings

from minnow import kernel_cache

# How long an example takes is the machine's matter, and another test may be running beside it.
settings.register_profile("any_machine", deadline=None)
settings.load_profile("any_machine")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # the one process that starts the others
        kernel_cache.forget_stale()


@pytest.fixture(scope="session")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``train.csv`` and ``test.csv``."""
    folder = tmp_path_factory.mktemp("colours")
    csv_file(folder / "train.csv", rows(240, seed=1))
    csv_file(folder / "test.csv", rows(80, seed=2))
    return folder


@pytest.fixture(scope="session")
def linear(colours: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained ``ngram`` model that was measured on ``test.csv``."""
    folder = tmp_path_factory.mktemp("models") / "linear"
    minnow("train", colours / "train.csv", "--test", colours / "test.csv", "--model", "ngram", "--out", folder)
    return folder


@pytest.fixture(scope="session")
def neural(colours: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained ``text_classifier``, likewise."""
    folder = tmp_path_factory.mktemp("models") / "neural"
    minnow("train", colours / "train.csv", "--test", colours / "test.csv", "--out", folder, *net())
    return folder


@pytest.fixture
def no_pictures(linear: Path, neural: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    """Leave out the pictures, which take longer than the rest of a small run; the shared models are made before."""
    monkeypatch.setattr("minnow.evaluation.plots.available", lambda: False)


@pytest.fixture(scope="session")
def turning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with sequences in ``train.sources`` and ``test.sources``, and the same turned round in ``….targets``."""
    from pairs import files  # which needs torch

    folder = tmp_path_factory.mktemp("turning")
    files(folder, 600, seed=1)
    files(folder, 40, seed=2, name="test")
    return folder


@pytest.fixture(scope="session")
def translator(turning: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has learnt them a little, measured on the test part."""
    from pairs import TURNING

    folder = tmp_path_factory.mktemp("models") / "translator"
    sides = [turning / f"train.{side}" for side in ("sources", "targets")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("minnow.evaluation.plots.available", lambda: False)
        minnow("train", *sides, "--task", "translation", "--out", folder, *with_settings(TURNING))
    return folder


@pytest.fixture
def one_thread() -> Iterator[None]:
    """So small a model takes longer with two; and the kernels for training are taken on one alone."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
