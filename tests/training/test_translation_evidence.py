"""The card of a model that translates shows its run and what a translation looked at, where pictures can be drawn."""

from pathlib import Path
from typing import Any

import pytest
from command import files_in
from pairs import net, tokenizer

from minnow.bundle.bundle import Bundle
from minnow.evaluation.translation import translation_report
from minnow.tasks.translation import Translation
from minnow.training.journal import Journal
from minnow.training.translation_evidence import MOST_DRAWN, write_evidence
from minnow.training.translation_recipe import recipe_from

pytestmark = pytest.mark.usefixtures("one_thread")
PICTURES = ["run/attention.png", "run/attention.svg", "run/curves.png", "run/curves.svg"]


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """An untrained model: what it looks at is nonsense, but there is something to draw."""
    reading = tokenizer()
    task = Translation((("en", "de"),))
    provenance: dict[str, Any] = {"data": {"name": "few", "rows": 3}}
    return Bundle(net("general", reading.vocab_size), task.to_dict(), reading, provenance)


def written(folder: Path, bundle: Bundle, rows: list[tuple[str, str]], said: str = "training.metric=bleu") -> str:
    """The card of a run of two epochs whose report has these sources and translations."""
    journal = Journal(folder / "run" / "journal.jsonl")
    for step, value in ((1, 3.25), (2, 7.75)):
        journal.append({"step": step, "loss": 1.0, "bleu": value, "chrf": 2 * value, "exact_match": value / 2})
    bundle.save(folder)
    sources, hypotheses = (list(side) for side in zip(*rows, strict=True))
    report = translation_report("m", sources, sources, hypotheses, [("en", "de")] * len(rows), data={"name": "few"})
    write_evidence(folder, bundle, report, None, recipe_from({}, [said]))
    return (folder / "README.md").read_text(encoding="utf-8")


def test_pictures_of_the_run_and_of_the_first_translation_are_shown(bundle: Bundle, tmp_path: Path) -> None:
    pytest.importorskip("altair")
    pytest.importorskip("vl_convert")
    card = written(tmp_path, bundle, [("Hello there", "world day"), ("Good", "Hello")])
    assert [path for path in files_in(tmp_path) if path.endswith(("png", "svg"))] == PICTURES
    _, _, translations = card.partition("## Translations\n")
    translations, _, rest = translations.partition("## Furthest")
    assert translations.rstrip().endswith("translation 1 looked at:\n\n![Attention](run/attention.png)")
    assert "![The run](run/curves.png)" in rest
    drawn = (tmp_path / "run" / "attention.svg").read_text(encoding="utf-8")
    for word in ("Hello", "there", "world", "day"):
        assert f">{word}<" in drawn
    assert ">Good<" not in drawn


def test_the_first_that_can_be_drawn_and_read_is_taken(bundle: Bundle, tmp_path: Path) -> None:
    pytest.importorskip("altair")
    pytest.importorskip("vl_convert")
    rows = [("", "world"), ("world", ""), ("a " * MOST_DRAWN + "a", "day"), ("Good day", "there")]
    assert "What each word of translation 4 looked at" in written(tmp_path / "fourth", bundle, rows)
    assert ">Good<" in (tmp_path / "fourth" / "run" / "attention.svg").read_text(encoding="utf-8")
    assert "Attention" not in written(tmp_path / "none", bundle, rows[:3])
    assert not (tmp_path / "none" / "run" / "attention.png").exists()


@pytest.mark.parametrize(("metric", "best"), [("loss", "7.75"), ("chrf", "15.5"), ("exact_match", "3.875")])
def test_the_curves_show_what_the_best_epoch_was_chosen_by(
    metric: str, best: str, bundle: Bundle, tmp_path: Path
) -> None:
    pytest.importorskip("altair")
    pytest.importorskip("vl_convert")
    written(tmp_path, bundle, [("Hello", "")], f"training.metric={metric}")
    assert f"best {best}" in (tmp_path / "run" / "curves.svg").read_text(encoding="utf-8")


def test_without_the_plots_extra_there_are_no_pictures(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minnow.evaluation.plots.available", lambda: False)
    card = written(tmp_path, bundle, [("Hello there", "world day")])
    assert "![" not in card
    assert "## Translations" in card
    assert [path for path in files_in(tmp_path) if path.startswith("run/")] == ["run/journal.jsonl"]
