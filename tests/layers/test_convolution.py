"""The convolutional encoder equals n-gram detectors in a loop, and sees nothing that comes later.

B rows · S positions · I inputs · D outputs
"""

import numpy as np
import pytest
import torch

from minnow.layers.convolution import ConvolutionalEncoder


@pytest.mark.parametrize("widths", [(1,), (3,), (2, 5, 4)])
@torch.no_grad()
def test_every_output_is_a_detector_over_the_tokens_that_end_there(widths: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    encoder = ConvolutionalEncoder(3, 2, widths)
    x_BSI = torch.randn(2, 4, 3)  # shorter than the widest detector
    output_BSD = encoder(x_BSI, torch.tensor([4, 4])).numpy()
    assert output_BSD.shape == (2, 4, encoder.output_size) == (2, 4, 2 * len(widths))
    for which, (width, convolution) in enumerate(zip(widths, encoder.convolutions, strict=True)):
        before = np.zeros((2, width - 1, 3))
        padded_BSI = np.concatenate([before, x_BSI.double().numpy()], axis=1)
        weight, bias = (parameter.double().numpy() for parameter in (convolution.weight, convolution.bias))
        for position in range(4):
            window = padded_BSI[:, position : position + width]
            expected = np.maximum(np.einsum("bwi,oiw->bo", window, weight) + bias, 0)
            ours = output_BSD[:, position, 2 * which : 2 * which + 2]
            np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_what_comes_later_changes_nothing_before() -> None:
    torch.manual_seed(0)
    encoder = ConvolutionalEncoder(3, 4, (2, 3))
    x_BSI = torch.randn(2, 6, 3)
    later_BSI = x_BSI.clone()
    later_BSI[:, 3:] = 100
    ours, others = (encoder(x, torch.tensor([3, 3])) for x in (x_BSI, later_BSI))
    torch.testing.assert_close(ours[:, :3], others[:, :3])
    assert not torch.allclose(ours[:, 3:], others[:, 3:])
