"""A convolutional encoder: n-gram detectors of several widths side by side; Kim (2014), "Convolutional Neural Networks
for Sentence Classification".

B rows · S positions · I inputs · D outputs, channels times widths
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ConvolutionalEncoder(nn.Module):
    """[B, S, I] to [B, S, D]; position s sees the w tokens that end at s, so padding behind a row changes nothing."""

    def __init__(self, input_size: int, num_channels: int, widths: tuple[int, ...]):
        super().__init__()
        self.widths = widths
        self.convolutions = nn.ModuleList(nn.Conv1d(input_size, num_channels, width) for width in widths)
        self.output_size = num_channels * len(widths)

    def forward(self, x_BSI: Tensor, lengths_B: Tensor) -> Tensor:  # noqa: ARG002 - the signature of every encoder
        x_BIS = x_BSI.transpose(1, 2)
        outputs = [
            F.relu(convolution(F.pad(x_BIS, (width - 1, 0))))
            for width, convolution in zip(self.widths, self.convolutions, strict=True)
        ]
        return torch.cat(outputs, dim=1).transpose(1, 2)
