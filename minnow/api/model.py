"""``Model``, which answers, writes, translates and is measured; ``load`` opens one."""

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, overload

import numpy as np

from minnow.api.hubs import folder_of
from minnow.api.languages import languages_asked
from minnow.api.measuring import measure
from minnow.api.opened import Opened
from minnow.api.settings import Translating, Writing
from minnow.bundle.bundle import Bundle
from minnow.errors import DataError, InputError
from minnow.listeners import Progress

if TYPE_CHECKING:
    from minnow.decoding.writing import GenerationSettings
    from minnow.evaluation.perplexity import LanguageReport
    from minnow.evaluation.report import Report
    from minnow.evaluation.translation import TranslationReport
    from minnow.explain.attention import AttentionMap
    from minnow.tasks.signature import Text
    from minnow.tasks.text_generation import Generation

BATCH_ROWS = 1024
Glossary = Mapping[str, str | Sequence[str]] | str | Path


class Model(Opened):
    """A trained model: call it with a text, or with many through ``batch`` and ``stream``."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The names the model answers with; none for a model that writes text."""
        return tuple(self.bundle.task.get("labels", ()))

    def __call__(self, text: str) -> Any:
        """The answer for one text: a Label or Labels, the Text that follows it, or its gaps Filled."""
        if not isinstance(text, str):
            raise DataError(f"a model is called with one text, but got {type(text).__name__}; use model.batch for many")
        return self.batch([text])[0]

    def batch(self, texts: Sequence[str]) -> list[Any]:
        """The answers for many texts, in their order."""
        if isinstance(texts, str):
            raise DataError("a batch is a list of texts, but got one text; call the model with it")
        return list(self.task.predict(self.bundle.model, self.bundle.tokenizer, _listed(texts)))

    def generate(self, prompt: str = "", *, seed: int | None = None, **settings: Unpack[Writing]) -> "Generation":
        """Write on from a prompt: iterate over the result while it is written, or take ``str()`` of it.

        Args:
            prompt: where it is empty, the model begins a text.
            seed: the same one gives the same text; without it another text every time.
            settings: ``max_tokens``, ``temperature``, ``top_k``, ``top_p``, ``min_p``, ``repetition_penalty``,
                ``frequency_penalty``, ``presence_penalty``, ``stop``, ``num_samples``, ``beam``, ``length_penalty``,
                ``schema``, ``regex``, ``choices``, ``truncate``, ``ignore_end``; see ``GenerationSettings``.

        Raises:
            InputError: the model does not write text, or a setting cannot be. What depends on the prompt, such as its
                length, is raised when the first piece is asked for.
        """
        writer = self.writer()
        if not isinstance(prompt, str):
            raise DataError(f"a prompt is one text, but got {prompt!r}; call generate for each of several")
        return writer.generate(self.bundle.model, self.tokenizer(), prompt, self._generation_settings(seed, settings))

    def chat(
        self,
        messages: str | Sequence[Mapping[str, str]],
        *,
        seed: int | None = None,
        template: str = "",
        **settings: Unpack[Writing],
    ) -> "Generation":
        """The assistant's answer to messages such as ``{"role": "user", "content": "Hello"}``, or to one text.

        Args:
            messages: the conversation so far; a text alone is what the user said.
            template: Jinja text; without it the model's own, or where it has none, a plain dialogue.
            seed, settings: as in ``generate``.
        """
        from minnow.decoding.chat import PLAIN_STOP, messages_from, template_of

        writer = self.writer()  # which says so where the model writes no text
        if not template and not self.tokenizer().chat_template and settings.get("stop") is None:
            settings["stop"] = PLAIN_STOP
        said = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
        return writer.chat(
            self.bundle.model,
            self.tokenizer(),
            messages_from(said),
            self._generation_settings(seed, settings),
            template or template_of(self.tokenizer()),
        )

    @overload
    def translate(  # type: ignore[overload-overlap] # a text is a sequence of texts to Python, and not here
        self,
        texts: str,
        *,
        to: str | None = None,
        glossary: Glossary | None = None,
        keep: Sequence[str] = (),
        n_best: None = None,
        **settings: Unpack[Translating],
    ) -> "Text": ...

    @overload
    def translate(
        self,
        texts: Sequence[str],
        *,
        to: str | None = None,
        glossary: Glossary | None = None,
        keep: Sequence[str] = (),
        n_best: None = None,
        **settings: Unpack[Translating],
    ) -> "list[Text]": ...

    @overload
    def translate(
        self,
        texts: str | Sequence[str],
        *,
        to: str | None = None,
        glossary: Glossary | None = None,
        keep: Sequence[str] = (),
        n_best: int,
        **settings: Unpack[Translating],
    ) -> Any: ...

    def translate(
        self,
        texts: str | Sequence[str],
        *,
        to: str | None = None,
        glossary: Glossary | None = None,
        keep: Sequence[str] = (),
        n_best: int | None = None,
        **settings: Unpack[Translating],
    ) -> Any:
        """The translation of a text, or of each of many, as a ``Text``; with ``n_best`` above 1 a list of them each.

        Args:
            to: the language, where the model writes several.
            glossary: translations of terms, such as ``{"bicycle": "Fahrrad"}``, or several of which one must be
                written: where the term stands in a source, its target has the translation. Or the file of them that
                ``minnow translate --glossary`` takes. See ``text/terms.py``.
            keep: ``numbers``, ``codes`` and ``names`` of a source stand in its target as they are.
            n_best: so many translations of each text, best first.
            settings: ``beam``, ``length_penalty``, ``max_ratio``, ``max_extra``, ``sample``, ``temperature``,
                ``top_k``, ``seed``, ``first``; see ``TranslationSettings``.

        Raises:
            InputError: the model does not translate, or not into that language, or a setting cannot be, or the
                vocabulary cannot spell what must be written.
        """
        from minnow.data.glossary import read_glossary
        from minnow.decoding.translating import TranslationSettings

        alone = isinstance(texts, str)
        asked = [texts] if isinstance(texts, str) else _listed(texts)
        chosen = TranslationSettings.of(**settings, n_best=n_best)
        task, tokenizer = self.translator(), self.tokenizer()
        wanted = read_glossary(Path(glossary)) if isinstance(glossary, str | Path) else glossary
        terms = task.terms(tokenizer, wanted, keep) or None
        best = task.translate(self.bundle.model, tokenizer, asked, chosen, to, terms=terms)
        found = best if chosen.n_best > 1 else [texts[0] for texts in best]
        return found[0] if alone else found

    def attention(self, text: str, *, to: str | None = None, target: str | None = None) -> "AttentionMap":
        """What each word of a translation looked at; of ``target``, or of what the model itself writes."""
        from minnow.explain.attention import attention_map

        self.translator()
        return attention_map(self.bundle, text, to, target)

    def vectors(self, texts: Sequence[str]) -> Any:
        """A vector of length 1 for each text [N, D], from the encoder of a model that translates: texts that mean the
        same are near one another, across the languages that it has learnt to read."""
        return self.translator().vectors(self.bundle.model, self.tokenizer(), _listed(texts))

    def neighbours(
        self,
        queries: str | Sequence[str],
        texts: Sequence[str],
        count: int = 5,
        *,
        centred: bool = False,
        progress: Progress | None = None,
    ) -> Any:
        """The ``count`` of the texts nearest to a query by the cosine of their ``vectors``, nearest first, as a list of
        ``Neighbour``; of many queries a list each. Query and texts may be in any language that the encoder has learnt.
        Texts without a word are near to nothing; those after them keep their row numbers.

        Args:
            centred: subtract the mean of all queries, and that of all texts, which takes away what sets the languages
                apart (see ``metrics/retrieval.py``). For fifty queries or more of one language, and texts of one other;
                a few queries have no mean worth the name, and one has none.
            progress: called with what is done, how much of it, and of how much.

        Raises:
            InputError: the model has no such vectors, ``count`` is below 1, no text or a query has no words in it;
                or there is one query or text alone, and they were to be ``centred``.
        """
        from minnow.metrics.retrieval import centre, nearest
        from minnow.tasks.signature import Neighbour

        asked = [queries] if isinstance(queries, str) else _listed(queries)
        texts = _listed(texts)
        rows = [row for row, text in enumerate(texts) if text.strip()]
        if not rows:
            raise InputError("there are no texts to look among; give one at least")
        for number, query in enumerate(asked, 1):
            if not query.strip():
                raise InputError(
                    f"a query must have words in it, but query {number} of {len(asked)} is {query!r}; give it some, or "
                    "leave it out"
                )
        if centred and min(len(asked), len(rows)) < 2:
            raise InputError(
                f"centred takes the mean of several away, but got {len(asked)} queries and {len(rows)} texts; give "
                "more of them, best fifty or more, or leave centred out"
            )
        asked_QD = self.vectors(asked)
        parts = []
        for first in range(0, len(rows), BATCH_ROWS):
            parts.append(self.vectors([texts[row] for row in rows[first : first + BATCH_ROWS]]))
            if progress is not None:
                progress("reading", min(first + BATCH_ROWS, len(rows)), len(rows))
        texts_ND = np.concatenate(parts)
        if centred:
            asked_QD, texts_ND = centre(asked_QD), centre(texts_ND)
        nearest_QC, cosines_QC = nearest(asked_QD, texts_ND, count)
        found = [
            [Neighbour(texts[rows[place]], cosine, rows[place]) for place, cosine in zip(places, cosines, strict=True)]
            for places, cosines in zip(nearest_QC.tolist(), cosines_QC.tolist(), strict=True)
        ]
        return found[0] if isinstance(queries, str) else found

    @staticmethod
    def _generation_settings(seed: int | None, settings: Mapping[str, Any]) -> "GenerationSettings":
        from minnow.decoding.writing import GenerationSettings

        if seed is not None and (settings.get("beam") or 1) > 1:
            raise InputError("beam search draws nothing, so seed means nothing; leave it out, or the beam")
        return GenerationSettings.of(seed=secrets.randbelow(2**31) if seed is None else seed, **settings)

    def stream(self, texts: Iterable[str], batch_rows: int = BATCH_ROWS) -> Iterator[Any]:
        """The answers for any number of texts, in constant memory."""
        rest = iter(texts)
        while part := list(islice(rest, batch_rows)):
            yield from self.batch(part)

    def evaluate(
        self,
        data: str | Path,
        target_data: str | Path | None = None,
        *,
        part: str = "test",
        source: str | None = None,
        target: str | None = None,
        languages: str | Sequence[str] = (),
        text: str | None = None,
        label: str | None = None,
        beam: int | None = None,
        context: int | None = None,
        stride: int | None = None,
        samples: int = 0,
        training: str | Path | None = None,
        progress: Progress | None = None,
    ) -> "Report | LanguageReport | TranslationReport":
        """Measure the model on labelled data, text or pairs: a file, a folder, or a name of the catalog; the arguments
        are those of ``minnow.evaluate``."""
        return measure(
            self,
            data,
            target_data,
            part=part,
            languages=languages_asked(source, target, languages),
            text=text,
            label=label,
            beam=beam,
            context=context,
            stride=stride,
            samples=samples,
            training=training,
            progress=progress,
        )


