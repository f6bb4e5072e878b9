"""The loop learns, repeats itself, stops when it should, keeps the best, and goes on after a kill as if none had been.

N rows · K labels
"""

import itertools
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from minnow.errors import MinnowError, RecipeError
from minnow.models.text_classifier import TextClassifier, TextClassifierConfig
from minnow.tasks.batching import TokenRows, token_logits
from minnow.tasks.text_classification import TextClassification
from minnow.training.journal import read_journal
from minnow.training.labelled import LabelledRows, Labelling
from minnow.training.optimizer import OPTIMIZERS
from minnow.training.settings import TrainingSettings
from minnow.training.trainer import Outcome, Trainer, choose_device

TASK = TextClassification(("red", "blue", "green"))
SETTINGS = TrainingSettings(
    epochs=3, tokens_per_batch=128, learning_rate=0.03, average=0.9, patience=0, precision="float32", device="cpu"
)
TIMINGS = ("seconds", "tokens_per_second", "memory_mib")


def labelled(num_rows: int, seed: int) -> LabelledRows:
    """Rows of which one token in three tells the label."""
    random = np.random.default_rng(seed)
    labels = random.integers(3, size=num_rows)
    rows = [
        np.where(random.random(n) < 0.3, 4 + label, random.integers(7, 20, n)).tolist()
        for label, n in zip(labels, random.integers(2, 9, num_rows), strict=True)
    ]
    return LabelledRows(TokenRows.of(rows), labels, [(int(label),) for label in labels])


TRAIN, VALIDATION = labelled(160, 0), labelled(60, 1)


def net(seed: int = 0, encoder: str = "none") -> TextClassifier:
    torch.manual_seed(seed)
    return TextClassifier(TextClassifierConfig(20, 3, 8, encoder=encoder, hidden_size=6, pooling="mean"))


class KilledError(Exception):
    """Stands for whatever ends a process in the middle of a batch."""


class Cut(TextClassification):
    """The task until so many losses were asked for; then the given error."""

    def __init__(self, after: int, error: type[BaseException]):
        super().__init__(TASK.labels)
        object.__setattr__(self, "after", after)
        object.__setattr__(self, "error", error)
        object.__setattr__(self, "lock", threading.Lock())

    def loss(self, logits_BK: Tensor, *rest: Any, **more: Any) -> Tensor:
        with self.lock:  # type: ignore[attr-defined]
            object.__setattr__(self, "after", self.after - 1)  # type: ignore[attr-defined]
        if self.after < 0:  # type: ignore[attr-defined]
            raise self.error  # type: ignore[attr-defined]
        return super().loss(logits_BK, *rest, **more)


def trainer(
    folder: Path, task: TextClassification = TASK, model: nn.Module | None = None, rows: Any = None, **settings: Any
) -> Trainer:
    shown = [] if rows is None else rows
    said = replace(SETTINGS, **settings)
    return Trainer(
        model or net(settings.get("seed", 0)),
        Labelling(task, TRAIN, VALIDATION, said.label_smoothing),
        said,
        folder,
        shown.append,
    )


def weights(model: nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in model.parameters()]


def same(first: nn.Module, second: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(weights(first), weights(second), strict=True))


def journal(folder: Path) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in row.items() if key not in TIMINGS}
        for row in read_journal(folder / "journal.jsonl")
    ]


def test_it_learns(tmp_path: Path) -> None:
    outcome = trainer(tmp_path, epochs=6).fit()
    assert outcome.scores["accuracy"] > 0.75
    rows = read_journal(tmp_path / "journal.jsonl")
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[-1]["loss"] < 0.8 * rows[0]["loss"]
    assert all(row["tokens_per_second"] > 0 and row["memory_mib"] > 0 for row in rows)
    assert [row["seconds"] for row in rows] == sorted(row["seconds"] for row in rows)


@pytest.mark.parametrize("encoder", ["none", "lstm"])
def test_the_same_seed_gives_the_same_bits_and_another_seed_others(tmp_path: Path, encoder: str) -> None:
    found = []
    for name, seed in (("one", 0), ("same", 0), ("other", 1)):
        model = net(0, encoder)
        trainer(tmp_path / name, model=model, seed=seed, epochs=2).fit()
        found.append(model)
    assert same(found[0], found[1])
    assert journal(tmp_path / "one") == journal(tmp_path / "same")
    assert not same(found[0], found[2])


