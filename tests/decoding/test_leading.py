"""The handful of likeliest tokens is that of the whole softmax.

B rows · C candidates · V vocabulary
"""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from minnow.decoding.leading import BLOCK, leading


def by_the_library(logits_BV: Tensor, forbidden_V: Tensor, count: int) -> tuple[Tensor, Tensor]:
    return logits_BV.log_softmax(1).masked_fill(forbidden_V, float("-inf")).topk(count, dim=1)


@settings(max_examples=80)
@given(rows=st.integers(1, 5), size=st.integers(1, 3 * BLOCK + 5), data=st.data())
def test_it_is_the_beginning_of_the_sorted_softmax(rows: int, size: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, min(size, 9)))
    stream = torch.Generator().manual_seed(data.draw(st.integers(0, 10_000)))
    logits_BV = 5 * torch.randn(rows, size, generator=stream)
    forbidden_V = torch.rand(size, generator=stream) < data.draw(st.sampled_from([0.0, 0.3, 1.0]))
    found_BC, token_ids_BC = leading(logits_BV, forbidden_V, count)
    wanted_BC, wanted_ids_BC = by_the_library(logits_BV, forbidden_V, count)
    may = wanted_BC.isfinite()
    assert torch.equal(found_BC.isfinite(), may)
    torch.testing.assert_close(found_BC[may], wanted_BC[may], atol=1e-5, rtol=1e-5)
    assert torch.equal(token_ids_BC[may], wanted_ids_BC[may])


def test_what_may_not_be_written_keeps_its_share_of_the_probability() -> None:
    found, token_ids = leading(torch.tensor([[2.0, 1.0, 0.0]]), torch.tensor([True, False, False]), 2)
    assert token_ids.tolist() == [[1, 2]]
    assert float(found.exp().sum()) == pytest.approx(1 - float(torch.tensor([2.0, 1.0, 0.0]).softmax(0)[0]))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_any_floating_type_is_read(dtype: torch.dtype) -> None:
    logits = torch.randn(3, 200, generator=torch.Generator().manual_seed(1)).to(dtype)
    nothing = torch.zeros(200, dtype=torch.bool)
    torch.testing.assert_close(leading(logits, nothing, 4)[0], by_the_library(logits.float(), nothing, 4)[0])


def test_the_candidates_of_a_very_wide_search_are_found_as_well() -> None:
    logits, nothing = torch.arange(300.0)[None], torch.zeros(300, dtype=torch.bool)
    assert leading(logits, nothing, BLOCK + 10)[1][0].tolist() == list(range(299, 299 - BLOCK - 10, -1))


def test_bfloat16_is_read_as_it_is() -> None:
    logits_BV = 5 * torch.randn(7, 300, generator=torch.Generator().manual_seed(0))
    forbidden_V = torch.zeros(300, dtype=torch.bool)
    narrow_BV = logits_BV.bfloat16()
    found_BC, token_ids_BC = leading(narrow_BV, forbidden_V, 5)
    wanted_BC, _ = by_the_library(narrow_BV.float(), forbidden_V, 5)
    assert found_BC.dtype == torch.float32
    torch.testing.assert_close(found_BC, wanted_BC, atol=1e-5, rtol=1e-5)
    own_BC = narrow_BV.float().log_softmax(1).gather(1, token_ids_BC)  # of equal ones either may come first
    torch.testing.assert_close(own_BC, wanted_BC, atol=1e-5, rtol=1e-5)
