"""A safetensors file is taken only if its header is right in everything; the library's own files always are."""

import json
import struct
import time
from typing import Any

import numpy as np
import pytest
import safetensors
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from minnow.errors import RefusedUploadError
from minnow.hub.trust.content import Bytes
from minnow.hub.trust.safetensors import MOST_HEADER_BYTES, check_safetensors, check_start


def file(header: Any, size: int = 8, text: str | None = None) -> Bytes:
    content = (json.dumps(header) if text is None else text).encode()
    return Bytes(struct.pack("<Q", len(content)) + content + bytes(size))


def tensor(start: int = 0, stop: int = 8, shape: Any = (2,), dtype: Any = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, stop]}


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=5).filter(lambda name: name != "__metadata__"),
        st.tuples(st.sampled_from(["float32", "int8", "bool", "uint16"]), st.lists(st.integers(0, 3), max_size=3)),
        max_size=5,
    )
)
def test_what_the_library_writes_is_taken(arrays: dict[str, tuple[str, list[int]]]) -> None:
    content = save({name: np.zeros(shape, dtype) for name, (dtype, shape) in arrays.items()}, {"format": "pt"})
    header = check_safetensors("model.safetensors", Bytes(content))
    assert set(header) == {*arrays, "__metadata__"}


@settings(max_examples=300)
@given(st.data())
def test_what_is_taken_the_library_can_read(data: st.DataObject) -> None:
    content = bytearray(save({"a": np.zeros((2, 3), "float32"), "b": np.ones(5, "int8")}))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        check_safetensors("model.safetensors", Bytes(bytes(content)))
    except RefusedUploadError:
        return
    safetensors.deserialize(bytes(content))


@given(st.binary(max_size=300))
def test_anything_else_is_refused(content: bytes) -> None:
    for tried in (content, struct.pack("<Q", len(content)) + content):
        try:
            check_safetensors("model.safetensors", Bytes(tried))
        except RefusedUploadError:
            continue
        safetensors.deserialize(tried)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"a": tensor(0, 8), "b": tensor(4, 12)}, "overlap at byte 4"),
        ({"a": tensor(0, 4, [1]), "b": tensor(8, 12, [1])}, "gap at byte 4"),
        ({"a": tensor(4, 8, [1])}, "gap at byte 0"),
        ({"a": tensor(0, 4, [1])}, "end at byte"),
        ({"a": tensor(0, 16, [4])}, "end at byte"),
        ({"a": tensor(0, 8, [3])}, "cannot have 8 bytes"),
        ({"a": tensor(8, 0)}, "data_offsets"),
        ({"a": tensor(-8, 0)}, "data_offsets"),
        ({"a": tensor(0, 8.0)}, "data_offsets"),
        ({"a": tensor(0, 2**70)}, "data_offsets"),
        ({"a": tensor(dtype="F31")}, "unknown dtype"),
        ({"a": tensor(dtype=["F32"])}, "unknown dtype"),
        ({"a": tensor(dtype="F4", shape=[3])}, "cannot have"),
        ({"a": tensor(shape=[-1, -2])}, "shape"),
        ({"a": tensor(shape=[True, 2])}, "shape"),
        ({"a": tensor(shape=["2"])}, "shape"),
        ({"a": tensor(shape=[2**40, 2**40, 0])}, "cannot have 8 bytes"),
        ({"a": tensor(shape=[2**40, 2**40])}, "shape"),
        ({"a": tensor(shape=[1] * 65)}, "shape"),
        ({"a": {**tensor(), "code": "x"}}, "nothing else"),
        ({"a": {"dtype": "F32", "shape": [2]}}, "needs dtype"),
        ({"a": [1]}, "needs dtype"),
        ({"a": tensor(), "__metadata__": {"n": 1}}, "text to text"),
        ({"a": tensor(), "__metadata__": "x"}, "text to text"),
    ],
)
def test_what_is_wrong_is_said(header: Any, reason: str) -> None:
    with pytest.raises(RefusedUploadError, match=reason) as refused:
        check_safetensors("m.safetensors", file(header))
    assert "m.safetensors" in str(refused.value)
    assert "save_file" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{}}', "'a' stands there twice"),
        ('{"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}', "twice"),
        ('{"a":NaN}', "no number"),
        ('{"a":' + "[" * 100_000, "no JSON"),
        ('{"a":' + "9" * 5000 + "}", "no JSON"),
        ("{}x", "no JSON"),
        ("[]", "begin with {"),
        (' {"a":1}', "begin with {"),
    ],
)
def test_a_header_that_is_no_sound_json_is_refused(text: str, reason: str) -> None:
    with pytest.raises(RefusedUploadError, match=reason):
        check_safetensors("m.safetensors", file(None, text=text))


def test_a_name_that_stands_twice_among_many_is_found_at_once() -> None:
    names = [f"t{number}" for number in range(50_000)]
    text = "{" + ",".join(f'"{name}":{{}}' for name in (*names, names[-1])) + "}"
    began = time.process_time()
    with pytest.raises(RefusedUploadError, match="'t49999' stands there twice"):
        check_safetensors("m.safetensors", file(None, text=text))
    assert time.process_time() - began < 2


def test_oversized_headers_are_refused_before_they_are_read() -> None:
    with pytest.raises(RefusedUploadError, match="at most"):
        check_start("m.safetensors", struct.pack("<Q", MOST_HEADER_BYTES + 1) + b"{", 10**12)
    with pytest.raises(RefusedUploadError, match="more than the file"):
        check_start("m.safetensors", struct.pack("<Q", 1000) + b"{", 1007)
    assert check_start("m.safetensors", struct.pack("<Q", 1000) + b"{", 1008) == 1000
