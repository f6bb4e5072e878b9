"""Samples: they begin where the text does, and are measured beside what people wrote there."""

from pathlib import Path

import pytest
import torch

from minnow.bundle.bundle import Bundle
from minnow.data.corpus import open_corpus
from minnow.errors import InputError
from minnow.evaluation.samples import measure_samples, measures, places
from minnow.models.rnn_lm import RnnLM, RnnLMConfig
from minnow.tasks.text_classification import TextClassification
from minnow.tasks.text_generation import TextGeneration
from minnow.text.tokenizer import Tokenizer, TokenizerSettings

TEXT = "".join(f"On day {day} the cat of house {day * 7 % 50} sat on mat {day % 9}.\n" for day in range(300))
CHARACTERS = Tokenizer.train([TEXT], TokenizerSettings("character", 100, False, "none", 1))


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return path


@pytest.fixture
def bundle() -> Bundle:
    model = RnnLM(RnnLMConfig(vocab_size=CHARACTERS.vocab_size, embedding_size=8, hidden_size=8))
    with torch.no_grad():
        model.output_bias_V[:4] = -50  # it never ends a text early
    return Bundle(model.eval(), TextGeneration().to_dict(), CHARACTERS)


def test_prompts_are_whole_words_from_all_over_the_text(text: Path) -> None:
    found = places(open_corpus(text), 5)
    starts = [TEXT.index(prompt) for prompt, _ in found]
    assert starts == sorted(set(starts))
    assert starts[0] == 0
    assert starts[-1] > 0.8 * len(TEXT)
    for prompt, follows in found:
        assert TEXT.endswith(prompt + follows)
        assert 20 < len(prompt) <= 60
        assert not prompt[0].isspace()
        assert follows[0].isspace()


def test_prompts_of_a_short_text_differ_too(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(TEXT[:600])
    found = places(open_corpus(tmp_path / "a.txt"), 4)
    assert len({prompt for prompt, _ in found}) == 4
    assert all(len(follows) > 200 for _, follows in found)


@pytest.mark.parametrize("content", ["short", "你好世界" * 300])
def test_a_text_without_room_or_spaces_still_has_places(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.txt").write_text(content)
    found = places(open_corpus(tmp_path / "a.txt"), 3)
    assert len(found) == 3
    assert all(content.endswith(prompt + follows) and prompt for prompt, follows in found)


def test_samples_are_measured_beside_as_much_text_of_people(bundle: Bundle, text: Path) -> None:
    report = measure_samples(bundle, open_corpus(text), open_corpus(text), num_samples=4, max_tokens=80, seed=3)
    assert len(report.samples) == 4
    assert all(sample["prompt"] in TEXT for sample in report.samples)
    assert report.people.copied == 1.0
    assert report.model.copied is not None
    assert report.model.copied < 0.5
    again = measure_samples(bundle, open_corpus(text), open_corpus(text), num_samples=4, max_tokens=80, seed=3)
    assert again == report
    other = measure_samples(bundle, open_corpus(text), num_samples=4, max_tokens=80, seed=4)
    assert other.samples != report.samples
    assert other.model.copied is None


def test_a_group_that_repeats_itself_shows(text: Path) -> None:
    varied, dull = measures([["a b c d e f g h"], ["a b a b a b a b"]], open_corpus(text))
    assert varied.repetition["2"] == 0
    assert dull.repetition["2"] > 0.5
    assert dull.distinct["1"] < varied.distinct["1"] == 1
    assert varied.words == dull.words == 8


def test_a_model_that_writes_nothing_is_refused(bundle: Bundle, text: Path) -> None:
    with pytest.raises(InputError, match="at least one sample"):
        measure_samples(bundle, open_corpus(text), num_samples=0)

    class Silent:
        config = type("Config", (), {"num_labels": 2, "vocab_size": 100})
        reads = "ngrams"

    classifier = Bundle(Silent(), TextClassification(("a", "b")).to_dict(), CHARACTERS)
    with pytest.raises(InputError, match="text classification writes no text; leave out --samples"):
        measure_samples(classifier, open_corpus(text))
