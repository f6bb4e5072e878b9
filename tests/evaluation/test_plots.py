"""Pictures are drawn, whole, and say what they are about."""

import re
from pathlib import Path

import numpy as np
import pytest

from minnow.errors import MinnowError
from minnow.evaluation import fonts, plots

from .test_evaluate import LABELS, one_report

PNG = b"\x89PNG\r\n\x1a\n"


def drawn(chart: object, folder: Path) -> str:
    png, svg = plots.save(chart, folder / "a.picture")
    assert (png.name, svg.name) == ("a.picture.png", "a.picture.svg")
    assert png.read_bytes().startswith(PNG)
    assert png.stat().st_size > 2000
    return svg.read_text("utf-8")


def test_a_report_is_saved_with_its_pictures(tmp_path: Path) -> None:
    names = {path.name for path in one_report().save(tmp_path, pictures=True)}
    pictures = {f"{name}.{suffix}" for name in ("confusion", "reliability", "labels") for suffix in ("png", "svg")}
    assert names == pictures | {"report.json"} == {path.name for path in tmp_path.iterdir()}


def test_a_small_confusion_matrix_has_labels_and_counts(tmp_path: Path) -> None:
    svg = drawn(plots.confusion_matrix([[1234, 2, 0], [3, 877, 1], [0, 0, 9]], LABELS), tmp_path)
    for text in (*LABELS, "1,234", "877"):
        assert f">{text}<" in svg
    assert "PingFang SC" in svg


def test_a_large_confusion_matrix_has_every_label_and_no_counts(tmp_path: Path) -> None:
    labels = [f"intent {k}" for k in range(77)]
    counts = [[777 if r == c else 0 for c in range(77)] for r in range(77)]
    svg = drawn(plots.confusion_matrix(counts, labels), tmp_path)
    assert all(f">{label}<" in svg for label in labels)
    assert ">777<" not in svg


def test_a_picture_of_very_many_labels_can_still_be_opened() -> None:
    few, many = (
        plots.confusion_matrix(np.eye(num, dtype=int).tolist(), [f"intent {k}" for k in range(num)]).to_dict()
        for num in (plots.MOST_NAMED, 2 * plots.MOST_NAMED)
    )
    assert many["width"] == few["width"] == many["height"] <= 1650
    assert [part["layer"][0]["encoding"]["x"]["axis"]["labels"] for part in (few, many)] == [True, False]


def test_rows_of_unknown_labels_are_named(tmp_path: Path) -> None:
    svg = drawn(plots.confusion_matrix([[5, 0], [1, 5], [1, 2]], ["no", "yes"]), tmp_path)
    assert plots.UNSEEN_ROW in svg


def test_the_reliability_picture_states_the_error(tmp_path: Path) -> None:
    report = one_report()
    error = report.scores["expected_calibration_error"]
    assert f"{error:.3f}" in drawn(plots.reliability(report.calibration["bins"]), tmp_path)


def test_label_bars_name_the_labels_and_their_texts(tmp_path: Path) -> None:
    report = one_report()
    svg = drawn(plots.label_bars(report.per_label), tmp_path)
    for row in report.per_label:
        assert row["label"] in svg
        assert f">{row['support']}<" in svg


@pytest.mark.parametrize(
    "journal",
    [
        [{"step": n, "loss": 1 / n, "learning_rate": 1e-3} for n in range(1, 9)],
        [{"step": n, "loss": 1 / n, "validation_loss": 2 / n, "f1_macro": 0.5} for n in range(1, 9)],
        [{"step": 1, "loss": float("nan")}, {"step": 2, "loss": None, "accuracy": 0.25}],
    ],
)
def test_curves_are_drawn_from_what_the_journal_has(journal: list[dict[str, float]], tmp_path: Path) -> None:
    svg = drawn(plots.training_curves(journal), tmp_path)
    assert ("learning rate" in svg) == ("learning_rate" in journal[0])
    assert ("best 0.25" in svg) == ("validation_loss" in journal[-1] or "accuracy" in journal[-1])


def test_scores_up_to_100_are_written_out(tmp_path: Path) -> None:
    svg = drawn(plots.training_curves([{"step": n, "bleu": 4.0 * n} for n in range(1, 11)], "bleu"), tmp_path)
    assert ">30<" in svg
    assert "e+1" not in svg


