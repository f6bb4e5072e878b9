"""Keras on TensorFlow: the small LSTM (embedding 50, 100 units, 1,000 words, a text's last 100), 32 texts a step."""

import os

os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}

import keras
import numpy as np
from contender import Stopwatch, enter
from words import EMBEDDING_SIZE, HIDDEN_SIZE, ROWS_PER_BATCH, VOCAB_SIZE, Words, words

race = enter()
names = sorted(set(race.train_labels))


def answer(model: tuple[keras.Model, Words]):
    network, vocabulary = model

    def label(texts):
        ids_NS = vocabulary.encode([words(text) for text in texts])
        return [names[int(p > 0.5)] for p in network.predict(ids_NS, batch_size=512, verbose=0)[:, 0]]

    return label


class Curve(keras.callbacks.Callback):
    """Seconds of each epoch, and the test accuracy after it, which is not counted."""

    def __init__(self, watch: Stopwatch, vocabulary: Words):
        super().__init__()
        self.watch, self.vocabulary, self.epochs = watch, vocabulary, []

    def on_epoch_begin(self, epoch, logs=None):  # noqa: ARG002
        self.began = self.watch.seconds

    def on_epoch_end(self, epoch, logs=None):  # noqa: ARG002
        seconds = self.watch.seconds
        self.epochs.append(seconds - self.began)
        with self.watch.paused():
            race.curve.append((seconds, race.accuracy(answer((self.model, self.vocabulary))(race.test_texts))))


def fit(watch: Stopwatch) -> tuple[keras.Model, Words]:
    keras.utils.set_random_seed(race.seed)
    documents = [words(text) for text in race.train_texts]
    vocabulary = Words(documents)
    targets_N = np.array([names.index(label) for label in race.train_labels], np.float32)
    network = keras.Sequential(
        [
            keras.layers.Embedding(VOCAB_SIZE, EMBEDDING_SIZE),
            keras.layers.LSTM(HIDDEN_SIZE),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    network.compile("adam", "binary_crossentropy")
    curve = Curve(watch, vocabulary)
    network.fit(
        vocabulary.encode(documents),
        targets_N,
        batch_size=ROWS_PER_BATCH,
        epochs=race.num_epochs,
        verbose=0,
        callbacks=[curve],
    )
    race.details["epoch_seconds"] = curve.epochs
    return network, vocabulary


def save(model: tuple[keras.Model, Words]) -> None:
    model[0].save(race.folder / "model.keras")
    model[1].save(race.folder / "words.json")


race.finish(fit, save, answer, ["keras", "tensorflow-cpu", "numpy"])
