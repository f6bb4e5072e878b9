"""A run has its folder to itself."""

from pathlib import Path

import pytest

from minnow.errors import StorageError
from minnow.training.run_folder import attempt


@pytest.mark.parametrize("resume", [False, True])
def test_a_second_run_is_refused_while_the_first_goes_on(resume: bool, tmp_path: Path) -> None:
    with attempt(tmp_path / "m", resume=False) as run:
        run.mkdir()
        (run / "journal.jsonl").write_text("{}")
        with pytest.raises(StorageError, match="another run"), attempt(tmp_path / "m", resume):
            pass
        assert (run / "journal.jsonl").is_file()