def test_an_empty_journal_is_refused() -> None:
    with pytest.raises(MinnowError, match="at least one step"):
        plots.training_curves([{"event": "start"}])


def attention(num_written: int, num_source: int) -> np.ndarray:
    """Weights that are all different, so that no two cells can be taken for each other."""
    weights = np.random.default_rng(0).random((num_written, num_source))
    return weights / weights.sum(axis=1, keepdims=True)


def test_attention_shows_every_word_at_its_place_though_it_comes_twice(tmp_path: Path) -> None:
    source = ["the", "man", "saw", "the", "other", "man", '"\\<', " "]
    written = list("男子看见另一个男子")
    svg = drawn(plots.attention_picture(source, written, attention(9, 8), "那个男子"), tmp_path)
    shown = re.findall(r">([^<>]+)</text>", svg)
    assert [shown.count(word) for word in ("the", "man", "saw", "男", "子", "另", "那个男子")] == [2, 2, 1, 2, 2, 1, 1]
    assert "&quot;\\&lt;" in svg or '"\\&lt;' in svg
    assert "␣" in shown
    assert len(set(re.findall(r'aria-label="s: \d+; t: \d+; weight: [^"]+"', svg))) == 72


@pytest.mark.parametrize(("num_written", "num_source"), [(5, 5), (1, 1), (40, 38), (3, 40)])
def test_attention_has_cells_that_can_be_seen_at_any_length(num_written: int, num_source: int, tmp_path: Path) -> None:
    weights = attention(num_written, num_source)
    chart = plots.attention_picture(["word"] * num_source, ["Wort"] * num_written, weights)
    side = chart.width / num_source
    assert chart.height == side * num_written
    assert 17 <= side <= 40
    assert max(chart.width, chart.height) <= 700
    svg = drawn(chart, tmp_path)
    assert (svg.count(">word<"), svg.count(">Wort<")) == (num_source, num_written)


def test_words_over_the_cells_are_tilted_where_they_would_run_into_each_other() -> None:
    def angle(words: list[str]) -> float:
        chart = plots.attention_picture(words, ["a"], attention(1, len(words))).to_dict()
        found: float = chart["encoding"]["x"]["axis"]["labelAngle"]
        return found

    assert angle(["你", "好"]) == 0
    assert angle(["你", "neighbourhood"]) == -45


def test_what_cannot_be_drawn_has_a_mark_in_its_place(tmp_path: Path) -> None:
    svg = drawn(plots.attention_picture(["\x00", "\ufffe<&"], ["a\x11b"], np.array([[0.2, 0.8]])), tmp_path)
    assert ">a\ufffdb<" in svg
    assert ">\ufffd&lt;&amp;<" in svg
    assert "\ufffd" in drawn(plots.confusion_matrix([[1, 0], [0, 1]], ["\x1b[31m", "plain"]), tmp_path)


def test_attention_of_another_shape_or_beyond_one_is_refused() -> None:
    for weights in (np.ones((2, 3)), np.ones(2), np.ones((0, 2))):
        with pytest.raises(MinnowError, match="a weight for each of 1 written and 2 source tokens"):
            plots.attention_picture(["a", "b"], ["c"], weights)
    with pytest.raises(MinnowError, match="but has \\(0, 0\\)"):
        plots.attention_picture([], [], np.ones((0, 0)))
    for wrong in (float("nan"), 1.5, -0.1):
        with pytest.raises(MinnowError, match="must lie in 0 … 1"):
            plots.attention_picture(["a", "b"], ["c"], [[0.5, wrong]])


def test_without_the_plots_extra_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "available", lambda: False)
    with pytest.raises(MinnowError, match=r"pip install 'minnow-lm\[plots\]'"):
        plots.label_bars([])


def test_chinese_words_are_drawn_with_the_plots_extra_alone(tmp_path: Path) -> None:
    assert fonts.has_chinese()
    drawings = []
    for words in (["你", "好"], ["你", "妳"], ["\U000effff", "\U000effff"]):
        path = plots.save_as(plots.attention_picture(words, ["a"], attention(1, 2)), tmp_path / "x.png")
        drawings.append(path.read_bytes())
    assert len(set(drawings)) == 3


def test_boxes_instead_of_chinese_are_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "has_chinese", lambda: False)
    assert fonts.missing_glyphs(["refund", "退款"]) == fonts.NO_CHINESE
    assert fonts.missing_glyphs(["refund"]) is None
