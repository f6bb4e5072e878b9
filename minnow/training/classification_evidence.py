"""What a run on labelled texts leaves beside the model: reports, pictures, and the card that shows them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minnow.bundle import layout
from minnow.bundle.bundle import Bundle, size_on_disk
from minnow.bundle.card import Card, render_card
from minnow.data.examples import Examples
from minnow.evaluation import plots, tables
from minnow.evaluation.report import Report
from minnow.files import folder_name, write_text
from minnow.tasks.text_classification import TextClassification
from minnow.training.classification_recipe import ClassificationRecipe
from minnow.training.journal import Journal


def write_evidence(
    folder: Path,
    bundle: Bundle,
    examples: Examples,
    validation: Report,
    test: Report | None,
    recipe: ClassificationRecipe,
) -> None:
    """Reports, pictures, curves and the card; the model itself stands already."""
    shown = test or validation
    shown.save(folder / layout.EVALUATION)
    if test is not None:
        validation.save(folder / layout.EVALUATION / "validation", pictures=False)
    journal = Journal(folder / layout.RUN / "journal.jsonl").rows()
    if plots.available() and len(journal) > 1:
        metric = None if recipe.training.metric == "loss" else recipe.training.metric
        plots.save(plots.training_curves(journal, metric), folder / layout.RUN / "curves")
    pictures = {"Confusion matrix": "confusion", "Reliability": "reliability"}
    task = TextClassification.from_dict(bundle.task)
    parts_shown = f"the {shown.data['part']} rows of {shown.data['name']} ({shown.data['rows']:,})"
    card = Card(
        name=folder_name(folder),
        summary=(
            f"A small text classifier ({bundle.model.config.model_type}, {bundle.model.num_parameters():,} parameters, "
            f"{size_on_disk(folder) / 1e6:.1f} MB) over {len(task.labels)} labels, made with Minnow. "
            f"Accuracy {shown.scores['accuracy']:.2%} on {parts_shown}."
        ),
        labels=task.labels,
        language=examples.language,
        data=bundle.provenance["data"],
        test_name=str(shown.data["name"]),
        test_part=str(shown.data["part"]),
        scores=shown.scores,
        recipe=bundle.recipe,
        provenance=bundle.provenance,
        tables={
            "Scores": f"On {parts_shown}:\n\n{tables.scores_table(shown)}",
            "Labels": tables.labels_table(shown),
            "Surest mistakes": tables.worst_table(shown) or "None.",
        },
        pictures={
            title: f"{layout.EVALUATION}/{name}.png"
            for title, name in pictures.items()
            if (folder / layout.EVALUATION / f"{name}.png").is_file()
        },
        limits=_limits(shown, examples, validation.data),
    )
    write_text(folder / layout.CARD, render_card(card))


def _limits(shown: Report, examples: Examples, held: Mapping[str, Any]) -> list[str]:
    """What the model is not, or may not be, good for; ``held`` is the data that it was chosen and calibrated by."""
    apart = held["name"] != examples.name
    calibrated_on = f"the rows of {held['name']}" if apart else f"{held['part']} of the training data"
    measured_on = f"{held['name']}, by which it was calibrated" if apart else "rows held out of the training data"
    weakest = min(shown.per_label, key=lambda row: row["f1"])
    limits = [
        f"Learnt from {len(examples):,} texts of {examples.name} alone; texts of another kind may fare worse.",
        f"Weakest label: {weakest['label']!r} with an F1 of {weakest['f1']:.3f}.",
        f"Confidence was calibrated on {calibrated_on}; expected calibration error "
        f"{shown.scores['expected_calibration_error']:.3f} on the rows above.",
    ]
    if shown.data["part"] != "test":
        limits.append(f"Not measured on a test part: the scores come from {measured_on}.")
    if examples.licence:
        limits.append(f"Licence of the training data: {examples.licence}.")
    return limits
