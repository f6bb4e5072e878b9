"""A model that reads both languages is also measured by whether it finds translations again."""

import pytest
from pairs import net, tokenizer

from minnow.bundle.bundle import Bundle
from minnow.data.pairs import Pairs
from minnow.decoding.translating import TranslationSettings
from minnow.evaluation.measure import measure_translation
from minnow.evaluation.translation import TranslationReport
from minnow.metrics.retrieval import retrieval
from minnow.tasks.translation import Translation, tags

pytestmark = pytest.mark.usefixtures("one_thread")
SOURCES = ["Hello there", "Good day", "world", "Good world"]
TARGETS = ["there Hello", "day Good", "a world", "world Good"]


def report(task: Translation, directions: list[tuple[str, str]]) -> TranslationReport:
    spelled = tokenizer().with_special_tokens(tags(task.targets)) if task.tagged else tokenizer()
    bundle = Bundle(net("general", spelled.vocab_size), task.to_dict(), spelled, {}, "")
    pairs = Pairs(SOURCES, TARGETS, directions, "pairs", "0")
    return measure_translation(bundle, pairs, "model", settings=TranslationSettings(1, max_extra=2))


def test_each_two_languages_are_asked_for_once() -> None:
    both = Translation((("en", "de"), ("de", "en")), tagged=True)
    found = report(both, [("en", "de")] * 2 + [("de", "en")] * 2)
    (row,) = found.retrieval
    assert (row["direction"], row["rows"]) == ("en-de", 2)
    (whole,) = report(both, [("en", "de")] * 4).retrieval
    spelled = tokenizer().with_special_tokens(tags(both.targets))
    vectors = [both.vectors(net("general", spelled.vocab_size), spelled, side) for side in (SOURCES, TARGETS)]
    wanted = retrieval(*vectors)
    assert (whole["forward"], whole["backward"]) == (wanted.forward, wanted.backward)
    assert TranslationReport.from_json(found.to_json()).retrieval == found.retrieval


def test_a_model_of_one_direction_reads_one_language() -> None:
    assert report(Translation((("en", "de"),)), [("en", "de")] * 4).retrieval == []