@pytest.mark.parametrize(
    "settings",
    [{"optimizer": name} for name in OPTIMIZERS]
    + [
        {"schedule": "plateau", "epochs": 4, "learning_rate": 1e-9},
        {"schedule": "cosine", "average": 0.0, "metric": "loss"},
        {"patience": 2, "epochs": 5, "learning_rate": 1e-9},
        {"weights": "last", "epochs": 4, "learning_rate": 1e-9, "average": 0.0},
    ],
    ids=str,
)
@pytest.mark.parametrize("after", [3, 45])
def test_a_run_that_was_cut_off_ends_as_an_unbroken_one(tmp_path: Path, settings: dict[str, Any], after: int) -> None:
    unbroken, model = trainer(tmp_path / "unbroken", **settings), net()
    expected = unbroken.fit()
    with pytest.raises(KilledError):
        trainer(tmp_path / "cut", Cut(after, KilledError), checkpoint_seconds=0, **settings).fit()
    found = trainer(tmp_path / "cut", model=model, **settings).fit()
    assert same(model, unbroken.model)
    assert (found.scores, found.step) == (expected.scores, expected.step)
    assert journal(tmp_path / "cut") == journal(tmp_path / "unbroken")


def test_a_run_cut_off_after_the_last_batch_of_an_epoch_tells_of_it_once(tmp_path: Path) -> None:
    """The state is kept before the epoch's validation, which is told a second time when the run goes on."""

    class Deaf(list[dict[str, Any]]):
        def append(self, row: dict[str, Any]) -> None:
            if row.get("epoch") == 2 and "validation_loss" in row:
                raise KilledError

    with pytest.raises(KilledError):
        trainer(tmp_path, rows=Deaf(), checkpoint_seconds=0).fit()
    trainer(tmp_path).fit()
    assert [row["epoch"] for row in journal(tmp_path)] == [1, 2, 3]


def test_what_is_taken_up_lies_where_the_model_does(tmp_path: Path) -> None:
    """A device that keeps no numbers stands for a GPU: it refuses to compute with tensors of the processor as well."""
    with pytest.raises(KilledError):
        trainer(tmp_path, Cut(45, KilledError), checkpoint_seconds=0).fit()
    run, nowhere = trainer(tmp_path), torch.device("meta")
    run.model, run.device = run.model.to(nowhere), nowhere
    run._resume()
    assert run.kept
    assert {value.device for value in (*run.average, *run.kept)} == {nowhere}
    run._update_average()


def test_a_finished_run_that_is_taken_up_again_has_the_same_weights(tmp_path: Path) -> None:
    first, again = net(), net()
    expected = trainer(tmp_path, model=first).fit()
    found = trainer(tmp_path, model=again).fit()
    assert same(first, again)
    assert found.scores == expected.scores


def test_it_stops_when_nothing_has_improved_for_as_long_as_patience_lasts(tmp_path: Path) -> None:
    trainer(tmp_path / "short", epochs=9, patience=2, learning_rate=1e-12, average=0.0).fit()
    assert len(journal(tmp_path / "short")) == 3
    trainer(tmp_path / "endless", epochs=5, patience=0, learning_rate=1e-12, average=0.0).fit()
    assert len(journal(tmp_path / "endless")) == 5


def test_it_stops_when_the_time_is_up_and_keeps_what_it_has(tmp_path: Path) -> None:
    outcome = trainer(tmp_path, epochs=10_000, max_minutes=0.5 / 60, schedule="constant", warmup=0.0).fit()
    assert outcome.scores["accuracy"] == max(row["accuracy"] for row in journal(tmp_path))
    assert 0.4 < outcome.seconds < 60, "all epochs would take minutes, on a busy machine hours"
    assert len(journal(tmp_path)) < 10_000
    assert not outcome.interrupted


def test_the_learning_rate_has_fallen_when_the_time_is_up(tmp_path: Path) -> None:
    rate = 0.01
    trainer(tmp_path, epochs=10_000, max_minutes=0.5 / 60, schedule="linear", warmup=0.1, learning_rate=rate).fit()
    rates = [row["learning_rate"] for row in journal(tmp_path)]
    assert rates[-1] < 0.05 * rate


@pytest.mark.parametrize("metric", ["accuracy", "loss", "f1_macro"])
def test_the_weights_are_those_of_the_best_validation(tmp_path: Path, metric: str) -> None:
    model = net()
    outcome = trainer(tmp_path, model=model, metric=metric, epochs=8, learning_rate=0.5, average=0.0).fit()
    rows = journal(tmp_path)
    best = max(rows, key=lambda row: (0 if metric == "loss" else row[metric], -row["validation_loss"]))
    assert outcome.step == best["step"]
    assert best["step"] < rows[-1]["step"], "a run whose last weights are its best shows nothing"
    logits_NK = token_logits(model, VALIDATION.tokens)
    scores = TASK.score(logits_NK, VALIDATION.label_ids)
    assert scores["accuracy"] == outcome.scores["accuracy"] == best["accuracy"]
    loss = TASK.loss(torch.from_numpy(logits_NK), torch.from_numpy(VALIDATION.targets), None)
    assert loss.item() == outcome.scores["loss"] == best["validation_loss"]


