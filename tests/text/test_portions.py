"""Bounded portions of texts."""

from minnow.text.portions import SEGMENT_LENGTH, segments


def test_segments_are_bounded_and_lose_nothing() -> None:
    limit = SEGMENT_LENGTH
    for text in ("a" * (3 * limit + 5), "word " * limit, " " * (2 * limit + 1), "x" * limit + " y"):
        found = segments(text)
        assert "".join(found) == text
        assert max(map(len, found)) <= limit
    assert all(segment.endswith("word") for segment in segments("word " * limit)[:-1])
