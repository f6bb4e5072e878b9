"""Minnow's ``text_classifier`` at the size of the small LSTM: a word tokenizer of 1,000, the last 100 tokens of a text.

The learning rate falls to zero over a run, so a run of each length up to ``--epochs`` gives one point of the curve.
"""

import json
import shutil
from itertools import pairwise

from contender import Stopwatch, enter

from minnow.bundle.bundle import Bundle
from minnow.data.split import hold_out
from minnow.metrics.calibration import fit_temperature
from minnow.tasks.text_classification import TextClassification
from minnow.training.classification_recipe import ClassificationRecipe, recipe_from
from minnow.training.neural import fit_text_classifier

VALIDATION_SHARE = 0.02  # 500 texts of IMDB; the peers hold nothing out
SHAPE = {
    "embedding_size": 50,
    "encoder": "lstm",
    "hidden_size": 100,
    "bidirectional": False,
    "pooling": "last",
    "dropout": 0.0,
    "token_dropout": 0.0,
    "embedding_dropout": 0.0,
    "max_tokens": 100,
    "keep": "last",
}
TRAINING = {"tokens_per_batch": 3200, "learning_rate": 4e-3, "patience": 0, "metric": "loss"}  # 32 texts a step

race = enter()
scratch = race.folder.with_name(f"{race.folder.name}-run")


def recipe(num_epochs: int) -> ClassificationRecipe:
    training = {**TRAINING, "epochs": num_epochs, "seed": race.seed}
    return recipe_from({"tokenizer": {"vocab_size": 1000}, "text_classifier": SHAPE, "training": training})


def train(num_epochs: int) -> Bundle:
    shape = recipe(num_epochs)
    neural = shape.text_classifier
    task = TextClassification(tuple(sorted(set(race.train_labels))), max_tokens=neural.max_tokens, keep=neural.keep)
    labels = [(label,) for label in race.train_labels]
    texts, label_ids = task.prepare(race.train_texts), task.label_ids(labels)
    parts = hold_out(texts, VALIDATION_SHARE, race.seed, labels)
    (kept, kept_ids), (held, held_ids) = (([texts[i] for i in part], [label_ids[i] for i in part]) for part in parts)
    shutil.rmtree(scratch, ignore_errors=True)
    model, tokenizer, _ = fit_text_classifier(task, kept, kept_ids, held, held_ids, shape, scratch, lambda _: None)
    logits = task.logits(model, tokenizer, held)
    return Bundle(model, task.calibrated(fit_temperature(logits, task.targets(held_ids))).to_dict(), tokenizer)


def fit(watch: Stopwatch) -> Bundle:
    with watch.paused():
        for num_epochs in range(1, race.num_epochs):
            shorter = Stopwatch()
            bundle = train(num_epochs)
            race.curve.append((shorter.seconds, race.accuracy(answer(bundle)(race.test_texts))))
    bundle = train(race.num_epochs)
    seconds = watch.seconds
    with watch.paused():
        race.curve.append((seconds, race.accuracy(answer(bundle)(race.test_texts))))
    lines = (scratch / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    ends = [0.0, *(json.loads(line)["seconds"] for line in lines)]
    race.details["epoch_seconds"] = [after - before for before, after in pairwise(ends)]
    return bundle


def answer(bundle: Bundle):
    task = TextClassification.from_dict(bundle.task)
    return lambda texts: [output.label for output in task.predict(bundle.model, bundle.tokenizer, texts)]


race.finish(fit, lambda bundle: bundle.save(race.folder), answer, ["minnow-lm", "torch", "tokenizers"])
