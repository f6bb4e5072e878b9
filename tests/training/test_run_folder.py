"""A run has its folder to itself."""

import json
import shutil
from pathlib import Path

import pytest

from minnow.bundle import layout
from minnow.errors import DataError, MinnowError, StorageError
from minnow.training.checkpoint import Progress, save_checkpoint
from minnow.training.run_folder import attempt, check_place, check_same_source, seconds_before


@pytest.mark.parametrize("resume", [False, True])
def test_a_second_run_is_refused_while_the_first_goes_on(resume: bool, tmp_path: Path) -> None:
    with attempt(tmp_path / "m", resume=False) as run:
        run.mkdir()
        (run / "journal.jsonl").write_text("{}")
        with pytest.raises(StorageError, match="another run"), attempt(tmp_path / "m", resume):
            pass
        assert (run / "journal.jsonl").is_file()


def test_what_a_run_had_trained_before_it_was_cut_off_is_known(tmp_path: Path) -> None:
    assert seconds_before(tmp_path) == 0.0
    save_checkpoint(tmp_path / "checkpoint", Progress(step=3, seconds=12.5), {})
    assert seconds_before(tmp_path) == 12.5


def test_a_model_is_not_replaced_by_what_starts_from_it(tmp_path: Path) -> None:
    check_place(tmp_path, "", overwrite=False, resume=False)
    check_place(tmp_path / "b", str(tmp_path / "a"), overwrite=False, resume=False)
    with pytest.raises(StorageError, match="from which it starts; choose another --out"):
        check_place(tmp_path / "a", str(tmp_path / "b" / ".." / "a"), overwrite=True, resume=False)


@pytest.mark.parametrize("error", [MinnowError("the loss is nan"), OSError(28, "full"), KeyboardInterrupt()])
def test_where_nothing_can_go_on_the_old_model_is_back(error: BaseException, linear: Path, tmp_path: Path) -> None:
    shutil.copytree(linear, tmp_path / "m")
    before = {path.name: path.read_bytes() for path in (tmp_path / "m").iterdir() if path.is_file()}

    def fail() -> None:
        with attempt(tmp_path / "m", resume=False):
            assert not layout.is_bundle(tmp_path / "m")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "m").iterdir() if path.is_file()}


def test_the_model_beneath_an_adapter_may_not_change_before_a_run_goes_on(tmp_path: Path) -> None:
    base, adapter, run = tmp_path / "base", tmp_path / "adapter", tmp_path / "run"
    for folder, name in ((base, layout.WEIGHTS), (adapter, layout.ADAPTER_WEIGHTS)):
        folder.mkdir()
        (folder / name).write_bytes(b"weights")
    config = {"peft_type": "LORA", "base_model_name_or_path": "../base", "r": 1, "lora_alpha": 1, "target_modules": []}
    (adapter / layout.ADAPTER_CONFIG).write_text(json.dumps(config))
    check_same_source(run, str(adapter), resume=False)
    check_same_source(run, str(adapter), resume=True)
    (base / layout.WEIGHTS).write_bytes(b"other weights")
    with pytest.raises(DataError, match="has changed since the run began"):
        check_same_source(run, str(adapter), resume=True)
