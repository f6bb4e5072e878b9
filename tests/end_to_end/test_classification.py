"""From the help-desk sample to a measured model, its card and its answers, all through the command line."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from command import minnow, net
from huggingface_hub import ModelCard

HELPDESK = Path(__file__).parents[2] / "samples" / "helpdesk"
TEST = HELPDESK / "test.csv"


@pytest.fixture(scope="module")
def helpdesk(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A model trained without any option but where to measure and what to print, and what it printed."""
    out = tmp_path_factory.mktemp("helpdesk") / "linear"
    return out, minnow("train", HELPDESK / "train.csv", "--test", TEST, "--out", out, "--json").json


def test_the_score_is_believable(helpdesk: tuple[Path, dict[str, Any]]) -> None:
    _, summary = helpdesk
    assert 0.7 < summary["accuracy"] < 0.95
    low, high = summary["intervals"]["accuracy"]
    assert low < summary["accuracy"] < high
    assert abs(summary["validation"]["accuracy"] - summary["accuracy"]) < 0.2
    assert summary["expected_calibration_error"] < 0.15
    assert len(summary["labels"]) >= 8
    assert summary["rows"] + summary["test_rows"] >= 600


def test_evaluating_again_gives_the_same_scores(helpdesk: tuple[Path, dict[str, Any]]) -> None:
    model, summary = helpdesk
    report = minnow("evaluate", model, TEST, "--json").json
    assert report["accuracy"] == summary["accuracy"]
    assert report["f1_macro"] == pytest.approx(summary["f1_macro"])


def test_it_answers_in_two_languages(helpdesk: tuple[Path, dict[str, Any]]) -> None:
    texts = ["The VPN drops every ten minutes when I work from home", "密码忘了，账号也被锁了，能帮我重置一下吗"]
    answers = minnow("predict", helpdesk[0], *texts).lines
    assert [row["label"] for row in answers] == ["network_vpn", "password_reset"]


def test_the_card_is_one_that_hugging_face_reads(helpdesk: tuple[Path, dict[str, Any]]) -> None:
    model, summary = helpdesk
    card = ModelCard.load(model / "README.md")
    found = {result.metric_type: result.metric_value for result in card.data.eval_results or []}
    assert found["accuracy"] == pytest.approx(summary["accuracy"], abs=1e-6)
    assert "f1_macro" in found
    metadata = yaml.safe_load(card.content.split("---")[1])
    assert metadata["model-index"][0]["results"][0]["dataset"]["name"] == "test.csv"
    assert metadata["pipeline_tag"] == "text-classification"
    for section in ("## Scores", "## Labels", "## Data", "## Limits", "## Recipe", "## Where it comes from"):
        assert section in card.text


def test_the_pictures_of_the_card_are_there(helpdesk: tuple[Path, dict[str, Any]]) -> None:
    model, _ = helpdesk
    text = (model / "README.md").read_text(encoding="utf-8")
    for name in ("confusion", "reliability"):
        assert f"(evaluation/{name}.png)" in text
        assert (model / "evaluation" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "<svg" in (model / "evaluation" / f"{name}.svg").read_text(encoding="utf-8")


@pytest.mark.usefixtures("no_pictures")
def test_a_tiny_net_is_compared_with_it(helpdesk: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    model, summary = helpdesk
    made = minnow("train", HELPDESK / "train.csv", "--test", TEST, "--out", tmp_path / "net", "--json", *net()).json
    assert made["model_type"] == "text_classifier"
    found = minnow("compare", model, tmp_path / "net", "--data", TEST, "--json").json
    accuracy = found["differences"]["accuracy"]
    assert (accuracy["a"], accuracy["b"]) == (summary["accuracy"], made["accuracy"])
    assert accuracy["low"] <= accuracy["difference"] <= accuracy["high"]
    assert found["rows"] == summary["test_rows"]
    assert found["only_a_right"] - found["only_b_right"] == round(accuracy["difference"] * found["rows"])
