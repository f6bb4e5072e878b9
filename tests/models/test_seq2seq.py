"""Rows of one source that stand side by side are found, and no others are taken for such."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minnow.models.seq2seq import grouped_rows


@given(st.integers(1, 4), st.lists(st.integers(0, 3), max_size=12), st.data())
def test_groups_stand_for_the_rows_they_were_made_of(group: int, sources: list[int], data: st.DataObject) -> None:
    """Whatever rows are chosen: each source as often as its group says gives the source of every row."""
    within = data.draw(st.lists(st.integers(0, group - 1), min_size=len(sources), max_size=len(sources)))
    rows = [source * group + place for source, place in zip(sources, within, strict=True)]
    found, size = grouped_rows(torch.tensor(rows, dtype=torch.long), group)
    assert found.repeat_interleave(size).tolist() == sources


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ([0, 0, 0, 1, 1, 1], ([0, 1], 3)),
        ([2, 2, 0, 0], ([2, 0], 2)),
        ([0, 0, 0, 0], ([0], 4)),
        ([0, 0, 1, 1, 1, 1], ([0, 1, 1], 2)),
        ([0, 0, 1, 2], ([0, 0, 1, 2], 1)),
        ([0, 1, 1], ([0, 1, 1], 1)),
        ([1], ([1], 1)),
        ([], ([], 1)),
    ],
)
def test_rows_share_a_source_as_far_as_they_fall_into_groups_of_one_size(
    sources: list[int], expected: tuple[list[int], int]
) -> None:
    found, size = grouped_rows(torch.tensor(sources, dtype=torch.long), 1)
    assert (found.tolist(), size) == expected
