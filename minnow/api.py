"""Minnow in Python: ``load``, ``train``, ``evaluate``, ``compare`` and ``Model``; the command line calls the same."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from minnow.bundle.bundle import Bundle
from minnow.errors import DataError
from minnow.evaluation.compare import Comparison
from minnow.evaluation.report import Report
from minnow.tasks.base import Task
from minnow.tasks.registry import task_of
from minnow.tasks.signature import Label, Labels

BATCH_ROWS = 1024


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
        """The names the model answers with."""
        return tuple(self.bundle.task["labels"])

    def __call__(self, text: str) -> Label | Labels:
        """The answer for one text."""
        if not isinstance(text, str):
            raise DataError(f"a model is called with one text, but got {type(text).__name__}; use model.batch for many")
        return self.batch([text])[0]

    def batch(self, texts: Sequence[str]) -> list[Label | Labels]:
        """The answers for many texts, in their order."""
        return list(self.task.predict(self.bundle.model, self.bundle.tokenizer, list(texts)))  # type: ignore[arg-type]

    def stream(self, texts: Iterable[str], batch_rows: int = BATCH_ROWS) -> Iterator[Label | Labels]:
        """The answers for any number of texts, in constant memory."""
        rest = iter(texts)
        while part := list(islice(rest, batch_rows)):
            yield from self.batch(part)

    def evaluate(self, data: str | Path, *, text: str | None = None, label: str | None = None) -> Report:
        """Measure the model on labelled data: a file, a folder, or a name of the catalog (its test part)."""
        return evaluate(self, data, text=text, label=label)


def load(folder: str | Path) -> Model:
    """Open a model folder.

    Raises:
        BundleError: it is missing, unfinished or damaged.
    """
    return Model(Bundle.load(folder), Path(folder))


def train(
    data: str | Path,
    *,
    test: str | Path | None = None,
    out: str | Path | None = None,
    recipe: str | Path | None = None,
    model: str | None = None,
    settings: Mapping[str, Any] | None = None,
    seed: int | None = None,
    overwrite: bool = False,
) -> Model:
    """Train a text classifier; ``minnow.train("reviews.csv")`` is enough.

    Args:
        data: a file, a folder of class folders, or a name of the catalog.
        test: the same, to measure on.
        out: the folder for the model; a new one under ``runs`` where it is left out.
        recipe: a TOML file.
        model: ngram or text_classifier.
        settings: recipe keys with their values, such as ``{"training.epochs": 3}``.
        seed: of everything random.

    Raises:
        InputError: data, recipe or folder cannot be used; the message says what to do.
    """
    from minnow.training.train import train as run

    overrides = [f"{key}={_written(value)}" for key, value in (settings or {}).items()]
    resolved = resolve_recipe(recipe, overrides, data=data, test=test, model=model, seed=seed)
    folder = Path(out) if out is not None else free_folder(data)
    return Model(run(resolved, folder, overwrite=overwrite).bundle, folder)


def evaluate(
    model: Model | str | Path,
    data: str | Path,
    *,
    part: str = "test",
    text: str | None = None,
    label: str | None = None,
) -> Report:
    """Measure a model on labelled data; ``Report.save`` writes it with its pictures."""
    from minnow.data.examples import load_examples
    from minnow.data.sources import parts
    from minnow.evaluation.measure import measure

    opened = model if isinstance(model, Model) else load(model)
    present = parts(data)
    if part not in present and present != ("all",):
        raise DataError(f"{data} has no part {part!r}; it has: {', '.join(present)}")
    examples = load_examples(data, part, text, label, keep_empty=True)
    return measure(opened.bundle, examples, opened.folder.name, part if part in present else "all")


def compare(
    first: Model | str | Path,
    second: Model | str | Path,
    data: str | Path,
    *,
    text: str | None = None,
    label: str | None = None,
) -> Comparison:
    """Two models on the same rows: differences with intervals and paired significance tests."""
    from minnow.data.examples import load_examples
    from minnow.evaluation.compare import compare as compare_predictions

    examples = load_examples(data, "test", text, label, keep_empty=True)
    opened = [model if isinstance(model, Model) else load(model) for model in (first, second)]
    given = [[_names(output) for output in model.stream(examples.texts)] for model in opened]
    return compare_predictions(opened[0].folder.name, opened[1].folder.name, examples.labels, *given)


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
) -> Any:
    """A recipe file (or the defaults) with what the caller said put in."""
    from minnow.training.recipe import parse, recipe_from

    said = {
        "data.train": data,
        "data.test": test,
        "data.text": text,
        "data.label": label,
        "model.name": model,
        "training.seed": seed,
    }
    spoken = [f"{key}={value}" for key, value in said.items() if value is not None]
    return recipe_from(parse(Path(path)) if path is not None else {}, [*overrides, *spoken])


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
