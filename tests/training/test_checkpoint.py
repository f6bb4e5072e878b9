"""A checkpoint is whole or the one before it, and the optimiser goes on as if it had never stopped."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from minnow.errors import BundleError, FullDiskError
from minnow.training.checkpoint import (
    Progress,
    load_checkpoint,
    optimizer_tensors,
    restore_optimizers,
    save_checkpoint,
)
from minnow.training.optimizer import OPTIMIZERS, optimizers


def progress(step: int) -> Progress:
    return Progress(step, epoch=2, batch=3, seconds=1.5, tokens=99, best=0.75, extra={"best.accuracy": 0.75})


def tensors(step: int) -> dict[str, Tensor]:
    torch.manual_seed(step)
    return {"model.weight": torch.randn(3, 4).T, "random.0": torch.Generator().manual_seed(step).get_state()}


def test_what_is_saved_comes_back_bit_for_bit(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, progress(7), tensors(7))
    found, read = load_checkpoint(tmp_path) or pytest.fail("nothing there")
    assert found == progress(7)
    assert read.keys() == tensors(7).keys()
    for name, tensor in tensors(7).items():
        assert torch.equal(read[name], tensor)
        assert read[name].dtype == tensor.dtype


def test_no_checkpoint_yet_is_none(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path / "checkpoint") is None


def test_only_the_newest_tensors_are_kept(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        save_checkpoint(tmp_path, progress(step), tensors(step))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["state.json", "tensors-3.safetensors"]


def test_what_a_kill_left_half_written_goes_with_the_next_save(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, progress(1), tensors(1))
    (tmp_path / ".tensors-2.safetensors.a1b2c3.part").write_bytes(b"half")
    save_checkpoint(tmp_path, progress(2), tensors(2))
    assert {path.name for path in tmp_path.iterdir()} == {"state.json", "tensors-2.safetensors"}


def test_a_kill_between_the_two_files_leaves_the_older_pair(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, progress(1), tensors(1))
    save_file({"model.weight": torch.zeros(1)}, tmp_path / "tensors-2.safetensors")
    found, read = load_checkpoint(tmp_path) or pytest.fail("nothing there")
    assert found.step == 1
    assert torch.equal(read["model.weight"], tensors(1)["model.weight"])


def truncate(folder: Path) -> None:
    path = next(folder.glob("tensors-*"))
    path.write_bytes(path.read_bytes()[:-5])


def remove(folder: Path) -> None:
    next(folder.glob("tensors-*")).unlink()


def garble(folder: Path) -> None:
    (folder / "state.json").write_bytes(b'{"tensors": ')


def estrange(folder: Path) -> None:
    state = json.loads((folder / "state.json").read_bytes())
    (folder / "state.json").write_text(json.dumps(state | {"stride": 1}))


@pytest.mark.parametrize("damage", [truncate, remove, garble, estrange])
def test_damage_is_an_error_that_says_what_to_do(tmp_path: Path, damage) -> None:  # type: ignore[no-untyped-def]
    save_checkpoint(tmp_path, progress(1), tensors(1))
    damage(tmp_path)
    with pytest.raises(BundleError, match=r"damaged.*--overwrite"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimiser_that_is_restored_takes_the_same_steps(name: str, tmp_path: Path) -> None:
    def taken(net: nn.Linear, chosen: list[torch.optim.Optimizer], steps: range) -> None:
        for step in steps:
            net.zero_grad()
            net(torch.randn(8, 3, generator=torch.Generator().manual_seed(step))).square().mean().backward()
            for one in chosen:
                one.step()

    torch.manual_seed(0)
    unbroken = nn.Linear(3, 2)
    going = optimizers(name, unbroken, 0.01, 0.1)
    taken(unbroken, going, range(5))
    save_checkpoint(tmp_path, progress(5), optimizer_tensors(going))
    resumed = nn.Linear(3, 2)
    resumed.load_state_dict(unbroken.state_dict())
    taken(unbroken, going, range(5, 10))
    started = optimizers(name, resumed, 0.01, 0.1)
    restore_optimizers(started, (load_checkpoint(tmp_path) or pytest.fail("nothing there"))[1])
    taken(resumed, started, range(5, 10))
    for own, theirs in zip(unbroken.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(own, theirs)


@pytest.mark.parametrize("error", [MemoryError("no room"), PermissionError(13, "of another account")])
def test_a_checkpoint_that_cannot_be_read_is_not_called_damaged(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> None:
        raise error

    save_checkpoint(tmp_path, progress(1), tensors(1))
    monkeypatch.setattr("minnow.training.checkpoint.load_file", refuse)
    with pytest.raises(type(error)):
        load_checkpoint(tmp_path)


def test_a_full_disk_is_told_of_as_one_and_leaves_the_older_pair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library tells the number of the system's error in its text alone."""

    def refuse(*_: object) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    save_checkpoint(tmp_path, progress(1), tensors(1))
    monkeypatch.setattr("minnow.training.checkpoint.save_file", refuse)
    with pytest.raises(FullDiskError, match=r"no space left on the disk while writing .*tensors-2"):
        save_checkpoint(tmp_path, progress(2), tensors(2))
    assert {path.name for path in tmp_path.iterdir()} == {"state.json", "tensors-1.safetensors"}
