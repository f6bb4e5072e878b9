"""A translator's report says what its rows say, by direction and together, and a comparison names the better one."""

import json
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from minnow.errors import BundleError, DataError, MinnowError
from minnow.evaluation.report import read_report
from minnow.evaluation.tables import directions_table, translations_table
from minnow.evaluation.translation import (
    NUM_EXAMPLES,
    NUM_WORST,
    TranslationReport,
    compare_translations,
    translation_report,
)
from minnow.metrics.translation import translation_scores

pytest.importorskip("sacrebleu")
pytest.importorskip("sacremoses")

ENGLISH = ["The old harbour is behind the market.", "We waited two hours for the train.", "The red boat is not mine."]
GERMAN = [
    "Der alte Hafen liegt hinter dem Markt.",
    "Wir haben zwei Stunden gewartet.",
    "Das rote Boot gehört mir nicht.",
]
SCORES = ("bleu", "chrf", "tokenised_bleu", "exact_match")
CHINESE = ["老港口在市场后面。", "我们等火车等了两个小时。", "红色的船不是我的。"]


def worse(texts: list[str], every: int) -> list[str]:
    """The texts with every so-manieth of them said without its second half."""
    return [text[: len(text) // 2] if n % every == 0 else text for n, text in enumerate(texts)]


def one_report(copies: int = 10, **details: object) -> TranslationReport:
    """Rows into German and into Chinese by turns, one in three of them cut short."""
    sources = [text for text in ENGLISH for _ in "dz"] * copies
    references = [text for pair in zip(GERMAN, CHINESE, strict=True) for text in pair] * copies
    directions = [("en", "de"), ("en", "zh")] * (3 * copies)
    return translation_report("small", sources, references, worse(references, 3), directions, **details)  # type: ignore[arg-type]


def test_each_direction_has_the_scores_of_its_rows_alone() -> None:
    report = one_report()
    assert [found["direction"] for found in report.directions] == ["en-de", "en-zh"]
    for found, texts, language in zip(report.directions, (GERMAN, CHINESE), ("de", "zh"), strict=True):
        assert found["rows"] == 30
        rows = [n for n in range(60) if n % 2 == (language == "zh")]
        expected = translation_scores([report.translations[n] for n in rows], texts * 10, language=language)
        assert found["scores"] == {name: score.value for name, score in expected.items()}
        assert found["signatures"] == {name: score.signature for name, score in expected.items()}


def test_all_rows_together_lie_between_the_directions_and_inside_the_intervals() -> None:
    report = one_report()
    for name, value in report.scores.items():
        each = [found["scores"][name] for found in report.directions]
        assert min(each) <= value <= max(each)
        low, high = report.intervals[name]
        assert low < value < high
    assert report.signatures["bleu"].count("tok:") == 2
    assert report.signatures["chrf"].count("nc:") == 1
    assert 0 < report.length_ratio < 1


def test_one_direction_is_measured_once() -> None:
    report = translation_report("small", ENGLISH, GERMAN, worse(GERMAN, 2), [("en", "de")] * 3)
    (only,) = report.directions
    assert (only["scores"], only["intervals"], only["length_ratio"]) == (
        report.scores,
        report.intervals,
        report.length_ratio,
    )
    assert report.notes == []


def test_the_worst_rows_are_those_of_the_lowest_chrf() -> None:
    report = one_report()
    assert len(report.worst) == NUM_WORST
    assert [row["row"] % 3 for row in report.worst] == [0] * NUM_WORST
    assert [row["chrf"] for row in report.worst] == sorted(row["chrf"] for row in report.worst)
    first = report.worst[0]
    assert first["hypothesis"] == report.translations[first["row"]]
    assert first["reference"].startswith(first["hypothesis"])
    assert first["source"] in ENGLISH


def test_examples_are_spread_from_the_first_row_to_the_last() -> None:
    rows = [row["row"] for row in one_report().examples]
    assert (rows[0], rows[-1], len(rows)) == (0, 59, NUM_EXAMPLES)
    assert max(b - a for a, b in pairwise(rows)) <= 9
    assert [row["row"] for row in one_report(copies=1).examples] == list(range(6))


def test_long_texts_are_cut_in_the_tables_and_nowhere_else() -> None:
    text = "ein Wort " * 100
    report = translation_report("small", [text], [text], [text], [("de", "de")])
    assert len(report.worst[0]["source"]) == 280
    assert report.translations == (text,)


def test_the_reader_is_told_of_what_would_mislead() -> None:
    report = translation_report("small", ENGLISH * 2, GERMAN + CHINESE, ["", " ", *GERMAN[2:], *CHINESE], [
        *[("en", "de")] * 3, *[("en", "zh-Hans")] * 3
    ])  # fmt: skip
    told = " ".join(report.notes)
    assert "mix 2 directions" in told
    assert "BLEU into zh-Hans counts characters" in told
    assert "2 of 6 translations are empty" in told


def test_data_and_speed_are_noted_down() -> None:
    report = one_report(data={"name": "harbour"}, seconds=2.0)
    assert report.data == {"name": "harbour", "rows": 60}
    assert report.sentences_per_second == 30
    assert one_report().sentences_per_second is None


def test_the_same_seed_gives_the_same_report() -> None:
    assert one_report(seed=3) == one_report(seed=3)
    assert one_report(seed=3).intervals != one_report(seed=4).intervals


def test_a_report_comes_back_from_the_disk_without_its_translations(tmp_path: Path) -> None:
    report = one_report(data={"name": "港口"}, seconds=1.5)
    paths = report.save(tmp_path)
    assert [path.name for path in paths] == ["report.json", "translations.txt"]
    assert TranslationReport.from_json(read_report(tmp_path)) == replace(report, translations=())


def test_translations_stand_one_a_line_whatever_they_hold(tmp_path: Path) -> None:
    hypotheses = ["one\ntwo\r\nthree", "", "four\u2028five\n"]
    report = translation_report("small", ENGLISH, GERMAN, hypotheses, [("en", "de")] * 3)
    assert report.save(tmp_path)[1].read_text("utf-8").split("\n") == ["one two three", "", "four five", ""]


@pytest.mark.parametrize("damage", [{"kind": "language"}, {"format": 0}, {"scores": None}])
def test_what_is_no_report_of_a_translator_is_refused(damage: dict[str, object]) -> None:
    content = one_report().to_json() | damage
    content = {key: value for key, value in content.items() if value is not None or key != "scores"}
    with pytest.raises(BundleError, match="not of a translation model"):
        TranslationReport.from_json(content)


def test_tables_have_a_line_for_each_direction_and_row() -> None:
    report = one_report()
    table = directions_table(report)
    assert [line.split(" | ")[0] for line in table.splitlines()[2:]] == ["| en-de", "| en-zh", "| all"]
    assert f"{report.scores['bleu']:.2f} ({report.intervals['bleu'][0]:.2f} to" in table
    single = translation_report("small", ENGLISH, GERMAN, GERMAN, [("en", "de")] * 3)
    assert directions_table(single).count("\n") == 3
    assert translations_table(report.worst[:4]).count("\n") == 6


def test_sides_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="there are no rows"):
        translation_report("small", [], [], [], [])
    with pytest.raises(MinnowError, match="have 3, 3, 2 and 3 rows"):
        translation_report("small", ENGLISH, GERMAN, GERMAN[:2], [("en", "de")] * 3)
    with pytest.raises(DataError, match="there are no rows"):
        compare_translations("a", "b", [], [], [], [])
    with pytest.raises(MinnowError, match="have 3, 3, 3 and 1 rows"):
        compare_translations("a", "b", GERMAN, GERMAN, GERMAN, ["de"])


def test_translations_are_measured_without_torch() -> None:
    program = (
        "import sys; from minnow.evaluation.translation import translation_report;"
        "translation_report('a', ['a'], ['b'], ['b'], [('en', 'de')]); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_clear_winner_is_named() -> None:
    references = (GERMAN + CHINESE) * 20
    languages = (["de"] * 3 + ["zh"] * 3) * 20
    found = compare_translations("small", "large", references, worse(references, 2), worse(references, 7), languages)
    assert found.verdict.startswith("large is better than small by ")
    assert " points of BLEU (95 % interval " in found.verdict
    assert found.rows == 120
    for difference in found.differences.values():
        assert difference.difference == difference.a - difference.b < 0
        assert difference.low < difference.difference < difference.high < 0
        assert difference.p_value < 0.01
    assert set(found.differences) == set(found.bootstrap_p_values) == set(SCORES)
    assert max(found.bootstrap_p_values.values()) < 0.01


def test_a_comparison_has_the_scores_of_the_reports() -> None:
    references = GERMAN * 5
    sides = worse(references, 2), worse(references, 3)
    found = compare_translations("a", "b", references, *sides, ["de"] * 15)
    a, b = (translation_report("any", references, references, side, [("en", "de")] * 15) for side in sides)
    assert {name: (d.a, d.b) for name, d in found.differences.items()} == {
        name: (a.scores[name], b.scores[name]) for name in a.scores
    }
    assert found.signatures == a.signatures


def test_a_model_against_itself_is_no_different() -> None:
    found = compare_translations("a", "a again", GERMAN, GERMAN, GERMAN, ["de"] * 3)
    assert found.verdict.startswith("no clear difference in BLEU between a and a again")
    assert set(found.bootstrap_p_values.values()) == {1.0}


def test_the_comparison_is_plain_json() -> None:
    found = compare_translations("a", "b", GERMAN, GERMAN, worse(GERMAN, 2), ["de"] * 3)
    content = json.loads(json.dumps(found.to_json()))
    assert content["differences"]["chrf"]["a"] == found.differences["chrf"].a
    assert content["verdict"] == found.verdict
