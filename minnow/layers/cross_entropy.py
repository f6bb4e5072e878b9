"""Cross-entropy of an output layer in chunks of positions, so that the logits of all positions never exist at once.

With a large vocabulary the logits [N, V] are the largest tensor of a language model. Here a chunk of them is made, its
loss and its gradients are taken, and the next chunk overwrites it. The value and the gradients are those of
``torch.nn.functional.cross_entropy``.
N positions · D features · V vocabulary
"""

from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from minnow.layers.matrix_units import has_units_for
from minnow.layers.vector_math import FAST, LOG2_E, array_of, powers_in_place, put, suits_kernels, wide
from minnow.layers.weight_gradient import sum_of_products

IGNORED = -100  # a target that counts for nothing, as in torch
LOGITS_PER_CHUNK = 1 << 21  # 8 MB in float32, which a processor's cache holds: a third quicker than four times that
LOGITS_PER_CHUNK_ELSEWHERE = 1 << 26  # a GPU wants large products
FEWEST_ROWS = 256  # the gradient of the weights is gone through once a chunk, so chunks may not be too small


def chunked_cross_entropy(
    hidden_ND: Tensor,
    weight_VD: Tensor,
    targets_N: Tensor,
    bias_V: Tensor | None = None,
    *,
    reduction: str = "mean",
    smoothing: float = 0.0,
    consistency: float = 0.0,
    chunk_size: int | None = None,
) -> Tensor:
    """The loss in nats of the logits ``hidden @ weight.T + bias``.

    Under autocast the products are taken in its type; the loss and the sums of the gradients stay in float32. The
    gradients are made on the way forward, while a chunk's logits are there, so nothing is computed twice.

    Args:
        hidden_ND: states before the output layer.
        weight_VD: of the output layer.
        targets_N: token ids; those that are ``IGNORED`` count for nothing.
        bias_V: of the output layer, where it has one.
        reduction: ``mean`` over the targets that count, or ``sum``.
        smoothing: share of each target that goes to all tokens evenly (Szegedy et al. 2016, section 7).
        consistency: weight α of the divergence between two readings of each token, states 2n and 2n + 1, which have one
            target: α/2 (KL(p‖q) + KL(q‖p)) goes to the sum of their losses (R-Drop, Liang et al. 2021, equation 4).
        chunk_size: positions at once; left out, what suits the device.

    Raises:
        IndexError: a target is no entry of the vocabulary.
        ValueError: with ``consistency``, a reading lacks the one beside it.
    """
    _check_targets(targets_N, len(weight_VD), consistency)
    kind = hidden_ND.device.type
    cast = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else hidden_ND.dtype
    rows = chunk_size or _rows_per_chunk(weight_VD)
    rows += rows % 2 if consistency else 0
    total: Tensor = _Chunked.apply(  # type: ignore[no-untyped-call]
        hidden_ND, weight_VD, bias_V, targets_N, rows, cast, smoothing, consistency
    )
    return total / (targets_N != IGNORED).sum().clamp(min=1) if reduction == "mean" else total


@torch.no_grad()
def token_losses(
    hidden_ND: Tensor,
    weight_VD: Tensor,
    targets_N: Tensor,
    bias_V: Tensor | None = None,
    *,
    chunk_size: int | None = None,
) -> Tensor:
    """Nats of each target [N], 0 where it is ``IGNORED``; float32, or float64 for a model in float64. No gradient."""
    rows = chunk_size or _rows_per_chunk(weight_VD)
    losses = []
    for first in range(0, len(hidden_ND), rows):
        part = slice(first, first + rows)
        logits_CV = _wide(F.linear(hidden_ND[part], weight_VD, bias_V))
        losses.append(F.cross_entropy(logits_CV, targets_N[part], ignore_index=IGNORED, reduction="none"))
    return torch.cat(losses) if losses else hidden_ND.new_zeros(0, dtype=torch.float32)