def load(model: str | Path, *, precision: str = "float32", hub: str | None = None, token: str | None = None) -> Model:
    """Open a model: a folder, or ``team/name`` or ``team/name@v2`` on a hub, which is pulled.

    A folder of that name goes first, and no hub is asked where none is named or remembered.

    Args:
        precision: float32; bfloat16, faster on processors that multiply it so, and answers may differ in the third
            digit; auto, the faster one on this machine; or int8, for a search of a ``transformer_seq2seq``.
        hub, token: as in ``pull``.

    Raises:
        BundleError: it is missing, unfinished or damaged.
        InputError: there is no such precision, or not for this model.
        HubError: the hub does not have it; or does not answer and it was not pulled before, which is a NoHubError.
    """
    folder = folder_of(model, hub=hub, token=token)
    bundle = Bundle.load(folder)
    name = str(model) if folder != Path(model) else ""  # a folder that was pulled is named after a commit
    return Model(bundle if precision == "float32" else bundle.in_precision(precision), folder, name)


def _listed(texts: Any) -> list[str]:
    """The texts, where it is a list of them; a DataError says what it is instead."""
    if isinstance(texts, str | Mapping) or not isinstance(texts, Iterable):
        raise DataError(f"texts come as a list, but got {texts!r:.60}; put one text into [ ]")
    found = list(texts)
    for number, text in enumerate(found, 1):
        if not isinstance(text, str):
            raise DataError(f"a text is a str, but text {number} of {len(found)} is {text!r:.60}; leave it out")
    return found
