"""Duplicates: exact ones after normalising, near ones above the threshold, in English and Chinese."""

import random

import pytest

from minnow.data import duplicates
from minnow.data.duplicates import exact_duplicates, jaccard, near_duplicates, shingles
from minnow.errors import InputError


def test_exact_duplicates_point_to_the_first() -> None:
    assert exact_duplicates(["A b", "c", "a  B", "c", "a b"]).tolist() == [-1, -1, 0, 1, 0]


def test_near_duplicates_are_found_and_others_left() -> None:
    draw = random.Random(0)
    vocabulary = [f"word{number}" for number in range(500)]
    texts = [" ".join(draw.choices(vocabulary, k=60)) for _ in range(60)]
    changed = [" ".join(["changed", *text.split()[1:]]) for text in texts[:20]]
    repeats = near_duplicates([*texts, *changed], 0.85)
    assert (repeats[:60] == -1).all()
    assert repeats[60:].tolist() == list(range(20))


@pytest.mark.parametrize("most", [duplicates.MOST_SHINGLES, 100])
def test_texts_from_one_template_are_cut_into_shingles_once(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(0)
    template = " ".join(f"word{number}" for number in range(120))
    texts = [f"{template} {' '.join(str(draw.random()) for _ in range(12))}" for _ in range(60)]
    texts += [f"{text} more" for text in texts[:5]]
    cut: list[str] = []

    def counted(text: str) -> set[str]:
        cut.append(text)
        return shingles(text)

    monkeypatch.setattr(duplicates, "shingles", counted)
    monkeypatch.setattr(duplicates, "MOST_SHINGLES", most)
    assert near_duplicates(texts, 0.85).tolist() == [-1] * 60 + list(range(5))
    assert (len(cut) <= 2 * len(texts)) == (most > 100)


def test_chinese_is_compared_by_characters() -> None:
    first = "这个酒店的房间非常干净,服务员的态度也很好,早餐的种类很多,下次来北京出差我还会住在这里的"
    assert near_duplicates([first, "完全不同的一句话说的是别的事情", first + "。", first[:-1]], 0.8).tolist() == [
        -1,
        -1,
        0,
        0,
    ]


def test_short_texts_and_texts_without_words_are_no_near_duplicates() -> None:
    assert near_duplicates(["ok", "ok!", "no", "!!!", "???", ""], 0.8).tolist() == [-1, 0, -1, -1, -1, -1]


def test_a_repeat_of_a_repeat_points_to_the_first() -> None:
    text = " ".join(f"w{number}" for number in range(100))
    assert near_duplicates([text, text + " x", text + " x"], 0.85).tolist() == [-1, 0, 0]


def test_shingles_overlap_as_broder_defines() -> None:
    assert shingles("a b c d") == {"a b c", "b c d"}
    assert jaccard({"a", "b"}, {"b", "c"}) == pytest.approx(1 / 3)


@pytest.mark.parametrize("threshold", [0.0, 1.5])
def test_a_threshold_out_of_bounds_is_refused(threshold: float) -> None:
    with pytest.raises(InputError, match=r"try 0\.85"):
        near_duplicates(["a"], threshold)
