"""What a run on pairs leaves beside the model: reports, pictures, and the card that shows them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minnow.bundle import layout
from minnow.bundle.bundle import Bundle, size_on_disk
from minnow.bundle.card import TranslationCard, render_translation_card
from minnow.evaluation import plots, tables
from minnow.evaluation.translation import TranslationReport
from minnow.explain.attention import attention_map
from minnow.files import folder_name, write_text
from minnow.training.journal import Journal
from minnow.training.translation_recipe import TranslationRecipe

MOST_DRAWN = 40  # words of a side; of more the names beside a picture cannot be read


def write_evidence(
    folder: Path,
    bundle: Bundle,
    validation: TranslationReport,
    test: TranslationReport | None,
    recipe: TranslationRecipe,
) -> None:
    """Reports, curves and the card; the model itself stands already."""
    shown = test or validation
    shown.save(folder / layout.EVALUATION)
    if test is not None:
        validation.save(folder / layout.EVALUATION / "validation")
    journal = Journal(folder / layout.RUN / "journal.jsonl").rows()
    curves = plots.available() and len(journal) > 1
    if curves:
        metric = "bleu" if recipe.training.metric == "loss" else recipe.training.metric
        plots.save(plots.training_curves(journal, metric), folder / layout.RUN / "curves")
    attention = _draw_attention(bundle, shown, folder / layout.RUN / "attention") if plots.available() else ""
    data: Mapping[str, Any] = bundle.provenance["data"]
    card = TranslationCard(
        name=folder_name(folder),
        languages=sorted({language for direction in bundle.task["directions"] for language in direction}),
        summary=(
            f"A small model ({bundle.model.config.model_type}, {bundle.model.num_parameters():,} parameters, "
            f"{size_on_disk(folder) / 1e6:.1f} MB) that translates "
            f"{', '.join(' to '.join(direction) for direction in bundle.task['directions'])}, made with Minnow from "
            f"{data['rows']:,} pairs."
        ),
        tables={
            f"Scores on {shown.data['name']}": tables.directions_table(shown),
            "Translations": tables.translations_table(shown.examples) + attention,
            "Furthest from the references": tables.translations_table(shown.worst[:8]),
        },
        curves=curves,
        data=data,
        recipe=bundle.recipe,
        provenance=bundle.provenance,
    )
    write_text(folder / layout.CARD, render_translation_card(card))


def _draw_attention(bundle: Bundle, report: TranslationReport, path: Path) -> str:
    """Draw what the words of the first example that is short enough to be read looked at, as PNG and SVG; the lines of
    the card that show it, "" where there is none."""
    into = {"-".join(direction): direction[1] for direction in bundle.task["directions"]}
    for place, row in enumerate(report.examples, 1):
        if not row["source"] or row["direction"] not in into:
            continue
        found = attention_map(bundle, row["source"], into[row["direction"]], row["hypothesis"])
        words = found.source_tokens, found.target_tokens
        if all(0 < len(side) <= MOST_DRAWN for side in words):
            plots.save(plots.attention_picture(*words, found.weights_TS), path)
            picture = f"![Attention]({layout.RUN}/{path.name}.png)"
            return f"\nWhat each word of translation {place} looked at:\n\n{picture}"
    return ""
