"""The loop of a language model learns, repeats itself, keeps the best, and goes on after a kill as if none had been."""

import time
from pathlib import Path
from typing import Any

import pytest
import torch

from minnow.data.windows import Window
from minnow.errors import MinnowError
from minnow.training.distributed import World
from minnow.training.language_trainer import LanguageTrainer
from training.language_runs import ALONE, SETTINGS, curve, net, trainer

NAMES = ("llama", "gpt2", "rnn_lm", "bert")


class KilledError(Exception):
    """Stands for whatever ends a process in the middle of a step."""


class CutWindows:
    """The windows of a run until so many were read; then the given error."""

    def __init__(self, windows: Any, last: int, error: type[BaseException]):
        self.windows, self.last, self.error = windows, last, error

    def batch(self, step: int) -> Window:
        if step >= self.last:
            raise self.error
        return self.windows.batch(step)  # type: ignore[no-any-return]


def cut(run: LanguageTrainer, last: int, error: type[BaseException] = KilledError) -> LanguageTrainer:
    run.windows = CutWindows(run.windows, last, error)
    return run


def weights(run: LanguageTrainer) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in run.weights().items()}


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("name", NAMES)
def test_it_learns(name: str, tmp_path: Path) -> None:
    said: dict[str, Any] = {"steps": 60, "learning_rate": 0.03, "checkpoint_seconds": 60.0}
    model = net(name)
    if name == "bert":  # is told of few tokens a row, and must find where they stand
        model = net(name, **ALONE["bert"], hidden_size=32, intermediate_size=64)
        said |= {"steps": 120, "batch_rows": 32}
    run = trainer(tmp_path, model, **said)
    before = run.measure()["loss"]
    outcome = run.fit()
    assert outcome.scores["loss"] < before - 0.5
    assert run.measure()["loss"] == pytest.approx(outcome.scores["loss"], rel=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_a_run_that_was_cut_goes_on_to_the_same_curve_and_weights(name: str, tmp_path: Path) -> None:
    dropout = {"llama": "attention_dropout", "bert": "hidden_dropout_prob", "rnn_lm": "output_dropout"}
    shape = {dropout[name]: 0.2} if name in dropout else {}
    whole = trainer(tmp_path / "whole", net(name, **shape))
    whole.fit()
    with pytest.raises(KilledError):
        cut(trainer(tmp_path / "cut", net(name, **shape)), 7).fit()
    again = trainer(tmp_path / "cut", net(name, seed=5, **shape))
    assert again.resume()
    again.fit()
    assert curve(tmp_path / "cut") == curve(tmp_path / "whole")
    assert same(weights(again), weights(whole))


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1)])  # parts of a step, as by other cores or processes
def test_a_recurrent_run_goes_on_where_a_step_is_cut_otherwise(before: int, after: int, tmp_path: Path) -> None:
    shape = ALONE["rnn_lm"]
    said: dict[str, Any] = {"optimizer": "adamw", "learning_rate": 1e-3}
    trainer(tmp_path / "whole", net("rnn_lm", **shape), **said).fit()
    with pytest.raises(KilledError):
        cut(trainer(tmp_path / "cut", net("rnn_lm", **shape), accumulation=before, **said), 7).fit()
    again = trainer(tmp_path / "cut", net("rnn_lm", seed=5, **shape), accumulation=after, **said)
    assert again.resume()
    again.fit()
    for one, other in zip(curve(tmp_path / "whole"), curve(tmp_path / "cut"), strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-4)


def test_a_killed_run_whose_journal_is_ahead_of_its_checkpoint_writes_no_step_twice(tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        cut(trainer(tmp_path, checkpoint_seconds=60.0), 7).fit()  # the checkpoint is of step 4, the journal of step 7
    again = trainer(tmp_path, checkpoint_seconds=60.0)
    again.resume()
    again.fit()
    steps = [row["step"] for row in curve(tmp_path)]
    assert steps == sorted(set(steps))
    assert steps[-1] == SETTINGS.steps


def test_what_a_run_left_that_ended_before_its_first_checkpoint_is_forgotten(tmp_path: Path) -> None:
    trainer(tmp_path / "whole").fit()
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "journal.jsonl").write_text('{"step":1,"loss":9.0}\n{"step":2,"lo')
    again = trainer(tmp_path / "cut")
    assert not again.resume()
    again.fit()
    assert curve(tmp_path / "cut") == curve(tmp_path / "whole")


