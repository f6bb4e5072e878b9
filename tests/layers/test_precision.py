"""Which arithmetic a run takes."""

import pytest
import torch
from torch import nn

from minnow.layers import precision
from minnow.layers.precision import bfloat16_gain, precision_for

CPU = torch.device("cpu")


def test_what_was_asked_for_is_taken() -> None:
    assert precision_for("float32", nn.LSTM(2, 2), CPU) == "float32"
    assert precision_for("bfloat16", nn.GRU(2, 2), CPU) == "bfloat16"


@pytest.mark.parametrize(("gain", "taken"), [(0.5, "float32"), (1.1, "float32"), (2.0, "bfloat16")])
def test_auto_takes_what_is_faster_here(monkeypatch: pytest.MonkeyPatch, gain: float, taken: str) -> None:
    monkeypatch.setattr(precision, "bfloat16_gain", lambda: gain)
    assert precision_for("auto", nn.Sequential(nn.Linear(2, 2)), CPU) == taken
    assert precision_for("auto", nn.ModuleList([nn.LSTM(2, 2)]), CPU) == taken


def test_layers_that_run_step_by_step_stay_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "bfloat16_gain", lambda: 9.0)
    assert precision_for("auto", nn.Sequential(nn.GRU(2, 2)), CPU) == "float32"


def test_the_gain_is_measured_once() -> None:
    assert bfloat16_gain() == bfloat16_gain() > 0
