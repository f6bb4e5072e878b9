"""Two real processes under ``torchrun`` give the curve and the weights of one."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from ports import free_port
from safetensors.torch import load_file, save_file

from minnow.errors import MinnowError
from minnow.training.distributed import explained, world
from training.language_runs import CUT, RUNS, curve, run_of

SCRIPT = Path(__file__).parent / "torchrun_runs.py"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of finished runs: ``NAME-HOW-OPTIMIZER`` of two processes, without HOW of one, with ``-cut`` cut off."""
    folder = tmp_path_factory.mktemp("runs")
    where = ["--nproc-per-node", "2", "--master-addr", "127.0.0.1", "--master-port", str(free_port())]
    both = subprocess.Popen(
        [sys.executable, "-m", "torch.distributed.run", *where, str(SCRIPT), str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    for name, _, optimizer in RUNS:
        place = folder / f"{name}-{optimizer}"
        alone = run_of(place, name, optimizer)
        alone.fit()
        save_file(alone.weights(), place / "weights.safetensors")
    shown, _ = both.communicate(timeout=300)
    assert both.returncode == 0, shown[-3000:]
    return folder


def assert_same_run(first: Path, second: Path, rounding: float = 1e-4) -> None:
    for one, other in zip(curve(first), curve(second), strict=True):
        assert (one["step"], one["tokens"]) == (other["step"], other["tokens"])
        assert one["loss"] == pytest.approx(other["loss"], rel=rounding)
        assert one.get("validation_loss", 0) == pytest.approx(other.get("validation_loss", 0), rel=rounding)
    weights = [load_file(folder / "weights.safetensors") for folder in (first, second)]
    for key, value in weights[0].items():
        torch.testing.assert_close(value, weights[1][key], rtol=0.0, atol=10 * rounding)


@pytest.mark.parametrize(("name", "how", "optimizer"), RUNS)
def test_two_processes_give_the_curve_of_one(name: str, how: str, optimizer: str, runs: Path) -> None:
    # Muon's products are in bfloat16, in which a sum taken in another order may fall on another number.
    rounding = 1e-3 if optimizer == "muon" else 1e-4
    assert_same_run(runs / f"{name}-{how}-{optimizer}", runs / f"{name}-{optimizer}", rounding)


@pytest.mark.parametrize("kind", CUT)
def test_two_processes_that_were_cut_go_on_to_the_same_curve(kind: tuple[str, str, str], runs: Path) -> None:
    assert_same_run(runs / "-".join((*kind, "cut")), runs / "-".join(kind))


def test_every_process_goes_on_with_the_model_that_python_asked_for(runs: Path) -> None:
    said = [(runs / f"asked-{rank}").read_text(encoding="utf-8") for rank in (0, 1)]
    assert said[0]
    assert said[0] == said[1]


def test_a_process_that_has_lost_another_says_so_in_a_line() -> None:
    lost = "[tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:60637. This is typically caused by a remote worker"
    with pytest.raises(MinnowError, match="another process of this run has ended"), explained():
        raise RuntimeError(lost)
    with pytest.raises(RuntimeError, match="sizes"), explained():
        raise RuntimeError("the sizes do not match")


def test_a_process_without_a_gpu_of_its_own_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(MinnowError, match=r"process 2 .* has no GPU of its own, for there are 1; "), world():
        pass
