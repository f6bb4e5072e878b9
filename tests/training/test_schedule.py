"""The learning rate rises over the warm-up and then falls as its name says."""

from itertools import pairwise

import pytest

from minnow.errors import UnknownNameError
from minnow.training.schedule import SCHEDULES, Schedule

NUM_STEPS = 200


def factors(name: str, num_steps: int = NUM_STEPS, warmup: float = 0.1) -> list[float]:
    schedule = Schedule(name, num_steps, warmup)
    return [schedule.factor(step) for step in range(num_steps)]


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_warm_up_rises_in_equal_steps_to_the_highest_rate(name: str) -> None:
    rising = factors(name)[:20]
    assert rising == pytest.approx([(step + 1) / 20 for step in range(20)])
    assert max(factors(name)) == pytest.approx(1)


@pytest.mark.parametrize("name", SCHEDULES)
def test_no_step_is_taken_at_rate_zero(name: str) -> None:
    for warmup in (0.0, 0.05, 0.999):
        assert all(0 < factor <= 1 for factor in factors(name, 7, warmup))


@pytest.mark.parametrize("name", ["linear", "cosine"])
def test_after_the_warm_up_it_falls_to_the_lowest(name: str) -> None:
    falling = factors(name)[19:]
    assert falling == sorted(falling, reverse=True)
    assert falling[-1] == pytest.approx(Schedule(name, NUM_STEPS).lowest)


def test_cosine_falls_later_than_linear_and_meets_it_half_way() -> None:
    straight, curved = factors("linear", warmup=0), factors("cosine", warmup=0)
    half = NUM_STEPS // 2
    assert all(c >= s for c, s in zip(curved[:half], straight[:half], strict=True))
    assert all(c <= s for c, s in zip(curved[half:-1], straight[half:-1], strict=True))
    assert curved[half - 1] == pytest.approx(straight[half - 1])


def test_constant_stays() -> None:
    assert set(factors("constant")[20:]) == {1.0}


@pytest.mark.parametrize("name", SCHEDULES)
def test_only_the_share_of_the_run_counts(name: str) -> None:
    assert factors(name, 2000)[9::10] == pytest.approx(factors(name, 200))


def test_plateau_falls_when_validation_does_not_improve_and_only_then() -> None:
    schedule = Schedule("plateau", NUM_STEPS, warmup=0)
    schedule.after_validation(improved=True)
    assert schedule.factor(50) == 1
    schedule.after_validation(improved=False)
    assert schedule.factor(50) == schedule.decay
    schedule.after_validation(improved=False)
    assert schedule.factor(50) == schedule.decay**2
    again = Schedule("plateau", NUM_STEPS, warmup=0, reductions=schedule.reductions)
    assert again.factor(51) == schedule.factor(51)


@pytest.mark.parametrize("name", ["constant", "linear", "cosine"])
def test_the_others_do_not_mind_validation(name: str) -> None:
    schedule = Schedule(name, NUM_STEPS)
    before = schedule.factor(50)
    schedule.after_validation(improved=False)
    assert schedule.factor(50) == before


def test_an_unknown_schedule_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'cosine'"):
        Schedule("cosin", NUM_STEPS)


def test_warmup_stable_decay_stays_at_the_top_and_falls_in_a_line_at_the_end() -> None:
    rates = factors("warmup_stable_decay")
    assert rates[20:139] == [1.0] * 119
    assert rates[-1] == pytest.approx(0.02)
    falls = [before - after for before, after in pairwise(rates[141:])]
    assert falls == pytest.approx([falls[0]] * len(falls))


@pytest.mark.parametrize("name", ["constant", "linear", "cosine", "warmup_stable_decay"])
def test_by_share_it_goes_as_by_steps(name: str) -> None:
    schedule = Schedule(name, NUM_STEPS, 0.1)
    assert [schedule.at((step + 1) / NUM_STEPS) for step in range(NUM_STEPS)] == pytest.approx(factors(name))
