"""The training loop: epochs of shuffled batches, validation, the best weights, and a state that survives a kill.

What is learnt, and what is measured, is a ``Lesson``; the loop knows rows by their numbers alone.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from minnow.allocator import give_back_freed_memory, keep_freed_memory
from minnow.bundle import layout
from minnow.errors import RecipeError
from minnow.files import write_text
from minnow.layers.precision import precision_for
from minnow.listeners import Show
from minnow.training.adversarial import adversarial_loss, token_embedding
from minnow.training.checkpoint import (
    Progress,
    load_checkpoint,
    optimizer_tensors,
    restore_optimizers,
    save_checkpoint,
)
from minnow.training.journal import Journal, peak_memory_mib
from minnow.training.optimizer import optimizers, update
from minnow.training.outcome import INTERRUPTED, DivergedError, Outcome, check_finite
from minnow.training.recipe_file import to_toml
from minnow.training.replicas import Replicas, num_workers_for
from minnow.training.schedule import Schedule
from minnow.training.settings import TrainingSettings

LOG_SECONDS = 1.0
TIDY_SECONDS = 20.0  # between two times that freed memory is given back


Rows = NDArray[np.int64]
Recipe = TypeVar("Recipe", bound=Any)  # with a section ``training``


class Lesson(Protocol):
    """What a run learns from and is measured by; ``labelled.Labelling`` is one."""

    fewest_rows: int  # that are worth a copy of the model of their own

    @property
    def num_tokens(self) -> int:
        """Of all training rows."""

    def batches(self, tokens_per_batch: int, random: np.random.Generator) -> list[Rows]:
        """Numbers of training rows, batch by batch, each row once."""

    def weight(self, rows: Rows) -> float:
        """How much these rows count in the loss of a batch that they are a part of."""

    def tokens(self, rows: Rows) -> int:
        """How many tokens are learnt from these rows."""

    def loss(self, model: nn.Module, rows: Rows, device: torch.device) -> Tensor:
        """The mean loss of these rows."""

    def measure(self, model: nn.Module) -> dict[str, float]:
        """Scores on the validation rows, ``loss`` among them."""


class LearningPlan(Protocol):
    """Which parameters learn when and how fast; ``fine_tuning.Plan`` is one."""

    @property
    def adversarial(self) -> float: ...

    def parameter_groups(self, model: nn.Module, weight_decay: float) -> list[dict[str, Any]]: ...

    def freeze(self, model: nn.Module, epochs: float) -> None: ...


class Trainer:
    """One run over one model; ``fit`` leaves the best weights in the model, or the last.

    Args:
        lesson: what is learnt; the choice of the best weights and early stopping follow what it measures, and of equal
            scores its loss.
        folder: for the journal and the checkpoint; a checkpoint that stands there is taken up.
        show: is told every journal row and, in between, where the run stands.
        plan: for a model that has learnt before; without one every parameter learns alike.
    """

    def __init__(
        self,
        model: nn.Module,
        lesson: Lesson,
        settings: TrainingSettings,
        folder: Path,
        show: Show,
        plan: LearningPlan | None = None,
    ):
        self.device = choose_device(settings.device)
        self.model = model.to(self.device)
        self.lesson = lesson
        self.settings, self.folder, self.show = settings, folder, show
        self.autocast = precision_for(settings.precision, model, self.device) == "bfloat16"
        self.tokens_per_batch = settings.tokens_per_batch or tokens_per_batch(lesson.num_tokens)
        self.replicas = Replicas(model, num_workers_for(self.device), settings.seed)
        self.plan = plan
        groups = plan.parameter_groups(model, settings.weight_decay) if plan else None
        self.optimizers = optimizers(
            settings.optimizer,
            model,
            settings.learning_rate,
            settings.weight_decay,
            groups=groups,
            products=torch.bfloat16 if self.autocast else torch.float32,
        )
        self.journal = Journal(folder / "journal.jsonl")
        self.progress = Progress()
        self.average = [p.detach().clone() for p in model.parameters()] if settings.average > 0 else []
        self.kept: list[Tensor] = []
        self._drawn: tuple[int, list[Rows]] | None = None
        self.schedule = Schedule(settings.schedule, settings.epochs * len(self._batches(0)), settings.warmup)

    def fit(self) -> Outcome:
        """Train until the last epoch, until patience or time is spent, or until Ctrl-C; then load the weights to keep.

        A loss that is no number ends a run as Ctrl-C does, if there are weights to keep.

        Raises:
            DivergedError: there are none.
        """
        if self.device.type == "cpu":
            keep_freed_memory()
        threads = torch.get_num_threads()
        torch.set_num_threads(1 if self.device.type == "cpu" else threads)
        ended = advice = ""
        try:
            self._resume()
            while self.progress.epoch < self.settings.epochs and not self.progress.stopped:
                self._epoch()
        except KeyboardInterrupt:
            ended = INTERRUPTED
            if not self.kept:
                self._validate()
        except DivergedError as error:
            ended, advice = error.what, error.advice
            if not self.kept:
                raise
        finally:
            torch.set_num_threads(threads)
            self.replicas.close()
        self._load(self.kept)
        scores = {key[5:]: value for key, value in self.progress.extra.items() if key.startswith("best.")}
        done = self.progress
        return Outcome(scores, done.best_step, done.step, done.seconds, done.tokens, ended, advice)

    def _epoch(self) -> None:
        started = last_saved = last_tidied = time.monotonic()
        batches = self._batches(self.progress.epoch)
        last_shown = 0.0
        before = self.progress.seconds
        self.model.train()
        while self.progress.batch < len(batches):
            if self.plan:
                for one in self.replicas.copies:
                    self.plan.freeze(one, self.progress.epoch + self.progress.batch / len(batches))
            self._step(batches[self.progress.batch])
            now = time.monotonic()
            self.progress.seconds = before + now - started
            if now - last_shown > LOG_SECONDS:
                self._log(len(batches))
                last_shown = now
            if now - last_saved > self.settings.checkpoint_seconds:
                self._save()
                last_saved = time.monotonic()
            if now - last_tidied > TIDY_SECONDS and self.device.type == "cpu":
                give_back_freed_memory()
                last_tidied = now
            if self.settings.max_minutes and self.progress.seconds > 60 * self.settings.max_minutes:
                self.progress.stopped = True
                break
        self._validate()
        self.progress.seconds = before + time.monotonic() - started
        self.progress.epoch += 1
        self.progress.batch = 0
        self._save()

    def _step(self, batch: Rows) -> None:
        parts = [part for part in self._split(batch) if len(part)]
        weights = [self.lesson.weight(part) for part in parts]
        shares = [weight / sum(weights) for weight in weights]
        loss = self.replicas.backward(self._loss, list(zip(parts, shares, strict=True)), shares)
        check_finite(loss, self.progress.step, self.settings)
        if self.settings.clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip)
        update(self.optimizers, self.settings.learning_rate * self._factor())
        self._update_average()
        self.progress.step += 1
        self.progress.batch += 1
        self.progress.tokens += self.lesson.tokens(batch)
        self.progress.loss_sum += loss
        self.progress.loss_steps += 1

    def _factor(self) -> float:
        """Of the learning rate; where the time is bounded the schedule comes to its end with it, at the latest."""
        if not self.settings.max_minutes or self.schedule.name == "plateau":
            return self.schedule.factor(self.progress.step)
        by_steps = (self.progress.step + 1) / self.schedule.num_steps
        return self.schedule.at(max(by_steps, self.progress.seconds / (60 * self.settings.max_minutes)))

    def _loss(self, model: nn.Module, part: tuple[Rows, float]) -> Tensor:
        """Of some rows of the batch, which are such a share of it."""
        rows, share = part
        model.train()

        def loss() -> Tensor:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast):
                return self.lesson.loss(model, rows, self.device)

        if not self.plan or not self.plan.adversarial:
            return loss()
        embedding = token_embedding(model, model.config.vocab_size)  # type: ignore[union-attr, arg-type]
        return adversarial_loss(loss, embedding, self.plan.adversarial, share)

    def _split(self, batch: Rows) -> list[Rows]:
        """Every worker gets rows of all lengths of the batch; of few rows, not every worker gets some."""
        workers = max(1, min(len(self.replicas.copies), len(batch) // self.lesson.fewest_rows))
        return [batch[worker::workers] for worker in range(workers)]

    def _batches(self, epoch: int) -> list[Rows]:
        """Of an epoch; those of the first are asked for twice, and drawn once."""
        if self._drawn is None or self._drawn[0] != epoch:
            random = np.random.default_rng((self.settings.seed, epoch))
            self._drawn = epoch, self.lesson.batches(self.tokens_per_batch, random)
        return self._drawn[1]

    def _update_average(self) -> None:
        """Exponential moving average; young averages forget faster, so that the start does not weigh on them."""
        if not self.average:
            return
        decay = min(self.settings.average, (1 + self.progress.step) / (10 + self.progress.step))
        with torch.no_grad():
            torch._foreach_lerp_(self.average, [p.data for p in self.model.parameters()], 1 - decay)

    def _validate(self) -> None:
        """Score the validation rows with the averaged weights, keep them if they are the best so far or the last are
        wanted.

        Of equal scores the lower loss counts: BLEU of very short targets stays 0 while the model learns.
        """
        current = [p.detach().clone() for p in self.model.parameters()]
        if self.average:
            self._load(self.average)
        scores = self.lesson.measure(self.model)
        loss = scores["loss"]
        check_finite(loss, self.progress.step, self.settings)
        value = -loss if self.settings.metric == "loss" else scores[self.settings.metric]
        before = self.progress.best
        improved = before is None or (value, -loss) > (before, -self.progress.extra["best.loss"])
        if improved:
            self.progress.best, self.progress.worse_for = value, 0
        else:
            self.progress.worse_for += 1
        if improved or self.settings.weights == "last":
            self.kept = [p.detach().clone() for p in self.model.parameters()]
            self.progress.best_step = self.progress.step
            self.progress.extra |= {f"best.{name}": score for name, score in scores.items()}
        self._load(current)
        self.schedule.after_validation(improved)
        self.progress.reductions = self.schedule.reductions
        self.progress.stopped |= 0 < self.settings.patience <= self.progress.worse_for
        row = self._row() | {"validation_loss": loss} | {k: v for k, v in scores.items() if k != "loss"}
        self.progress.loss_sum, self.progress.loss_steps = 0.0, 0
        self.journal.append(row)
        self.show(row | {"best": improved})

    def _log(self, num_batches: int) -> None:
        self.show(self._row() | {"batch": self.progress.batch, "num_batches": num_batches})

    def _row(self) -> dict[str, Any]:
        done = self.progress
        return {
            "step": done.step,
            "epoch": done.epoch + 1,
            "loss": done.loss_sum / max(1, done.loss_steps),
            "learning_rate": self.settings.learning_rate * self._factor(),
            "tokens_per_second": done.tokens / max(done.seconds, 1e-9),
            "memory_mib": peak_memory_mib(),
            "seconds": done.seconds,
        }

    def _load(self, weights: Sequence[Tensor]) -> None:
        with torch.no_grad():
            for parameter, value in zip(self.model.parameters(), weights, strict=True):
                parameter.copy_(value)

    def _save(self) -> None:
        tensors = {name: p.data for name, p in self.model.named_parameters(prefix="model")}
        tensors |= {f"average.{i}": value for i, value in enumerate(self.average)}
        tensors |= {f"best.{i}": value for i, value in enumerate(self.kept)}
        tensors |= optimizer_tensors(self.optimizers) | self.replicas.random_states()
        save_checkpoint(self.folder / layout.CHECKPOINT, self.progress, tensors)

    def _resume(self) -> None:
        found = load_checkpoint(self.folder / layout.CHECKPOINT)
        if found is None:
            self.journal.cut_after(0)  # what a run left that ended before its first checkpoint
            return
        self.progress, tensors = found
        self._load([tensors[name] for name, _ in self.model.named_parameters(prefix="model")])
        # The file's tensors are on the processor, and the average is added to where the model lies.
        self.average = [tensors[f"average.{i}"].to(self.device) for i in range(len(self.average))]
        num_kept = sum(name.startswith("best.") for name in tensors)
        self.kept = [tensors[f"best.{i}"].to(self.device) for i in range(num_kept)]
        restore_optimizers(self.optimizers, tensors)
        self.replicas.restore_random_states(tensors)
        self.schedule.reductions = self.progress.reductions
        self.journal.cut_after(self.progress.epoch)


def tokens_per_batch(num_tokens: int) -> int:
    """Where a recipe leaves it open: a hundredth of all training tokens, within 512 and 8192."""
    return min(8192, max(512, num_tokens // 100))


def settled(recipe: Recipe, model: nn.Module, run: Path) -> Recipe:
    """The recipe with its arithmetic chosen, as the folder of the run keeps it.

    Timed anew, a run that goes on could take another.
    """
    said: TrainingSettings = recipe.training
    precision = precision_for(said.precision, model, choose_device(said.device))
    chosen: Recipe = replace(recipe, training=replace(said, precision=precision))
    write_text(run / layout.RECIPE, to_toml(chosen))
    return chosen


def choose_device(name: str) -> torch.device:
    """The device of that name; ``auto`` takes a GPU where there is one."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise RecipeError("training.device is cuda, but this machine has no GPU that torch can use; take cpu or auto")
    return torch.device(name)