class _Chunked(torch.autograd.Function):
    """The sum of the losses and its gradients in one pass; backward only scales what forward kept."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden_ND: Tensor,
        weight_VD: Tensor,
        bias_V: Tensor | None,
        targets_N: Tensor,
        rows: int,
        cast: torch.dtype,
        smoothing: float,
        consistency: float,
    ) -> Tensor:
        wide = torch.float64 if hidden_ND.dtype == torch.float64 else torch.float32
        weight = weight_VD.to(cast)
        # Sums over chunks are kept wide; narrow ones would lose what a single chunk adds.
        grads = [
            _zeros(like, dtype) if wanted else None
            for like, dtype, wanted in zip(
                (hidden_ND, weight_VD, bias_V), (hidden_ND.dtype, wide, wide), ctx.needs_input_grad, strict=False
            )
        ]
        total = hidden_ND.new_zeros((), dtype=wide)
        with torch.autocast(hidden_ND.device.type, enabled=False):
            for first in range(0, len(hidden_ND), rows):
                part = slice(first, first + rows)
                hidden_CD = hidden_ND[part].to(cast)
                logits_CV = hidden_CD @ weight.T
                if bias_V is not None or not suits_kernels(logits_CV, trained=True):
                    logits_CV = logits_CV.to(wide)
                if bias_V is not None:
                    logits_CV += bias_V
                if consistency:
                    total += _twins_loss_then_gradient(logits_CV, targets_N[part], smoothing, consistency)
                else:
                    total += _loss_then_gradient(logits_CV, targets_N[part], smoothing)
                _add_gradients(grads, part, logits_CV, hidden_CD, weight)
        ctx.grads = [
            None if grad is None or like is None else grad.to(like.dtype)
            for grad, like in zip(grads, (hidden_ND, weight_VD, bias_V), strict=True)
        ]
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return (*(None if kept is None else kept * grad.to(kept.dtype) for kept in ctx.grads), *(None,) * 5)


def _zeros(like: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    return None if like is None else torch.zeros_like(like, dtype=dtype)


def _add_gradients(
    grads: list[Tensor | None], part: slice, grad_logits_CV: Tensor, hidden_CD: Tensor, weight_VD: Tensor
) -> None:
    """From the gradient of a chunk's logits to those of what they were made from."""
    grad_hidden_ND, grad_weight_VD, grad_bias_V = grads
    narrow_CV = grad_logits_CV.to(weight_VD.dtype)
    if grad_hidden_ND is not None:
        grad_hidden_ND[part] = narrow_CV @ weight_VD
    if grad_weight_VD is not None and grad_weight_VD.dtype == narrow_CV.dtype:
        grad_weight_VD.addmm_(narrow_CV.T, hidden_CD)
    elif grad_weight_VD is not None and _in_units(narrow_CV, hidden_CD):
        sum_of_products(narrow_CV, hidden_CD, onto_IO=grad_weight_VD)
    elif grad_weight_VD is not None:
        grad_weight_VD += narrow_CV.T @ hidden_CD
    if grad_bias_V is not None:
        grad_bias_V += grad_logits_CV.sum(0)


def _in_units(*sides: Tensor) -> bool:
    return has_units_for(*(side.dtype for side in sides)) and all(suits_kernels(side, trained=True) for side in sides)


def _loss_then_gradient(logits_CV: Tensor, targets_C: Tensor, smoothing: float) -> Tensor:
    """The sum of the losses; afterwards ``logits_CV`` holds its gradient with respect to them.

    softmax less the smoothed target, and nothing in rows whose target is ignored.
    """
    if suits_kernels(logits_CV, trained=True):
        losses = np.empty(len(targets_C))
        _softmax_less_target(array_of(logits_CV), targets_C.numpy(), smoothing, losses)
        return torch.tensor(losses.sum(), dtype=torch.float32)
    counted_C = targets_C != IGNORED
    at_C1 = targets_C.clamp(min=0).unsqueeze(1)
    norm_C1 = torch.logsumexp(logits_CV, dim=1, keepdim=True)
    wanted_C1 = (1 - smoothing) * logits_CV.gather(1, at_C1) + smoothing * logits_CV.mean(1, keepdim=True)
    losses_C = (norm_C1 - wanted_C1).squeeze(1)
    logits_CV.sub_(norm_C1).exp_().sub_(smoothing / logits_CV.shape[1])
    logits_CV.scatter_add_(1, at_C1, torch.full_like(norm_C1, smoothing - 1))
    logits_CV.mul_(counted_C.unsqueeze(1))
    return losses_C.mul(counted_C).sum()


@njit(**FAST)  # type: ignore[untyped-decorator]
def _softmax_less_target(logits_CV: Any, targets_C: Any, smoothing: float, losses_C: Any) -> None:
    """The same row by row, each of which stays in the cache while it is gone through three times."""
    num_rows, num_entries = logits_CV.shape
    log2_e, even = np.float32(LOG2_E), np.float32(smoothing / num_entries)
    x = np.empty(num_entries, np.float32)
    for c in range(num_rows):
        row, target = logits_CV[c], targets_C[c]
        if target == IGNORED:
            row[:] = 0
            losses_C[c] = 0
            continue
        for v in range(num_entries):
            x[v] = wide(row[v])
        wanted = (1 - smoothing) * x[target]
        if smoothing:
            mean = np.float32(0)
            for v in range(num_entries):
                mean += x[v]
            wanted += even * mean
        highest, total = powers_in_place(x, num_entries, log2_e)
        share = np.float32(1) / total
        of_target = x[target] * share - even - np.float32(1 - smoothing)
        for v in range(num_entries):
            put(row, v, x[v] * share - even)
        put(row, target, of_target)
        losses_C[c] = np.log(total) + highest - wanted


