"""Files of llama2.c give the logits, the ids and the story that llama2.c gives."""

import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from minnow.bundle.importing import read_foreign
from minnow.bundle.llama2c import read_llama2c
from minnow.errors import BundleError

SIZES = (8, 12, 2, 4, 2, 300, 16)  # dim, hidden_dim, layers, heads, key heads, vocabulary, positions
Floats = NDArray[np.float64]

SHARED = Path(os.environ.get("MINNOW_DATA", "data")) / "stories260K" / "stories260K.bin"
STORY = (
    "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she saw a "
    "big, red ball. She wanted to play with it, but it was too high.\nLily's mom said, \"Lily, let's go to the park.\""
)


def model_file(folder: Path, sizes: tuple[int, ...] = SIZES) -> Path:
    """Random weights in the order of the format, with the tables of the rotation behind them."""
    dim, inner, layers, heads, key_heads, signed, positions = sizes
    vocab, head = abs(signed), dim // heads
    key_dim = key_heads * head
    count = vocab * dim + layers * (2 * dim + 2 * dim * dim + 2 * key_dim * dim + 3 * dim * inner) + dim
    count += positions * head + (vocab * dim if signed < 0 else 0)
    numbers = np.random.default_rng(0).normal(0, 0.3, count).astype("<f4")
    path = folder / "model.bin"
    path.write_bytes(struct.pack("<7i", *sizes) + numbers.tobytes())
    return path


def tokenizer_file(folder: Path, vocab_size: int = 300) -> Path:
    """Three special pieces, the bytes, words of more than one letter, then letters."""
    words = [" t", "he", " the", "th", " a", "ca", "cat", " cat", "at", "s.", "水壶"]
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)] + [" ", ".", "水"]
    pieces = [(0.0, b"<unk>"), (0.0, b"\n<s>\n"), (0.0, b"\n</s>\n")]
    pieces += [(0.0, f"<0x{byte:02X}>".encode()) for byte in range(256)]
    pieces += [(-float(i), piece.encode()) for i, piece in enumerate([*words, *letters])]
    pieces = [*pieces, (-90.0, "é".encode())][:vocab_size]
    path = folder / "tok300.bin"
    content = b"".join(struct.pack("<fi", score, len(piece)) + piece for score, piece in pieces)
    path.write_bytes(struct.pack("<i", 7) + content)
    return path


