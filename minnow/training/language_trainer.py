"""The loop of a language model: steps, not epochs; validation at even intervals; a state that survives a kill.

A step is a function of the weights, the recipe and its own number: which tokens it reads, which it hides and what it
drops out are drawn from the seed and that number. So a run that goes on repeats what it would have done.
R rows of a step, for this process · B rows of a part · S positions · V vocabulary
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from minnow.bundle import layout
from minnow.data.windows import Window
from minnow.layers.sampled_cross_entropy import SampledCrossEntropy
from minnow.listeners import Show
from minnow.training import distributed
from minnow.training.checkpoint import (
    Progress,
    load_checkpoint,
    optimizer_tensors,
    restore_optimizers,
    save_checkpoint,
    write_tensors,
)
from minnow.training.distributed import World, whole
from minnow.training.held_out import HeldOut
from minnow.training.journal import Journal, peak_memory_mib
from minnow.training.objectives import Asked, LossSum, Objective, causal
from minnow.training.optimizer import optimizers, update
from minnow.training.outcome import INTERRUPTED, DivergedError, Outcome, check_finite
from minnow.training.pace import Pace, passed
from minnow.training.pretraining_recipe import PretrainingSettings
from minnow.training.replicas import Replicas, num_workers_for
from minnow.training.schedule import Schedule

JOURNAL_ROWS = 200  # that tell the loss of a run, evenly spread
SHOWN_EVERY = 0.5  # seconds
REHEARSED = 4  # steps that are timed before a run
REHEARSAL_SECONDS = 6.0
MEASURED_SHARE = 0.1  # of the budget, at most, for all validations together
FINAL_SHARE = 0.05  # of the budget, at most, for the last measure
SAVING_SECONDS = 1.5
MEASURING = ("measured_tokens", "seconds_a_token", "validation_seconds", "final_seconds")
BEST = "best-{step}.safetensors"  # the state names the step, so what it says of the best is true of this file

Sample = Callable[[Any, int], str]


class Windows(Protocol):
    """What each step reads; ``data/windows.py`` has two kinds."""

    def batch(self, step: int) -> Window: ...


class LanguageTrainer:
    """One run over one model; ``fit`` leaves the best weights in it.

    Args:
        model: a LanguageModel, or an encoder that guesses hidden tokens.
        held_out: what the model is measured on.
        settings: with every value filled in.
        folder: for the journal and the checkpoint; a checkpoint that stands there is taken up.
        show: is told journal rows and, in between, where the run stands.
        world: the processes of the run; ``windows`` must be this process's.
        sample: writes a text with the model as it is; given the step.
        sampled: the loss against a part of the vocabulary; None for the loss against all of it.
        seconds: what the run has taken before; its budget counts from there.
    """

    def __init__(
        self,
        model: Any,
        objective: Objective,
        windows: Windows,
        held_out: HeldOut,
        settings: PretrainingSettings,
        folder: Path,
        show: Show,
        device: torch.device,
        autocast: bool,
        world: World | None = None,
        sample: Sample | None = None,
        sampled: SampledCrossEntropy | None = None,
    ):
        self.model, self.objective, self.windows, self.held_out = model.to(device), objective, windows, held_out
        self.settings, self.folder, self.show, self.sample = settings, folder, show, sample
        self.device, self.autocast, self.world = device, autocast, world or World()
        if settings.activation_checkpointing:
            model.gradient_checkpointing = True
        loss = LossSum(model, settings.compile, sampled).to(device)
        self.module: nn.Module = (
            distributed.wrapped(loss, settings.distributed, device) if self.world.size > 1 else loss
        )
        self.replicas = Replicas(self.module, num_replicas(settings, device, self.world), settings.seed)
        # The run's own arithmetic, which its recipe keeps: measured anew, a run that goes on could take another.
        self.optimizers = optimizers(
            settings.optimizer,
            model,
            settings.learning_rate,
            settings.weight_decay,
            beta2=settings.beta2,
            products=torch.bfloat16 if autocast else torch.float32,
        )
        self.schedule = Schedule(settings.schedule, 1, settings.warmup)
        self.journal = Journal(folder / "journal.jsonl")
        self.progress = Progress()
        self.pace = Pace(max(1, settings.steps))
        self.states: dict[int, Any] = {}
        self.restored = False
        self.measured_tokens = min(held_out.num_tokens, settings.validation_tokens)
        self.seconds_a_token = 0.0  # of the validation text
        self.validation_seconds = self.final_seconds = 0.0

    def rehearse(self) -> float:
        """Seconds of a step: a few at rate zero, after which the run is as if they had not been."""
        times: list[float] = []
        began = time.monotonic()
        # Every process must take as many steps as the others, so the clock of one of them decides.
        while len(times) <= REHEARSED and (
            len(times) < 2 or self.world.told(time.monotonic() - began < REHEARSAL_SECONDS)
        ):
            started = time.monotonic()
            self._update(self._gradient(len(times)), 0.0)
            times.append(time.monotonic() - started)
        for one in self.optimizers:
            one.state.clear()
        self.states = {}
        self._forget()
        return float(self.world.told(float(np.median(times[1:]))))

    def rehearse_validation(self, budget: float = 0.0) -> float:
        """Seconds of one validation, from a small one; with a budget, how much of the text its share allows."""
        tokens = min(self.held_out.num_tokens, 4 * self.settings.context * self.settings.batch_rows)
        started = time.monotonic()
        self.measure(tokens)
        a_token = self.seconds_a_token = self.world.told((time.monotonic() - started) / tokens)
        most, whole_text = self.settings.validation_tokens, a_token * self.held_out.num_tokens
        if budget:
            allowed = int(MEASURED_SHARE * budget / self.settings.validations / a_token)
            most = min(most, max(allowed, self.settings.context * self.settings.batch_rows))
        self.measured_tokens = min(self.held_out.num_tokens, most)
        self.validation_seconds = a_token * self.measured_tokens
        self.final_seconds = 0.0 if self._measures_all else min(whole_text, FINAL_SHARE * budget or whole_text)
        return self.validation_seconds

    def final_scores(self, outcome: Outcome) -> dict[str, float]:
        """The best weights on the whole validation text, or on as much as the time that was kept for it allows."""
        if self._measures_all:
            return outcome.scores
        affordable = int(self.final_seconds / max(self.seconds_a_token, 1e-12))
        most = affordable if self.settings.budget else self.held_out.num_tokens
        most = self.world.told(most)
        if most <= self.measured_tokens:
            return outcome.scores
        return self.measure(most)

    @property
    def _measures_all(self) -> bool:
        return self.measured_tokens >= self.held_out.num_tokens

    def plan(self, seconds_a_step: float, budget: float, spent: float) -> Pace:
        """As many steps as fit what is left of ``budget`` seconds, validations and the end of the run included."""
        left = budget - spent - self._kept_back(0.0)
        self.pace = self._within_steps(Pace(max(1, int(left / seconds_a_step))))
        return self.pace

    def _within_steps(self, pace: Pace) -> Pace:
        """Where a number of steps was asked for as well, a budget may only shorten the run."""
        most = self.settings.steps
        return replace(pace, num_steps=min(most, pace.num_steps)) if most else pace

    def fit(self, budget: float = 0.0, spent: float = 0.0) -> Outcome:
        """Train to the end of the plan or until Ctrl-C; then load the best weights.

        A loss that is no number ends a run as Ctrl-C does, if there are weights to keep.

        Args:
            budget: seconds, counted from before the loop; 0 for no limit.
            spent: seconds of them that are gone.

        Raises:
            DivergedError: there are none.
        """
        ended = advice = ""
        started = time.monotonic() - (self.progress.seconds if self.restored else spent)
        try:
            self._loop(lambda: time.monotonic() - started, budget)
        except KeyboardInterrupt:
            ended = INTERRUPTED
            if self.progress.best is None:
                self._validate()
        except DivergedError as error:
            ended, advice = error.what, error.advice
            if self.progress.best is None:
                raise
        finally:
            self.replicas.close()
        self.progress.seconds = time.monotonic() - started
        if ended or self.progress.best_step != self.progress.step:  # an update may have been cut in half
            self._load_best()
        scores = {key[5:]: value for key, value in self.progress.extra.items() if key.startswith("best.")}
        done = self.progress
        return Outcome(scores, done.best_step, done.step, done.seconds, done.tokens, ended, advice)

    def _loop(self, clock: Callable[[], float], budget: float) -> None:
        last_saved = last_shown = clock()
        logged_at, logged_step = self._step_seconds, self.progress.step
        while not self.pace.finished(self.progress.step):
            before = self.pace.share(self.progress.step)
            began = time.monotonic()
            self._step()
            self.progress.extra["step_seconds"] = self._step_seconds + time.monotonic() - began
            share, now = self.pace.share(self.progress.step), clock()
            self.progress.seconds = now
            if now - last_shown > SHOWN_EVERY:
                self.show(self._row() | {"share": share})
                last_shown = now
            logging = passed(before, share, JOURNAL_ROWS)
            if logging and budget and not self.pace.finished(self.progress.step):
                a_step = (self._step_seconds - logged_at) / max(1, self.progress.step - logged_step)
                self._replan(budget - now - self._kept_back(share), a_step)
                logged_at, logged_step = self._step_seconds, self.progress.step
            ended = self.pace.finished(self.progress.step)
            if passed(before, share, self.settings.validations) or ended:
                self._validate()
                self.progress.seconds = clock()
                self._save()
                last_saved = clock()
            elif passed(before, share, JOURNAL_ROWS):
                self._log()
            # To agree costs a message, so several processes ask one another at marks alone.
            due = clock() - last_saved > self.settings.checkpoint_seconds
            if (self.world.size == 1 or logging) and self.world.told(due):
                self._save()
                last_saved = clock()

    @property
    def _step_seconds(self) -> float:
        """What the steps alone have taken."""
        return float(self.progress.extra.get("step_seconds", 0.0))

    def _kept_back(self, share: float) -> float:
        """Seconds for the validations that are still to come, and for the end of the run."""
        times = self.settings.validations
        return self.validation_seconds * (times - int(share * times + 1e-9)) + self.final_seconds + SAVING_SECONDS

    def _replan(self, seconds_left: float, seconds_a_step: float) -> None:
        plan = self.pace.replanned(self.progress.step, seconds_left, seconds_a_step)
        self.pace = self.world.told(self._within_steps(plan))

    def _step(self) -> None:
        step = self.progress.step
        loss = self._gradient(step)
        self._update(loss, self.settings.learning_rate * self.schedule.at(self.pace.share(step + 1)))
        self.progress.step += 1
        self.progress.loss_sum += loss
        self.progress.loss_steps += 1

    def _gradient(self, step: int) -> float:
        """The gradient of a step into the model; its loss in nats a target, of this process's rows."""
        window = self.windows.batch(step)
        asked = self.objective(window.token_ids, (self.settings.seed, step), self.world.rank * len(window.token_ids))
        self.progress.epoch = window.epoch
        self._seed_step(step)
        if window.begins:
            self.states = {}
        counted, read = asked.count * self.world.size, window.num_tokens * self.world.size
        if self.objective is not causal:
            counted, read = map(int, self.world.sum([asked.count, window.num_tokens]))
        self.progress.tokens += read
        workers = len(self.replicas.copies)
        parts = _split(asked, min(len(asked.inputs), self._most_parts))
        total = 0.0
        for first in range(0, len(parts), workers):
            now = [(first + i, part) for i, part in enumerate(parts[first : first + workers])]
            with distributed.accumulating(self.module, first + workers >= len(parts)):
                # The wrappers average over processes, while each has its share of one sum.
                shares = [self.world.size / counted] * len(now)
                total += self.replicas.backward(self._loss, now, shares, accumulate=first > 0)
        return total

    @property
    def _most_parts(self) -> int:
        """Into which this process cuts its rows of a step: one for each worker and turn."""
        return len(self.replicas.copies) * self.settings.accumulation

    def _loss(self, module: nn.Module, part: tuple[int, Asked]) -> Tensor:
        number, asked = part
        module.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast):
            loss, state = module(*self._placed(asked), self.states.get(number))
        self.states[number] = None if state is None else state.detach()
        return loss  # type: ignore[no-any-return]

    def _update(self, loss: float, rate: float) -> None:
        # Of all processes, for they must end together.
        check_finite(self.world.sum([loss])[0], self.progress.step, self.settings)
        if self.settings.clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip)
        update(self.optimizers, rate)

    def _seed_step(self, step: int) -> None:
        for worker, generator in enumerate(self.replicas.generators):
            mixed = np.random.SeedSequence((self.settings.seed, step, self.world.rank, worker))
            generator.manual_seed(int(mixed.generate_state(1, np.uint64)[0] >> np.uint64(1)))

    def _placed(self, asked: Asked) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(asked.inputs).to(self.device), torch.from_numpy(asked.targets).to(self.device)

    # What the validation text says

    def measure(self, num_tokens: int | None = None, of: HeldOut | None = None) -> dict[str, float]:
        """Loss in nats a token, and what follows from it; over about ``num_tokens`` of the validation text, or of
        another, taken from all over it, or over the whole."""
        held_out = of or self.held_out
        tokens = min(num_tokens or held_out.num_tokens, held_out.num_tokens)
        nats = count = read = 0.0
        memory: Any = None
        self.module.eval()
        with torch.no_grad(), torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast):
            for question in held_out.questions(tokens):
                asked, weight = question.asked, question.weight
                loss, memory = self.module(*self._placed(asked), None if question.begins else memory, True)
                nats, count = nats + weight * float(loss), count + weight * asked.count
                read += weight * asked.inputs.size
        self.module.train()
        if held_out.shared:
            nats, count, read = self.world.sum([nats, count, read])
        return held_out.scores(nats / max(1.0, count)) | {"validation_tokens": int(read)}

    def _validate(self) -> None:
        """Measure, keep the weights if they are the best so far, write a sample and the journal."""
        started = time.monotonic()
        scores = self.measure(self.measured_tokens)
        check_finite(scores["loss"], self.progress.step, self.settings)
        self.seconds_a_token = (time.monotonic() - started) / self.measured_tokens
        improved = self.progress.best is None or scores["loss"] < self.progress.best
        if improved:
            self._save_best(self.progress.step)  # first: Ctrl-C may come while a file is written
            self.progress.best, self.progress.best_step = scores["loss"], self.progress.step
            self.progress.extra |= {f"best.{name}": score for name, score in scores.items()}
        row = self._row() | {f"validation_{k}" if k == "loss" else k: v for k, v in scores.items()}
        if self.sample is not None and self.world.leads and not distributed.is_sharded(next(self.model.parameters())):
            row["sample"] = self.sample(self.model, self.progress.step)
        self._tell(row, best=improved)
        self.validation_seconds = time.monotonic() - started

    def _log(self) -> None:
        self._tell(self._row())

    def _tell(self, row: dict[str, Any], **more: Any) -> None:
        """A row into the journal; its loss is the mean since the row before."""
        total, steps = self.world.sum([self.progress.loss_sum, float(self.progress.loss_steps)])
        row["loss"] = total / max(1.0, steps)
        self.progress.loss_sum, self.progress.loss_steps = 0.0, 0
        if self.world.leads:
            self.journal.append(row)
            self.show(row | more | {"share": self.pace.share(self.progress.step)})

    def _row(self) -> dict[str, Any]:
        done = self.progress
        rate = self.schedule.at(self.pace.share(done.step)) * self.settings.learning_rate
        return {
            "step": done.step,
            "num_steps": self.pace.num_steps,
            "epoch": done.epoch + 1,
            "tokens": done.tokens,
            "loss": done.loss_sum / max(1, done.loss_steps),
            "learning_rate": rate,
            "tokens_per_second": done.tokens / max(self._step_seconds, 1e-9),
            "memory_mib": self.memory_mib(),
            "seconds": done.seconds,
        }

    def memory_mib(self) -> float:
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated() / 2**20
        return peak_memory_mib()

    def _forget(self) -> None:
        self.progress = Progress()
        self.module.zero_grad(set_to_none=True)

    # What outlives a kill

    def weights(self) -> dict[str, Tensor]:
        """All parameters that learn, whole; every process must ask."""
        return {name: whole(p.detach()).cpu() for name, p in self._learning()}

    def _learning(self) -> Iterator[tuple[str, nn.Parameter]]:
        return ((name, p) for name, p in self.model.named_parameters() if p.requires_grad)

    def _save_best(self, step: int) -> None:
        weights = self.weights()
        if self.world.leads:
            write_tensors(self._best_file(step), weights)

    def _best_file(self, step: int) -> Path:
        return self.folder / layout.CHECKPOINT / BEST.format(step=step)

    def _load_best(self) -> None:
        from safetensors.torch import load_file

        self.world.wait()
        self._load(load_file(self._best_file(self.progress.best_step)))

    def _load(self, weights: dict[str, Tensor]) -> None:
        with torch.no_grad():
            for name, parameter in self._learning():
                parameter.copy_(distributed.share_like(weights[name], parameter))

    def _save(self) -> None:
        tensors = {f"model.{name}": value for name, value in self.weights().items()}
        tensors |= {key: whole(value).cpu() for key, value in optimizer_tensors(self.optimizers).items()}
        tensors |= self.world.gathered(
            {
                f"state:{self.world.rank}:{part}:{key}": value.cpu()
                for part, state in self.states.items()
                if state is not None
                for key, value in state.tensors().items()
            }
        )
        self.progress.extra["pace"] = self.pace.to_dict()
        self.progress.extra["measuring"] = {name: getattr(self, name) for name in MEASURING}
        if self.world.leads:
            save_checkpoint(self.folder / layout.CHECKPOINT, self.progress, tensors)
            for older in (self.folder / layout.CHECKPOINT).glob(BEST.format(step="*")):
                if older != self._best_file(self.progress.best_step):
                    older.unlink(missing_ok=True)
        self.world.wait()

    def resume(self) -> bool:
        """Take up the checkpoint, if there is one."""
        found = load_checkpoint(self.folder / layout.CHECKPOINT)
        if found is None:
            if self.world.leads:
                self.journal.cut_after(-1, "step")  # what a run left that ended before its first checkpoint
            return False
        self.progress, tensors = found
        self._load({name.removeprefix("model."): t for name, t in tensors.items() if name.startswith("model.")})
        restore_optimizers(self.optimizers, tensors, distributed.share_like)
        self._restore_states(tensors)
        self.pace = Pace(**self.progress.extra["pace"])
        for name in MEASURING:
            setattr(self, name, self.progress.extra["measuring"][name])
        self.restored = True
        if self.world.leads:
            self.journal.cut_after(self.progress.step, "step")
        return True

    def _restore_states(self, tensors: dict[str, Tensor]) -> None:
        """The memory of this process's rows, cut as it cuts a step, however many processes and cores left it."""
        parts: dict[tuple[int, int], dict[str, Tensor]] = {}
        for key, tensor in tensors.items():
            if key.startswith("state:"):
                _, rank, part, name = key.split(":", 3)
                parts.setdefault((int(rank), int(part)), {})[name] = tensor
        if not parts:
            return
        in_order = [parts[place] for place in sorted(parts)]
        rows = {name: torch.cat([part[name] for part in in_order]) for name in in_order[0]}
        own = {name: tensor.tensor_split(self.world.size)[self.world.rank] for name, tensor in rows.items()}
        num_parts = min(len(next(iter(own.values()))), self._most_parts)
        cut = {name: tensor.tensor_split(num_parts) for name, tensor in own.items()}
        with torch.no_grad():
            like = self.model.hidden(torch.zeros(1, 1, dtype=torch.int64, device=self.device))[1]
        self.states = {
            part: type(like).from_tensors({name: pieces[part].clone().to(self.device) for name, pieces in cut.items()})
            for part in range(num_parts)
        }


def num_replicas(settings: PretrainingSettings, device: torch.device, world: World) -> int:
    """How many copies of the model, itself among them, share out a step of this process."""
    parallel = settings.parallel if settings.parallel != "auto" else parallel_for(settings.compile)
    return num_workers_for(device) if parallel == "replicas" and world.size == 1 else 1


def parallel_for(compiled: bool = False) -> str:
    """A copy of the model a core, up to twice as fast as sharing every product; the kernels of ``layers`` run on one
    thread. What is compiled is compiled for all cores."""
    return "threads" if compiled else "replicas"


def _split(asked: Asked, num_parts: int) -> list[Asked]:
    rows = np.array_split(np.arange(len(asked.inputs)), num_parts)
    return [Asked(asked.inputs[part], asked.targets[part]) for part in rows]
