"""Minnow's ``ngram`` as it comes, the folds that calibrate it included."""

from contender import Stopwatch, enter

from minnow.bundle.bundle import Bundle
from minnow.metrics.calibration import fit_temperature
from minnow.tasks.text_classification import TextClassification
from minnow.training.classification_recipe import ClassificationRecipe
from minnow.training.ngram import fit_ngram

race = enter()


def fit(_: Stopwatch) -> Bundle:
    task = TextClassification(tuple(sorted(set(race.train_labels))))
    label_ids = task.label_ids([(label,) for label in race.train_labels])
    texts = task.prepare(race.train_texts)
    model, held = fit_ngram(texts, label_ids, task, ClassificationRecipe().ngram, race.seed, lambda _: None)
    references = task.targets([label_ids[row] for row in held.rows])
    return Bundle(model, task.calibrated(fit_temperature(held.logits, references)).to_dict())


def answer(bundle: Bundle):
    task = TextClassification.from_dict(bundle.task)
    return lambda texts: [output.label for output in task.predict(bundle.model, None, texts)]


race.finish(fit, lambda bundle: bundle.save(race.folder), answer, ["minnow-lm", "numpy", "numba"])
