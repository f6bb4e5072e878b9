"""Our recurrent encoders equal torch's own bidirectional networks over packed sequences with the same weights.

B rows · S positions · I inputs · H units of one direction
"""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from minnow.layers.masks import padding_mask
from minnow.layers.recurrent import KINDS, RecurrentEncoder

I, H = 7, 6  # noqa: E741 - the letters of the legend
LENGTHS_B = torch.tensor([9, 1, 4, 9, 2])


def theirs(kind: str, encoder: RecurrentEncoder, bidirectional: bool) -> nn.RNNBase:
    num_layers = len(encoder.forwards)
    network: nn.RNNBase = KINDS[kind](I, H, num_layers, batch_first=True, bidirectional=bidirectional)
    tensors = {}
    for direction, ending in ((encoder.forwards, ""), (encoder.backwards, "_reverse")):
        for layer, ours in enumerate(direction):
            for name, tensor in ours.cell.state_dict().items():
                tensors[name.replace("_l0", f"_l{layer}{ending}")] = tensor
    network.load_state_dict(tensors)
    return network


def packed(network: nn.RNNBase, x_BSI: Tensor) -> Tensor:
    sequence = pack_padded_sequence(x_BSI, LENGTHS_B, batch_first=True, enforce_sorted=False)
    output, _ = pad_packed_sequence(network(sequence)[0], batch_first=True)
    return output


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_outputs_and_gradients_equal_theirs(kind: str, num_layers: int, bidirectional: bool) -> None:
    torch.manual_seed(0)
    encoder = RecurrentEncoder(kind, I, H, num_layers, bidirectional)
    network = theirs(kind, encoder, bidirectional)
    ours_BSI = torch.randn(len(LENGTHS_B), 9, I, requires_grad=True)
    theirs_BSI = ours_BSI.detach().clone().requires_grad_()
    mask = padding_mask(LENGTHS_B, 9)[..., None]

    ours, reference = encoder(ours_BSI, LENGTHS_B) * mask, packed(network, theirs_BSI)
    torch.testing.assert_close(ours, reference, rtol=1e-5, atol=1e-5)
    for output in (ours, reference):
        output.square().sum().backward()
    torch.testing.assert_close(ours_BSI.grad, theirs_BSI.grad, rtol=1e-4, atol=1e-5)
    assert not ours_BSI.grad[~mask.expand_as(ours_BSI)].any()
    torch.testing.assert_close(
        encoder.forwards[0].cell.weight_hh_l0.grad, network.weight_hh_l0.grad, rtol=1e-4, atol=1e-5
    )
