"""The model card: README.md in Hugging Face's form, metadata with ``model-index`` on top, then what a reader asks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

INDEXED = ("accuracy", "f1_macro", "f1_micro", "exact_match", "roc_auc")


@dataclass(frozen=True)
class Card:
    """What the card says, in plain values.

    Attributes:
        scores, intervals: on ``test_name``, by metric name.
        tables: Markdown by section title, in order.
        pictures: path in the folder by caption.
        data: name, rows, sha256, licence of the training data.
    """

    name: str
    summary: str
    labels: Sequence[str]
    language: str | None
    data: Mapping[str, Any]
    test_name: str
    test_part: str
    scores: Mapping[str, float]
    recipe: str
    provenance: Mapping[str, Any]
    tables: Mapping[str, str] = field(default_factory=dict)
    pictures: Mapping[str, str] = field(default_factory=dict)
    limits: Sequence[str] = ()


def render_card(card: Card) -> str:
    """The whole README.md."""
    sections = [
        f"---\n{_metadata(card)}\n---",
        f"# {card.name}",
        card.summary,
        _usage(card),
        *(f"## {title}\n\n{table}" for title, table in card.tables.items()),
        *(f"![{caption}]({path})" for caption, path in card.pictures.items()),
        _data(card),
        "## Limits\n\n" + "\n".join(f"- {limit}" for limit in card.limits),
        f"## Recipe\n\n```toml\n{card.recipe.strip()}\n```",
        _provenance(card),
    ]
    return "\n\n".join(sections) + "\n"


def _metadata(card: Card) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    results = [
        EvalResult(
            task_type="text-classification",
            dataset_type=str(card.data.get("name", "data")),
            dataset_name=card.test_name,
            dataset_split=card.test_part,
            metric_type=name,
            metric_value=round(card.scores[name], 6),
        )
        for name in INDEXED
        if name in card.scores
    ]
    written: str = ModelCardData(
        language=card.language if card.language and len(card.language) <= 3 else None,
        library_name="minnow",
        pipeline_tag="text-classification",
        tags=["minnow", "small-language-model"],
        model_name=card.name,
        eval_results=results,
    ).to_yaml()
    return written.strip()


def _usage(card: Card) -> str:
    shown = ", ".join(f"`{label}`" for label in list(card.labels)[:12])
    more = f" and {len(card.labels) - 12} more" if len(card.labels) > 12 else ""
    return (
        f"It answers with: {shown}{more}.\n\n"
        '```bash\nminnow predict FOLDER "a text"\n```\n\n'
        '```python\nimport minnow\n\nmodel = minnow.load("FOLDER")\nmodel("a text").label\n```'
    )


def _data(card: Card) -> str:
    lines = [f"- {key.replace('_', ' ')}: {value}" for key, value in card.data.items() if value not in (None, "")]
    return "## Data\n\n" + "\n".join(lines)


def _provenance(card: Card) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in card.provenance.get("versions", {}).items())
    machine = card.provenance.get("machine", {})
    return (
        "## Where it comes from\n\n"
        f"- made: {card.provenance.get('made', '')}\n"
        f"- seconds from reading the data to the saved model: {card.provenance.get('train_seconds', 0):.1f}\n"
        f"- machine: {machine.get('processor', '')}, {machine.get('cores', '')} cores\n"
        f"- versions: {versions}"
    )