def test_better_weights_than_the_state_tells_of_are_not_its_best(tmp_path: Path) -> None:
    """A run is killed after it kept better weights, and before its state told of them."""
    with pytest.raises(KilledError):
        cut(trainer(tmp_path), 7).fit()
    run = trainer(tmp_path)
    assert run.resume()
    run._load_best()
    best = weights(run)
    run._load({name: torch.zeros_like(value) for name, value in best.items()})
    run._save_best(run.progress.best_step + 1)
    again = trainer(tmp_path, net(seed=6))
    assert again.resume()
    again._load_best()
    assert same(weights(again), best)


def test_control_c_in_the_middle_of_an_update_does_not_reach_the_model(tmp_path: Path) -> None:
    run = trainer(tmp_path, steps=12, validations=12)
    update, best = run._update, {}

    def torn(loss: float, rate: float) -> None:
        if run.progress.step == 6 and run.progress.best_step == 6:
            best.update(weights(run))
            run.optimizers[0].step()  # Muon's half of it
            raise KeyboardInterrupt
        update(loss, rate)

    run._update = torn  # type: ignore[method-assign]
    assert run.fit().interrupted
    assert best
    assert same(weights(run), best)


def test_a_constant_rate_is_that_of_the_last_step_too(tmp_path: Path) -> None:
    run = trainer(tmp_path, steps=3, schedule="constant", warmup=0.0, optimizer="adamw", learning_rate=0.01)
    run.fit()
    assert run.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.01)


def test_a_slow_sample_does_not_count_as_measuring(tmp_path: Path) -> None:
    run = trainer(tmp_path, steps=3, validations=1)
    run.sample = lambda model, step: time.sleep(0.3) or "text"  # noqa: ARG005
    run.fit()
    assert run.validation_seconds - run.seconds_a_token * run.measured_tokens >= 0.3


@pytest.mark.parametrize("name", NAMES)
def test_a_rehearsal_leaves_the_run_as_it_was(name: str, tmp_path: Path) -> None:
    plain, rehearsed = trainer(tmp_path / "a", net(name)), trainer(tmp_path / "b", net(name))
    assert rehearsed.rehearse() > 0
    rehearsed.rehearse_validation()
    plain.fit()
    rehearsed.fit()
    assert curve(tmp_path / "a") == curve(tmp_path / "b")


@pytest.mark.parametrize("name", ["llama", "rnn_lm", "bert"])
@pytest.mark.parametrize("change", [{"accumulation": 2}, {"accumulation": 3}, {"parallel": "replicas"}])
def test_how_a_step_is_divided_changes_nothing_but_rounding(name: str, change: dict[str, Any], tmp_path: Path) -> None:
    shape = ALONE.get(name, {})
    said = {"optimizer": "adamw", "learning_rate": 1e-3, "steps": 6}
    trainer(tmp_path / "whole", net(name, **shape), **said).fit()
    trainer(tmp_path / "parts", net(name, **shape), **said, **change).fit()
    for one, other in zip(curve(tmp_path / "whole"), curve(tmp_path / "parts"), strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-4)


