"""Downloads: checked, unpacked, whole or not at all; a source that cannot be reached is told with what to do."""

import gzip
import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import orjson
import pytest

from minnow.data.catalog import find
from minnow.data.download import get
from minnow.data.entry import Aligned, Download, Entry, File, Local
from minnow.errors import DataError


def tar(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name.replace("__", "/"))
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def zipped(name: str, content: bytes, **more: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, content)
        for other, inner in more.items():
            archive.writestr(other.replace("__", "/"), inner)
    return buffer.getvalue()


SERVED = {
    "/rows.csv": b"text,label\na,x\n",
    "/spaced": "1 a caf\xe9 film\n0 a dull one\n".encode("latin-1"),
    "/set.zip": zipped("rows.csv", b"text,label\na,x\n"),
    "/tales.zip": zipped("top/train/b-story.csv", b"section,text\n1,Once.\n2,\"Then\nmore.\"\n", **{
        "top__train__a-story.csv": b"section,text\n1,First.\n", "top__train__notes.txt": b"x",
        "top__val__c-story.csv": b"y",
    }),
    "/seq.in": b"fly to boston\nplay it\n",
    "/label": b"flight\nmusic\n",
    "/captions.gz": gzip.compress(b"A dog.\n"),
    "/broken.gz": gzip.compress(b"A dog.\n")[:-4],
    "/ag.csv": b'"3","Title","Some ""words""."\n',
    "/films.tar.gz": tar(
        films__train__pos__0_9=b"good", films__train__neg__1_2=b"bad", films__train__unsup__2_0=b"none",
        films__train__urls=b"u", films__test__pos__3_1=b"t",
    ),
    "/short": b"x" * 10,
}  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        content = SERVED.get(self.path)
        self.send_response(200 if content is not None else 404)
        self.send_header("Content-Length", str(len(content or b"") + (5 if self.path == "/short" else 0)))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def entry(target: str, *urls: str, unpack: str = "copy", member: str = "", sha256: str | None = None) -> Entry:
    downloads = tuple(Download(url, sha256) for url in urls)
    file = File(Local(f"set/{target}"), (), downloads, unpack, member)
    return replace(find("mr"), name="set", parts={"train": file})


@pytest.mark.parametrize(
    ("target", "paths", "unpack", "member", "content"),
    [
        ("rows.csv", ["/rows.csv"], "copy", "", b"text,label\na,x\n"),
        ("rows.csv.gz", ["/rows.csv"], "copy", "", b"text,label\na,x\n"),
        ("rows.tsv", ["/spaced"], "spaced", "", "1\ta café film\n0\ta dull one\n".encode()),
        ("rows.csv", ["/set.zip"], "zip", "rows.csv", b"text,label\na,x\n"),
        ("captions.en", ["/captions.gz"], "gunzip", "", b"A dog.\n"),
        (
            "tales.jsonl.gz", ["/tales.zip"], "stories", "top/train",
            b'{"story":"a","sections":["First."]}\n{"story":"b","sections":["Once.","Then\\nmore."]}\n',
        ),
        ("rows.jsonl", ["/seq.in", "/label"], "aligned", "",
         b'{"tokens":["fly","to","boston"],"intent":"flight"}\n{"tokens":["play","it"],"intent":"music"}\n'),
        ("rows.jsonl", ["/ag.csv"], "ag_news", "", b'{"label":2,"text":"Title . Some \\"words\\"."}\n'),
    ],
)  # fmt: skip
def test_each_kind_of_source_becomes_a_file(
    tmp_path: Path, server: str, *, target: str, paths: list[str], unpack: str, member: str, content: bytes
) -> None:
    got = get(entry(target, *(server + path for path in paths), unpack=unpack, member=member), tmp_path)
    stored = got["train"].read_bytes()
    assert (gzip.decompress(stored) if target.endswith(".gz") else stored) == content


def test_a_part_in_a_file_a_language_comes_as_several(tmp_path: Path, server: str) -> None:
    files = {
        language: File(Local(f"set/train.{language}"), (), (Download(f"{server}/captions.gz"),), "gunzip")
        for language in ("en", "de")
    }
    got = get(replace(find("multi30k"), name="set", parts={"train": Aligned(files)}), tmp_path)
    assert got == {"train.en": tmp_path / "set" / "train.en", "train.de": tmp_path / "set" / "train.de"}
    assert all(path.read_bytes() == b"A dog.\n" for path in got.values())


def test_class_folders_of_a_tar_become_rows(tmp_path: Path, server: str) -> None:
    url = f"{server}/films.tar.gz"
    path = get(entry("a.jsonl", url, unpack="class_folders", member="films/train"), tmp_path)["train"]
    rows = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    assert sorted((row["label"], row["text"]) for row in rows) == [("neg", "bad"), ("pos", "good")]
    path = get(entry("b.jsonl", url, unpack="class_folders", member="films/train/unsup"), tmp_path)["train"]
    assert [orjson.loads(line)["text"] for line in path.read_bytes().splitlines()] == ["none"]


def test_a_hash_is_checked_before_anything_is_kept(tmp_path: Path, server: str) -> None:
    right = hashlib.sha256(SERVED["/rows.csv"]).hexdigest()
    assert get(entry("rows.csv", f"{server}/rows.csv", sha256=right), tmp_path / "right")["train"].exists()
    with pytest.raises(DataError, match="another file than the catalog knows"):
        get(entry("rows.csv", f"{server}/rows.csv", sha256="0" * 64), tmp_path / "wrong")
    assert not (tmp_path / "wrong").exists()


@pytest.mark.parametrize(
    ("path", "unpack", "words"),
    [
        ("/none", "copy", r"cannot download .*Not Found"),
        ("/short", "copy", "broke off"),
        ("/rows.csv", "zip", "unpacked"),
        ("/broken.gz", "gunzip", "cut off"),
    ],
)
def test_a_source_that_fails_leaves_nothing(tmp_path: Path, server: str, path: str, unpack: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        get(entry("rows.csv", server + path, unpack=unpack, member="x"), tmp_path)
    assert not [found for found in tmp_path.rglob("*") if found.is_file()]


def test_without_a_network_the_place_for_the_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"cannot download http://127\.0\.0\.1:9/x.* put the unpacked file at .*set/x\.csv"
    ):
        get(entry("x.csv", "http://127.0.0.1:9/x"), tmp_path)


def test_only_the_web_is_fetched(tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a")
    with pytest.raises(DataError, match="only http and https"):
        get(entry("x.csv", secret.as_uri()), tmp_path)


def test_what_lies_there_is_not_fetched_again(tmp_path: Path) -> None:
    lying = tmp_path / "set" / "x.csv"
    lying.parent.mkdir()
    lying.write_text("text,label\n")
    assert get(entry("x.csv", "http://127.0.0.1:9/x"), tmp_path / "other", also_in=[tmp_path]) == {"train": lying}


def test_progress_is_told_in_bytes(tmp_path: Path, server: str) -> None:
    calls: list[tuple[str, int, int]] = []
    get(entry("rows.csv", f"{server}/rows.csv"), tmp_path, progress=lambda *call: calls.append(call))
    assert calls == [("rows.csv", 15, 15)]
