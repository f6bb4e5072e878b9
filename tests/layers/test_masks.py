"""Which positions are text, and rows read backwards."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from minnow.layers.masks import padding_mask, reverse_rows

lengths = st.lists(st.integers(0, 6), min_size=1, max_size=5)


@given(lengths, st.integers(0, 3))
def test_the_mask_holds_as_many_positions_as_a_row_is_long(lengths: list[int], num_padding: int) -> None:
    width = max(lengths) + num_padding
    mask_BS = padding_mask(torch.tensor(lengths), width)
    assert mask_BS.tolist() == [[True] * length + [False] * (width - length) for length in lengths]


@given(lengths, st.integers(0, 3), st.sampled_from([(), (2,), (2, 3)]))
def test_a_row_is_reversed_and_its_padding_stays(lengths: list[int], num_padding: int, rest: tuple[int, ...]) -> None:
    x = torch.rand(len(lengths), max(lengths) + num_padding, *rest)
    reversed_x = reverse_rows(x, torch.tensor(lengths))
    for row, ours, length in zip(x, reversed_x, lengths, strict=True):
        assert torch.equal(ours[:length], row[:length].flip(0))
        assert torch.equal(ours[length:], row[length:])
    assert torch.equal(reverse_rows(reversed_x, torch.tensor(lengths)), x)
