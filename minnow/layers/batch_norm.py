"""Features brought to mean 0 and variance 1 over the rows of a batch, ahead of a layer that learns from few of them.

Ioffe & Szegedy (2015), "Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift".
N rows · B rows of a batch · D features
"""

from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class BatchNorm(nn.Module):
    """(x - mean) / sqrt(variance + eps): in training those of the batch (Algorithm 1), in answering those of many rows
    (Algorithm 2), which ``measure`` is given.

    torch's own keeps averages of past batches instead: of other weights than the ones that answer, where these are
    averaged, and added to in no order, where several threads train. There is no scale and no shift; the linear layer
    behind has both.
    """

    mean_D: Tensor
    variance_D: Tensor

    def __init__(self, size: int, eps: float = 1e-5):
        super().__init__()
        self.register_buffer("mean_D", torch.zeros(size))
        self.register_buffer("variance_D", torch.ones(size))
        self.eps = eps

    def forward(self, rows_BD: Tensor) -> Tensor:
        """[B, D]; a row that is a batch of its own has no variance, and is taken as in answering."""
        of_batch = self.training and len(rows_BD) > 1
        mean_D, variance_D = (None, None) if of_batch else (self.mean_D, self.variance_D)
        return F.batch_norm(rows_BD.float(), mean_D, variance_D, training=of_batch, eps=self.eps).to(rows_BD.dtype)

    @torch.no_grad()
    def measure(self, rows_ND: Tensor) -> None:
        """Take mean and variance from these rows, two at least; fewer change nothing."""
        if len(rows_ND) > 1:
            variance_D, mean_D = torch.var_mean(rows_ND.double(), dim=0, correction=0)
            self.mean_D.copy_(mean_D)
            self.variance_D.copy_(variance_D)

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        """To another device, but in single precision in a model of half: a mean that is large beside the deviation
        would be rounded too coarsely."""
        exact = self.mean_D, self.variance_D
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.mean_D, self.variance_D = (buffer.to(self.mean_D.device) for buffer in exact)
        return self
