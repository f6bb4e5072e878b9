"""Minnow in Python: ``load``, ``train``, ``pretrain``, ``augment``, ``evaluate``, ``compare``, ``push``, ``pull``,
``Model``; the commands call them."""

import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from minnow.bundle.bundle import Bundle
from minnow.errors import DataError, InputError, StorageError, UnknownNameError, nearest
from minnow.evaluation.compare import Comparison
from minnow.evaluation.perplexity import LanguageReport
from minnow.evaluation.report import Report
from minnow.tasks.base import Task
from minnow.tasks.registry import task_of
from minnow.tasks.signature import Label, Labels

if TYPE_CHECKING:
    from minnow.data.corpus import Corpus
    from minnow.data.pairs import Pairs
    from minnow.decoding.writing import GenerationSettings
    from minnow.evaluation.translation import TranslationComparison, TranslationReport
    from minnow.explain.attention import AttentionMap
    from minnow.remote import Pushed
    from minnow.tasks.back_translation import Augmented
    from minnow.tasks.text_generation import Generation, TextGeneration
    from minnow.tasks.translation import Translation
    from minnow.text.tokenizer import Tokenizer

BATCH_ROWS = 1024

Settings = TypeVar("Settings")


class Model:
    """A trained model: call it with a text, or with many through ``batch`` and ``stream``."""

    def __init__(self, bundle: Bundle, folder: Path):
        self.bundle = bundle
        self.folder = folder
        self.task: Task = task_of(bundle)

    def __repr__(self) -> str:
        return f"Model({self.folder.name!r}, task={self.task.name!r})"

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
        return list(self.task.predict(self.bundle.model, self.bundle.tokenizer, list(texts)))

    def generate(self, prompt: str, *, seed: int | None = None, **settings: Any) -> "Generation":
        """Write on from a prompt: iterate over the result while it is written, or take ``str()`` of it.

        Args:
            prompt: may be empty.
            seed: the same one gives the same text; without it another text every time.
            settings: ``max_tokens``, ``temperature``, ``top_k``, ``top_p``, ``min_p``, ``repetition_penalty``,
                ``frequency_penalty``, ``presence_penalty``, ``stop``, ``num_samples``, ``beam``, ``length_penalty``,
                ``schema``, ``regex``, ``choices``, ``truncate``, ``ignore_end``; see ``GenerationSettings``.

        Raises:
            InputError: the model does not write text, or a setting cannot be. What depends on the prompt, such as its
                length, is raised when the first piece is asked for.
        """
        return self._writer().generate(
            self.bundle.model, self._tokenizer(), prompt, self._generation_settings(seed, settings)
        )

    def chat(
        self, messages: Sequence[Mapping[str, str]], *, seed: int | None = None, template: str = "", **settings: Any
    ) -> "Generation":
        """The assistant's answer to messages such as ``{"role": "user", "content": "Hello"}``.

        Args:
            messages: the conversation so far.
            template: Jinja text; without it the model's own, or where it has none, a plain dialogue.
            seed, settings: as in ``generate``.
        """
        from minnow.decoding.chat import PLAIN, PLAIN_STOP, messages_from

        chosen = template or self._tokenizer().chat_template or PLAIN
        if chosen is PLAIN and settings.get("stop") is None:
            settings["stop"] = PLAIN_STOP
        return self._writer().chat(
            self.bundle.model,
            self._tokenizer(),
            messages_from(messages),
            self._generation_settings(seed, settings),
            chosen,
        )

    def translate(
        self,
        texts: str | Sequence[str],
        *,
        to: str | None = None,
        glossary: Mapping[str, str | Sequence[str]] | None = None,
        keep: Sequence[str] = (),
        **settings: Any,
    ) -> Any:
        """The translation of a text, or of each of many, as a ``Text``; with ``n_best`` above 1 a list of them each.

        Args:
            to: the language, where the model writes several.
            glossary: translations of terms, such as ``{"bicycle": "Fahrrad"}``, or several of which one must be
                written: where the term stands in a source, its target has the translation. See ``text/terms.py``.
            keep: ``numbers`` and ``codes`` of a source stand in its target as they are.
            settings: ``beam``, ``length_penalty``, ``n_best``, ``max_ratio``, ``max_extra``, ``sample``,
                ``temperature``, ``top_k``, ``seed``; see ``TranslationSettings``.

        Raises:
            InputError: the model does not translate, or not into that language, or a setting cannot be, or the
                vocabulary cannot spell what must be written.
        """
        from minnow.decoding.translating import TranslationSettings
        from minnow.text.terms import Terms

        alone = isinstance(texts, str)
        asked = [texts] if isinstance(texts, str) else list(texts)
        chosen = settings_of(TranslationSettings, settings)
        terms = Terms(glossary, keep) or None
        best = self._translator().translate(self.bundle.model, self._tokenizer(), asked, chosen, to, terms=terms)
        found = best if chosen.n_best > 1 else [texts[0] for texts in best]
        return found[0] if alone else found

    def attention(self, text: str, *, to: str | None = None, target: str | None = None) -> "AttentionMap":
        """What each word of a translation looked at; of ``target``, or of what the model itself writes."""
        from minnow.explain.attention import attention_map

        self._translator()
        return attention_map(self.bundle, text, to, target)

    def vectors(self, texts: Sequence[str]) -> Any:
        """A vector of length 1 for each text [N, D], from the encoder of a model that translates: texts that mean the
        same are near one another, across the languages that it has learnt to read."""
        return self._translator().vectors(self.bundle.model, self._tokenizer(), list(texts))

    def neighbours(
        self,
        queries: str | Sequence[str],
        texts: Sequence[str],
        count: int = 5,
        *,
        centred: bool = False,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> Any:
        """The ``count`` of the texts nearest to a query by the cosine of their ``vectors``, nearest first, as a list of
        ``Neighbour``; of many queries a list each. Query and texts may be in any language that the encoder has learnt.

        Args:
            centred: subtract the mean of all queries, and that of all texts, which takes away what sets the languages
                apart (see ``metrics/retrieval.py``). For fifty queries or more of one language, and texts of one other;
                a few queries have no mean worth the name.
            progress: called with what is done, how much of it, and of how much.

        Raises:
            InputError: the model has no such vectors, ``count`` is below 1, or there are no texts.
        """
        from minnow.metrics.retrieval import centre, nearest
        from minnow.tasks.signature import Neighbour

        asked = [queries] if isinstance(queries, str) else list(queries)
        if not texts:
            raise InputError("there are no texts to look among; give one at least")
        asked_QD = self.vectors(asked)
        parts = []
        for first in range(0, len(texts), BATCH_ROWS):
            parts.append(self.vectors(texts[first : first + BATCH_ROWS]))
            if progress is not None:
                progress("reading", min(first + BATCH_ROWS, len(texts)), len(texts))
        texts_ND = np.concatenate(parts)
        if centred:
            asked_QD, texts_ND = centre(asked_QD), centre(texts_ND)
        rows_QC, cosines_QC = nearest(asked_QD, texts_ND, count)
        found = [
            [Neighbour(texts[row], cosine, row) for row, cosine in zip(rows, cosines, strict=True)]
            for rows, cosines in zip(rows_QC.tolist(), cosines_QC.tolist(), strict=True)
        ]
        return found[0] if isinstance(queries, str) else found

    def _translator(self) -> "Translation":
        from minnow.tasks.translation import Translation

        if not isinstance(self.task, Translation):
            raise InputError(
                f"{self.folder} is a model for {self.task.name.replace('_', ' ')} and does not translate; make "
                "one with: minnow train SOURCE TARGET --task translation"
            )
        return self.task

    def _writer(self) -> "TextGeneration":
        from minnow.tasks.text_generation import TextGeneration

        if not isinstance(self.task, TextGeneration):
            verb = "translate" if self.task.name == "translation" else "predict"
            raise InputError(
                f"{self.folder} is a model for {self.task.name.replace('_', ' ')} and writes no text of its own; "
                f"use minnow {verb}, or make a language model with minnow pretrain"
            )
        return self.task

    def _tokenizer(self) -> "Tokenizer":
        from minnow.tasks.base import needed

        return needed(self.bundle.tokenizer)

    @staticmethod
    def _generation_settings(seed: int | None, settings: Mapping[str, Any]) -> "GenerationSettings":
        from minnow.decoding.writing import GenerationSettings

        return GenerationSettings.of(seed=secrets.randbelow(2**31) if seed is None else seed, **settings)

    def stream(self, texts: Iterable[str], batch_rows: int = BATCH_ROWS) -> Iterator[Any]:
        """The answers for any number of texts, in constant memory."""
        rest = iter(texts)
        while part := list(islice(rest, batch_rows)):
            yield from self.batch(part)

    def evaluate(
        self, data: str | Path, target: str | Path | None = None, *, text: str | None = None, label: str | None = None
    ) -> "Report | LanguageReport | TranslationReport":
        """Measure the model on labelled data, text or pairs: a file, a folder, or a name of the catalog (its test
        part); see ``minnow.evaluate``."""
        return evaluate(self, data, target, text=text, label=label)


def load(model: str | Path, *, precision: str = "float32", hub: str | None = None, token: str | None = None) -> Model:
    """Open a model: a folder, or ``team/name`` or ``team/name@v2`` on a hub, which is pulled.

    A folder of that name goes first, and no hub is asked where none is named or remembered.

    Args:
        precision: float32; bfloat16, faster on processors that multiply it so, and answers may differ in the third
            digit; or auto, the faster one on this machine.
        hub, token: as in ``pull``.

    Raises:
        BundleError: it is missing, unfinished or damaged.
        InputError: there is no such precision, or not for this model.
        HubError: the hub does not have it, or does not answer and it was not pulled before.
    """
    folder = folder_of(model, hub=hub, token=token)
    bundle = Bundle.load(folder)
    return Model(bundle if precision == "float32" else bundle.in_precision(precision), folder)


def push(
    folder: str | Path,
    name: str,
    *,
    kind: str = "model",
    message: str | None = None,
    private: bool | None = None,
    tag: str | None = None,
    delete: bool = False,
    hub: str | None = None,
    token: str | None = None,
) -> "Pushed":
    """Write a model's folder, or another, into a repository on a hub, which is made where there is none.

    Args:
        name: ``team/name``; ``team/name@branch`` writes to a branch.
        kind: ``model``, ``dataset`` or ``space``.
        message: of the commit.
        private: of a new repository: whether others may see it.
        tag: a name for the new revision, such as ``v2``.
        delete: remove what the repository has and the folder has not.
        hub: its address; else that of ``HF_ENDPOINT``, else that of the last ``minnow login``.
        token: else that of ``HF_TOKEN`` or of the login.

    Raises:
        InputError: a folder or a name that cannot be, or a model whose training is not finished.
        HubError: the hub refuses, or does not answer.
    """
    from minnow import remote
    from minnow.bundle import layout
    from minnow.logins import hub_of

    if (Path(folder) / layout.RUN).is_dir():
        layout.check_bundle(Path(folder))
    where = hub_of(hub, token, os.environ)
    return remote.push(
        where,
        Path(folder),
        remote.name_of(name),
        kind=kind,
        message=message,
        private=private,
        tag=tag,
        delete=delete,
    )


def pull(
    name: str,
    *,
    out: str | Path | None = None,
    kind: str = "model",
    offline: bool = False,
    hub: str | None = None,
    token: str | None = None,
) -> Path:
    """The folder of a repository on a hub: fetched, its hashes compared, and kept for when the hub is away.

    Args:
        name: ``team/name``, or ``team/name@revision`` with a branch, a tag or a commit.
        out: copy it there; without it the folder is in ``MINNOW_CACHE``, else in ``~/.cache/minnow/hub``, and is not to
            be changed.
        offline: ask nobody, and take what was pulled before.
        kind, hub, token: as in ``push``.

    Raises:
        InputError: a name that cannot be, or a place that is taken.
        HubError: the hub does not have it, or does not answer and it was not pulled before.
        MinnowError: a file does not have the hash that the hub names.
    """
    from minnow import remote
    from minnow.logins import hub_of

    cache = Path(os.environ.get("MINNOW_CACHE") or "~/.cache/minnow/hub").expanduser()
    folder = remote.pull(hub_of(hub, token, os.environ), remote.name_of(name), cache, kind=kind, offline=offline)
    if out is None:
        return folder
    remote.copy_out(folder, Path(out))
    return Path(out)


def folder_of(model: str | Path, *, hub: str | None = None, token: str | None = None) -> Path:
    """The folder of a model that is named as everywhere: by its folder, or as ``team/name@v2`` on a hub.

    Args:
        hub, token: as in ``pull``.
    """
    from minnow.logins import names_a_hub
    from minnow.remote import is_name

    folder, name = Path(model), str(model)
    if folder.exists() or not is_name(name) or not (hub is not None or "@" in name or names_a_hub(os.environ)):
        return folder
    return pull(name, hub=hub, token=token)


def import_folder(
    source: str | Path,
    out: str | Path,
    *,
    tokenizer: str | Path | None = None,
    overwrite: bool = False,
    note: Callable[[str], None] = lambda _: None,
) -> Model:
    """Make a model folder of a Hugging Face folder or of a llama2.c file.

    Args:
        source: the folder, with config.json, safetensors and a tokenizer; or the ``.bin`` file.
        out: the folder for the model.
        tokenizer: a file or a folder, where ``source`` has none.
        overwrite: replace the model that stands in ``out``.
        note: is told what was left out.

    Raises:
        InputError: something is missing, damaged or not known here; nothing is written then.
    """
    from minnow.bundle import layout
    from minnow.bundle.importing import read_foreign, save_foreign

    folder = Path(out)
    layout.check_free(folder, overwrite)
    bundle = read_foreign(Path(source), Path(tokenizer) if tokenizer is not None else None, note)
    model = Model(bundle, folder)
    save_foreign(bundle, Path(source), folder)
    return model


def train(
    data: str | Path,
    target: str | Path | None = None,
    *,
    task: str | None = None,
    languages: Sequence[str] = (),
    test: str | Path | None = None,
    out: str | Path | None = None,
    recipe: str | Path | None = None,
    model: str | None = None,
    source: str | Path | None = None,
    lora: int | None = None,
    settings: Mapping[str, Any] | None = None,
    seed: int | None = None,
    overwrite: bool = False,
) -> Model:
    """Train a text classifier; ``minnow.train("reviews.csv")`` is enough. Or teach a language model from conversations:
    ``minnow.train("chats.jsonl", source="runs/stories")``. Or learn to translate:
    ``minnow.train("train.en", "train.de", task="translation")``.

    Args:
        data: a file, a folder of class folders, or a name of the catalog; or a file of conversations; or of pairs.
        target: the file of translations beside a file of sources.
        task: text_classification or translation, where the data do not tell.
        languages: from which into which to translate; with three or more, from each into each other.
        test: the same, to measure on.
        out: the folder for the model; a new one under ``runs`` where it is left out.
        recipe: a TOML file.
        model: ngram or text_classifier; transformer_seq2seq or rnn_seq2seq.
        source: the folder of a language model, or of one that translates, to start from, as ``--from`` does.
        lora: with conversations, the rank of an adapter that learns beside it, as ``--lora`` does.
        settings: recipe keys with their values, such as ``{"training.epochs": 3}``.
        seed: of everything random.

    Raises:
        InputError: data, recipe or folder cannot be used; the message says what to do.
    """
    from minnow.training.train import train as run

    overrides = [f"{key}={_written(value)}" for key, value in (settings or {}).items()]
    folder = Path(out) if out is not None else free_folder(data)
    if translates(data, target, task, recipe):
        from minnow.training.translation import train_translation

        if lora is not None or test is not None:
            raise InputError("lora is for language models, and test pairs are named with pairs.test; leave them out")
        pairs = resolve_translation_recipe(
            recipe, overrides, data=data, target=target, languages=languages, model=model, source=source, seed=seed
        )
        return Model(train_translation(pairs, folder, overwrite=overwrite).bundle, folder)
    if target is not None or languages:
        raise InputError("two files and languages are for translation; add task='translation' or leave them out")
    if teaches(data, recipe, model, settings=overrides):
        from minnow.training.instruction import instruct

        resolved = resolve_instruction_recipe(
            recipe, overrides, data=data, test=test, source=source, lora=lora, seed=seed
        )
        taught = instruct(resolved, folder, overwrite=overwrite)
        return Model(taught.bundle, folder) if taught is not None else load(folder)
    if lora is not None:
        raise InputError("lora is for conversations and for minnow.pretrain; a classifier learns without it")
    resolved = resolve_recipe(recipe, overrides, data=data, test=test, model=model, seed=seed, source=source)
    return Model(run(resolved, folder, overwrite=overwrite).bundle, folder)


def pretrain(
    corpus: str | Path,
    *,
    validation: str | Path | None = None,
    out: str | Path | None = None,
    recipe: str | Path | None = None,
    model: str | None = None,
    size: str | None = None,
    budget: str | None = None,
    tokenizer: str | None = None,
    vocab_size: int | None = None,
    source: str | Path | None = None,
    lora: int | None = None,
    settings: Mapping[str, Any] | None = None,
    seed: int | None = None,
    overwrite: bool = False,
) -> Model:
    """Train a language model on raw text; ``minnow.pretrain("novel.txt", budget="10m")`` is enough.

    Args:
        corpus: a text file, a folder of them, a table with a text column, or a name of the catalog.
        validation: the same, to measure on; or the share to hold out.
        out: the folder for the model; a new one under ``runs`` where it is left out.
        recipe: a TOML file.
        model: llama, gpt2, rnn_lm or bert.
        size: the number of parameters, such as ``5M``.
        budget: wall time of the run, such as ``20m``.
        tokenizer: bpe, character, unigram, word, whitespace or wordpiece.
        vocab_size: entries of the vocabulary.
        source: the folder of a language model to go on from, as ``--from`` does.
        lora: the rank of an adapter that learns beside it, as ``--lora`` does.
        settings: recipe keys with their values, such as ``{"training.steps": 300}``.
        seed: of everything random.

    Raises:
        InputError: corpus, recipe or folder cannot be used; the message says what to do.
    """
    from minnow.training.pretrain import pretrain as run

    overrides = [f"{key}={_written(value)}" for key, value in (settings or {}).items()]
    resolved = resolve_pretraining_recipe(
        recipe,
        overrides,
        corpus=corpus,
        validation=validation,
        model=model,
        size=size,
        source=source,
        lora=lora,
        tokenizer=tokenizer,
        vocab_size=vocab_size,
        budget=budget,
        seed=seed,
    )
    folder = Path(out) if out is not None else free_folder(corpus)
    trained = run(resolved, folder, overwrite=overwrite)
    return Model(trained.bundle, folder) if trained is not None else load(folder)


def augment(
    file: str | Path,
    *,
    back_translate: Model | str | Path,
    out: str | Path,
    languages: Sequence[str] = (),
    to: str | None = None,
    real: str | Path | None = None,
    tag: str = "",
    progress: Callable[[str, int, int], None] | None = None,
    note: Callable[[str], None] = lambda _: None,
    **settings: Any,
) -> "Augmented":
    """Make pairs of the lines of a text: a model of the other direction writes the source of each.

    The table has a column for each language and goes to ``minnow train TABLE --task translation``. It is written as it
    comes, in constant memory, and stands there whole or not at all.

    Args:
        file: a text, one sentence a line, in the language that is to be translated into.
        back_translate: a model from that language into the one that is to be translated from, or its folder.
        out: the table, ``.tsv`` or ``.jsonl``; ``.gz`` packs it.
        languages: from which into which the pairs go, where the model knows several directions.
        to: the language that the model is to write, where that is enough.
        real: pairs that come first, as ``train`` reads them: a table, a prefix, a name of the catalog.
        tag: stands before each source that the model wrote.
        progress: called with what is done, how much of it, and of how much.
        note: is told what was read and left out.
        settings: of the translation, as in ``Model.translate``; with ``sample`` sources are drawn (Edunov et al. 2018,
            "Understanding Back-Translation at Scale").

    Raises:
        InputError: file, model or languages do not fit one another; nothing is written then.
    """
    from minnow.data.parallel import language_of
    from minnow.decoding.translating import TranslationSettings
    from minnow.tasks.back_translation import UNNAMED, BackTranslator, direction_of_pairs, write_pairs

    opened = back_translate if isinstance(back_translate, Model) else load(back_translate)
    task, path = opened._translator(), Path(out)
    direction = direction_of_pairs(task, languages, to, language_of(Path(file)))
    chosen = settings_of(TranslationSettings, settings)
    if path.exists() and any(Path(one).exists() and path.samefile(one) for one in (file, real) if one is not None):
        raise StorageError(f"--out {path} would overwrite what is read; choose another --out")
    into = task.into(to if UNNAMED.issuperset(task.languages) else direction[0])
    translate = BackTranslator(task, opened.bundle.model, opened._tokenizer(), chosen, into, progress)
    return write_pairs(Path(file), path, direction, translate, _real_pairs(real, direction, note), tag)


def _real_pairs(real: str | Path | None, languages: tuple[str, str], note: Callable[[str], None]) -> "Pairs | None":
    from minnow.data.pairs import load_pairs

    if real is None:
        return None
    pairs = load_pairs(real, languages=languages)
    for line in (f"{pairs.name}: {len(pairs):,} pairs", *pairs.notes):
        note(line)
    return pairs


def evaluate(
    model: Model | str | Path,
    data: str | Path,
    target: str | Path | None = None,
    *,
    part: str = "test",
    languages: Sequence[str] = (),
    text: str | None = None,
    label: str | None = None,
    beam: int | None = None,
    context: int | None = None,
    stride: int | None = None,
    samples: int = 0,
    training: str | Path | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> "Report | LanguageReport | TranslationReport":
    """Measure a model: a classifier on labelled data, a language model on text, one that translates on pairs. ``save``
    writes the report.

    Args:
        model: a model or its folder.
        data: a file, a folder, or a name of the catalog.
        target: the file of translations beside a file of sources.
        part: of a folder or set; where there is no test part, a language model takes the valid one.
        languages: of the pairs, where the files do not tell; else those of the model.
        text: the column with the text, where it should not be guessed; of pairs, the sources.
        label: the column with the label, likewise; of pairs, the targets.
        beam: how many translations are followed at once.
        context, stride: of a language model, see ``evaluation.perplexity.measure_language``.
        samples: how many texts a language model writes, to be measured as well (``evaluation/samples.py``).
        training: the corpus it learnt from, to tell what it copies of it.
        progress: called with what is done, how much of it, and of how much.

    Raises:
        InputError: the model or the data cannot be used; the message says what to do.
    """
    from minnow.data.examples import load_examples
    from minnow.data.sources import parts
    from minnow.evaluation.measure import measure

    opened = model if isinstance(model, Model) else load(model)
    if opened.task.name == "translation":
        if context is not None or stride is not None or samples or training is not None:
            raise InputError("context, stride, samples and training are for language models; leave them out")
        return _translation_report(opened, data, target, part, languages, text, label, beam, progress)
    if target is not None or languages or beam is not None:
        raise InputError(
            f"pairs of texts are for models that translate, but this model's task is "
            f"{opened.task.name.replace('_', ' ')}; give one file"
        )
    if opened.task.name in ("text_generation", "fill_mask"):
        if label is not None:
            raise InputError("a language model is measured on text alone; leave out the label column")
        corpus = _corpus_to_measure(data, part, text)
        return _language_report(opened, corpus, context, stride, samples, training, progress)
    if context is not None or stride is not None or samples or training is not None:
        raise InputError(
            "context, stride, samples and training are for language models, but this model's task is "
            f"{opened.task.name.replace('_', ' ')}; leave them out"
        )
    present = parts(data)
    if part not in present and present != ("all",):
        raise DataError(f"{data} has no part {part!r}; it has: {', '.join(present)}")
    examples = load_examples(data, part, text, label, keep_empty=True)
    return measure(opened.bundle, examples, opened.folder.name, part if part in present else "all")


def _translation_report(
    model: Model,
    data: str | Path,
    target: str | Path | None,
    part: str,
    languages: Sequence[str],
    text: str | None,
    label: str | None,
    beam: int | None,
    progress: Callable[[str, int, int], None] | None,
) -> "TranslationReport":
    from minnow.decoding.translating import TranslationSettings
    from minnow.evaluation.measure import measure_translation

    pairs = _pairs_to_measure(model, data, target, part, languages, text, label)
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        if progress is not None:
            progress("translating", done, len(pairs))

    settings = TranslationSettings() if beam is None else TranslationSettings(beam=beam)
    return measure_translation(model.bundle, pairs, model.folder.name, part, settings, advance)


def _pairs_to_measure(
    model: Model,
    data: str | Path,
    target: str | Path | None,
    part: str = "test",
    languages: Sequence[str] = (),
    text: str | None = None,
    label: str | None = None,
) -> "Pairs":
    """Pairs in the languages asked for; where nothing tells them, in those of a model that knows one direction."""
    from minnow.data.columns import SIDES
    from minnow.data.pairs import load_pairs, pair_parts

    directions = model._translator().directions
    columns = {"source_column": text, "target_column": label}
    if target is None and not languages and pair_parts(data) != ("all",):
        languages = directions[0] if len(directions) == 1 else model._translator().languages
    pairs = load_pairs(data, target, part, languages=languages, keep_empty=True, **columns)
    if set(pairs.directions) == {SIDES} and SIDES not in directions:
        if len(directions) > 1:
            raise InputError(f"{pairs.name} does not tell its languages; say them, such as {','.join(directions[0])}")
        pairs = replace(pairs, directions=[directions[0]] * len(pairs))
    return pairs


def _language_report(
    model: Model,
    corpus: "Corpus",
    context: int | None,
    stride: int | None,
    num_samples: int,
    training: str | Path | None,
    progress: Callable[[str, int, int], None] | None,
) -> LanguageReport:
    from minnow.data.corpus import open_corpus
    from minnow.evaluation.perplexity import measure_language
    from minnow.evaluation.samples import measure_samples

    if training is not None and not num_samples:
        raise InputError("the training text is for what samples copy of it; say how many to write, such as 16")
    learnt = open_corpus(training) if training is not None else None
    name = model.folder.name
    report = measure_language(model.bundle, corpus, name, context=context, stride=stride, progress=progress)
    if not num_samples:
        return report
    written = measure_samples(model.bundle, corpus, learnt, num_samples=num_samples, progress=progress)
    return replace(report, samples=written.to_json())


def _corpus_to_measure(data: str | Path, part: str, text: str | None) -> "Corpus":
    from minnow.data.corpus import corpus_parts, open_corpus

    present = corpus_parts(data)
    if part == "test" and part not in present and "valid" in present:
        part = "valid"
    return open_corpus(data, "all" if present == ("all",) else part, text=text)


def compare(
    first: Model | str | Path,
    second: Model | str | Path,
    data: str | Path,
    target: str | Path | None = None,
    *,
    languages: Sequence[str] = (),
    text: str | None = None,
    label: str | None = None,
) -> "Comparison | TranslationComparison":
    """Two models on the same rows: differences with intervals and paired significance tests; arguments as of
    ``evaluate``."""
    from minnow.data.examples import load_examples
    from minnow.evaluation.compare import compare as compare_predictions

    opened = [model if isinstance(model, Model) else load(model) for model in (first, second)]
    if any(model.task.name == "translation" for model in opened):
        from minnow.evaluation.translation import compare_translations

        pairs = _pairs_to_measure(opened[0], data, target, "test", languages, text, label)
        into = [target for _, target in pairs.directions]
        written = [_translations(model, pairs.sources, into) for model in opened]
        names = [model.folder.name for model in opened]
        return compare_translations(names[0], names[1], pairs.targets, written[0], written[1], into)
    if target is not None or languages:
        raise InputError("pairs of texts are for models that translate, and neither of these does; give one file")
    examples = load_examples(data, "test", text, label, keep_empty=True)
    given = [[_names(output) for output in model.stream(examples.texts)] for model in opened]
    return compare_predictions(opened[0].folder.name, opened[1].folder.name, examples.labels, *given)


def _translations(model: Model, sources: Sequence[str], into: Sequence[str]) -> list[str]:
    from minnow.decoding.translating import TranslationSettings

    task = model._translator()
    found = task.translate(model.bundle.model, model._tokenizer(), sources, TranslationSettings(), into)
    return [best[0].text for best in found]


def settings_of(cls: type[Settings], given: Mapping[str, Any]) -> Settings:
    """The settings with these values; what is None counts as not said.

    Raises:
        InputError: there is none of a name, which names the nearest.
    """
    known = [field.name for field in fields(cls)]  # type: ignore[arg-type]
    for name in given:
        if name not in known:
            raise InputError(f"there is no setting {name!r}; {nearest(name, known)}")
    return cls(**{name: value for name, value in given.items() if value is not None})


def resolve_recipe(
    path: str | Path | None = None,
    overrides: Sequence[str] = (),
    *,
    data: str | Path | None = None,
    test: str | Path | None = None,
    model: str | None = None,
    seed: int | None = None,
    text: str | None = None,
    label: str | None = None,
    source: str | Path | None = None,
) -> Any:
    """A recipe file (or the defaults) with what the caller said put in."""
    from minnow.training.recipe import recipe_from

    said = {
        "data.train": data,
        "data.test": test,
        "data.text": text,
        "data.label": label,
        "model.name": model,
        "fine_tuning.model": _start(source),
        "training.seed": seed,
    }
    return recipe_from(_tables(path), [*overrides, *_spoken(said)])


def translates(
    data: str | Path | None,
    target: str | Path | None = None,
    task: str | None = None,
    recipe: str | Path | None = None,
) -> bool:
    """Whether ``train`` is to learn from pairs of texts: the caller or the recipe says so, or the public set does."""
    from minnow.data import catalog
    from minnow.training.recipe import parse
    from minnow.training.translation_recipe import KIND

    known_tasks = ("text_classification", "translation")
    if task is not None and task not in known_tasks:
        raise UnknownNameError("task", task, known_tasks)
    if recipe is not None and KIND in parse(Path(recipe)):
        return True
    if task is not None or target is not None:
        return task in (None, "translation")
    known = data is not None and not Path(data).exists() and catalog.is_known(str(data))
    return known and catalog.find(str(data)).task == "translation"


def resolve_translation_recipe(
    path: str | Path | None = None,
    overrides: Sequence[str] = (),
    *,
    data: str | Path | None = None,
    target: str | Path | None = None,
    languages: Sequence[str] = (),
    model: str | None = None,
    source: str | Path | None = None,
    source_column: str | None = None,
    target_column: str | None = None,
    seed: int | None = None,
) -> Any:
    """A recipe for pairs (or the defaults) with what the caller said put in."""
    from minnow.training.translation_recipe import recipe_from

    said = {
        "pairs.train": data,
        "pairs.train_target": target,
        "pairs.languages": list(languages) or None,
        "pairs.source_column": source_column,
        "pairs.target_column": target_column,
        "model.name": model,
        "model.start": _start(source),
        "training.seed": seed,
    }
    return recipe_from(_tables(path), [*overrides, *_spoken(said)])


def resolve_pretraining_recipe(
    path: str | Path | None = None,
    overrides: Sequence[str] = (),
    *,
    corpus: str | Path | None = None,
    validation: str | Path | None = None,
    model: str | None = None,
    size: str | None = None,
    source: str | Path | None = None,
    lora: int | None = None,
    tokenizer: str | None = None,
    vocab_size: int | None = None,
    budget: str | None = None,
    seed: int | None = None,
) -> Any:
    """A recipe file of ``minnow pretrain`` (or the defaults) with what the caller said put in."""
    from minnow.training.pretraining_recipe import recipe_from

    said = {
        "data.train": corpus,
        "data.validation": validation,
        "model.name": model,
        "model.size": size,
        "model.start": _start(source),
        "adapter.rank": lora,
        "tokenizer.kind": tokenizer,
        "tokenizer.vocab_size": vocab_size,
        "training.budget": budget,
        "training.seed": seed,
    }
    return recipe_from(_tables(path), [*overrides, *_spoken(said)])


def teaches(
    data: str | Path | None,
    recipe: str | Path | None = None,
    model: str | None = None,
    text: str | None = None,
    label: str | None = None,
    settings: Sequence[str] = (),
) -> bool:
    """Whether ``train`` is to teach a language model to answer, rather than to make a classifier.

    The recipe says so; or the data are conversations and nobody named a column, or a kind of classifier.
    """
    from minnow.data.conversations import holds_conversations
    from minnow.training.instruction_recipe import KIND
    from minnow.training.recipe import parse

    if recipe is not None:
        return KIND in parse(Path(recipe))
    named = model or text or label or any(one.startswith(("data.label", "data.text")) for one in settings)
    return data is not None and not named and holds_conversations(data)


def resolve_instruction_recipe(
    path: str | Path | None = None,
    overrides: Sequence[str] = (),
    *,
    data: str | Path | None = None,
    test: str | Path | None = None,
    source: str | Path | None = None,
    lora: int | None = None,
    seed: int | None = None,
) -> Any:
    """A recipe for conversations (or the defaults) with what the caller said put in."""
    from minnow.training.instruction_recipe import recipe_from

    said = {
        "data.train": data,
        "data.validation": test,
        "instruction.start": _start(source),
        "adapter.rank": lora,
        "training.seed": seed,
    }
    return recipe_from(_tables(path), [*overrides, *_spoken(said)])


def _start(source: str | Path | None) -> str | Path | None:
    """A model to start from, on this disk."""
    return None if source is None else folder_of(source)


def _tables(path: str | Path | None) -> Mapping[str, Any]:
    from minnow.training.recipe_file import parse

    return parse(Path(path)) if path is not None else {}


def _spoken(said: Mapping[str, Any]) -> list[str]:
    """What was said, as overrides of the recipe's keys."""
    return [f"{key}={value}" for key, value in said.items() if value is not None]


def run_to_resume(folder: Path | None) -> Any:
    """The recipe of the unfinished run of ``minnow pretrain`` in a folder."""
    from minnow.bundle import layout
    from minnow.training.pretraining_recipe import read_recipe

    if folder is None:
        raise InputError("--resume needs --out DIR, the folder of the run to go on with")
    if layout.is_bundle(folder):
        raise InputError(f"the run in {folder} is finished; there is nothing to resume")
    written = folder / layout.RUN / layout.RECIPE
    if not written.is_file():
        raise InputError(f"there is no run to resume in {folder}; start one without --resume")
    return read_recipe(written)


def free_folder(data: str | Path) -> Path:
    """``runs/NAME`` for data of that name, numbered where it is taken."""
    stem = Path(data).name.split(".")[0] or "model"
    candidates = (Path("runs") / (stem if i == 1 else f"{stem}-{i}") for i in range(1, 10_000))
    return next(folder for folder in candidates if not folder.exists())


def _names(output: Label | Labels) -> tuple[str, ...]:
    return (output.label,) if isinstance(output, Label) else tuple(label.label for label in output.labels)


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(list(value)) if isinstance(value, tuple) else str(value)
