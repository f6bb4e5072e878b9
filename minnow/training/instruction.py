"""From a language model and conversations to a model that answers.

conversations → template → rows of ids → steps → bundle → card

Only what the assistant says is learnt; what it is asked is read. R rows · S positions
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from minnow.bundle.bundle import Bundle
from minnow.data.conversations import Conversations, read_conversations
from minnow.data.folders import folder_parts
from minnow.data.split import leakage
from minnow.data.windows import RowWindows, padded
from minnow.decoding.chat import ROLE_TOKENS, house_template, taught_ids
from minnow.errors import BundleError, DataError, RecipeError
from minnow.layers.precision import precision_for
from minnow.listeners import Note, Show, unheard
from minnow.models.vocabulary import grown
from minnow.text.messages import Message
from minnow.text.tokenizer import Tokenizer
from minnow.training import adapters
from minnow.training.adapters import check_adapter
from minnow.training.distributed import World
from minnow.training.held_out import Question, rows_at_once, scores_of, turns
from minnow.training.instruction_recipe import LONGEST, InstructionRecipe
from minnow.training.language_run import (
    LanguageRun,
    Material,
    Pretrained,
    carry_out,
    duration,
)
from minnow.training.language_trainer import LanguageTrainer, parallel_for
from minnow.training.objectives import answers, is_causal
from minnow.training.run_folder import TEMPLATE_HASH, check_same, check_same_data

SPLIT_SEED = 0
LEARNING_RATE, AT_PARAMETERS = 5e-4, 5e6  # larger models want smaller steps
HIGHEST_LEARNING_RATE = 1e-3

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class AnswerRows:
    """Conversations as ids: those of an answer as they are, all others as complements, see ``objectives.answers``."""

    rows: list[Ints]
    filler: int

    @property
    def num_tokens(self) -> int:
        return sum(map(len, self.rows))

    @property
    def num_asked(self) -> int:
        """Tokens that are learnt."""
        return sum(int((row >= 0).sum()) for row in self.rows)


@dataclass(frozen=True)
class HeldOutAnswers:
    """Held-out conversations, each row by itself; see ``held_out.HeldOut``."""

    held: AnswerRows
    batch_rows: int
    world: World
    shared: bool = True

    @property
    def num_tokens(self) -> int:
        return self.held.num_tokens

    def questions(self, num_tokens: int) -> Iterator[Question]:
        """Rows in their order until so many tokens are read."""
        starts = np.cumsum([0, *map(len, self.held.rows)])[:-1]
        rows = [row for row, start in zip(self.held.rows, starts, strict=True) if start < num_tokens]
        size = self.batch_rows
        for group, weight in turns([rows[first : first + size] for first in range(0, len(rows), size)], self.world):
            yield Question(answers(padded(group, self.held.filler), (), 0), weight)

    def scores(self, loss: float) -> dict[str, float]:
        return scores_of(loss)


def instruct(
    recipe: InstructionRecipe,
    folder: Path,
    *,
    overwrite: bool = False,
    resume: bool = False,
    note: Note = unheard,
    show: Show = unheard,
) -> Pretrained | None:
    """Teach a language model to answer and write the new model's folder; arguments as of ``pretrain``.

    Raises:
        InputError: conversations, model, recipe or folder cannot be used as they are; one line says what to do.
    """
    if not recipe.data.train:
        raise RecipeError("the recipe names no conversations; give a file: minnow train FILE --from MODEL")
    if not recipe.instruction.start:
        raise RecipeError(
            f"{recipe.data.train} holds conversations; name the language model that shall learn from them: --from MODEL"
        )
    return carry_out(_Instruction, recipe, folder, overwrite=overwrite, resume=resume, note=note, show=show)


@dataclass(frozen=True)
class _Read:
    """What the recipe names, the conversations as rows of ids."""

    conversations: Conversations
    held_out: Conversations
    train: AnswerRows
    validation: AnswerRows
    test: AnswerRows | None
    source: Bundle
    tokenizer: Tokenizer


@dataclass(frozen=True)
class _Taught(Material):
    """The conversations besides, whose names and texts are told, and the rows that nothing is chosen by."""

    conversations: Conversations
    held_out: Conversations
    test: AnswerRows | None


@dataclass
class _Instruction(LanguageRun):
    """Conversations as rows, each by itself."""

    chats = True

    recipe: InstructionRecipe

    @property
    def start(self) -> str:
        return self.recipe.instruction.start

    def read(self) -> _Read:
        train, held_out, test = _parts(self.recipe)
        for part in (train, test):
            if part is not None:
                for line in part.notes:
                    self.note(f"{part.name}: {line}")
        for part in (held_out, test):
            leaked = 0 if part is None else leakage(train.texts, part.texts).count
            if part is not None and leaked:
                self.note(f"{leaked:,} of {len(part):,} conversations of {part.name} stand in the training part too")
        source = self._source()
        tokenizer = self._tokenizer(source)
        taught, measured = (self._rows(part, tokenizer, source.model) for part in (train, held_out))
        tested = None if test is None else self._rows(test, tokenizer, source.model)
        return _Read(train, held_out, taught, measured, tested, source, tokenizer)

    def begin(self, read: _Read, resume: bool) -> None:
        template = hashlib.sha256((read.tokenizer.chat_template or "").encode()).hexdigest()
        check_same_data(self.place, read.conversations, read.held_out, resume)
        check_same(self.place / TEMPLATE_HASH, template, resume, "the chat template")

    def material(self, read: _Read, resume: bool) -> _Taught:  # noqa: ARG002 - nothing was kept that it could take up
        torch.manual_seed(self.recipe.training.seed)
        model = grown(read.source.model, read.tokenizer.vocab_size)
        parts = (read.conversations, read.held_out, read.test)
        return _Taught(model, read.tokenizer, read.train, read.validation, *parts)

    # Stages

    def _source(self) -> Bundle:
        """The model to teach."""
        bundle = Bundle.load(self.start)
        if bundle.tokenizer is None or not is_causal(bundle.model):
            raise BundleError(
                f"{self.start} is a {bundle.model.config.model_type}, which writes no text, so it cannot learn to "
                "answer; give a model of minnow pretrain (llama, gpt2, rnn_lm), or --label for a classifier"
            )
        source = bundle if self.recipe.adapter.apart else bundle.merged()
        check_adapter(self.recipe.adapter, source, self.start)
        return source

    def _tokenizer(self, source: Bundle) -> Tokenizer:
        """The model's own, with a template, and where the house's is used, with a token for each role."""
        assert source.tokenizer is not None
        path = self.recipe.instruction.template
        template = _read_template(Path(path)) if path else source.tokenizer.chat_template
        # Beside an adapter the embedding holds still, so a new token would never learn what it means.
        marks = ROLE_TOKENS if template is None and not self.recipe.adapter.rank else ()
        tokenizer = source.tokenizer.with_special_tokens(marks)
        tokenizer.chat_template = template or house_template(tokenizer)
        kind = "given" if path else "the model's own" if template else "the house's"
        added = tokenizer.vocab_size - source.tokenizer.vocab_size
        self.note(f"chat template: {kind}" + (f", with {added} new tokens for the roles" if added else ""))
        return tokenizer

    def _rows(self, part: Conversations, tokenizer: Tokenizer, model: Any) -> AnswerRows:
        most = self._most_tokens(model)
        rows, cut, lost = [], 0, 0
        for number, dialogue in enumerate(part.dialogues):
            if number % 256 == 0:
                self.show({"stage": "reading", "done": number, "total": len(part)})
            token_ids, own = taught_ids(tokenizer, tokenizer.chat_template or "", dialogue)
            cut += len(token_ids) > most + 1
            row = np.where(own, token_ids, np.invert(token_ids))[: most + 1].astype(np.int64)
            if len(row) > 1 and (row[1:] >= 0).any():
                rows.append(row)
            else:
                lost += 1
        if cut:
            self.note(f"{part.name}: {cut:,} of {len(part):,} conversations are cut off after {most:,} tokens")
        if lost:
            self.note(f"{part.name}: {lost:,} are left out, because no answer begins before that")
        if not rows:
            raise DataError(
                f"in {part.name} no answer begins within {most:,} tokens; raise instruction.max_tokens or shorten them"
            )
        return AnswerRows(rows, ~tokenizer.pad_id)

    def _most_tokens(self, model: Any) -> int:
        """Positions of a conversation that the model reads."""
        asked, bound = self.recipe.instruction.max_tokens, model.context_size
        if bound is not None and asked > bound:
            raise RecipeError(f"instruction.max_tokens must be at most the model's {bound} positions, but got {asked}")
        return asked or min(LONGEST, bound or LONGEST)

    def filled(self, material: Material) -> InstructionRecipe:
        said, model, num_rows = self.recipe.training, material.model, len(material.train.rows)
        rows = min(said.batch_rows, self.even(num_rows))
        self.check_rows(rows)
        rate = LEARNING_RATE * (AT_PARAMETERS / model.num_parameters()) ** 0.4
        if self.recipe.adapter.rank:
            rate = adapters.LEARNING_RATE
        training = replace(
            said,
            batch_rows=rows,
            learning_rate=said.learning_rate or float(f"{min(rate, HIGHEST_LEARNING_RATE):.3g}"),
            precision=self.world.told(precision_for(said.precision, model, self.device)),
            parallel=said.parallel if said.parallel != "auto" else parallel_for(),
        )
        instruction = replace(self.recipe.instruction, max_tokens=self._most_tokens(model))
        return replace(self.recipe, instruction=instruction, training=training)

    def trainer(self, material: Material) -> LanguageTrainer:
        assert isinstance(material, _Taught)
        said, world, train = self.recipe.training, self.world, material.train
        windows = RowWindows(train.rows, train.filler, said.batch_rows // world.size, said.seed, world.rank, world.size)
        settings = said.for_loop(said.epochs * windows.steps_per_epoch, self.recipe.instruction.max_tokens)
        return LanguageTrainer(
            material.model,
            answers,
            windows,
            HeldOutAnswers(material.validation, rows_at_once(settings, world), world),
            settings,
            self.place,
            self.told,
            self.device,
            settings.precision == "bfloat16",
            world,
            _writer(material.tokenizer, material.held_out, said.sample_tokens) if said.sample_tokens else None,
        )

    def tested(self, trainer: LanguageTrainer, material: Material) -> dict[str, float]:
        assert isinstance(material, _Taught)
        if material.test is None:
            return {}
        self.show({"stage": "measuring", "done": 0, "total": None})
        rows = rows_at_once(self.recipe.training, self.world)
        return trainer.measure(of=HeldOutAnswers(material.test, rows, self.world))

    def plan(self, material: Material, steps: int, seconds_a_step: float, seconds_measuring: float) -> list[str]:
        said, model, train = self.recipe.training, material.model, material.train
        epochs = steps / -(-len(train.rows) // said.batch_rows)
        return [
            f"model: {model.config.model_type} from {self.start}, {model.num_parameters():,} parameters",
            f"train: {len(train.rows):,} conversations, {train.num_tokens:,} tokens, {train.num_asked:,} of answers",
            f"step: {said.batch_rows} conversations of up to {self.recipe.instruction.max_tokens} tokens, "
            f"{said.optimizer}, learning rate {said.learning_rate:g}, {said.precision}, {self.division}",
            f"plan: {steps:,} steps ({epochs:.1f} epochs), about "
            + duration(steps * seconds_a_step + seconds_measuring),
        ]

    def task(self, model: Any) -> dict[str, Any]:  # noqa: ARG002 - whatever learnt to answer writes
        from minnow.tasks.text_generation import TextGeneration

        return TextGeneration().to_dict()

    def data(self, material: Material) -> dict[str, Any]:
        assert isinstance(material, _Taught)
        return {
            "name": material.conversations.name,
            "sha256": material.conversations.sha256,
            "conversations": len(material.train.rows),
            "tokens": material.train.num_tokens,
            "answer_tokens": material.train.num_asked,
            "start": Path(self.start).name,
        }

    def counts(self, material: Material) -> dict[str, Any]:
        return {"conversations": len(material.train.rows), "answer_tokens": material.train.num_asked}


def _parts(recipe: InstructionRecipe) -> tuple[Conversations, Conversations, Conversations | None]:
    """What to learn from, what to choose by, and what to measure on at the end where that is named or the folder has
    it."""
    data, share = recipe.data, recipe.validation_share()
    train = read_conversations(data.train)
    own_parts = folder_parts(Path(data.train)) if Path(data.train).is_dir() else {}
    source = data.test or (data.train if "test" in own_parts else "")
    test = read_conversations(source, "test") if source else None
    if not data.validation and "valid" in own_parts:
        return train, read_conversations(data.train, "valid"), test
    if share is not None:
        return *train.held_out(share, SPLIT_SEED), test
    return train, read_conversations(data.validation, "valid"), test


def _read_template(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise DataError(
            f"instruction.template names a file with a Jinja template, but {path} cannot be read"
        ) from error


def _writer(tokenizer: Tokenizer, validation: Conversations, max_tokens: int) -> Callable[[Any, int], str]:
    """Answers the first question that was held out, so that a person sees what the model has learnt."""
    from minnow.decoding.writing import GenerationSettings
    from minnow.tasks.text_generation import TextGeneration

    dialogue = validation.dialogues[0]
    first = next(number for number, message in enumerate(dialogue) if message.role == "assistant")
    asked = dialogue[:first] or (Message("user", ""),)
    settings = GenerationSettings(max_tokens=max_tokens, temperature=0.0, truncate=True)

    def write(model: Any, step: int) -> str:  # noqa: ARG001 - the same question each time, so that answers compare
        training = model.training
        model.eval()
        try:
            answer = TextGeneration().chat(model, tokenizer, asked, settings, tokenizer.chat_template or "")
            return f"{asked[-1].content.strip()} → {str(answer).strip()}"
        finally:
            model.train(training)

    return write
