"""``evaluate`` and ``compare``: models, opened or by their folders, on data."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from minnow.api.languages import languages_asked
from minnow.api.measuring import check_part, measure, pairs_to_measure
from minnow.api.model import Model, load
from minnow.errors import InputError
from minnow.listeners import Progress
from minnow.tasks.signature import Label, Labels

if TYPE_CHECKING:
    from minnow.data.pairs import Pairs
    from minnow.evaluation.compare import Comparison
    from minnow.evaluation.perplexity import LanguageReport
    from minnow.evaluation.report import Report
    from minnow.evaluation.translation import TranslationComparison, TranslationReport


def evaluate(
    model: Model | str | Path,
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
    precision: str | None = None,
    progress: Progress | None = None,
) -> "Report | LanguageReport | TranslationReport":
    """Measure a model: a classifier on labelled data, a language model on text, one that translates on pairs. ``save``
    writes the report.

    Args:
        model: a model or its folder.
        data: a file, a folder, or a name of the catalog.
        target_data: the file of translations beside a file of sources.
        part: of a folder or set; where there is no test part, a language model takes the valid one.
        source, target: the languages of the pairs, where the files do not tell; else those of the model.
        languages: all of them, where there are more.
        text: the column with the text, where it should not be guessed; of pairs, the sources.
        label: the column with the label, likewise; of pairs, the targets.
        beam: how many translations are followed at once.
        context, stride: of a language model, see ``evaluation.perplexity.measure_language``.
        samples: how many texts a language model writes, to be measured as well (``evaluation/samples.py``).
        training: the corpus it learnt from, to tell what it copies of it.
        precision: as in ``load``, of a model that is named by its folder; one that is open has its own already.
        progress: called with what is done, how much of it, and of how much.

    Raises:
        InputError: the model or the data cannot be used; the message says what to do.
    """
    return measure(
        _opened(model, precision),
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


def compare(
    first: Model | str | Path,
    second: Model | str | Path,
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
    precision: str | None = None,
    progress: Progress | None = None,
) -> "Comparison | TranslationComparison":
    """Two models on the same rows: differences with intervals and paired significance tests; arguments as of
    ``evaluate``.

    Raises:
        InputError: a model or the data cannot be used, or the two do not do the same; the message says what to do.
    """
    from minnow.data.examples import load_examples
    from minnow.data.sources import parts
    from minnow.evaluation.compare import compare as compare_predictions

    opened = [_opened(model, precision) for model in (first, second)]
    names = [model.name for model in opened]
    if names[0] == names[1]:
        names = [str(model.folder if isinstance(model, Model) else model) for model in (first, second)]
    if any(model.task.name == "translation" for model in opened):
        from minnow.evaluation.translation import COMPARED_SIMPLIFIED, compare_translations

        tasks = [model.translator() for model in opened]  # which says so where one does not translate
        asked = languages_asked(source, target, languages)
        telling = next((model for model, task in zip(opened, tasks, strict=True) if not task.unnamed), opened[0])
        pairs = pairs_to_measure(telling, data, target_data, part, asked, text, label)
        references, *written = (pairs.targets, *(_translations(model, pairs, beam, progress) for model in opened))
        for model in opened:  # where one writes simplified characters, all is compared in these
            references, *written = map(model.tokenizer().writing.in_its_script, (references, *written))
        compared = compare_translations(names[0], names[1], references, written[0], written[1], pairs.into)
        told = (COMPARED_SIMPLIFIED,) if references != pairs.targets else ()
        return replace(compared, notes=(*pairs.notes, *compared.notes, *told))
    said = {
        "a second file": target_data,
        "source": source,
        "target": target,
        "languages": languages,
        "beam": beam is not None,
    }
    if words := [name for name, value in said.items() if value]:
        raise InputError(f"{', '.join(words)}: for models that translate, and neither of these does; leave it out")
    for model in opened:
        if not model.labels:
            raise InputError(
                f"{model.name} gives no labels that could be compared; measure each with minnow evaluate instead"
            )
    check_part(data, part, parts(data))
    learnt = next((columns for model in opened if (columns := model.columns())), None)
    several = any(model.multi_label for model in opened)
    examples = load_examples(data, part, text, label, keep_empty=True, learnt=learnt, multi_label=several)
    given = [_labels(model, examples.texts, progress) for model in opened]
    return replace(compare_predictions(names[0], names[1], examples.labels, *given), notes=examples.notes)


def _translations(model: Model, pairs: "Pairs", beam: int | None, progress: Progress | None) -> list[str]:
    from minnow.decoding.translating import TranslationSettings

    task, done = model.translator().named(pairs.directions), 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        if progress is not None:
            progress(model.name, done, len(pairs))

    settings = TranslationSettings.of(beam=beam)
    found = task.translate(model.bundle.model, model.tokenizer(), pairs.sources, settings, pairs.into, advance)
    return [best[0].text for best in found]


def _labels(model: Model, texts: Sequence[str], progress: Progress | None) -> list[tuple[str, ...]]:
    given = []
    for output in model.stream(texts):
        given.append(_names(output))
        if progress is not None:
            progress(model.name, len(given), len(texts))
    return given


def _opened(model: Model | str | Path, precision: str | None) -> Model:
    if not isinstance(model, Model):
        return load(model, precision=precision or "float32")
    if precision is not None:
        raise InputError("the model is open, in a precision of its own; give precision to minnow.load, or the folder")
    return model


def _names(output: Label | Labels) -> tuple[str, ...]:
    return (output.label,) if isinstance(output, Label) else tuple(label.label for label in output.labels)
