"""Which arithmetic a run takes."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from minnow.layers import precision
from minnow.layers.precision import bfloat16_gain, packed_gain, precision_for, precision_of_search
from minnow.layers.tiles import arithmetics_here

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


@pytest.mark.parametrize(("gain", "taken"), [(0.5, "float32"), (2.0, "bfloat16")])
def test_a_search_with_kernels_of_its_own_takes_what_these_are_faster_in(
    monkeypatch: pytest.MonkeyPatch, gain: float, taken: str
) -> None:
    monkeypatch.setattr(precision, "packed_gain", lambda: gain)
    monkeypatch.setattr(precision, "bfloat16_gain", lambda: 1 / gain)
    net = nn.Sequential(nn.Linear(2, 2))
    assert precision_of_search("auto", net, CPU) == precision_for("auto", net, CPU) != taken
    net.eight_bits = False
    for arithmetics, of_packed in ((("float32", "bfloat16"), True), (("float32",), False)):
        monkeypatch.setattr("minnow.layers.tiles.arithmetics_here", lambda held=arithmetics: held)
        assert (precision_of_search("auto", net, CPU) == taken) == of_packed
    assert precision_of_search("bfloat16", net, CPU) == "bfloat16"


@pytest.mark.parametrize("measured", [bfloat16_gain, packed_gain])
def test_a_gain_is_measured_once(measured: Callable[[], float]) -> None:
    if measured is packed_gain and "bfloat16" not in arithmetics_here():
        pytest.skip("this processor has no bfloat16")
    assert measured() == measured() > 0
