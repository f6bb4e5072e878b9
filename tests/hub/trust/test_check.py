"""What runs code when it is loaded is refused, under any name and in any wrapping; ordinary files are taken."""

import bz2
import collections
import datetime
import gzip
import io
import json
import lzma
import pickle
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress

import joblib
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lz4 import frame
from safetensors.numpy import save

from minnow.errors import RefusedUploadError
from minnow.hub.trust import archives
from minnow.hub.trust.check import Policy, check_sample, check_upload
from minnow.hub.trust.content import Bytes
from minnow.hub.trust.pickles import is_pickle


class Command:
    """Unpickled, it would run a command."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("ran",)


def torch_file(*, zipped: bool = True) -> bytes:
    stream = io.BytesIO()
    torch.save({"weight": torch.zeros(3)}, stream, _use_new_zipfile_serialization=zipped)
    return stream.getvalue()


def numpy_file(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def numpy_archive(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def joblib_file(compress: object) -> bytes:
    stream = io.BytesIO()
    joblib.dump({"steps": [1, datetime.date(2020, 1, 1)]}, stream, compress=compress)
    return stream.getvalue()


def zip_of(name: str, content: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        archive.writestr("notes.txt", "first")
        archive.writestr(name, content)
    return stream.getvalue()


def tar_of(name: str, content: bytes, mode: str = "w", form: int = tarfile.PAX_FORMAT) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode, format=form) as archive:
        for member, data in (("folder/notes.txt", b"first" * 999), (name, content)):
            entry = tarfile.TarInfo(member)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return stream.getvalue()


def lzma_alone(content: bytes, dictionary: int = 1 << 23) -> bytes:
    settings = [{"id": lzma.FILTER_LZMA1, "dict_size": dictionary}]
    return lzma.compress(content, format=lzma.FORMAT_ALONE, filters=settings)


DATE = datetime.date(2020, 1, 1)
PICKLES = [pickle.dumps(Command(), protocol) for protocol in range(6)]
PLAIN_PICKLES = [
    pickle.dumps(value, protocol) for value in ({"a": [1, 2.5]}, [b"x" * 70_000], "x") for protocol in (2, 4, 5)
]
DANGEROUS = {
    **{f"pickle-{number}": content for number, content in enumerate(PICKLES)},
    **{f"plain-{number}": content for number, content in enumerate(PLAIN_PICKLES)},
    "instance": pickle.dumps(collections.OrderedDict(a=DATE), 0),
    "long": pickle.dumps([DATE] * 50_000, 2),
    "torch": torch_file(),
    "torch-old": torch_file(zipped=False),
    "numpy-objects": numpy_file(np.array([{"a": 1}, None], dtype=object)),
    "numpy-fields": numpy_file(np.zeros(2, dtype=[("a", "f4"), ("b", "O")])),
    "npz": numpy_archive(fine=np.zeros(3), objects=np.array([{}], dtype=object)),
    **{f"joblib-{way}": joblib_file(way) for way in (0, 3, "gzip", "bz2", "lzma", "xz", ("zlib", 3))},
}
WRAPPINGS: dict[str, Callable[[bytes], bytes]] = {
    "zip": lambda content: zip_of("data/model.dat", content),
    "zip-stored": lambda content: zip_of("weights", content, zipfile.ZIP_STORED),
    "zip-lzma": lambda content: zip_of("weights", content, zipfile.ZIP_LZMA),
    "tar": lambda content: tar_of("weights", content),
    "tar-gnu": lambda content: tar_of("folder/" * 40 + "weights", content, form=tarfile.GNU_FORMAT),
    "tar-ustar": lambda content: tar_of("weights", content, form=tarfile.USTAR_FORMAT),
    "tar-gz": lambda content: tar_of("weights", content, "w:gz"),
    "tar-xz": lambda content: tar_of("weights", content, "w:xz"),
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lzma_alone,
    "lzma-small": lambda content: lzma_alone(content, 1 << 16),
    "lzma-odd": lambda content: lzma_alone(content, 0x123456),
    "lzma-in-parts": lambda content: lzma_alone(b"") + lzma_alone(content),
    "zlib": zlib.compress,
    "zlib-in-parts": lambda content: zlib.compress(b"") + zlib.compress(content),
    "lz4": frame.compress,
    "gzip-in-parts": lambda content: gzip.compress(b"") + gzip.compress(content),
    "behind-other-bytes": lambda content: b"GIF89a" + bytes(3000) + zip_of("weights", content),
    "before-and-behind-other-bytes": lambda content: b"GIF89a" + zip_of("weights", content) + b"trailing",
    "zip-in-zip": lambda content: zip_of("inner.zip", zip_of("weights", content)),
    "gzip-in-tar": lambda content: tar_of("inner.gz", gzip.compress(content)),
    "tar-in-zip": lambda content: zip_of("inner", tar_of("weights", content)),
}


def refused(path: str, content: bytes, match: str = ".") -> str:
    with pytest.raises(RefusedUploadError, match=match) as error:
        check_upload(path, Bytes(content))
    return str(error.value)


@pytest.mark.parametrize("name", DANGEROUS)
def test_pickles_are_refused_under_any_name(name: str) -> None:
    for path in ("weights.bin", "notes.txt", "data.parquet", "folder/README.md", "no-suffix"):
        assert path in refused(path, DANGEROUS[name])


CALL = b"cbuiltins\nprint\n(S'ran'\ntR"
HIDDEN = {
    "byte-behind": CALL + b"\xff",
    "marked-byte-behind": b"\x80\x02" + CALL + b"\xff",
    "protocol-0": b"\x80\x00" + CALL + b"\xff",
    "many-steps": b"N0" * 10_001 + CALL + b".",
    "more-steps": b"N0" * 35_000 + CALL + b".",
    "far-more-steps": b"N0" * 600_000 + CALL + b".",
    "long-string": b"X" + (100_000).to_bytes(4, "little") + b"x" * 100_000 + b"0" + CALL + b".",
    "longer-string": b"T" + (3_000_000).to_bytes(4, "little") + b"x" * 3_000_000 + b"0" + CALL + b".",
    "long-line": b"V" + b"x" * 200_000 + b"\n0" + CALL + b".",
    "hexadecimal": b"I0x10\n0" + CALL + b".",
    "behind-a-nul": b"I1\0 is no number\n0" + CALL + b".",
    "odd-letters": b"V\xff\n0" + CALL + b".",
    "instance": b"(S'ran'\nibuiltins\nprint\n" + b"\xff",
    "object": b"(cbuiltins\nprint\nS'ran'\no" + b"\xff",
    "list-that-was-imported": b"csys\npath\nS'/tmp'\na" + b"\xff",
}


@pytest.mark.parametrize("name", HIDDEN)
def test_pickles_are_refused_whatever_stands_around_the_call(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with suppress(Exception):
        pickle.loads(HIDDEN[name][: HIDDEN[name].find(CALL) + len(CALL)] + b"." if CALL in HIDDEN[name] else b"")
    assert capsys.readouterr().out == ("ran\n" if CALL in HIDDEN[name] else "")  # so it is one
    for wrapping in ("zip", "tar", "gzip", "xz", "gzip-in-tar"):
        refused("weights.bin", WRAPPINGS[wrapping](HIDDEN[name]), "pickle|too many")
    assert "weights.bin is a pickle" in refused("weights.bin", HIDDEN[name], "pickle")


def test_a_pickle_before_the_damage_of_an_archive_is_refused() -> None:
    whole = zlib.compress(b"N0" * 40_000 + CALL + b"." + np.random.default_rng(0).bytes(100_000))
    refused("weights.bin", whole[:-50_000], "pickle")


LINES = 30_000
TEXTS = {
    "words": b"cat\ndog\ncow\nhorse\nbird\n" * LINES,
    "names": b"Vienna\nPrague\nVenice\nParis\n" * LINES,
    "labels": b"ccc\nbbb\nRRR\n",
    "ids.csv": b"".join(b"P%06d,%d\n" % (row, row % 7) for row in range(LINES)),
    "csv": b"Text,Label\n" + b"A good film,1\n" * LINES,
    "xyz.csv": b"X,Y,Z\n" + b"0.5,1.5,2.5\n" * LINES,
    "both.csv": b"Both,column\n" + b"cat\nbird\n" * LINES,
    "numbers": b"0.5\n1\n2\n" * LINES,
    "jsonl": b'{"text": "Ready."}\n' * LINES,
    "json": b'[{"a": null}, {"b": [1, 2]}]',
    "lisp": b"(import (scheme base))\n(define x 1)\n",
    "brackets": b"(" * 100_000,
    "unknown": b"N" * 200_000,
    "markdown": b"# A card\n\ncode\nand more\nR.\n" * LINES,
    "chinese": "你好。\n".encode() * LINES,
    "utf-16": "Ready\n".encode("utf-16") * LINES,
    "safetensors": save({"a": np.zeros(40)}),
    "png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(1000),
    "gguf": b"GGUF\3\0\0\0" + bytes(1000),
    "parquet": b"PAR1" + np.random.default_rng(1).bytes(1000) + b"PAR1",
    "marked": b"\x80\x02" + bytes(1000),
}


@pytest.mark.parametrize("name", TEXTS)
def test_texts_tables_and_other_files_are_taken_bare_and_packed(name: str) -> None:
    check_sample("data.bin", len(TEXTS[name]), TEXTS[name][:512])
    check_upload("data.bin", Bytes(TEXTS[name]))
    for wrapping in ("zip", "tar", "tar-gz", "gzip", "tar-in-zip"):
        check_upload("upload.dat", Bytes(WRAPPINGS[wrapping](TEXTS[name])))


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_pickles_are_refused_in_any_wrapping(wrapping: str) -> None:
    for name in ("pickle-0", "pickle-4", "plain-1", "numpy-objects"):
        assert "upload.dat" in refused("upload.dat", WRAPPINGS[wrapping](DANGEROUS[name]), "pickle")


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_other_contents_are_taken_in_any_wrapping(wrapping: str) -> None:
    for content in (b"just text\n" * 1000, b"", numpy_file(np.zeros(3))):
        check_upload("upload.dat", Bytes(WRAPPINGS[wrapping](content)))


@pytest.mark.parametrize(
    "path",
    [
        *("model.pt", "a/b.PTH", "x.pkl", "x.pickle", "last.ckpt", "pipe.joblib", "x.dill", "x.pkl.gz", "x.pt.zst.gz"),
        *("pytorch_model.bin", "pytorch_model-00001-of-00002.bin", "training_args.bin", "optimizer.bin"),
    ],
)
def test_names_of_pickles_are_refused_whatever_is_in_them(path: str) -> None:
    assert "safetensors" in refused(path, b"harmless", "named like a pickle")
    with pytest.raises(RefusedUploadError, match="named like a pickle"):
        check_sample(path, 8, b"")


@pytest.mark.parametrize("name", [name for name in DANGEROUS if not name.startswith(("npz", "joblib"))])
def test_pickles_are_seen_in_the_first_bytes_already(name: str) -> None:
    content = DANGEROUS[name]
    with pytest.raises(RefusedUploadError):
        check_sample("weights.bin", len(content), content[:512])


@pytest.mark.parametrize(
    "content",
    [
        *(
            b"isympy\nsympy\n",
            b"",
            b"(",
            b"cat\nand\ndog\n",
            b"(lost)",
            b"N.",
            b"# card\n.\n",
            b"}",
            b"cost\n.5\n.7\nR.",
            b"\x80",
        ),
        *(bytes(1000), b"\x80\x81\x82" * 99, "\N{EURO SIGN}".encode("utf-16"), b"S", b"]", b"c", b"id,text\n1,a\n"),
    ],
)
def test_text_and_odd_bytes_are_not_taken_for_pickles(content: bytes) -> None:
    assert not is_pickle(io.BytesIO(content))
    check_sample("notes.txt", len(content), content)
    check_upload("notes.txt", Bytes(content))


@given(st.text(max_size=300))
def test_no_text_is_taken_for_a_pickle(text: str) -> None:
    assert not is_pickle(io.BytesIO(text.encode()))


@given(st.binary(max_size=700))
def test_any_bytes_are_taken_or_refused_and_nothing_breaks(content: bytes) -> None:
    for tried in (
        content,
        b"PK\x03\x04" + content,
        b"\x1f\x8b\x08" + content,
        b"\x93NUMPY\x01\x00" + content,
        b"\x80\x04" + content,
    ):
        try:
            check_upload("upload.dat", Bytes(tried))
            check_sample("upload.dat", len(tried), tried[:512])
        except RefusedUploadError:
            pass


@given(st.data())
def test_damaged_archives_never_break_the_check(data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from([wrap(b"text" * 50) for wrap in WRAPPINGS.values()])))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with suppress(RefusedUploadError):
        check_upload("upload.dat", Bytes(bytes(content)))


def test_a_member_without_a_name_is_looked_into() -> None:
    def nameless(content: bytes) -> bytes:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr(zipfile.ZipInfo(""), content)
        return stream.getvalue()

    refused("upload.zip", nameless(DANGEROUS["instance"]), "pickle")
    check_upload("upload.zip", Bytes(nameless(b"text")))


def test_a_zip_archive_of_a_version_to_come_is_refused_behind_other_bytes_too() -> None:
    content = bytearray(zip_of("weights", b"text"))
    content[content.index(b"PK\1\2") + 6] = 80  # the version that is needed to read it
    for tried in (bytes(content), b"GIF89a" + bytes(content)):
        refused("upload.dat", tried, "cannot be looked into")


def test_an_lzma_stream_that_asks_for_too_much_memory_is_refused() -> None:
    content = bytearray(lzma_alone(DANGEROUS["pickle-0"], 1 << 16))
    content[1:5] = (0x20000000).to_bytes(4, "little")
    assert "smaller one" in refused("weights.bin", bytes(content), "a dictionary of 536870912 bytes")
    content[1:5] = (0x00012300).to_bytes(4, "little")  # which only some readers take
    refused("weights.bin", bytes(content), "pickle")
    tokens = np.array([93, 7000, 4000, 300, 301, 302, 303, 304], "uint16").tobytes()  # begins like LZMA
    check_upload("tokens.bin", Bytes(tokens * 100))


def test_a_bomb_is_not_unpacked() -> None:
    zeros = bytes(60 * 1024 * 1024)
    refused("bomb.tar.gz", tar_of("big", zeros, "w:gz"), "too many to look into")
    refused("bomb.zip", zip_of("inner.tar", tar_of("big", zeros)), "too many to look into")
    check_upload("zeros.gz", Bytes(gzip.compress(zeros)))  # its start is all that is unpacked


def test_archives_within_archives_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tar_of("text", b"text" * 100_000)
    check_upload("outer.zip", Bytes(zip_of("inner.tar", inner)))
    monkeypatch.setattr("minnow.hub.trust.archives.MOST_INNER_BYTES", 300_000)
    refused("outer.zip", zip_of("inner.tar", inner), "by itself")


def test_too_many_members_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minnow.hub.trust.archives.MOST_MEMBERS", 1)
    refused("many.zip", zip_of("second", b"text"), "more than 1 members")


def test_archives_nested_deeper_than_is_looked_are_refused() -> None:
    content = b"text"
    for _ in range(4):
        content = zip_of("inner", content)
    refused("nested.zip", content, "too deep")


def test_what_cannot_be_looked_into_is_refused() -> None:
    refused("model.7z", b"7z\xbc\xaf\x27\x1c" + bytes(100), "7z archive")
    refused("model.rar", b"Rar!\x1a\x07\x01\x00" + bytes(100), "rar archive")
    encrypted = bytearray(zip_of("weights", b"text"))
    for header in (b"PK\x01\x02", b"PK\x03\x04"):
        place = encrypted.rfind(header)
        encrypted[place + (8 if header == b"PK\x01\x02" else 6)] |= 1
    refused("secret.zip", bytes(encrypted), "encrypted")


def test_tables_of_contents_beyond_bounds_are_refused() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a", "text")
    content = bytearray(stream.getvalue())
    end = content.rfind(b"PK\x05\x06")
    content[end + 12 : end + 16] = (2**31).to_bytes(4, "little")
    refused("wide.zip", bytes(content), "cannot be looked into|table of contents")


def test_remote_code_needs_a_policy() -> None:
    config = json.dumps({"model_type": "x", "auto_map": {"AutoModel": "modeling_x.X"}}).encode()
    for path in ("config.json", "folder/tokenizer_config.json"):
        assert "--allow-remote-code" in refused(path, config, "auto_map")
    check_upload("config.json", Bytes(config), Policy(remote_code=True))
    check_upload("config.json", Bytes(b'{"model_type": "gpt2", "auto_map": {}}'))
    check_upload("config.json", Bytes(b"no json"))


def test_remote_code_is_found_wherever_it_stands() -> None:
    code = b'{"auto_map": {"AutoImageProcessor": "x.Y"}}'
    refused("processor_config.json", b'{"image_processor": ' + code + b"}", "auto_map")
    refused("config.json", b'{"layers": [1, [' + code + b"]]}", "auto_map")
    refused("config.json", code[:-1] + b', "long": ' + b"9" * 5000 + b"}", "auto_map")
    refused("tokenizer_config.json", b'{"auto_map": ["x.Y", null]}', "auto_map")
    check_upload("tokenizer.json", Bytes(b'{"model": {"vocab": {"auto": 1, "auto_map": 2}}}'))


@pytest.mark.parametrize("depth", [700, 900, 960, 975, 990, 100_000])
def test_a_configuration_that_only_some_can_read_to_its_end_is_refused(depth: int) -> None:
    refused("config.json", b'{"auto_map": {"A": "x.Y"}, "d": ' + b"[" * depth + b"]" * depth + b"}", "auto_map|deeply")


def test_a_configuration_that_is_too_long_to_look_at_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minnow.hub.trust.check.MOST_JSON_BYTES", 1000)
    refused("config.json", b'{"auto_map": {"A": "b.C"}}' + b" " * 1000, "too many for a configuration")
    check_upload("rows.json", Bytes(b"[" + b"1, " * 1000 + b"1]"))


def test_safetensors_are_checked_by_their_first_bytes_and_whole() -> None:
    content = save({"a": np.zeros(4)})
    check_sample("m.safetensors", len(content), content[:512])
    check_upload("m.safetensors", Bytes(content))
    refused("m.safetensors", content + b"x", "end at byte")
    refused("m.safetensors", b"hello world, not tensors")
    with pytest.raises(RefusedUploadError):
        check_sample("m.safetensors", 600, b"hello world, not tensors")
    with pytest.raises(RefusedUploadError):
        check_sample("m.safetensors", len(content) - 100, content[:512])


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("array.npy", numpy_file(np.zeros((3, 4), "float32"))),
        ("text.npy", numpy_file(np.array(["a", "b"]))),
        ("dates.npy", numpy_file(np.array(["2020-01-01"], dtype="datetime64[D]"))),
        ("fields.npy", numpy_file(np.zeros(2, dtype=[("O", "f4"), ("b", "i8", (2,)), ("c", [("d", "U3")])]))),
        ("arrays.npz", numpy_archive(a=np.zeros(3), b=np.arange(4))),
        ("weights.bin", np.random.default_rng(0).bytes(50_000)),
        ("text.tar.gz", tar_of("a.txt", b"text", "w:gz")),
    ],
)
def test_ordinary_files_are_taken(path: str, content: bytes) -> None:
    check_sample(path, len(content), content[:512])
    check_upload(path, Bytes(content))


def test_an_object_type_in_disguise_is_refused() -> None:
    header = b"{'descr': '\\x7cO', 'fortran_order': False, 'shape': (1,), }"
    header += b" " * (118 - len(header) - 1) + b"\n"
    refused("array.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(64), "objects")


@pytest.mark.parametrize("before", [b"", b"GIF89a" + bytes(100)])
def test_a_directory_that_is_too_long_is_not_read(before: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    content = before + zip_of("a" * 500, b"harmless")
    check_upload("a.dat", Bytes(content))
    monkeypatch.setattr(archives, "MOST_DIRECTORY_BYTES", 500)
    with pytest.raises(RefusedUploadError, match="a directory of at most 500 bytes, but got 601; pack fewer files"):
        check_upload("a.dat", Bytes(content))
    check_upload("a.dat", Bytes(content.replace(b"PK\x01\x02", b"no!!")) if before else Bytes(b"none"))
