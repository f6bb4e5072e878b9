"""scikit-learn: TF-IDF of words and word bigrams under a logistic regression."""

import joblib
from contender import Stopwatch, enter
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

race = enter()


def fit(_: Stopwatch) -> Pipeline:
    pipeline = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True), LogisticRegression(C=30, max_iter=200)
    )
    return pipeline.fit(race.train_texts, race.train_labels)


race.finish(
    fit,
    lambda pipeline: joblib.dump(pipeline, race.folder / "model.joblib"),
    lambda pipeline: lambda texts: pipeline.predict(texts).tolist(),
    ["scikit-learn", "numpy"],
)
