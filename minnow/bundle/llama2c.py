"""Models of llama2.c (the first format of its ``.bin`` files) as bundles.

Seven int32: dim, hidden_dim, layers, heads, key heads, vocabulary, positions; the vocabulary is negative where the
output layer has weights of its own. Then float32 weights, kind by kind, and the tables of the rotation.
D features · F inner features · L layers · H heads · E features of a head · V vocabulary
"""

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minnow.bundle.bundle import Bundle
from minnow.errors import BundleError
from minnow.models.registry import model_from
from minnow.text.llama2c import read_tokenizer

HEADER = struct.Struct("<7i")
NEWER = 0x616B3432  # what the later formats begin with
PICKLES = (b"PK\x03\x04", b"\x80\x02", b"\x80\x04")
NORM_EPSILON = 1e-5
LARGEST_SIZE = 2**24  # of any number in the header

Floats = NDArray[np.float32]


def read_llama2c(path: Path, tokenizer: Path | None = None) -> Bundle:
    """The model in ``path``; its tokenizer is ``tokenizer``, or the one ``tok*.bin`` beside it.

    Raises:
        BundleError: a file is missing, cut off, or of another format.
    """
    sizes = _header(path)
    vocab_size = abs(sizes[5])
    found = read_tokenizer(tokenizer or _tokenizer_beside(path), vocab_size)
    config = {
        "model_type": "llama",
        "vocab_size": vocab_size,
        "hidden_size": sizes[0],
        "intermediate_size": sizes[1],
        "num_hidden_layers": sizes[2],
        "num_attention_heads": sizes[3],
        "num_key_value_heads": sizes[4],
        "max_position_embeddings": sizes[6],
        "rms_norm_eps": NORM_EPSILON,
        "tie_word_embeddings": sizes[5] > 0,
        "bos_token_id": found.bos_id,
        "eos_token_id": list(found.eos_ids),
    }
    model = model_from(config, _tensors(path, sizes))
    return Bundle(model, {"name": "text_generation", "version": 1}, found)


def _header(path: Path) -> tuple[int, ...]:
    try:
        with path.open("rb") as stream:
            start = stream.read(HEADER.size)
    except OSError as error:
        raise BundleError(f"cannot read {path} ({error.strerror}); name a file or a folder that is there") from error
    if start.startswith(PICKLES):
        raise BundleError(
            f"{path} is a pickle, which could run code when it is opened; convert it to safetensors first"
        )
    sizes = HEADER.unpack(start) if len(start) == HEADER.size else (0,) * 7
    if sizes[0] == NEWER:
        raise BundleError(f"{path} is of llama2.c's format {sizes[1]}; export it with its export.py --version 0")
    dim, _, _, heads, key_heads, vocab_size, _ = sizes
    if not all(0 < size <= LARGEST_SIZE for size in (*sizes[:5], abs(vocab_size), sizes[6])):
        raise BundleError(
            f"{path} does not begin like a model of llama2.c; name a .bin file of it, or a folder of Hugging Face"
        )
    if dim % heads or heads % key_heads or dim // heads % 2:
        raise BundleError(f"{path} is damaged: {dim} features cannot be shared out to {heads} and {key_heads} heads")
    return sizes


def _tensors(path: Path, sizes: tuple[int, ...]) -> dict[str, Any]:
    """Weights under Hugging Face's names."""
    dim, inner, layers, heads, key_heads, signed_vocab, positions = sizes
    vocab_size, head_size = abs(signed_vocab), dim // heads
    key_dim = key_heads * head_size
    shapes = {
        "embed_tokens": (vocab_size, dim),
        "input_layernorm": (layers, dim),
        "self_attn.q_proj": (layers, dim, dim),
        "self_attn.k_proj": (layers, key_dim, dim),
        "self_attn.v_proj": (layers, key_dim, dim),
        "self_attn.o_proj": (layers, dim, dim),
        "post_attention_layernorm": (layers, dim),
        "mlp.gate_proj": (layers, inner, dim),
        "mlp.down_proj": (layers, dim, inner),
        "mlp.up_proj": (layers, inner, dim),
        "norm": (dim,),
        "rotation": (2, positions, head_size // 2),
    }
    if signed_vocab < 0:
        shapes["lm_head"] = (vocab_size, dim)
    read = _read(path, shapes)
    tensors: dict[str, Any] = {"model.embed_tokens.weight": read["embed_tokens"], "model.norm.weight": read["norm"]}
    if signed_vocab < 0:
        tensors["lm_head.weight"] = read["lm_head"]
    read["self_attn.q_proj"] = _in_halves(read["self_attn.q_proj"], heads)
    read["self_attn.k_proj"] = _in_halves(read["self_attn.k_proj"], key_heads)
    for name in shapes:
        if "proj" in name or name.endswith("layernorm"):
            tensors |= {f"model.layers.{i}.{name}.weight": weight for i, weight in enumerate(read[name])}
    return tensors


def _read(path: Path, shapes: dict[str, tuple[int, ...]]) -> dict[str, Floats]:
    wanted = HEADER.size + 4 * sum(math.prod(shape) for shape in shapes.values())
    present = path.stat().st_size
    if present != wanted:
        raise BundleError(
            f"{path} is cut off or damaged: its header asks for {wanted:,} bytes, but it has {present:,}; fetch it anew"
        )
    numbers = np.fromfile(path, "<f4", offset=HEADER.size)
    arrays, start = {}, 0
    for name, shape in shapes.items():
        length = math.prod(shape)
        arrays[name] = numbers[start : start + length].reshape(shape)
        start += length
    return arrays


def _in_halves(weights_LOD: Floats, num_heads: int) -> Floats:
    """Rows in the order of Hugging Face: llama2.c rotates neighbours, they the halves of a head."""
    layers, outputs, dim = weights_LOD.shape
    pairs = weights_LOD.reshape(layers, num_heads, outputs // num_heads // 2, 2, dim)
    return pairs.swapaxes(2, 3).reshape(layers, outputs, dim)


def _tokenizer_beside(path: Path) -> Path:
    found = sorted(path.parent.glob("tok*.bin"))
    if len(found) == 1:
        return found[0]
    problem = "no tok*.bin stands beside it" if not found else f"{len(found)} tok*.bin stand beside it"
    raise BundleError(f"the tokenizer of {path} is needed and {problem}; name it with --tokenizer FILE")
