"""``train`` and ``pretrain``: data to a model's folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from minnow.api.model import Model, load
from minnow.api.recipes import free_folder, overrides_of, pretraining_asked, training_asked
from minnow.listeners import Note, Show, unheard


def train(
    data: str | Path | None = None,
    target_data: str | Path | None = None,
    *,
    task: str | None = None,
    source: str | None = None,
    target: str | None = None,
    languages: str | Sequence[str] = (),
    validation: str | Path | None = None,
    test: str | Path | None = None,
    out: str | Path | None = None,
    recipe: str | Path | None = None,
    model: str | None = None,
    start: str | Path | None = None,
    lora: int | None = None,
    text: str | None = None,
    label: str | None = None,
    settings: Mapping[str, Any] | None = None,
    seed: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    note: Note = unheard,
    show: Show = unheard,
) -> Model:
    """Train a text classifier; ``minnow.train("reviews.csv")`` is enough. Or teach a language model from conversations:
    ``minnow.train("chats.jsonl", start="runs/stories")``. Or learn to translate:
    ``minnow.train("train.en", "train.de", task="translation")``.

    Args:
        data: a file, a folder of class folders, or a name of the catalog; or a file of conversations; or of pairs. May
            be left out where the recipe names it.
        target_data: the file of translations beside a file of sources.
        task: text_classification or translation, where the data do not tell.
        source, target: from which language into which to translate, where the data do not tell.
        languages: all of them instead, such as ``"en,de,fr"`` for one model from each into each other.
        validation: the same as ``data``, to choose by; or the share to hold out.
        test: the same, to measure on; nothing is chosen by it.
        out: the folder for the model; a new one under ``runs`` where it is left out.
        recipe: a TOML file.
        model: auto, ngram, text_classifier or encoder_classifier; transformer_seq2seq or rnn_seq2seq.
        start: a language model, or one that translates, to start from, as ``--from`` does.
        lora: with conversations, the rank of an adapter that learns beside it, as ``--lora`` does.
        text: the column with the text, where it should not be guessed; of pairs, the sources.
        label: the column with the label, likewise; of pairs, the targets.
        settings: recipe keys with their values, such as ``{"training.epochs": 3}``, or a table of them for a section,
            such as ``{"training": {"epochs": 3}}``.
        seed: of everything random.
        resume: go on with the run that was cut off in ``out``; what else is said is not used.
        overwrite: replace what stands in ``out``.
        note: is told in sentences what was decided, such as which columns are read and which rows are left out;
            ``print`` will do.
        show: is handed each row of the journal, such as the losses of an epoch.

    Raises:
        InputError: data, recipe or folder cannot be used; the message says what to do.
    """
    kind, resolved = training_asked(
        Path(out) if out is not None else None,
        overrides_of(settings or {}),
        resume=resume,
        note=note,
        recipe=recipe,
        data=data,
        target_data=target_data,
        task=task,
        source=source,
        target=target,
        languages=languages,
        validation=validation,
        test=test,
        model=model,
        start=start,
        lora=lora,
        text=text,
        label=label,
        seed=seed,
    )
    read = resolved.pairs.train if kind == "pairs" else resolved.data.train
    folder = Path(out) if out is not None else free_folder(read or "model")
    trained: Any
    if kind == "pairs":
        from minnow.training.translation import train_translation

        trained = train_translation(resolved, folder, overwrite=overwrite, resume=resume, note=note, show=show)
    elif kind == "conversations":
        from minnow.training.instruction import instruct

        trained = instruct(resolved, folder, overwrite=overwrite, resume=resume, note=note, show=show)
    else:
        from minnow.training.classification import train_classifier

        trained = train_classifier(resolved, folder, overwrite=overwrite, resume=resume, note=note, show=show)
    return Model(trained.bundle, folder) if trained is not None else load(folder)


def pretrain(
    corpus: str | Path | None = None,
    *,
    validation: str | Path | None = None,
    out: str | Path | None = None,
    recipe: str | Path | None = None,
    model: str | None = None,
    size: str | None = None,
    budget: str | None = None,
    tokenizer: str | None = None,
    vocab_size: int | None = None,
    start: str | Path | None = None,
    lora: int | None = None,
    settings: Mapping[str, Any] | None = None,
    seed: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    note: Note = unheard,
    show: Show = unheard,
) -> Model:
    """Train a language model on raw text; ``minnow.pretrain("novel.txt", budget="10m")`` is enough.

    Args:
        corpus: a text file, a folder of them, a table with a text column, or a name of the catalog. May be left out
            where the recipe names it.
        validation: the same, to measure on; or the share to hold out.
        out: the folder for the model; a new one under ``runs`` where it is left out.
        recipe: a TOML file.
        model: llama, gpt2, rnn_lm or bert.
        size: the number of parameters, such as ``5M``.
        budget: wall time of the run, such as ``20m``.
        tokenizer: bpe, character, unigram, word, whitespace or wordpiece.
        vocab_size: entries of the vocabulary.
        start: a language model to go on from, as ``--from`` does.
        lora: the rank of an adapter that learns beside it, as ``--lora`` does.
        settings: recipe keys with their values, such as ``{"training.steps": 300}``; see ``train``.
        seed: of everything random.
        resume: go on with the run that was cut off in ``out``; what else is said is not used.
        overwrite: replace what stands in ``out``.
        note, show: as in ``train``; the plan of the run is among what is told.

    Raises:
        InputError: corpus, recipe or folder cannot be used; the message says what to do.
    """
    from minnow.training.pretrain import pretrain as run

    resolved = pretraining_asked(
        Path(out) if out is not None else None,
        overrides_of(settings or {}),
        resume=resume,
        note=note,
        recipe=recipe,
        corpus=corpus,
        validation=validation,
        model=model,
        size=size,
        start=start,
        lora=lora,
        tokenizer=tokenizer,
        vocab_size=vocab_size,
        budget=budget,
        seed=seed,
    )
    folder = Path(out) if out is not None else free_folder(resolved.data.train or "model")
    trained = run(resolved, folder, overwrite=overwrite, resume=resume, note=note, show=show)
    return Model(trained.bundle, folder) if trained is not None else load(folder)
