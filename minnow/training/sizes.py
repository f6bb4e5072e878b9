"""One dial: from a number of parameters, a vocabulary and a time to a model's shape and how it is trained.

L layers · D width · F width of the feed-forward · V vocabulary
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

Shape = dict[str, Any]
HEAD_SIZE = 64
SMALL_HEAD_SIZE = 32  # where the width is below 256

# Where a size is usual its shape is too: those of SmolLM2 (Allal et al. 2025).
KNOWN_LLAMAS: dict[int, Shape] = {
    135_000_000: {
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
    },
    360_000_000: {
        "hidden_size": 960,
        "intermediate_size": 2560,
        "num_hidden_layers": 32,
        "num_attention_heads": 15,
        "num_key_value_heads": 5,
    },
}


@dataclass(frozen=True)
class Dial:
    """What suits models of up to so many parameters; between two rows numbers are interpolated on a log scale.

    Attributes:
        vocab_size: entries of a learnt vocabulary (BPE and the like).
        context: positions of a row.
        tokens_per_step: at least so many, if the budget allows enough steps.
        learning_rate: of AdamW, and of Muon as it is scaled here.
        width_per_layer: D / L.
    """

    parameters: int
    vocab_size: int
    context: int
    tokens_per_step: int
    learning_rate: float
    width_per_layer: float


DIALS = (
    Dial(1_000_000, 1_024, 256, 4_096, 4e-3, 32),
    Dial(5_000_000, 4_096, 256, 8_192, 3e-3, 43),
    Dial(15_000_000, 8_192, 512, 16_384, 2e-3, 48),
    Dial(50_000_000, 16_384, 512, 65_536, 1.2e-3, 56),
    Dial(135_000_000, 32_768, 1_024, 262_144, 1e-3, 19),
    Dial(360_000_000, 49_152, 2_048, 524_288, 6e-4, 30),
)
MIN_STEPS = 1_500  # with fewer, smaller steps learn more
MIN_ROWS = 8
FLOPS_PER_CORE = 1e11  # what one core does of a training step, about; only the size of a step hangs on it
FLOPS_PER_GPU = 1e14
RECURRENT_CONTEXT = 70
RECURRENT_TOKENS_PER_STEP = 2_240
RECURRENT_LEARNING_RATE = 3e-3
WHOLE_WORDS = 50_000


def dial_for(parameters: int) -> Dial:
    """The row of the dial, or what lies between two rows; sizes of vocabulary, context and step as powers of two."""
    log = math.log(parameters)
    known = [math.log(dial.parameters) for dial in DIALS]

    def between(name: str) -> float:
        return float(np.exp(np.interp(log, known, [math.log(getattr(dial, name)) for dial in DIALS])))

    exact = next((dial for dial in DIALS if dial.parameters == parameters), None)
    return exact or Dial(
        parameters,
        _power_of_two(between("vocab_size")),
        _power_of_two(between("context")),
        _power_of_two(between("tokens_per_step")),
        between("learning_rate"),
        between("width_per_layer"),
    )


def vocab_size_for(kind: str, parameters: int, corpus_bytes: int) -> int:
    """The most entries for a vocabulary that is learnt from so many bytes; about 300 bytes an entry teach it well."""
    if kind == "character":
        return 65_536
    if kind in ("word", "whitespace"):
        return WHOLE_WORDS
    filled = 1 << max(9, int(math.log2(max(1, corpus_bytes / 300))))
    return min(dial_for(parameters).vocab_size, filled)


def rows_for(parameters: int, context: int, recurrent: bool, budget_seconds: float, cores: int, gpus: int) -> int:
    """Rows of a step: the dial's, or fewer where the budget would not see enough steps of them."""
    tokens = RECURRENT_TOKENS_PER_STEP if recurrent else dial_for(parameters).tokens_per_step
    if budget_seconds:
        flops = gpus * FLOPS_PER_GPU if gpus else cores * FLOPS_PER_CORE
        tokens = min(tokens, int(budget_seconds * flops / (6 * parameters) / MIN_STEPS))
    rows = max(MIN_ROWS, tokens // context)
    return 1 << int(math.log2(rows))


def shape_for(name: str, parameters: int, vocab_size: int, context: int) -> Shape:
    """Keys of the architecture's config.json whose model has about so many parameters.

    Transformers get no dropout: what is read a few times cannot be learnt by heart, and dropping slows learning.

    An architecture that nobody here knows gets its own defaults.
    """
    builders: Mapping[str, Callable[[int, int, int], Shape]] = {
        "llama": _llama,
        "mistral": _llama,
        "qwen2": _llama,
        "qwen3": _qwen3,
        "gpt2": _gpt2,
        "bert": _bert,
        "distilbert": _distilbert,
        "rnn_lm": _rnn_lm,
    }
    if name not in builders:
        return {"vocab_size": vocab_size}
    return {"vocab_size": vocab_size, **builders[name](parameters, vocab_size, context)}


def _llama(parameters: int, vocab_size: int, context: int) -> Shape:
    shape = KNOWN_LLAMAS.get(parameters)
    if shape is None:

        def count(layers: int, width: int) -> int:
            inner = _feed_forward(width)
            return vocab_size * width + layers * (4 * width * width + 3 * width * inner)

        layers, width = _nearest(parameters, count)
        shape = {
            "hidden_size": width,
            "intermediate_size": _feed_forward(width),
            "num_hidden_layers": layers,
            "num_attention_heads": _heads(width),
            "num_key_value_heads": _heads(width),  # at these sizes sharing saves nothing
        }
    return {**shape, "max_position_embeddings": context, "tie_word_embeddings": True}


def _qwen3(parameters: int, vocab_size: int, context: int) -> Shape:
    """A Llama's; left open, a head would have 128 features whatever the width."""
    shape = _llama(parameters, vocab_size, context)
    return {**shape, "head_dim": shape["hidden_size"] // shape["num_attention_heads"]}


def _gpt2(parameters: int, vocab_size: int, context: int) -> Shape:
    layers, width = _nearest(parameters, lambda n, d: (vocab_size + context) * d + n * 12 * d * d)
    return {
        "n_embd": width,
        "n_layer": layers,
        "n_head": _heads(width),
        "n_positions": context,
        **dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0),
    }


def _bert(parameters: int, vocab_size: int, context: int) -> Shape:
    layers, width = _nearest(parameters, lambda n, d: (vocab_size + context) * d + d * d + n * 12 * d * d)
    return {
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": _heads(width),
        "intermediate_size": 4 * width,
        "max_position_embeddings": context,
        **dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob"), 0.0),
    }


def _distilbert(parameters: int, vocab_size: int, context: int) -> Shape:
    layers, width = _nearest(parameters, lambda n, d: (vocab_size + context) * d + d * d + n * 12 * d * d)
    heads = _heads(width)
    return {
        "dim": width,
        "n_layers": layers,
        "n_heads": heads,
        "hidden_dim": 4 * width,
        "max_position_embeddings": context,
        **dict.fromkeys(("dropout", "attention_dropout"), 0.0),
    }


def _rnn_lm(parameters: int, vocab_size: int, context: int) -> Shape:  # noqa: ARG001 - it reads texts of any length
    """Two layers up to 8M parameters without the embeddings, three above; embeddings tied, hidden twice as wide."""
    best: tuple[float, Shape] | None = None
    for width in range(32, 4096, 32):
        for layers in (2, 3):
            hidden = 2 * width
            sizes = [width, *[hidden] * (layers - 1), width]
            inner = sum(4 * after * (before + after + 2) for before, after in pairwise(sizes))
            if (inner > 8_000_000) != (layers == 3):
                continue
            off = abs(math.log((vocab_size * (width + 1) + inner) / parameters))
            if best is None or off < best[0]:
                best = off, {"embedding_size": width, "hidden_size": hidden, "num_layers": layers}
    assert best is not None
    return best[1]


def _nearest(parameters: int, count: Callable[[int, int], int]) -> tuple[int, int]:
    """Layers and width: near the wanted number first, near the usual proportion second."""
    wanted = dial_for(parameters).width_per_layer
    best = min(
        (
            (
                3 * abs(math.log(count(layers, width) / parameters)) + abs(math.log(width / layers / wanted)),
                layers,
                width,
            )
            for width in [*range(32, 256, 32), *range(256, 8192, 64)]
            for layers in range(1, 129)
        ),
    )
    return best[1], best[2]


def _feed_forward(width: int) -> int:
    """Two thirds of the usual four times the width, since a gated one has three matrices (Shazeer 2020)."""
    return -(-8 * width // 3 // 64) * 64


def _heads(width: int) -> int:
    return width // (HEAD_SIZE if width >= 256 else SMALL_HEAD_SIZE)


def _power_of_two(number: float) -> int:
    return 1 << round(math.log2(number))
