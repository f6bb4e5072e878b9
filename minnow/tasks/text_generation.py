"""Text generation: a prompt in, the text that follows it out, as it is written or when it is whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from minnow.errors import BundleError, ContextError, DataError, MinnowError
from minnow.tasks.base import Task, check_vocabulary, needed
from minnow.tasks.signature import Field, Signature, Text
from minnow.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from minnow.decoding.writing import GenerationSettings
    from minnow.text.messages import Message

ROWS_AT_ONCE = 32


class Generation:
    """A text that is being written: iterate over it for its pieces as they come, or ``str()`` for the whole.

    Nothing is computed before the first piece is asked for. A second iteration repeats the pieces. Where several
    samples were asked for, the pieces and ``str()`` are those of the first.

    Raises, on every use:
        InputError: the prompt does not fit the model's context, or the constraint cannot be followed.
        MinnowError: the writing was interrupted.
    """

    def __init__(self, prompt: str, tokenizer: Tokenizer, events: Iterator[Any], seed: int):
        self.prompt = prompt
        self.seed = seed
        self._tokenizer = tokenizer
        self._events = events
        self._pieces: list[tuple[int, str]] = []
        self._finished: dict[int, Any] = {}
        self._failed: MinnowError | None = None

    def __iter__(self) -> Iterator[str]:
        return (text for number, text in self.pieces() if number == 0)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        """What is written so far; nothing is computed for it."""
        written = "".join(text for number, text in self._pieces if number == 0)
        return f"<Generation: {written!r:.60} so far; print it for the whole text, or iterate over its pieces>"

    def pieces(self) -> Iterator[tuple[int, str]]:
        """Of all samples, as they come: the sample's number and more of its text."""
        place = 0
        while place < len(self._pieces) or self._advance():
            if place < len(self._pieces):
                yield self._pieces[place]
                place += 1

    @property
    def samples(self) -> list[Text]:
        """Every text, whole; beam search gives the best first."""
        return self.by_number()

    def by_number(self, numbers: Sequence[int] | None = None) -> list[Text]:
        """The texts with these numbers, all of them where none are named."""
        while self._advance():
            pass
        texts: dict[int, list[str]] = {number: [] for number in sorted(self._finished)}
        for number, text in self._pieces:
            texts[number].append(text)
        return [self._as_text(number, "".join(texts[number])) for number in numbers or texts]

    @property
    def text(self) -> str:
        return self.samples[0].text

    @property
    def tokens(self) -> int:
        """How many tokens were written."""
        return self.samples[0].tokens

    @property
    def finish_reason(self) -> str:
        """``stop`` where the text came to its end, ``length`` where it was cut off."""
        return self.samples[0].finish_reason

    @property
    def log_probabilities(self) -> tuple[tuple[str, float], ...]:
        """Each token as the vocabulary spells it, with its log-probability under the model itself, in nats."""
        return self.samples[0].log_probabilities

    @property
    def log_probability(self) -> float:
        """Of all its tokens together, in nats."""
        return self.samples[0].log_probability

    def to_dict(self) -> dict[str, Any]:
        return self.samples[0].to_dict()

    def _advance(self) -> bool:
        """One event further; False where there are no more."""
        from minnow.decoding.writing import Piece

        if self._failed is not None:
            raise self._failed
        try:
            event = next(self._events, None)
        except MinnowError as error:
            self._failed = error
            raise
        except BaseException:  # Ctrl-C above all, behind which the search cannot go on
            self._failed = MinnowError("the writing of this text was interrupted; generate it again")
            raise
        if event is None:
            return False
        if isinstance(event, Piece):
            self._pieces.append((event.number, event.text))
        else:
            self._finished[event.number] = event
        return True

    def _as_text(self, number: int, text: str) -> Text:
        event = self._finished[number]
        tokens = self._tokenizer.tokens(event.token_ids)
        log_probabilities = tuple(zip(tokens, event.log_probabilities, strict=True))
        return Text(text, len(tokens), event.finish_reason, log_probabilities, event.end, event.score)


