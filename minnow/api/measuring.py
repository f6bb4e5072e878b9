"""An opened model measured on what suits it: labelled data, text, or pairs."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from minnow.api.opened import Opened
from minnow.errors import DataError, InputError, ManyLanguagesError
from minnow.listeners import Progress

if TYPE_CHECKING:
    from minnow.data.corpus import Corpus
    from minnow.data.pairs import Pairs
    from minnow.evaluation.perplexity import LanguageReport
    from minnow.evaluation.report import Report
    from minnow.evaluation.translation import TranslationReport


def measure(
    opened: Opened,
    data: str | Path,
    target_data: str | Path | None = None,
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
    progress: Progress | None = None,
) -> "Report | LanguageReport | TranslationReport":
    """What ``minnow.evaluate`` does with a model that is open."""
    from minnow.data.examples import load_examples
    from minnow.data.sources import parts
    from minnow.evaluation.measure import measure as measure_labels

    if opened.task.name == "translation":
        if context is not None or stride is not None or samples or training is not None:
            raise InputError("context, stride, samples and training are for language models; leave them out")
        return _translation_report(opened, data, target_data, part, languages, text, label, beam, progress)
    said = {"a second file": target_data, "languages": languages, "beam": beam is not None}
    if words := ", ".join(name for name, value in said.items() if value):
        raise InputError(
            f"{words}: for models that translate, but this model's task is {opened.task.name.replace('_', ' ')}; leave "
            "it out"
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
    check_part(data, part, present)
    examples = load_examples(
        data, part, text, label, keep_empty=True, learnt=opened.columns(), multi_label=opened.multi_label
    )
    return measure_labels(opened.bundle, examples, opened.name, part if part in present else "all")


def check_part(data: str | Path, part: str, present: Sequence[str]) -> None:
    """Raise DataError where labelled data have parts, and none of this name.

    Of a public set whoever reads it says which parts there are, and how to fetch one that is not here.
    """
    from minnow.data.catalog import is_known

    if not Path(data).exists() and is_known(str(data)):
        return
    if part not in present and tuple(present) != ("all",):
        raise DataError(f"{data} has no part {part!r}; it has: {', '.join(present)}")


def _translation_report(
    opened: Opened,
    data: str | Path,
    target_data: str | Path | None,
    part: str,
    languages: Sequence[str],
    text: str | None,
    label: str | None,
    beam: int | None,
    progress: Progress | None,
) -> "TranslationReport":
    from minnow.data.pairs import pair_parts
    from minnow.decoding.translating import TranslationSettings
    from minnow.evaluation.measure import measure_translation

    pairs = pairs_to_measure(opened, data, target_data, part, languages, text, label)
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        if progress is not None:
            progress("translating", done, len(pairs))

    settings = TranslationSettings.of(beam=beam)
    read = part if target_data is None and part in pair_parts(data) else "all"
    return measure_translation(opened.bundle, pairs, opened.name, read, settings, advance)


def pairs_to_measure(
    opened: Opened,
    data: str | Path,
    target_data: str | Path | None,
    part: str = "test",
    languages: Sequence[str] = (),
    text: str | None = None,
    label: str | None = None,
) -> "Pairs":
    """Pairs in the languages asked for; where nothing tells them, in those of a model that knows one direction."""
    from minnow.data.pairs import load_pairs, pair_parts

    task = opened.translator()
    columns = {"source_column": text, "target_column": label}
    own = task.directions[0] if len(task.directions) == 1 else task.languages
    if target_data is None and not languages and not task.unnamed and pair_parts(data) != ("all",):
        languages = own
    try:
        pairs = load_pairs(data, target_data, part, languages=languages, keep_empty=True, **columns)
    except ManyLanguagesError:
        if task.unnamed:
            raise
        pairs = load_pairs(data, target_data, part, languages=own, keep_empty=True, **columns)
    turned = {direction[::-1] for direction in task.directions}
    if target_data is None and not languages and len(turned) == 1 and set(pairs.directions) == turned:
        # What the file lists the other way round is still what this model translates.
        pairs = load_pairs(data, None, part, languages=task.directions[0], keep_empty=True, **columns)
    return pairs.named(task.directions)


def _language_report(
    opened: Opened,
    corpus: "Corpus",
    context: int | None,
    stride: int | None,
    num_samples: int,
    training: str | Path | None,
    progress: Progress | None,
) -> "LanguageReport":
    from minnow.data.corpus import open_corpus
    from minnow.evaluation.perplexity import measure_language
    from minnow.evaluation.samples import measure_samples

    if training is not None and not num_samples:
        raise InputError("the training text is for what samples copy of it; say how many to write, such as 16")
    if num_samples < 0:
        raise InputError(f"at least one sample must be written, but got {num_samples}")
    if num_samples:
        opened.writer()  # which says so where the model writes no text
    learnt = open_corpus(training) if training is not None else None
    report = measure_language(opened.bundle, corpus, opened.name, context=context, stride=stride, progress=progress)
    if not num_samples:
        return report
    written = measure_samples(opened.bundle, corpus, learnt, num_samples=num_samples, progress=progress)
    return replace(report, samples=written.to_json())


def _corpus_to_measure(data: str | Path, part: str, text: str | None) -> "Corpus":
    from minnow.data.corpus import open_corpus, part_to_measure

    return open_corpus(data, part_to_measure(data, part), text=text)