def forward(path: Path, token_ids: list[int]) -> Floats:
    """Logits [S, V] in float64, as the C program goes about it: neighbouring features are rotated together."""
    dim, inner, layers, heads, key_heads, signed, positions = SIZES
    vocab, head = abs(signed), dim // heads
    numbers = np.frombuffer(path.read_bytes()[28:], "<f4").astype(np.float64)
    place = 0

    def take(*shape: int) -> Floats:
        nonlocal place
        place += int(np.prod(shape))
        return numbers[place - int(np.prod(shape)) : place].reshape(shape)

    def norm(x: Floats, weight: Floats) -> Floats:
        scaled: Floats = x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * weight
        return scaled

    def rotate(x: Floats) -> Floats:
        turned = x.copy()
        for position in range(x.shape[0]):
            for i in range(0, x.shape[2], 2):
                angle = position / 10000 ** (i / head)
                first, second = x[position, :, i], x[position, :, i + 1]
                turned[position, :, i] = first * np.cos(angle) - second * np.sin(angle)
                turned[position, :, i + 1] = first * np.sin(angle) + second * np.cos(angle)
        return turned

    embedding, norms = take(vocab, dim), take(layers, dim)
    wq, wk = take(layers, dim, dim), take(layers, key_heads * head, dim)
    wv, wo = take(layers, key_heads * head, dim), take(layers, dim, dim)
    inner_norms, w1 = take(layers, dim), take(layers, inner, dim)
    w2, w3, last = take(layers, dim, inner), take(layers, inner, dim), take(dim)
    length = len(token_ids)
    x = embedding[token_ids]
    for i in range(layers):
        read = norm(x, norms[i])
        q = rotate((read @ wq[i].T).reshape(length, heads, head))
        k = rotate((read @ wk[i].T).reshape(length, key_heads, head)).repeat(heads // key_heads, axis=1)
        v = (read @ wv[i].T).reshape(length, key_heads, head).repeat(heads // key_heads, axis=1)
        scores = np.einsum("she,nhe->hsn", q, k) / np.sqrt(head) + np.triu(np.full((length, length), -1e9), 1)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        x = x + np.einsum("hsn,nhe->she", weights, v).reshape(length, dim) @ wo[i].T
        read = norm(x, inner_norms[i])
        gate = read @ w1[i].T
        x = x + (gate / (1 + np.exp(-gate)) * (read @ w3[i].T)) @ w2[i].T
    output = take(2, positions, head // 2) is not None and (take(vocab, dim) if signed < 0 else embedding)
    logits: Floats = norm(x, last) @ output.T
    return logits


@pytest.mark.parametrize("signed", [300, -300])
def test_logits_are_those_of_the_c_program(signed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = (*SIZES[:5], signed, SIZES[6])
    monkeypatch.setitem(globals(), "SIZES", sizes)
    path, _ = model_file(tmp_path, sizes), tokenizer_file(tmp_path)
    bundle = read_llama2c(path)
    token_ids = [1, 260, 7, 299, 261, 30, 1, 2]
    with torch.no_grad():
        found = bundle.model(torch.tensor([token_ids]))[0].numpy()
    assert np.abs(found - forward(path, token_ids)).max() < 1e-5
    assert bundle.model.config.tie_word_embeddings == (signed > 0)


def test_pieces_are_merged_by_their_scores(tmp_path: Path) -> None:
    tokenizer = read_llama2c(model_file(tmp_path), tokenizer_file(tmp_path)).tokenizer
    assert tokenizer is not None

    def spelled(text: str) -> list[str]:
        return tokenizer.tokens(tokenizer.encode(text).token_ids)

    assert spelled("the cat") == ["▁the", "▁cat"]
    assert spelled("a thz") == ["▁a", "▁t", "h", "z"]  # " t" scores higher than "th"
    assert spelled("水壶é😀") == ["▁", "水", "<0xE5>", "<0xA3>", "<0xB6>", "é", "<0xF0>", "<0x9F>", "<0x98>", "<0x80>"]
    assert tokenizer.decode(tokenizer.encode("the  cats. 水壶😀").token_ids) == "the  cats. 水壶😀"
    assert (tokenizer.frame([5]), tokenizer.eos_ids) == ([1, 5], (2, 1))


def refused(path: Path, *more: Any) -> str:
    with pytest.raises(BundleError) as caught:
        read_llama2c(path, *more)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_files_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    path = model_file(tmp_path)
    assert "--tokenizer" in refused(path)
    tokenizer = tokenizer_file(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-4])
    assert f"asks for {len(whole):,} bytes, but it has {len(whole) - 4:,}" in refused(path)
    for content, words in (
        (b"", "does not begin like a model of llama2.c"),
        (b"\x00" * 28, "does not begin like a model of llama2.c"),
        (b"PK\x03\x04" + b"x" * 40, "pickle"),
        (struct.pack("<7i", 0x616B3432, 1, 0, 0, 0, 0, 0), "--version 0"),
        (struct.pack("<7i", 8, 12, 2, 3, 1, 300, 16), "shared out"),
        (struct.pack("<7i", 2**24, 2**24, 2**24, 4, 2, 300, 16), "cut off"),
    ):
        path.write_bytes(content)
        assert words in refused(path), content
    path.write_bytes(whole)
    content = tokenizer.read_bytes()
    for damaged, words in (
        (content[:900], "cut off|damaged"),
        (content[:-2], "cut off"),
        (content + b"\x00" * 9, "more than"),
        (content[:4] + struct.pack("<fi", 0, 2**30) + content[12:], "cut off"),
        (content.replace("é".encode(), b"\xff\xff"), "damaged"),
    ):
        tokenizer.write_bytes(damaged)
        assert any(word in refused(path) for word in words.split("|"))
    assert "cannot read" in refused(tmp_path / "absent.bin")
    assert "cannot read the tokenizer" in refused(path, tmp_path / "absent.bin")


@pytest.mark.skipif(not SHARED.is_file(), reason="stories260K is not on this machine")
def test_stories260k_tells_its_story() -> None:
    bundle = read_llama2c(SHARED)
    tokenizer = bundle.tokenizer
    assert tokenizer is not None
    token_ids = tokenizer.frame([])
    logits_BV, state = bundle.model.prefill(torch.tensor([token_ids]), torch.tensor([len(token_ids)]))
    stream, text = tokenizer.stream(), ""
    while len(text) < len(STORY):
        token_ids_B = logits_BV.argmax(-1)
        text += stream.push(int(token_ids_B))
        logits_BV, state = bundle.model.step(token_ids_B, state)
    assert text.startswith(STORY)
    assert tokenizer.decode(tokenizer.encode(STORY).token_ids) == STORY


def test_of_several_models_the_names_are_told(tmp_path: Path) -> None:
    for name in ("small.bin", "large.bin", "tok512.bin"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(BundleError, match=r"several models of llama2\.c; name one of: large\.bin, small\.bin$"):
        read_foreign(tmp_path, None, lambda _: None)
