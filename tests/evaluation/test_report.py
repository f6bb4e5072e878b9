"""A report comes back from the disk as it went, and its tables hold what it holds."""

import json
from pathlib import Path

import pytest

from minnow.errors import BundleError, MinnowError
from minnow.evaluation import plots
from minnow.evaluation.report import Report
from minnow.evaluation.tables import labels_table, scores_table, worst_table

from .test_evaluate import one_report


def test_save_and_load_give_the_same_report(tmp_path: Path) -> None:
    report = one_report(data={"name": "数据"}, seconds=1.0)
    assert report.save(tmp_path, pictures=False) == [tmp_path / "report.json"]
    assert Report.load(tmp_path) == report
    assert Report.load(tmp_path / "report.json") == report


def test_the_file_is_plain_json_with_metric_names_under_scores(tmp_path: Path) -> None:
    report = one_report()
    report.save(tmp_path, pictures=False)
    content = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert {"accuracy", "f1_macro", "roc_auc"} <= content["scores"].keys()
    assert content["intervals"]["accuracy"] == list(report.intervals["accuracy"])


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"format": 1, "intervals": {}}', '{"format": 1, "intervals": [1]}']
)
def test_a_damaged_file_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(BundleError, match="evaluate the model again"):
        Report.load(tmp_path)


def test_a_missing_file_names_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="minnow evaluate"):
        Report.load(tmp_path)


def test_without_the_plots_extra_the_numbers_are_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plots, "available", lambda: False)
    assert one_report().save(tmp_path / "a") == [tmp_path / "a" / "report.json"]
    with pytest.raises(MinnowError, match=r"minnow-lm\[plots\]"):
        one_report().save(tmp_path / "b", pictures=True)
    assert Report.load(tmp_path / "b") == one_report()


def test_tables_have_a_line_for_each_score_label_and_mistake() -> None:
    report = one_report()
    assert scores_table(report).count("\n") == 2 + len(report.scores)
    assert labels_table(report).count("\n") == 2 + len(report.per_label)
    assert worst_table(report, 2).count("\n") == 4


def test_text_cannot_break_out_of_a_table() -> None:
    report = one_report()
    report.worst[0]["text"] = "a | b\n<b>"
    assert "a \\| b &lt;b>" in worst_table(report)
