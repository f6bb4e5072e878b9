"""Work in pieces is done once each, wherever it is done, and a failure is not lost."""

import threading

import pytest
import torch

from minnow.layers.every_core import on_every_core

CPU = torch.device("cpu")


@pytest.mark.parametrize("num_pieces", [0, 1, 2, 7])
def test_every_piece_is_worked_on_once(num_pieces: int) -> None:
    done: list[int] = []
    on_every_core(done.append, range(num_pieces), CPU)
    assert sorted(done) == list(range(num_pieces))


def test_the_largest_pieces_which_come_last_are_begun_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minnow.layers.every_core.available_cores", lambda: 1)
    begun: list[int] = []
    on_every_core(begun.append, [1, 2, 3], CPU)
    assert begun == [3, 2, 1]


def test_a_device_of_its_own_gets_the_pieces_one_after_another_in_this_thread() -> None:
    begun: list[tuple[int, int]] = []
    on_every_core(lambda piece: begun.append((piece, threading.get_ident())), [1, 2, 3], torch.device("meta"))
    assert begun == [(piece, threading.get_ident()) for piece in (1, 2, 3)]


def test_threads_that_are_born_later_compute_on_as_many_cores_as_before() -> None:
    before, born = torch.get_num_threads(), []
    on_every_core(lambda _: None, [1, 2, 3], CPU)
    later = threading.Thread(target=lambda: born.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert born == [before]


def test_a_failure_reaches_the_caller_and_threads_are_given_back() -> None:
    before, running = torch.get_num_threads(), threading.active_count()

    def work(piece: int) -> None:
        assert torch.get_num_threads() == 1
        if piece == 2:
            raise KeyError("piece")

    with pytest.raises(KeyError, match="piece"):
        on_every_core(work, [1, 2, 3], CPU)
    assert (torch.get_num_threads(), threading.active_count()) == (before, running)
