"""The model card: README.md in Hugging Face's form, metadata with ``model-index`` on top, then what a reader asks."""

from __future__ import annotations

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


def _data(card: Card | LanguageCard | TranslationCard) -> str:
    lines = [f"- {key.replace('_', ' ')}: {value}" for key, value in card.data.items() if value not in (None, "")]
    return "## Data\n\n" + "\n".join(lines)


def _provenance(card: Card | LanguageCard | TranslationCard) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in card.provenance.get("versions", {}).items())
    machine = card.provenance.get("machine", {})
    return (
        "## Where it comes from\n\n"
        f"- made: {card.provenance.get('made', '')}\n"
        f"- seconds from reading the data to the saved model: {card.provenance.get('train_seconds', 0):.1f}\n"
        f"- machine: {machine.get('processor', '')}, {machine.get('cores', '')} cores\n"
        f"- versions: {versions}"
    )


@dataclass(frozen=True)
class LanguageCard:
    """What the card of a language model says, in plain values.

    Attributes:
        writes: it goes on with a text, rather than filling gaps.
        scores: a table in Markdown, of the validation text.
        sample: a text it wrote at the end of its training, unedited.
        curves: the folder holds pictures of the run.
        chats: it was taught to answer, from conversations.
        tested: some of the scores are of a test part.
    """

    name: str
    model_type: str
    parameters: int
    size_bytes: int
    writes: bool
    scores: str
    sample: str
    data: Mapping[str, Any]
    recipe: str
    provenance: Mapping[str, Any]
    curves: bool = False
    chats: bool = False
    tested: bool = False


def render_language_card(card: LanguageCard) -> str:
    """The whole README.md of a language model."""
    kind, verb = ("text-generation", "generate") if card.writes else ("fill-mask", "predict")
    given = "Once upon a time" if card.writes else "a text with [MASK] in it"
    quoted = "\n".join(f"    {line}" for line in card.sample.splitlines())
    seen = card.provenance.get("tokens_seen", 0) / max(1, card.data.get("tokens", 1))
    source = f"{card.data.get('bytes', 0):,} bytes of text, read {seen:.1f} times"
    scored, shown, used = "the validation text", "As it came, the beginning given", f'minnow {verb} FOLDER "{given}"'
    if card.chats:
        start = f"{card.data.get('start', '')}, with " if card.data.get("start") else ""
        source = f"{start}{card.data.get('conversations', 0):,} conversations, read {seen:.1f} times"
        scored, shown, used = "the answers that were held out", "As it came, the question given", "minnow chat FOLDER"
    scored += ", and where it says so on a test part that nothing was chosen by" if card.tested else ""
    sections = [
        f"---\n{_language_metadata(card, kind)}\n---",
        f"# {card.name}",
        f"A small language model ({card.model_type}, {card.parameters:,} parameters, {card.size_bytes / 1e6:.1f} MB), "
        f"made with Minnow from {source}.",
        f"```bash\n{used}\n```",
        f"## Scores\n\nOn {scored}; loss in nats a token:\n\n{card.scores}",
        *([f"## A sample\n\n{shown}:\n\n{quoted}"] if card.sample else []),
        *(["![The run](run/curves.png)"] if card.curves else []),
        _data(card),
        "## Limits\n\n- It knows the text above and nothing else; it states things that are not so.",
        f"## Recipe\n\n```toml\n{card.recipe.strip()}\n```",
        _provenance(card),
    ]
    return "\n\n".join(sections) + "\n"


def _language_metadata(card: LanguageCard, kind: str) -> str:
    from huggingface_hub import ModelCardData

    written: str = ModelCardData(
        library_name="minnow", pipeline_tag=kind, tags=["minnow", "small-language-model"], model_name=card.name
    ).to_yaml()
    return written.strip()


@dataclass(frozen=True)
class TranslationCard:
    """What the card of a model that translates says, in plain values.

    Attributes:
        tables: Markdown by section title, in order.
        curves: the folder holds pictures of the run.
    """

    name: str
    languages: Sequence[str]
    summary: str
    tables: Mapping[str, str]
    data: Mapping[str, Any]
    recipe: str
    provenance: Mapping[str, Any]
    curves: bool = False


def render_translation_card(card: TranslationCard) -> str:
    """The whole README.md of a model that translates."""
    from huggingface_hub import ModelCardData

    written: str = ModelCardData(
        language=[language for language in card.languages if len(language) <= 3] or None,
        library_name="minnow",
        pipeline_tag="translation",
        tags=["minnow", "small-language-model"],
        model_name=card.name,
    ).to_yaml()
    sections = [
        f"---\n{written.strip()}\n---",
        f"# {card.name}",
        card.summary,
        '```bash\nminnow translate FOLDER "a text"\n```\n\n'
        '```python\nimport minnow\n\nmodel = minnow.load("FOLDER")\nmodel.translate("a text")\n```',
        *(f"## {title}\n\n{table}" for title, table in card.tables.items()),
        *(["![The run](run/curves.png)"] if card.curves else []),
        _data(card),
        "## Limits\n\n- It has learnt from the pairs above alone; texts of another kind may fare worse, and it states "
        "what is not in the source where it does not know a word.",
        f"## Recipe\n\n```toml\n{card.recipe.strip()}\n```",
        _provenance(card),
    ]
    return "\n\n".join(sections) + "\n"
