"""What installation compiles is what training takes."""

import pytest
import torch
from numba import types

from minnow.layers import activations, cross_entropy, fused_attention, lstm, norm, packed_transformer, positions
from minnow.layers.tiles import arithmetics_here
from minnow.warm import compile_language_models, compile_seq2seq


@pytest.fixture(autouse=True)
def _threads() -> None:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_every_kernel_of_a_language_model_is_compiled_for_both_arithmetics() -> None:
    compile_language_models()
    kernels = (
        activations._gelu_tanh,
        activations._gelu_tanh_backward,
        activations._silu_gate,
        activations._silu_gate_backward,
        fused_attention._softmax,
        fused_attention._softmax_backward,
        norm._add,
        norm._norm,
        norm._norm_backward,
        positions._rotate,
    )
    for kernel in kernels:
        held = {given.dtype for signature in kernel.signatures for given in signature if isinstance(given, types.Array)}
        assert {types.float32, types.uint16} <= held, kernel
    assert cross_entropy._softmax_less_target.signatures
    if "bfloat16" in arithmetics_here():
        assert lstm._walk.signatures
        assert lstm._walk_back.signatures


def test_every_kernel_of_a_search_is_compiled_for_all_arithmetics_of_this_processor() -> None:
    compile_seq2seq()
    for kernel in (packed_transformer.read, packed_transformer.give):
        assert len(kernel.signatures) >= len(arithmetics_here()), kernel
    if arithmetics_here():
        for kernel in (packed_transformer.look_around, packed_transformer.look_back, packed_transformer.look_across):
            assert kernel.signatures, kernel