@pytest.mark.parametrize("name", ["llama", "gpt2", "bert"])
def test_computing_activations_twice_changes_nothing(name: str, tmp_path: Path) -> None:
    trainer(tmp_path / "kept", net(name), steps=4).fit()
    trainer(tmp_path / "twice", net(name), steps=4, activation_checkpointing=True).fit()
    losses = [[row["loss"] for row in curve(tmp_path / folder)] for folder in ("kept", "twice")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_control_c_keeps_the_best_so_far(tmp_path: Path) -> None:
    run = cut(trainer(tmp_path, steps=30, validations=30), 20, KeyboardInterrupt)
    outcome = run.fit()
    assert outcome.interrupted
    assert outcome.step <= 20
    assert run.measure()["loss"] == pytest.approx(outcome.scores["loss"], rel=1e-6)


def test_control_c_while_better_weights_are_written_keeps_those_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trainer(tmp_path, validations=3, checkpoint_seconds=60.0)
    save, kept = run._save_best, {}

    def interrupted(step: int) -> None:
        if kept:
            raise KeyboardInterrupt
        kept.update(weights(run))
        save(step)

    monkeypatch.setattr(run, "_save_best", interrupted)
    outcome = run.fit()
    assert outcome.interrupted
    assert outcome.step == 4 < run.progress.step
    assert outcome.scores["loss"] == run.progress.best
    assert same(weights(run), kept)


def test_the_best_weights_are_kept_when_the_last_are_worse(tmp_path: Path) -> None:
    run = trainer(tmp_path, steps=40, validations=10, learning_rate=0.9, schedule="constant", optimizer="adamw", clip=0)
    outcome = run.fit()
    best = min(row["validation_loss"] for row in curve(tmp_path) if "validation_loss" in row)
    assert outcome.scores["loss"] == best
    assert run.measure()["loss"] == pytest.approx(best, rel=1e-6)


class Clock:
    """Stands still but for what somebody is said to have taken."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.mark.parametrize("thought", [0.2, 0.005])  # seconds a step that take 0.02
def test_a_budget_ends_the_run_in_time_with_its_schedule(
    thought: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, clock = trainer(tmp_path, steps=0, validations=4, checkpoint_seconds=60.0), Clock()
    monkeypatch.setattr("minnow.training.language_trainer.time", clock)
    step = run._step

    def slow_step() -> None:
        step()
        clock.now += 0.02

    monkeypatch.setattr(run, "_step", slow_step)
    run.plan(thought, 4.0, 0.0)
    planned = run.pace.num_steps
    outcome = run.fit(budget=4.0)
    assert (outcome.num_steps > planned) is (thought > 0.02)
    assert 2.0 < outcome.seconds < 4.0
    assert curve(tmp_path)[-1]["learning_rate"] == pytest.approx(run.schedule.lowest * SETTINGS.learning_rate)


def test_a_budget_that_outlasts_the_steps_does_not_prolong_the_run(tmp_path: Path) -> None:
    run = trainer(tmp_path, steps=10, budget="60s", checkpoint_seconds=60.0)
    run.plan(run.rehearse(), 60.0, 0.0)
    assert run.fit(budget=60.0).num_steps == 10


class Slower(World):
    """This process's clock says that there is time for more; that of the one that leads says that there is none."""

    def told(self, value: Any) -> Any:
        return False if value is True else 0 if isinstance(value, int) else value


def test_all_processes_rehearse_as_many_steps_as_the_one_that_leads(tmp_path: Path) -> None:
    run = trainer(tmp_path, world=Slower())
    cut(run, 2).rehearse()  # a third step would wait for ever for the other processes
    with pytest.raises(KilledError):
        cut(trainer(tmp_path), 2).rehearse()


def test_all_processes_measure_the_end_as_the_one_that_leads(tmp_path: Path) -> None:
    run = trainer(tmp_path, world=Slower(), validation_tokens=100)
    run.rehearse_validation()
    outcome = run.fit()
    run.measure = None  # type: ignore[assignment]  # would wait for ever likewise
    assert run.final_scores(outcome) == outcome.scores


def diverging(run: LanguageTrainer, last: int) -> LanguageTrainer:
    """The run whose weights become no numbers in that step."""
    update = run._update

    def diverged(loss: float, rate: float) -> None:
        update(loss, rate)
        if run.progress.step == last:
            next(run.model.parameters()).data.fill_(float("nan"))

    run._update = diverged  # type: ignore[method-assign]
    return run


@pytest.mark.parametrize(("last", "best"), [(6, 4), (7, 4)])  # found by the next step, and by a validation
def test_a_loss_that_is_no_number_ends_a_run_as_ctrl_c_does_and_keeps_the_best(
    last: int, best: int, tmp_path: Path
) -> None:
    run = diverging(trainer(tmp_path, validations=3), last)
    outcome = run.fit()
    assert outcome.interrupted
    assert (outcome.step, outcome.num_steps) == (best, last + 1)
    assert outcome.notes[0].startswith(f"the loss is nan at step {last + 1}: the model of step {best} is kept")
    assert "smaller training.learning_rate" in outcome.notes[0]
    assert run.measure()["loss"] == pytest.approx(outcome.scores["loss"], rel=1e-6)

    again = trainer(tmp_path, net(seed=5))
    assert again.resume()
    found = diverging(again, last).fit()  # goes on, and comes to the same end
    assert (found.scores, found.step, found.notes) == (outcome.scores, outcome.step, outcome.notes)
    assert same(weights(again), weights(run))


class Elsewhere(World):
    """Another process of the run gives no number from some question on."""

    def __init__(self, answers: int):
        super().__init__()
        object.__setattr__(self, "answers", iter([True] * answers))

    def sum(self, values: list[float]) -> list[float]:
        alone = len(values) > 1 or next(self.answers, False)  # type: ignore[attr-defined]
        return values if alone else [float("nan")]


def test_where_another_process_has_no_number_all_end(tmp_path: Path) -> None:
    outcome = trainer(tmp_path, world=Elsewhere(7)).fit()
    assert (outcome.step, outcome.num_steps, outcome.interrupted) == (4, 7, True)


@pytest.mark.parametrize("parallel", ["threads", "replicas"])
def test_a_loss_that_is_no_number_ends_the_run_with_advice(parallel: str, tmp_path: Path) -> None:
    model = net()
    with torch.no_grad():
        next(model.parameters()).fill_(float("nan"))
    with pytest.raises(MinnowError, match="learning_rate"):
        trainer(tmp_path, model, parallel=parallel).fit()