@dataclass(frozen=True)
class TextGeneration(Task):
    """The use of a language model as a writer; all that a request may say is in ``decoding/writing.py``."""

    name: ClassVar[str] = "text_generation"
    version: ClassVar[int] = 1
    signature: ClassVar[Signature] = Signature(
        "text_generation", (Field("prompt", "text", "the beginning of the text"),), Text
    )

    def check(self, model: Any, tokenizer: Tokenizer | None) -> None:
        if not hasattr(model, "prefill"):
            raise BundleError(
                f"minnow.json says that the model writes text, but a {model.config.model_type} cannot; fetch it anew"
            )
        check_vocabulary(model, tokenizer)

    def prompt_ids(self, tokenizer: Tokenizer, prompt: str) -> list[int]:
        """What the model reads: the prompt behind what it expects before a text.

        An empty prompt stands where a document ends, so that the model begins another.
        """
        from minnow.decoding.writing import ends_lines

        if ends_lines(tokenizer):
            lines = tokenizer.encode_ids(prompt.split("\n"))
            token_ids = [token_id for line in lines for token_id in (*line, tokenizer.eos_id)][:-1]
        else:
            token_ids = tokenizer.encode_ids([prompt])[0]
        return [*tokenizer.prefix_ids, *token_ids] or [tokenizer.eos_id]

    def generate(self, model: Any, tokenizer: Tokenizer, prompt: str, settings: GenerationSettings) -> Generation:
        """Write on from the prompt."""
        if not isinstance(prompt, str):
            raise DataError(f"a prompt is one text, but got {type(prompt).__name__}; use model.batch for many")
        return self._written(model, tokenizer, prompt, self.prompt_ids(tokenizer, prompt), settings)

    def chat(
        self, model: Any, tokenizer: Tokenizer, messages: Sequence[Message], settings: GenerationSettings, template: str
    ) -> Generation:
        """The assistant's next message.

        Raises:
            ContextError: the conversation leaves less room for it than a quarter of the context.
        """
        from minnow.decoding.chat import chat_ids
        from minnow.decoding.writing import ends_lines

        if ends_lines(tokenizer):  # whose texts end with a line
            settings = replace(settings, stop=(*settings.stop, "\n"))
        token_ids = chat_ids(tokenizer, template, messages)
        size = model.context_size
        if size is not None and not settings.truncate and len(token_ids) + min(settings.max_tokens, size // 4) > size:
            raise ContextError(
                f"the conversation has {len(token_ids):,} tokens, which leaves too little of the model's context of "
                f"{size:,} for an answer; leave out its oldest messages"
            )
        return self._written(model, tokenizer, messages[-1].content, token_ids, settings)

    def predict(self, model: Any, tokenizer: Tokenizer | None, inputs: Sequence[str]) -> list[Text]:
        """One text for each prompt, with the settings as they stand by default."""
        from minnow.decoding.writing import GenerationSettings

        return self.answers(model, needed(tokenizer), inputs, GenerationSettings())

    def answers(
        self, model: Any, tokenizer: Tokenizer, prompts: Sequence[str], settings: GenerationSettings
    ) -> list[Text]:
        """The first text of each prompt, many prompts at a time; each as it would be alone."""
        rows = [self.prompt_ids(tokenizer, prompt) for prompt in prompts]
        return self.answers_to(model, tokenizer, rows, settings)

    def answers_to(
        self,
        model: Any,
        tokenizer: Tokenizer,
        rows: Sequence[Sequence[int]],
        settings: GenerationSettings,
        rows_at_once: int = ROWS_AT_ONCE,
    ) -> list[Text]:
        """The same for prompts that are token ids already."""
        from minnow.decoding.writing import write

        found: list[Text] = []
        for start in range(0, len(rows), rows_at_once):
            part = rows[start : start + rows_at_once]
            together = Generation("", tokenizer, write(model.eval(), tokenizer, part, settings), settings.seed)
            found += together.by_number(range(0, len(part) * settings.num_samples, settings.num_samples))
        return found

    @staticmethod
    def _written(
        model: Any, tokenizer: Tokenizer, prompt: str, token_ids: Sequence[int], settings: GenerationSettings
    ) -> Generation:
        from minnow.decoding.writing import write

        return Generation(prompt, tokenizer, write(model.eval(), tokenizer, [token_ids], settings), settings.seed)
