"""A plan of steps ends where it says, and bends without a jump when the speed changes."""

from minnow.training.pace import Pace, passed


def test_the_share_goes_evenly_from_nothing_to_all() -> None:
    pace = Pace(8)
    assert [pace.share(step) for step in (0, 2, 8)] == [0.0, 0.25, 1.0]
    assert [pace.finished(step) for step in (7, 8)] == [False, True]


def test_a_new_plan_begins_at_the_share_that_is_done() -> None:
    slower = Pace(100).replanned(50, seconds_left=25.0, seconds_a_step=1.0)
    assert slower.num_steps == 75
    assert slower.share(50) == Pace(100).share(50)
    assert slower.share(75) == 1.0


def test_small_changes_of_speed_change_nothing() -> None:
    pace = Pace(100)
    assert pace.replanned(50, seconds_left=50.0, seconds_a_step=1.01) is pace


def test_with_no_time_left_the_run_ends_at_once() -> None:
    pace = Pace(100).replanned(50, seconds_left=-3.0, seconds_a_step=1.0)
    assert pace.finished(50)


def test_marks_are_passed_once_each_and_the_last_is_the_end() -> None:
    pace = Pace(37)
    marks = [step for step in range(37) if passed(pace.share(step), pace.share(step + 1), 5)]
    assert len(marks) == 5
    assert marks[-1] == 36