class Diverging(TextClassification):
    """The task until so many losses were asked for; then losses that are no numbers."""

    def __init__(self, after: int):
        super().__init__(TASK.labels)
        object.__setattr__(self, "left", itertools.count(after, -1))

    def loss(self, *given: Any, **more: Any) -> Tensor:
        return super().loss(*given, **more) * (1.0 if next(self.left) > 0 else float("nan"))  # type: ignore[attr-defined]


def test_a_loss_that_is_no_number_ends_a_run_as_ctrl_c_does_and_keeps_the_best(tmp_path: Path) -> None:
    run = trainer(tmp_path, Diverging(45), checkpoint_seconds=0)
    outcome = run.fit()
    assert outcome.interrupted
    assert outcome.scores["accuracy"] == max(row["accuracy"] for row in journal(tmp_path))
    assert 0 < outcome.step < outcome.num_steps == run.progress.step
    (line,) = outcome.notes
    assert line.startswith(f"the loss is nan at step {outcome.num_steps}: the model of step {outcome.step} is kept")
    assert line.endswith("try a smaller training.learning_rate than 0.03"), "the run computed in float32 already"
    logits_NK = token_logits(run.model, VALIDATION.tokens)
    assert TASK.score(logits_NK, VALIDATION.label_ids)["accuracy"] == outcome.scores["accuracy"]

    again = trainer(tmp_path, Diverging(0), net(seed=5))  # goes on, and comes to the same end
    found = again.fit()
    assert (found.scores, found.step, found.notes) == (outcome.scores, outcome.step, outcome.notes)
    assert same(again.model, run.model)


class Told(Labelling):
    """Measures what it is told, validation by validation."""

    def __init__(self, *scores: tuple[float, float]):
        super().__init__(TASK, TRAIN, VALIDATION)
        self.told = [{"accuracy": accuracy, "loss": loss} for accuracy, loss in scores]

    def measure(self, model: nn.Module) -> dict[str, float]:  # noqa: ARG002
        return self.told.pop(0)


def test_a_validation_that_gives_no_number_is_no_best_one(tmp_path: Path) -> None:
    nan = float("nan")
    outcome = Trainer(net(), Told((0.5, 1.0), (0.9, nan), (0.6, 0.5)), SETTINGS, tmp_path / "a", lambda _: None).fit()
    assert (outcome.scores, outcome.interrupted) == ({"accuracy": 0.5, "loss": 1.0}, True)
    with pytest.raises(MinnowError, match="the loss is nan"):
        Trainer(net(), Told((0.9, nan)), SETTINGS, tmp_path / "b", lambda _: None).fit()


def test_of_equal_scores_the_lower_loss_is_the_better_one_and_no_loss_outweighs_a_score(tmp_path: Path) -> None:
    def best_epoch(name: str, *scores: tuple[float, float], **settings: Any) -> int:
        said, folder = replace(SETTINGS, epochs=len(scores), **settings), tmp_path / name
        step = Trainer(net(), Told(*scores), said, folder, lambda _: None).fit().step
        return next(row["epoch"] for row in journal(folder) if row["step"] == step)

    assert best_epoch("equal", (0.0, 3.0), (0.0, 2.0), (0.0, 1.0), (0.0, 1.0), (0.0, 1.5)) == 3
    assert best_epoch("score first", (0.0, 1.0), (0.5, 3.0), (0.0, 0.5)) == 2
    assert best_epoch("patience", (0.0, 3.0), (0.0, 2.0), (0.0, 1.0), (0.0, 1.0), (0.0, 0.5), patience=1) == 3


def test_the_last_weights_are_kept_where_they_are_wanted(tmp_path: Path) -> None:
    """And what they scored is told; patience goes by the best all the same."""
    scores = ((0.5, 1.0), (0.9, 0.7), (0.6, 0.5))
    run = Trainer(net(), Told(*scores), replace(SETTINGS, weights="last"), tmp_path / "last", lambda _: None)
    outcome = run.fit()
    assert outcome.scores == {"accuracy": 0.6, "loss": 0.5}
    assert outcome.step == outcome.num_steps
    assert run.progress.best == 0.9
    for parameter, last in zip(run.model.parameters(), run.average, strict=True):
        assert torch.equal(parameter, last)
    short = replace(SETTINGS, weights="last", epochs=6, patience=2)
    Trainer(net(), Told(*scores, (0.6, 0.4), (0.7, 0.3), (0.8, 0.2)), short, tmp_path / "short", lambda _: None).fit()
    assert [row["epoch"] for row in journal(tmp_path / "short")] == [1, 2, 3, 4]


