"""What a model is asked: the next token, or hidden ones in BERT's shares, the same whoever asks.

R rows · S positions
"""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from minnow.layers.cross_entropy import IGNORED
from minnow.models.llama import Llama
from minnow.models.rnn_lm import RnnLM, RnnLMConfig
from minnow.training.objectives import LossSum, Masked, causal
from training.language_runs import net

IDS = np.random.default_rng(0).integers(5, 50, (40, 101))
MASKED = Masked(50, 4, (0, 2, 3, 4))


def test_causal_targets_are_the_next_tokens() -> None:
    asked = causal(IDS, (0,), 0)
    assert np.array_equal(asked.inputs[:, 1:], asked.targets[:, :-1])
    assert asked.count == 40 * 100


def test_hidden_tokens_are_the_only_targets_and_what_they_were() -> None:
    asked = MASKED(IDS, (1, 2), 0)
    hidden = asked.targets != IGNORED
    assert np.array_equal(asked.targets[hidden], IDS[:, :-1][hidden])
    assert np.array_equal(asked.inputs[~hidden], IDS[:, :-1][~hidden])
    assert hidden.sum() == 40 * 15


def test_of_the_hidden_tokens_eight_in_ten_are_masked_and_one_is_another() -> None:
    asked = MASKED(IDS, (1, 2), 0)
    hidden = asked.targets != IGNORED
    shown = asked.inputs[hidden]
    masked = (shown == 4).mean()
    same = (shown == asked.targets[hidden]).mean()
    assert masked == pytest.approx(0.8, abs=0.05)
    assert same == pytest.approx(0.1, abs=0.04)


def test_special_tokens_are_neither_hidden_nor_drawn() -> None:
    ids = IDS.copy()
    ids[:, ::3] = 3
    asked = MASKED(ids, (0, 0), 0)
    assert (asked.inputs[:, ::3] == 3).all()
    assert not np.isin(asked.targets[asked.targets != IGNORED], MASKED.special).any()
    assert not np.isin(asked.inputs[ids[:, :-1] != 3], [0, 2, 3]).any()


def test_a_row_is_asked_the_same_whichever_process_has_it() -> None:
    whole = MASKED(IDS, (7, 3), 0)
    half = MASKED(IDS[20:], (7, 3), 20)
    assert np.array_equal(whole.inputs[20:], half.inputs)
    assert np.array_equal(whole.targets[20:], half.targets)
    assert not np.array_equal(whole.inputs, MASKED(IDS, (7, 4), 0).inputs)


def test_the_loss_is_the_cross_entropy_of_the_logits_and_the_memory_goes_on() -> None:
    torch.manual_seed(0)
    model = RnnLM(RnnLMConfig(50, 8, 12)).eval()
    module = LossSum(model)
    inputs, targets = torch.from_numpy(IDS[:3, :20]), torch.from_numpy(IDS[:3, 1:21])
    loss, state = module(inputs, targets)
    logits = model(inputs)
    torch.testing.assert_close(loss, F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum"))
    measured, _ = module(inputs, targets, None, True)
    assert float(measured) == pytest.approx(float(loss.detach()), rel=1e-5)
    first, state = module(inputs[:, :9], targets[:, :9])
    rest, _ = module(inputs[:, 9:], targets[:, 9:], state)
    torch.testing.assert_close(first + rest, loss)


def test_measuring_a_transformer_keeps_no_keys_and_values(monkeypatch: pytest.MonkeyPatch) -> None:
    loss, ids = LossSum(net("llama")), torch.arange(24).view(2, 12)
    with torch.no_grad():
        kept = loss(ids, ids, measure=True)[0]
        monkeypatch.setattr(Llama, "hidden", lambda *_: pytest.fail("the memory of all positions is kept"))
        assert float(loss(ids, ids, measure=True)[0]) == pytest.approx(float(kept))


def test_all_that_learns_from_hidden_tokens_gets_a_gradient() -> None:
    """Or several processes, each of which waits for all of them, would not come to a second step."""
    bert = net("bert", pooler=True)
    ids = torch.arange(24).view(2, 12)
    LossSum(bert)(ids, ids)[0].backward()
    assert bert.bert.pooler is not None
    assert all(parameter.grad is not None for parameter in bert.parameters() if parameter.requires_grad)
