"""What is in a data set: rows, columns, labels, lengths, languages, duplicates, and what leaks from train to test."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from minnow.data import catalog
from minnow.data.columns import languages_of
from minnow.data.duplicates import exact_duplicates
from minnow.data.entry import Entry
from minnow.data.examples import Examples, examples_from
from minnow.data.sources import Source, parts, read_source
from minnow.data.split import leakage
from minnow.errors import InputError
from minnow.text.language import detect

LANGUAGE_SAMPLE = 200


def summarise(source: str | Path, text: str | None = None, label: str | None = None) -> dict[str, Any]:
    """Describe every part of a source.

    Sentence pairs are described side by side, as the parts ``train.en``, ``train.de`` and so on.

    Returns:
        A dictionary for print and JSON: name, parts (each with rows, columns, roles, labels, characters, languages,
        duplicates, notes), leakage from train to each other part; of a public set its licence and sources too.
    """
    about: dict[str, Any] = {"name": str(source)}
    known = parts(source)
    # Where no part of a public set is here, reading the first says how to fetch it.
    shown = [part for part in known if part != "all"] or list(known) or list(catalog.find(str(source)).parts)
    read = {(part, language): side for part in shown for language, side in _read(source, part, text, label).items()}
    if not Path(source).exists():
        about |= _about_entry(catalog.find(str(source)))
    about["parts"] = {catalog.file_name(*key): _describe(table, examples) for key, (table, examples) in read.items()}
    if "train" in shown:
        about["leakage"] = {}
        for (part, language), (_, examples) in read.items():
            if part != "train" and ("train", language) in read:
                leak = leakage(read["train", language][1].texts, examples.texts)
                found = {"count": leak.count, "share": round(leak.share, 6)}
                about["leakage"][catalog.file_name(part, language)] = found
    return about


def _read(source: str | Path, part: str, text: str | None, label: str | None) -> dict[str, tuple[Source, Examples]]:
    """A part under ``""``, or each side of its sentence pairs under its language."""
    table = read_source(source, part)
    sides = {"": table}
    languages = table.languages or (languages_of(table.frame.columns) if label is None else ())
    if text is None and languages:
        sides = {
            language: replace(table, frame=table.frame.select(language), text=language, languages=())
            for language in languages
        }
    return {
        language: (side, examples_from(side, text, label, need_label=False, keep_empty=True))
        for language, side in sides.items()
    }


def _describe(table: Source, examples: Examples) -> dict[str, Any]:
    lengths = np.array([len(text) for text in examples.texts])
    counts = Counter(name for names in examples.labels for name in names)
    return {
        "rows": len(examples),
        "columns": {name: str(kind) for name, kind in table.frame.schema.items()},
        "roles": {"text": examples.roles.text, "label": examples.roles.label},
        "labels": dict(counts.most_common()),
        "multi_label": examples.multi_label,
        "without_label": sum(not names for names in examples.labels),
        "without_text": sum(not text.strip() for text in examples.texts),
        "characters": {
            "mean": round(float(lengths.mean()), 1),
            "median": int(np.median(lengths)),
            "p95": int(np.quantile(lengths, 0.95)),
            "max": int(lengths.max()),
        },
        "languages": languages(examples.texts),
        "duplicates": int((exact_duplicates(examples.texts) >= 0).sum()),
        "sha256": examples.sha256,
        "notes": list(examples.notes),
    }


def languages(texts: Sequence[str]) -> dict[str, float] | None:
    """Shares of the languages in an even sample of at most 200 texts; None where the detector is not installed."""
    sample = texts[:: max(len(texts) // LANGUAGE_SAMPLE, 1)][:LANGUAGE_SAMPLE]
    try:
        counts = Counter(detect(text).code for text in sample)
    except InputError:
        return None
    return {code: round(count / len(sample), 3) for code, count in counts.most_common(5)}


def _about_entry(entry: Entry) -> dict[str, Any]:
    checked = {
        catalog.file_name(part, language): catalog.verify(catalog.locate(entry, part, language=language))
        for part in catalog.present(entry)
        for language in catalog.part_files(entry, part)
    }
    files = [file for part in entry.parts.values() for file in part.files.values()]
    return {
        "name": entry.name,
        "title": entry.title,
        "task": entry.task,
        "language": entry.language,
        "licence": entry.licence,
        "research_only": entry.research_only,
        "homepage": entry.homepage,
        "citation": entry.citation,
        "sha256": checked,
        "urls": sorted({download.url for file in files for download in file.downloads}),
    }
