"""A loss under the worst small push on the embeddings; Miyato et al. (2017), "Adversarial Training Methods for
Semi-Supervised Text Classification", equations 3 and 4.

B rows · S positions · E embedding
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


def adversarial_loss(loss: Callable[[], Tensor], embedding: nn.Module, size: float, share: float = 1.0) -> Tensor:
    """The mean of the loss and of the loss after each row's embeddings moved against its label.

    The direction of the push and the gradient of the first loss come from one backward pass, so half of the gradient
    of the mean is in the weights when this returns; backward through what it returns adds the other half.

    Args:
        loss: computes the loss anew; it must call ``embedding`` once.
        embedding: whose output [B, S, E] is pushed.
        size: the length of a row's push as a share of the length of its embeddings. The paper's 5 for 400 positions of
            256 numbers with variance 1 is 0.016.
        share: by which the caller multiplies the mean before going backward.
    """
    plain, embedded_BSE = _watched(loss, embedding)
    if not embedded_BSE.requires_grad:  # frozen: a push would cost the whole way back that freezing saves
        return plain
    embedded_BSE.retain_grad()
    (plain * (share / 2)).backward()  # type: ignore[no-untyped-call]
    gradient_BSE = embedded_BSE.grad
    assert gradient_BSE is not None
    with torch.no_grad():
        length_B11 = embedded_BSE.norm(dim=(1, 2), keepdim=True)
        push_BSE = size * length_B11 * gradient_BSE / (gradient_BSE.norm(dim=(1, 2), keepdim=True) + 1e-12)
    handle = embedding.register_forward_hook(lambda _module, _inputs, output: output + push_BSE)
    try:
        return (plain.detach() + loss()) / 2
    finally:
        handle.remove()


def token_embedding(model: nn.Module, vocab_size: int) -> nn.Module:
    """The module that embeds tokens: the first one over the whole vocabulary."""
    return next(m for m in model.modules() if isinstance(m, nn.Embedding) and m.num_embeddings == vocab_size)


def _watched(loss: Callable[[], Tensor], module: nn.Module) -> tuple[Tensor, Tensor]:
    """The loss, and what ``module`` put out on the way to it."""
    seen: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
        seen.append(output)

    handle = module.register_forward_hook(keep)
    try:
        return loss(), seen[0]
    finally:
        handle.remove()
