"""fastText: supervised, words and word bigrams, 50 dimensions, 5 epochs at a learning rate of 0.5."""

import re
from collections.abc import Sequence

import fasttext
from contender import Stopwatch, enter

LABEL = "__label__"
_NO_WORD = re.compile(r"[^a-z0-9' ]+")

race = enter()


def normalise(text: str) -> str:
    """fastText splits at spaces and nothing else; its authors lower-case and take marks apart beforehand, too."""
    return _NO_WORD.sub(" ", text.lower().replace("<br />", " "))


def fit(watch: Stopwatch) -> fasttext.FastText._FastText:
    lines = race.folder.with_suffix(".txt")  # it reads files only
    with lines.open("w", encoding="utf-8") as out:
        for text, label in zip(race.train_texts, race.train_labels, strict=True):
            out.write(f"{LABEL}{label} {normalise(text)}\n")
    prepared = watch.seconds
    model = fasttext.train_supervised(
        str(lines),
        wordNgrams=2,
        dim=50,
        epoch=5,
        lr=0.5,
        minCount=2,
        bucket=1_000_000,
        thread=race.num_threads,
        seed=race.seed,
        verbose=0,
    )
    race.details["fit_prepared_seconds"] = watch.seconds - prepared
    lines.unlink()
    return model


def answer(model: fasttext.FastText._FastText):
    def label(texts: Sequence[str]) -> list[str]:
        normalised = [normalise(text) for text in texts]
        watch = Stopwatch()
        given, _ = model.predict(normalised)
        race.details["prepared_documents_per_second"] = len(texts) / watch.seconds
        return [names[0].removeprefix(LABEL) for names in given]

    return label


race.finish(fit, lambda model: model.save_model(str(race.folder / "model.bin")), answer, ["fasttext-wheel", "numpy"])
