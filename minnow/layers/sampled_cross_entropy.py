"""Cross-entropy against a part of a large vocabulary: the targets of the batch and tokens drawn for it.

After Jean et al. (2015), "On Using Very Large Target Vocabulary for Neural Machine Translation", section 3, with the
correction of Bengio & Senécal (2008): a token that is among the candidates with probability q has log q taken off its
logit. What remains is the distribution over the whole vocabulary, given the candidates; so the model that is best under
this loss is best under the full one too. The value of the loss is lower, as there are fewer tokens to confuse.
N positions · D features · V vocabulary · C candidates
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from minnow.layers.cross_entropy import IGNORED, chunked_cross_entropy
from minnow.layers.dropout import Drawing

ROUND = 128  # candidates come in so many; each new shape of a product makes a library plan it anew and keep the plan
NEVER = -1e9  # taken as a bias: such a candidate has no probability
FLATTENING = 0.75  # of the frequencies that are drawn from, so that rare tokens come up too (Mikolov et al. 2013)


class SampledCrossEntropy(Drawing):
    """The loss in training; ``num_draws`` tokens are drawn a call, of which those drawn twice count once.

    Args:
        counts_V: how often each token stands in the training text, or in a good part of it.
    """

    shares: Tensor
    frequent: Tensor

    def __init__(self, counts_V: Tensor, num_draws: int):
        super().__init__()
        self.num_draws = num_draws
        known_V = counts_V.double() + 1
        flat_V = known_V**FLATTENING
        self.register_buffer("shares", known_V / known_V.sum(), persistent=False)
        self.register_buffer("frequent", flat_V / flat_V.sum(), persistent=False)

    def forward(
        self,
        hidden_ND: Tensor,
        weight_VD: Tensor,
        targets_N: Tensor,
        bias_V: Tensor | None = None,
        *,
        reduction: str = "mean",
    ) -> Tensor:
        """The loss in nats, as ``chunked_cross_entropy`` takes and gives it."""
        asked_N = targets_N != IGNORED
        drawn = torch.multinomial(self.frequent, self.num_draws, replacement=True, generator=self.generator)
        candidates_C = torch.unique(torch.cat([targets_N[asked_N], drawn]))
        taken_off_C = self._log_chances(candidates_C, int(asked_N.sum()))
        bias_C = -taken_off_C if bias_V is None else bias_V[candidates_C] - taken_off_C
        places_N = torch.where(asked_N, torch.searchsorted(candidates_C, targets_N.clamp(min=0)), IGNORED)
        missing = -len(candidates_C) % ROUND
        weight_CD = weight_VD[F.pad(candidates_C, (0, missing))]
        bias_C = F.pad(bias_C, (0, missing), value=NEVER)
        return chunked_cross_entropy(hidden_ND, weight_CD, places_N, bias_C, reduction=reduction)

    def _log_chances(self, token_ids_C: Tensor, num_targets: int) -> Tensor:
        """log q [C]: drawn, or the target of one of the other positions."""
        never_C = self.num_draws * torch.log1p(-self.frequent[token_ids_C])
        never_C = never_C + max(0, num_targets - 1) * torch.log1p(-self.shares[token_ids_C])
        return torch.log(-torch.expm1(never_C)).float()
