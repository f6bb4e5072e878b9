"""The state of keys and values is a value: what a newer one writes, an older one does not see; and it costs little.

B rows · H heads · S new positions · N positions in use · D features
"""

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from minnow.layers.cache import KeyValueState

B, H, D = 3, 2, 4


def pair(num_positions: int, seed: int, num_rows: int = B) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    keys = torch.randn(num_rows, H, num_positions, D, generator=generator)
    return keys, keys + 100


def begun(lengths: list[int], num_layers: int = 2) -> KeyValueState:
    longest = max(lengths)
    layers = [pair(longest, seed, len(lengths)) for seed in range(num_layers)]
    return KeyValueState.of(layers, torch.tensor(lengths), longest, ragged=min(lengths) < longest)


def grown(state: KeyValueState, num_new: int, seed: int) -> KeyValueState:
    longer = state.extended(num_new)
    for layer in range(len(state.layers)):
        keys, values = longer.write(layer, *pair(num_new, seed + layer, state.num_rows))
        assert keys.shape == values.shape == (state.num_rows, H, longer.num_positions, D)
    return longer


def text_of(state: KeyValueState, row: int, layer: int = 0) -> Tensor:
    """Keys and values of what a row's text is, copied."""
    keys, values = state.layers[layer]
    length = int(state.lengths_B[row])
    return torch.cat([keys[row, :, :length], values[row, :, :length]], dim=-1).clone()


@pytest.mark.parametrize("lengths", [[5, 5, 5], [5, 2, 3]], ids=["even", "ragged"])
def test_every_row_goes_on_behind_its_own_text(lengths: list[int]) -> None:
    state = begun(lengths)
    longer = grown(grown(state, 1, seed=10), 3, seed=20)
    assert longer.lengths_B.tolist() == [length + 4 for length in lengths]
    assert longer.num_positions == 9
    for layer in (0, 1):
        for row, length in enumerate(lengths):
            parts = [torch.cat(pair(n, seed + layer), dim=-1)[row] for n, seed in ((1, 10), (3, 20))]
            expected = torch.cat([text_of(state, row, layer), *parts], dim=1)
            assert torch.equal(text_of(longer, row, layer), expected), (layer, row, length)


@pytest.mark.parametrize("lengths", [[5, 5, 5], [5, 2, 3]], ids=["even", "ragged"])
def test_states_that_part_ways_do_not_see_each_other(lengths: list[int]) -> None:
    state = grown(begun(lengths), 1, seed=3)  # with room behind
    states = [state, grown(state, 1, seed=10), grown(state, 1, seed=20), grown(state, 2, seed=30)]
    states.append(grown(states[1], 1, seed=40))
    before = [[text_of(each, row) for row in range(B)] for each in states]
    for seed, each in enumerate(states):
        grown(grown(each, 1, seed=50 + seed), 30, seed=60 + seed)
    after = [[text_of(each, row) for row in range(B)] for each in states]
    for ours, theirs in zip(before, after, strict=True):
        for some, others in zip(ours, theirs, strict=True):
            assert torch.equal(some, others)


def test_going_on_copies_nothing_while_there_is_room() -> None:
    state, homes = begun([4, 4, 4], num_layers=1), []
    for step in range(2000):
        state = grown(state, 1, seed=step)
        homes.append(state.layers[0][0].data_ptr())
    num_copies = sum(one != other for one, other in pairwise(homes))
    assert num_copies < 10
    assert state.layers[0][0].shape[2] < 2 * 2004 + 100


def test_only_the_first_to_go_on_from_a_state_writes_where_it_lies() -> None:
    state = grown(begun([4, 4, 4]), 1, seed=0)
    first, second = grown(state, 1, seed=1), grown(state, 1, seed=2)
    assert first.layers[0][0] is state.layers[0][0]
    assert second.layers[0][0] is not state.layers[0][0]


def test_selected_rows_keep_their_text_and_live_on_their_own() -> None:
    state = begun([5, 2, 3])
    picked = state.select(torch.tensor([2, 0, 2, 1]))
    for place, row in enumerate([2, 0, 2, 1]):
        assert torch.equal(text_of(picked, place), text_of(state, row))
    before = [text_of(state, row) for row in range(B)]
    grown(picked, 20, seed=5)
    assert all(torch.equal(text_of(state, row), before[row]) for row in range(B))


def test_what_is_left_after_selecting_is_as_long_as_its_longest_row() -> None:
    state = begun([9, 2, 3, 3])
    shorter = state.select(torch.tensor([3, 2]))
    assert (shorter.num_positions, shorter.ragged) == (3, False)
    assert (state.select(torch.tensor([1, 2])).num_positions, state.select(torch.tensor([1, 2])).ragged) == (3, True)
    assert state.select(torch.tensor([], dtype=torch.long)).num_rows == 0


def test_a_pass_that_breaks_off_leaves_the_state_as_it_was() -> None:
    state = grown(begun([4, 4, 4]), 1, seed=0)
    before = [text_of(state, row) for row in range(B)]
    state.extended(1).write(0, *pair(1, seed=9))  # and never the second layer
    again = grown(state, 1, seed=7)
    assert [int(length) for length in again.lengths_B] == [6, 6, 6]
    for row in range(B):
        assert torch.equal(text_of(state, row), before[row])
        assert torch.equal(text_of(again, row)[:, :5], before[row])
