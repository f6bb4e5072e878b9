"""A model is replaced by a complete one or not at all."""

import shutil
from pathlib import Path

import pytest

from minnow.bundle import layout, replacing
from minnow.bundle.bundle import Bundle
from minnow.errors import BundleError, FullDiskError, StorageError


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def old(linear: Path, tmp_path: Path) -> Path:
    """A folder with a model, its report, its run, and a file of somebody else."""
    shutil.copytree(linear, tmp_path / "model")
    (tmp_path / "model" / "notes.txt").write_text("mine")
    return tmp_path / "model"


def test_a_failed_attempt_leaves_everything_as_it_was(old: Path) -> None:
    before = files_in(old)
    replacing.begin(old)
    (old / layout.WEIGHTS).write_bytes(b"half of a")
    (old / layout.RUN).mkdir()
    (old / layout.RUN / "journal.jsonl").write_text("{}")
    replacing.end(old)
    assert files_in(old) == before


def test_two_do_not_write_one_folder_at_a_time(old: Path) -> None:
    before = files_in(old)
    with replacing.alone(old), pytest.raises(StorageError, match="another run"), replacing.alone(old):
        pass
    with replacing.alone(old):
        assert files_in(old) == before


def test_a_full_disk_in_the_middle_of_a_run_says_how_to_go_on(tmp_path: Path) -> None:
    full = FullDiskError("no space left on the disk")
    with pytest.raises(FullDiskError) as found, replacing.alone(tmp_path / "m"):
        raise full
    assert found.value is full  # nothing was learnt yet
    (tmp_path / "m" / layout.RUN / "checkpoint").mkdir(parents=True)
    (tmp_path / "m" / layout.RUN / "checkpoint" / "state.json").write_text("{}")
    with pytest.raises(FullDiskError) as found, replacing.alone(tmp_path / "m"):
        raise full
    assert (
        f"no space left on the disk; the last checkpoint is kept, go on with: minnow train --resume --out {tmp_path}"
        in str(found.value)
    )


def test_while_the_new_one_is_made_the_old_one_is_a_whole_model_aside(old: Path) -> None:
    before = {name: content for name, content in files_in(old).items() if name != "notes.txt"}
    replacing.begin(old)
    assert files_in(old / layout.PREVIOUS) == before
    assert Bundle.load(old / layout.PREVIOUS).task["labels"]
    (old / layout.RUN).mkdir()
    with pytest.raises(BundleError, match=r"unfinished.*stood here is in .*\.previous"):
        layout.check_bundle(old)


def test_a_complete_model_replaces_the_old_one(old: Path) -> None:
    bundle = Bundle.load(old)
    replacing.begin(old)
    bundle.save(old)
    replacing.end(old)
    assert not (old / layout.PREVIOUS).exists()
    assert not (old / layout.EVALUATION).exists()
    assert (old / "notes.txt").read_text() == "mine"
    Bundle.load(old)


def test_a_run_with_a_checkpoint_goes_on_and_the_old_model_stays_aside(old: Path) -> None:
    replacing.begin(old)
    (old / layout.RUN / "checkpoint").mkdir(parents=True)
    (old / layout.RUN / "checkpoint" / "state.json").write_text("{}")
    replacing.end(old)
    assert (old / layout.RUN / "checkpoint" / "state.json").is_file()
    replacing.begin(old)  # another attempt: nothing complete stands here, so what is aside stays
    Bundle.load(old / layout.PREVIOUS)
    replacing.end(old)
    Bundle.load(old)


def test_a_new_folder_is_gone_after_an_error(tmp_path: Path) -> None:
    replacing.begin(tmp_path / "new")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / layout.CONFIG).write_text("{}")
    replacing.end(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_where_links_cannot_be_made_files_are_copied(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr("os.link", refuse)
    before = files_in(old)
    replacing.begin(old)
    replacing.end(old)
    assert files_in(old) == before


def test_without_room_to_put_it_aside_the_old_model_stays(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.link", refuse)
    monkeypatch.setattr("shutil.copy2", refuse)
    before = files_in(old)
    with pytest.raises(StorageError, match="no space left"):
        replacing.begin(old)
    assert files_in(old) == before
