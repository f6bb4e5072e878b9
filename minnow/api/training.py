"""``train`` and ``pretrain``: data to a model's folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from minnow.api.model import Model, load
from minnow.api.recipes import (
    free_folder,
    overrides_of,
    resolve_instruction_recipe,
    resolve_pretraining_recipe,
    resolve_recipe,
    resolve_translation_recipe,
    teaches,
    translates,
)
from minnow.errors import InputError


def train(
    data: str | Path,
    target: str | Path | None = None,
    *,
    task: str | None = None,
    languages: Sequence[str] = (),
    validation: str | Path | None = None,
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
        validation: the same, to choose by; or the share to hold out.
        test: the same, to measure on; nothing is chosen by it.
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
    from minnow.training.classification import train_classifier as run

    overrides = overrides_of(settings or {})
    folder = Path(out) if out is not None else free_folder(data)
    if translates(data, target, task, recipe):
        from minnow.training.translation import train_translation

        if lora is not None:
            raise InputError("lora is for language models; a model that translates learns without it")
        if validation is not None or test is not None:
            raise InputError(
                "pairs may be two files, so they are named by recipe keys; give pairs.validation and pairs.test in "
                "settings"
            )
        pairs = resolve_translation_recipe(
            recipe, overrides, data=data, target=target, languages=languages, model=model, source=source, seed=seed
        )
        return Model(train_translation(pairs, folder, overwrite=overwrite).bundle, folder)
    if target is not None or languages:
        raise InputError("two files and languages are for translation; add task='translation' or leave them out")
    if teaches(data, recipe, model, settings=overrides, task=task):
        from minnow.training.instruction import instruct

        resolved = resolve_instruction_recipe(
            recipe, overrides, data=data, validation=validation, test=test, source=source, lora=lora, seed=seed
        )
        taught = instruct(resolved, folder, overwrite=overwrite)
        return Model(taught.bundle, folder) if taught is not None else load(folder)
    if lora is not None:
        raise InputError("lora is for conversations and for minnow.pretrain; a classifier learns without it")
    resolved = resolve_recipe(
        recipe, overrides, data=data, validation=validation, test=test, model=model, seed=seed, source=source
    )
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

    overrides = overrides_of(settings or {})
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
