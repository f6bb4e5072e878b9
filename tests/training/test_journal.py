"""The journal keeps whole rows: after a kill, and when a run goes on."""

from pathlib import Path

import numpy as np
import pytest

from minnow.errors import BundleError, StorageError
from minnow.training.journal import Journal, peak_memory_mib, read_journal

ROWS = [{"step": 10 * epoch, "epoch": epoch, "loss": 1 / epoch} for epoch in (1, 2, 3)]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    written = Journal(tmp_path / "run" / "journal.jsonl")
    for row in ROWS:
        written.append(row)
    return written


def test_rows_come_back_as_they_went_in(journal: Journal) -> None:
    assert journal.rows() == ROWS == read_journal(journal.path)


def test_numbers_of_numpy_are_numbers(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append({"loss": np.float64(0.5), "counts": np.arange(2)})
    assert journal.rows() == [{"loss": 0.5, "counts": [0, 1]}]


def test_a_line_that_a_kill_cut_off_is_passed_over(journal: Journal) -> None:
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole + b'{"step": 40, "ep')
    assert journal.rows() == ROWS


def test_a_run_that_goes_on_forgets_the_epochs_it_will_end_again(journal: Journal) -> None:
    journal.cut_after(2)
    assert journal.rows() == ROWS[:2]
    journal.append(ROWS[2])
    assert journal.rows() == ROWS


def test_going_on_mends_a_line_that_was_cut_off(journal: Journal) -> None:
    journal.path.write_bytes(journal.path.read_bytes() + b'{"step"')
    journal.cut_after(3)
    journal.append({"step": 40, "epoch": 4})
    assert [row["epoch"] for row in journal.rows()] == [1, 2, 3, 4]


def test_no_journal_is_no_row_for_a_run_and_an_error_for_a_reader(tmp_path: Path) -> None:
    assert Journal(tmp_path / "none.jsonl").rows() == []
    with pytest.raises(BundleError, match="no journal"):
        read_journal(tmp_path / "none.jsonl")


def test_a_place_that_cannot_be_written_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        Journal(tmp_path / "file" / "journal.jsonl").append({"step": 1})


def test_memory_is_told_in_mebibytes() -> None:
    assert 20 < peak_memory_mib() < 100_000