@pytest.mark.parametrize("after", [1, 25])
def test_ctrl_c_keeps_the_best_so_far(tmp_path: Path, after: int) -> None:
    model = net()
    outcome: Outcome = trainer(tmp_path, Cut(10**9, KeyboardInterrupt), model).fit()
    assert not outcome.interrupted

    class Once(Cut):
        """Interrupts one loss; what is asked for afterwards is answered."""

        def loss(self, *given: Any, **more: Any) -> Tensor:
            try:
                return super().loss(*given, **more)
            finally:
                if self.after < 0:  # type: ignore[attr-defined]
                    object.__setattr__(self, "after", 10**9)

    outcome = trainer(tmp_path / "cut", Once(after, KeyboardInterrupt), model).fit()
    assert outcome.interrupted
    assert outcome.scores["accuracy"] == max(row["accuracy"] for row in journal(tmp_path / "cut"))


def test_a_loss_that_is_no_number_says_what_to_try(tmp_path: Path) -> None:
    class Diverged(TextClassification):
        def loss(self, logits_BK: Tensor, *_: Any, **__: Any) -> Tensor:
            return logits_BK.sum() * float("nan")

    with pytest.raises(MinnowError, match=r"smaller training\.learning_rate") as caught:
        trainer(tmp_path, Diverged(TASK.labels)).fit()
    assert caught.value.exit_code == 1


def test_class_weights_pull_answers_to_a_class(tmp_path: Path) -> None:
    def share_of_red(weights_K: list[float]) -> float:
        model = net()
        Trainer(
            model,
            Labelling(TASK, TRAIN, VALIDATION, class_weights_K=torch.tensor(weights_K)),
            replace(SETTINGS, epochs=2),
            tmp_path / str(weights_K),
            lambda _: None,
        ).fit()
        return float((token_logits(model, VALIDATION.tokens).argmax(1) == 0).mean())

    assert share_of_red([20.0, 1.0, 1.0]) > share_of_red([1.0, 1.0, 1.0]) > share_of_red([0.05, 1.0, 1.0])


def test_weighted_classes_give_one_gradient_however_a_batch_is_cut() -> None:
    lesson = Labelling(TASK, TRAIN, VALIDATION, 0.1, torch.tensor([5.0, 1.0, 0.2]))
    batch = np.arange(12)

    def gradients(parts: list[Any]) -> list[Tensor]:
        model = net().eval()  # whose dropout would differ
        total = sum(lesson.weight(part) for part in parts)
        for part in parts:
            (lesson.loss(model, part, torch.device("cpu")) * (lesson.weight(part) / total)).backward()
        return [parameter.grad for parameter in model.parameters() if parameter.grad is not None]

    for parts in ([batch[::2], batch[1::2]], [batch[:1], batch[1:2], batch[2:]]):
        for cut, whole in zip(gradients(parts), gradients([batch]), strict=True):
            torch.testing.assert_close(cut, whole)


@pytest.mark.parametrize(
    "settings",
    [{"average": 0.0}, {"clip": 0.0}, {"label_smoothing": 0.1}, {"precision": "bfloat16"}, {"schedule": "plateau"}],
    ids=str,
)
def test_every_setting_learns(tmp_path: Path, settings: dict[str, Any]) -> None:
    assert trainer(tmp_path, **{"epochs": 5, **settings}).fit().scores["accuracy"] > 0.6


def test_a_small_clip_takes_smaller_steps(tmp_path: Path) -> None:
    def moved(clip: float) -> float:
        model = net()
        trainer(tmp_path / str(clip), model=model, epochs=1, optimizer="sgd", average=0.0, clip=clip).fit()
        return float(sum((a - b).norm() for a, b in zip(weights(model), weights(net()), strict=True)))

    assert moved(1e-3) < 0.1 * moved(0.0)


def test_a_batch_of_one_row_and_a_net_that_is_frozen_in_part_are_fine(tmp_path: Path) -> None:
    model = net()
    model.embedding.weight.requires_grad_(False)
    before = model.embedding.weight.clone()
    trainer(tmp_path, model=model, epochs=1, tokens_per_batch=1).fit()
    assert torch.equal(model.embedding.weight, before)
    assert not same(model, net())


def test_whoever_watches_is_told_where_the_run_stands(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = []
    trainer(tmp_path, rows=rows).fit()
    assert any(row.get("batch") == 1 and row["num_batches"] > 1 for row in rows)
    assert [row["epoch"] for row in rows if "validation_loss" in row] == [1, 2, 3]


def test_threads_are_given_back(tmp_path: Path) -> None:
    before, running = torch.get_num_threads(), threading.active_count()
    trainer(tmp_path, epochs=1).fit()
    assert torch.get_num_threads() == before
    assert threading.active_count() == running


def test_a_device_that_is_not_there_is_the_asker_s_mistake() -> None:
    assert choose_device("cpu").type == "cpu"
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    assert choose_device("auto").type == "cpu"
    with pytest.raises(RecipeError, match="take cpu or auto"):
        choose_device("cuda")
