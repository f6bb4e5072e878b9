"""A run has its folder to itself."""

import shutil
from pathlib import Path

import pytest

from minnow.bundle import layout
from minnow.errors import MinnowError, StorageError
from minnow.training.checkpoint import Progress, save_checkpoint
from minnow.training.run_folder import attempt, check_place, seconds_before


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