def _twins_loss_then_gradient(logits_CV: Tensor, targets_C: Tensor, smoothing: float, consistency: float) -> Tensor:
    """The same for rows 2n and 2n + 1 that should agree, with what they disagree by."""
    if suits_kernels(logits_CV, trained=True):
        losses = np.empty(len(targets_C) // 2)
        _twins_less_target(array_of(logits_CV), targets_C.numpy(), smoothing, consistency / 2, losses)
        return torch.tensor(losses.sum(), dtype=torch.float32)
    counted = (targets_C[::2] != IGNORED).unsqueeze(1)
    log_p, log_q = (F.log_softmax(logits_CV[first::2], dim=1) for first in (0, 1))
    p, q, ratio = log_p.exp(), log_q.exp(), log_p - log_q
    there, back = (p * ratio).sum(1, keepdim=True), -(q * ratio).sum(1, keepdim=True)
    total = _loss_then_gradient(logits_CV, targets_C, smoothing)
    logits_CV[0::2] += consistency / 2 * counted * (p * (ratio - there) + p - q)
    logits_CV[1::2] += consistency / 2 * counted * (q * (-ratio - back) + q - p)
    return total + consistency / 2 * ((there + back) * counted).sum()


@njit(**FAST)  # type: ignore[untyped-decorator]
def _twins_less_target(logits_CV: Any, targets_C: Any, smoothing: float, weight: float, losses: Any) -> None:
    """The same pair by pair; see R-Drop's equation 2 for the divergence, whose gradient is
    p (log p/q − KL(p‖q)) + p − q, and the other way round for the other row."""
    num_rows, num_entries = logits_CV.shape
    log2_e, even, share = np.float32(LOG2_E), np.float32(smoothing / num_entries), np.float32(weight)
    hit = np.float32(1 - smoothing)
    p, q = np.empty(num_entries, np.float32), np.empty(num_entries, np.float32)
    for n in range(num_rows // 2):
        a, b, target = logits_CV[2 * n], logits_CV[2 * n + 1], targets_C[2 * n]
        if target == IGNORED:
            a[:], b[:], losses[n] = 0, 0, 0
            continue
        for v in range(num_entries):
            p[v], q[v] = wide(a[v]), wide(b[v])
        wanted = (1 - smoothing) * (p[target] + q[target])
        if smoothing:
            mean = np.float32(0)
            for v in range(num_entries):
                mean += p[v] + q[v]
            wanted += even * mean
        highest_a, total_a = powers_in_place(p, num_entries, log2_e)
        highest_b, total_b = powers_in_place(q, num_entries, log2_e)
        norm_a, norm_b = np.log(total_a) + highest_a, np.log(total_b) + highest_b
        scale_a, scale_b = np.float32(1) / total_a, np.float32(1) / total_b
        apart = np.float32(norm_a - norm_b)
        there, back = np.float32(0), np.float32(0)
        for v in range(num_entries):
            p[v] *= scale_a
            q[v] *= scale_b
            ratio = wide(a[v]) - wide(b[v]) - apart
            there += p[v] * ratio
            back -= q[v] * ratio
        for v in range(num_entries):
            ratio, wish = wide(a[v]) - wide(b[v]) - apart, hit if v == target else np.float32(0)
            put(a, v, p[v] - even - wish + share * (p[v] * (ratio - there) + p[v] - q[v]))
            put(b, v, q[v] - even - wish + share * (q[v] * (-ratio - back) + q[v] - p[v]))
        losses[n] = norm_a + norm_b - wanted + weight * (there + back)


def _check_targets(targets_N: Tensor, vocab_size: int, consistency: float) -> None:
    """The kernels for processors look up, and write, where a target says."""
    if targets_N.device.type != "cpu":
        return
    if consistency and len(targets_N) % 2:
        raise ValueError(f"two readings of each token are compared, but there are {len(targets_N)} in all")
    strange_N = (targets_N != IGNORED) & ((targets_N < 0) | (targets_N >= vocab_size))
    if bool(strange_N.any()):
        raise IndexError(f"target {int(targets_N[strange_N][0])} is none of {vocab_size} entries")


def _rows_per_chunk(weight_VD: Tensor) -> int:
    logits = LOGITS_PER_CHUNK if weight_VD.device.type == "cpu" else LOGITS_PER_CHUNK_ELSEWHERE
    return max(FEWEST_ROWS, logits // len(weight_VD))


def _wide(logits: Tensor) -> Tensor:
    return logits if logits.dtype == torch.float64 else logits.float()
