"""A language model of this house as EleutherAI's lm-evaluation-harness asks for one; it needs the ``harness`` extra.

R requests · B rows · S positions · D features · V vocabulary · N tokens that are asked about
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from minnow.bundle.bundle import Bundle
from minnow.decoding.chat import messages_from, render_chat, template_of
from minnow.decoding.writing import GenerationSettings
from minnow.errors import InputError, MinnowError
from minnow.evaluation.perplexity import causal_nats
from minnow.tasks.base import needed
from minnow.tasks.registry import task_of
from minnow.tasks.text_generation import TextGeneration

try:
    from lm_eval.api.model import LM
except ImportError as error:
    raise MinnowError(
        'lm-evaluation-harness is not installed; install it with: pip install "minnow-lm[harness]"'
    ) from error

MAX_TOKENS = 256  # of an answer where the task does not say


@dataclass(frozen=True)
class _Asked:
    """What is read, and how many of its last tokens are asked about."""

    token_ids: tuple[int, ...]
    num_asked: int


class HarnessModel(LM):  # type: ignore[misc]
    """Hand it to ``lm_eval.simple_evaluate(model=HarnessModel("runs/stories"), tasks=[…])``.

    Texts are cut and framed as everywhere in this house: what the model expects before a text stands there, and an
    empty beginning is the end of the document before. What is too long loses its beginning.

    Args:
        model: a model folder, or a bundle.
        batch_rows: requests that are read at once.

    Raises:
        InputError: the folder holds no model that writes text.
    """

    def __init__(self, model: str | Path | Bundle, batch_rows: int = 16):
        super().__init__()
        self.bundle = model if isinstance(model, Bundle) else Bundle.load(model)
        task = task_of(self.bundle)
        if not isinstance(task, TextGeneration):
            raise InputError(f"the harness asks models that write text, but this one's task is {task.name}")
        self.task, self.model, self.tokenizer = task, self.bundle.model.eval(), needed(self.bundle.tokenizer)
        self.batch_rows = max(1, int(batch_rows))
        self._chats = False

    def loglikelihood(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[tuple[float, bool]]:  # noqa: ARG002
        """Of each continuation behind its context: the log-probability in nats, and whether greedy writing gives it."""
        asked = [self._pair(*request.args) for request in requests]
        longest_first = sorted(range(len(asked)), key=lambda number: -len(asked[number].token_ids))
        found: dict[int, tuple[float, bool]] = {}
        for first in range(0, len(asked), self.batch_rows):
            numbers = longest_first[first : first + self.batch_rows]
            found |= dict(zip(numbers, self._scored([asked[number] for number in numbers]), strict=True))
        answers = [found[number] for number in range(len(asked))]
        for request, answer in zip(requests, answers, strict=True):
            self.cache_hook.add_partial("loglikelihood", request.args, answer)
        return answers

    def loglikelihood_rolling(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[float]:  # noqa: ARG002
        """The log-probability of each whole text in nats; windows as long as the context, the last one full as well."""
        answers = []
        for request in requests:
            before = self.tokenizer.prefix_ids[-1:] or (self.tokenizer.eos_id,)
            text = request.args[0]  # a document, in which no token is meant, whatever was asked before
            prompt = self.task.prompt_ids(self.tokenizer, text) if text else []
            token_ids = prompt[len(self.tokenizer.prefix_ids) :]
            read = np.array([*before, *token_ids], np.int64)
            length = self.model.context_size or len(token_ids)
            answers.append(-float(causal_nats(self.model, read, length, length).sum()) if token_ids else 0.0)
            self.cache_hook.add_partial("loglikelihood_rolling", request.args, answers[-1])
        return answers

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:  # noqa: ARG002
        """What the model writes behind each context, up to one of the strings that the task stops at.

        Where the task says to draw, a context that comes again gets another text; the same ones each time.
        """
        answers = [""] * len(requests)
        by_settings: dict[GenerationSettings, list[int]] = {}
        asked_before = Counter[tuple[str, GenerationSettings]]()
        for number, request in enumerate(requests):
            settings = _settings(request.args[1])
            if settings.draws:  # a task that asks the same again wants another text
                question = (request.args[0], settings)
                settings = replace(settings, seed=asked_before[question])
                asked_before[question] += 1
            by_settings.setdefault(settings, []).append(number)
        for settings, numbers in by_settings.items():
            contexts = [requests[number].args[0] for number in numbers]
            for number, text in zip(numbers, self._written(contexts, settings), strict=True):
                answers[number] = text
                self.cache_hook.add_partial("generate_until", requests[number].args, text)
        return answers

    # Conversations

    @property
    def tokenizer_name(self) -> str:
        return f"{self.bundle.model.config.model_type}-{self.tokenizer.kind}-{self.tokenizer.vocab_size}"

    def chat_template(self, chat_template: bool | str = False) -> str | None:
        """The model's own; the harness keeps it with its results."""
        return template_of(self.tokenizer) if chat_template else ""

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """The text of a conversation; from then on special tokens in a context are meant."""
        self._chats = True
        messages = messages_from(chat_history)
        template = template_of(self.tokenizer)
        return render_chat(template, messages, self.tokenizer.special_tokens, add_generation_prompt)

    # Texts to numbers

    def _ids(self, text: str) -> list[int]:
        if self._chats:
            return self.tokenizer.encode_marked(text)
        return self.task.prompt_ids(self.tokenizer, text)

    def _pair(self, context: str, continuation: str) -> _Asked:
        """Spaces at the end of the context go with what follows, as they do in the tokens."""
        bare = context.rstrip()
        before, whole = self._ids(bare), self._ids(context + continuation)
        if not bare and not self.tokenizer.prefix_ids:  # something must stand before the first token that is asked
            before = [self.tokenizer.eos_id]
            whole = [*before, *whole]
        num_asked = max(1, len(whole) - len(before))
        size = self.model.context_size
        kept = whole if size is None else whole[-(size + 1) :]
        return _Asked(tuple(kept), min(num_asked, len(kept) - 1))

    @torch.inference_mode()
    def _scored(self, asked: Sequence[_Asked]) -> Iterator[tuple[float, bool]]:
        device = next(self.model.parameters()).device
        ids_BS = torch.zeros(len(asked), max(len(one.token_ids) for one in asked), dtype=torch.int64)
        for row, one in enumerate(asked):
            ids_BS[row, : len(one.token_ids)] = torch.tensor(one.token_ids)
        lengths_B = torch.tensor([len(one.token_ids) - 1 for one in asked], device=device)
        hidden_BSD = self.model.encode(ids_BS[:, :-1].to(device), lengths_B)
        for row, one in enumerate(asked):
            end = len(one.token_ids) - 1
            log_NV = self.model.logits(hidden_BSD[row, end - one.num_asked : end]).float().log_softmax(-1)
            targets_N = ids_BS[row, end - one.num_asked + 1 : end + 1].to(device)
            nats = log_NV.gather(1, targets_N[:, None]).double().sum()
            yield float(nats), bool((log_NV.argmax(-1) == targets_N).all())

    def _written(self, contexts: Sequence[str], settings: GenerationSettings) -> list[str]:
        prompts = [self._ids(context) for context in contexts]
        found = self.task.answers_to(self.model, self.tokenizer, prompts, settings, self.batch_rows)
        return [text.text for text in found]


def _settings(said: dict[str, Any]) -> GenerationSettings:
    """The harness's words for how to write; what it does not say is greedy."""
    until = said.get("until") or []
    stop = tuple(text for text in ([until] if isinstance(until, str) else until) if text)
    temperature = 1.0 if said.get("temperature") is None else float(said["temperature"])
    draws = bool(said.get("do_sample")) and temperature > 0
    return GenerationSettings(
        max_tokens=int(said.get("max_gen_toks") or MAX_TOKENS),
        temperature=temperature if draws else 0.0,
        top_p=float(said.get("top_p") or 1.0) if draws else 1.0,
        top_k=int(said.get("top_k") or 0) if draws else 0,
        stop=stop,
        truncate=True,
    )
