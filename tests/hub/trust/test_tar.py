"""What Python's own reader would take out of an archive, ours has seen, or the archive was refused."""

import io
import tarfile
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minnow.errors import RefusedUploadError
from minnow.hub.trust.tar import BLOCK_BYTES, MOST_EXTENSION_BYTES, is_tar, members

FORMS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
FILES = st.lists(st.tuples(st.text("aä/.", min_size=1, max_size=130), st.binary(max_size=1500)), min_size=1, max_size=4)


def archive(files: list[tuple[str, bytes]], form: int, kinds: bytes = b"") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as made:
        for number, (name, content) in enumerate(files):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.type = kinds[number : number + 1] or tarfile.REGTYPE
            entry.pax_headers = {"comment": "a remark"} if form == tarfile.PAX_FORMAT else {}
            with suppress(ValueError):  # a name that this form cannot hold
                made.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def seen(content: bytes) -> list[bytes]:
    """Our reader's files; a refusal passes through."""
    found = []
    for member in members("x.tar", io.BytesIO(content)):
        parts = []
        while piece := member.read(700):
            parts.append(piece)
        found.append(b"".join(parts))
    return found


def taken(content: bytes) -> list[bytes]:
    """What Python's reader takes out, as far as it comes."""
    found = []
    errors = tarfile.TarError, ValueError, OverflowError, EOFError, UnicodeError, OSError
    with suppress(*errors), tarfile.open(fileobj=io.BytesIO(content), mode="r:") as opened:
        for entry in opened:
            stream = opened.extractfile(entry) if entry.isfile() else None
            if stream:
                found.append(stream.read())
    return found


@settings(max_examples=60)
@given(FILES, st.sampled_from(FORMS))
def test_files_come_out_as_they_went_in(files: list[tuple[str, bytes]], form: int) -> None:
    content = archive(files, form)
    assert is_tar(content) or not any(content)
    assert seen(content) == taken(content)


@settings(max_examples=300)
@given(FILES, st.sampled_from(FORMS), st.data())
def test_nothing_hides_in_a_changed_archive(files: list[tuple[str, bytes]], form: int, data: st.DataObject) -> None:
    content = bytearray(archive(files, form))
    for _ in range(data.draw(st.integers(1, 4))):
        block = data.draw(st.integers(0, len(content) // BLOCK_BYTES - 1)) * BLOCK_BYTES
        place = block + data.draw(st.one_of(st.integers(100, 160), st.integers(257, 270), st.integers(0, 511)))
        content[place] = data.draw(st.one_of(st.integers(0, 255), st.sampled_from(b"01234567xgLKS\0 ")))
        header = content[block : block + BLOCK_BYTES]
        header[148:156] = b" " * 8
        content[block + 148 : block + 156] = b"%06o\0 " % sum(header)
    try:
        ours = seen(bytes(content))
    except RefusedUploadError:
        return
    theirs = taken(bytes(content))
    assert all(file in ours for file in theirs)


@pytest.mark.parametrize("kind", [tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_links_and_folders_are_passed_over(kind: bytes) -> None:
    content = archive([("a", b""), ("b", b"text")], tarfile.GNU_FORMAT, kinds=kind)
    assert seen(content) == [b"text"]


def test_sparse_files_and_other_oddities_are_refused() -> None:
    for kind in (tarfile.GNUTYPE_SPARSE, b"V", b"M", b"Z"):
        with pytest.raises(RefusedUploadError, match="type"):
            seen(archive([("a", b"text")], tarfile.GNU_FORMAT, kinds=kind))


def test_a_size_in_binary_is_read() -> None:
    content = bytearray(archive([("a", b"text")], tarfile.GNU_FORMAT))
    content[124:136] = b"\x80" + (4).to_bytes(11, "big")
    header = content[:BLOCK_BYTES]
    header[148:156] = b" " * 8
    content[148:156] = b"%06o\0 " % sum(header)
    assert seen(bytes(content)) == taken(bytes(content)) == [b"text"]


def test_an_oversized_header_is_refused_before_it_is_read() -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as made:
        entry = tarfile.TarInfo("a")
        entry.pax_headers = {"comment": "x" * (MOST_EXTENSION_BYTES + 1)}
        made.addfile(entry, io.BytesIO())
    with pytest.raises(RefusedUploadError, match="header of"):
        seen(stream.getvalue())


def signed(block: bytes) -> bytes:
    """The header with its right sum."""
    blank = block[:148] + b" " * 8 + block[156:]
    return block[:148] + b"%06o\0 " % sum(blank) + block[156:]


def test_a_remark_that_looks_like_a_size_is_a_remark() -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as made:
        entry = tarfile.TarInfo("a")
        entry.size, entry.pax_headers = 600, {"comment": "remark\n9 size=0\n"}
        made.addfile(entry, io.BytesIO(b"x" * 600))
    assert seen(stream.getvalue()) == taken(stream.getvalue()) == [b"x" * 600]


def test_an_old_folder_with_a_size_is_refused_since_others_pass_its_content_over() -> None:
    header = archive([("a", b"x" * 512)], tarfile.USTAR_FORMAT)[:BLOCK_BYTES]
    folder = signed(b"a/" + header[2:156] + b"\0" + header[157:])
    hidden = archive([("hidden", b"text")], tarfile.USTAR_FORMAT)
    assert taken(folder + hidden) == [b"text"]
    with pytest.raises(RefusedUploadError):
        seen(folder + hidden)


def test_what_follows_the_end_is_refused() -> None:
    content = archive([("a", b"text")], tarfile.USTAR_FORMAT)
    assert seen(content + bytes(20_000)) == [b"text"]
    with pytest.raises(RefusedUploadError, match="behind its end"):
        seen(content + b"x")
    lone = content[: 2 * BLOCK_BYTES] + bytes(BLOCK_BYTES) + content
    with pytest.raises(RefusedUploadError, match="behind its end"):
        seen(lone)


def test_a_sum_in_odd_digits_is_a_tar_archive_and_refused() -> None:
    content = archive([("a", b"text")], tarfile.USTAR_FORMAT)
    odd = content[:148] + b"0o" + content[149:154] + b"\0" + content[156:]
    assert taken(odd) == [b"text"]
    assert is_tar(odd)
    with pytest.raises(RefusedUploadError, match="damaged"):
        seen(odd)


def test_a_global_size_and_sparse_files_in_extended_headers_are_refused() -> None:
    for headers in ({"size": "1"}, {"GNU.sparse.major": "1"}):
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT, pax_headers=headers) as made:
            made.addfile(tarfile.TarInfo("a"))
        with pytest.raises(RefusedUploadError, match="says"):
            seen(stream.getvalue())


@pytest.mark.parametrize("length", [511, 600, 1024])
def test_an_archive_that_is_cut_off_is_refused(length: int) -> None:
    content = archive([("a", bytes(700))], tarfile.USTAR_FORMAT)
    with pytest.raises(RefusedUploadError):
        seen(content[:length])
