"""Compiles the kernels, so that the first command a person types does not wait: ``python -m minnow.warm``."""

from itertools import product
from typing import Any

import numpy as np
import torch

from minnow import kernel_cache
from minnow.decoding.leading import leading
from minnow.decoding.packed_seq2seq import PackedSeq2Seq
from minnow.layers.cross_entropy import chunked_cross_entropy
from minnow.layers.fused_attention import SHORT
from minnow.layers.lstm import SMALLEST
from minnow.layers.tiles import arithmetics_here
from minnow.models.ngram import NgramConfig, NgramModel, ViewConfig
from minnow.models.registry import architecture
from minnow.models.transformer_seq2seq import TransformerSeq2Seq
from minnow.text.ngrams import count_ngrams
from minnow.training.linear import LinearSettings, fit_view, signs_of
from minnow.training.objectives import LossSum

LANGUAGE_MODELS: dict[str, dict[str, Any]] = {
    "rnn_lm": {"embedding_size": SMALLEST, "hidden_size": SMALLEST},
    "gpt2": {"n_embd": 8, "n_layer": 1, "n_head": 2, "attn_pdrop": 0.0},
    "llama": {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2},
}


def compile_ngrams() -> None:
    """Count, fit and answer a few words; numba keeps what it compiled beside the source or in the user's cache."""
    texts = ["up and up", "down and down", "up", "down"]
    label_ids = [(0,), (1,), (0,), (1,)]
    for view in (ViewConfig(2), ViewConfig(2, 1, 3, logarithmic=True)):
        config = NgramConfig(2, (view,))
        counts = count_ngrams(texts, view.ngrams)
        costs = np.ones(len(texts), np.float32)
        fitted = fit_view(counts, signs_of(label_ids, config), costs, view, LinearSettings(), seed=0)
        NgramModel(config, [fitted])([counts])


def compile_language_models() -> None:
    """A step of each in each arithmetic, on one thread, where ``layers`` has kernels."""
    torch.set_num_threads(1)
    for name, shape in LANGUAGE_MODELS.items():
        config_class, model_class = architecture(name)
        loss = LossSum(model_class(config_class.from_dict({"vocab_size": 8, **shape})), False, None)
        for narrow, length in product((False, True), (6, SHORT + 1)):
            token_ids = torch.arange(length)[None] % 8
            with torch.autocast("cpu", torch.bfloat16, enabled=narrow):
                loss(token_ids, token_ids)[0].backward()


def compile_seq2seq() -> None:
    """A step of a model that translates, likewise: attention to another text, smoothed targets."""
    torch.set_num_threads(1)
    shape = {
        "vocab_size": 8,
        "hidden_size": 8,
        "num_heads": 2,
        "inner_size": 8,
        "encoder_layers": 1,
        "decoder_layers": 1,
    }
    config_class, model_class = architecture("transformer_seq2seq")
    model, token_ids = model_class(config_class.from_dict(shape)), torch.arange(6)[None]
    for narrow in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=narrow):
            hidden_ND = model.hidden(token_ids, torch.tensor([6]), token_ids).flatten(0, 1)
            loss = chunked_cross_entropy(hidden_ND, model.output_weight_VD, token_ids[0], smoothing=0.1)
            loss.backward()  # type: ignore[no-untyped-call]
    leading(torch.zeros(1, 8), torch.zeros(8, dtype=torch.bool), 1)
    compile_packed(model.eval())


def compile_packed(model: TransformerSeq2Seq) -> None:
    """Reading and writing in each arithmetic that this processor has for packed weights."""
    for arithmetic in arithmetics_here():
        model.to(torch.bfloat16 if arithmetic == "bfloat16" else torch.float32)
        PackedSeq2Seq(model, arithmetic).prefill(torch.arange(6)[None], torch.tensor([6]))


if __name__ == "__main__":
    kernel_cache.forget_stale()
    compile_ngrams()
    compile_language_models()
    compile_seq2seq()
