"""Whatever strangers send is answered or refused: nothing breaks, and nothing is stored half."""

import json
import re
import string
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from starlette.requests import Request
from starlette.testclient import TestClient

from minnow.errors import ForbiddenError, InputError, StorageError
from minnow.hub.api.app import application
from minnow.hub.api.commits import _header, _lines, _operations
from minnow.hub.api.revisions import _read_paths
from minnow.hub.api.sending import span_asked
from minnow.hub.blobs import FolderBlobs
from minnow.hub.git_http import GitHttp, unpacked_request
from minnow.hub.hub import Hub
from minnow.hub.large_files import LargeFiles
from minnow.hub.lfs import Lfs
from minnow.hub.repositories import Repository
from minnow.hub.signing import Stamp
from minnow.hub.uploads import AddFile
from minnow.hub.xet.service import BeyondEndError

quick = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
NAMES = """
    name organization type visibility private gated fromRepo toRepo files path size sample gitIgnore operation objects
    oid transfers ref tag message startingPoint title description pullRequest status comment content repoType sha
    deletions paths target repository parts rewriteHistory user hash_algo expand
"""
KEYS = st.sampled_from(re.findall(r"\w+", NAMES))
WORDS = st.sampled_from(
    ["ann/speller", "ann", "main", "model", "download", "upload", "public", "a.txt", "", "..", "\0"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | WORDS | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
)
LINE = st.dictionaries(st.sampled_from(["key", "value"]), JSON | st.sampled_from(["header", "file", "lfsFile"]))


@pytest.fixture
def client(hub: Hub, repository: Repository) -> Iterator[TestClient]:
    """Ann herself, who may do everything with her repository."""
    account = hub.accounts.create_user("ann")
    token = hub.tokens.create(account.id, "test", writes=True)[0]
    headers = {"Authorization": f"Bearer {token}"}
    with TestClient(
        application(hub), base_url="http://hub.test", headers=headers, raise_server_exceptions=False
    ) as made:
        yield made
    assert repository


@settings(quick, max_examples=25)
@given(body=JSON, revision=st.text(alphabet=string.printable + "é/%\0", max_size=12))
def test_no_body_and_no_revision_breaks_a_route(client: TestClient, body: Any, revision: str) -> None:
    content = json.dumps(body).encode()
    base = "/api/models/ann/speller"
    name = quote(revision, safe="") or "main"
    for method, path in (
        ("POST", "/api/repos/create"),
        ("POST", "/api/validate-yaml"),
        ("PUT", f"{base}/settings"),
        ("POST", f"{base}/preupload/{name}"),
        ("POST", f"{base}/commit/{name}"),
        ("POST", f"{base}/paths-info/main"),
        ("POST", f"{base}/branch/{name}"),
        ("POST", f"{base}/tag/main"),
        ("POST", f"{base}/lfs-files/batch"),
        ("POST", f"{base}/lfs-files/duplicate"),
        ("POST", f"{base}/duplicate"),
        ("POST", f"{base}/discussions"),
        ("POST", f"{base}/discussions/1/status"),
        ("POST", "/ann/speller.git/info/lfs/objects/batch"),
        ("POST", "/ann/speller.git/info/lfs/objects/verify"),
        ("GET", f"{base}/tree/{name}"),
        ("GET", f"{base}/tree/main/{name}"),
        ("GET", f"{base}/revision/{name}"),
        ("GET", f"/ann/speller/resolve/main/{name}"),
        ("GET", f"/ann/speller/resolve/{name}/a"),
        ("GET", f"/api/models?search={name}&filter={name}&cursor={name}&limit={name}&num_parameters={name}"),
        ("GET", f"/api/models?sort={name}&author={name}"),
    ):
        answer = client.request(method, path, content=content if method != "GET" else None)
        assert answer.status_code < 500, (method, path, content, answer.text)


@given(body=st.lists(LINE.map(lambda line: json.dumps(line).encode()) | st.binary(max_size=40), max_size=5))
@quick
def test_any_commit_is_read_or_refused(body: list[bytes]) -> None:
    content = b"\n".join(body)
    for cut in range(0, len(content) + 1, 7):
        lines = _lines([content[:cut], content[cut:]])
        try:
            _header(lines)
            for operation in _operations(lines):
                assert isinstance(operation.path, str)
        except InputError:
            continue


@given(st.lists(st.binary(max_size=30), max_size=6))
@quick
def test_lines_are_the_same_however_they_come(pieces: list[bytes]) -> None:
    assert list(_lines(pieces)) == b"".join(pieces).split(b"\n")


@given(content=st.binary(max_size=200))
@quick
def test_any_list_of_paths_is_read_or_refused(content: bytes) -> None:
    try:
        paths, expand = _read_paths(content)
    except InputError:
        return
    assert all(isinstance(path, str) for path in paths)
    assert isinstance(expand, bool)


def test_more_paths_than_anybody_needs_are_refused() -> None:
    with pytest.raises(InputError, match="at most"):
        _read_paths(b"paths=a&" * 20_000)


@given(
    asked=st.text(alphabet="bytes=-,0123456789 xk", max_size=24) | st.from_regex(r"bytes=\d{0,20}-\d{0,20}"),
    size=st.integers(0, 10**6),
)
@quick
def test_any_range_is_within_the_file_or_refused(asked: str, size: int) -> None:
    request = Request({"type": "http", "headers": [(b"range", asked.encode("latin-1", "replace"))]})
    try:
        span = span_asked(request, size, '"etag"')
    except BeyondEndError:
        return
    assert 0 <= span.start <= span.stop <= size
    assert span.partial or (span.start, span.stop) == (0, size)
    assert int(span.headers["Content-Length"]) == span.stop - span.start


@given(text=st.text(max_size=80) | st.from_regex(r"(upload|download)\.\d+\.[0-9a-f]{64}\.\d+\.\.\d+\.[0-9a-f]{64}"))
@quick
def test_no_ticket_but_the_hubs_own_is_taken(hub: Hub, text: str) -> None:
    with pytest.raises(ForbiddenError):
        Lfs(hub.large_files, hub.quotas, Stamp(b"k" * 32, "lfs")).ticket(text, "upload")


@given(
    lines=st.lists(
        st.sampled_from([b"want ", b"have ", b"deepen ", b"shallow ", b"done", b"filter "]) | st.binary(max_size=50),
        max_size=4,
    ),
    tail=st.binary(max_size=8),
)
@quick
def test_any_request_of_git_is_answered_or_refused(
    hub: Hub, repository: Repository, lines: list[bytes], tail: bytes
) -> None:
    head = hub.revisions.resolve(repository.id, "main").encode()
    packets = [line + head if line.endswith(b" ") else line for line in lines]
    content = b"".join(f"{len(line) + 4:04x}".encode() + line for line in packets) + b"0000" + tail
    git = GitHttp(hub.database, hub.objects)
    for request in (content, tail, content[:-3]):
        try:
            git.upload_pack(repository.id, request).close()
        except InputError:
            continue


@given(st.binary(max_size=100))
@quick
def test_a_packed_request_is_unpacked_or_refused(content: bytes) -> None:
    try:
        assert isinstance(unpacked_request(content, "gzip"), bytes)
    except InputError:
        return


def test_a_packed_request_cannot_grow_without_bound() -> None:
    import gzip

    with pytest.raises(InputError, match="has over"):
        unpacked_request(gzip.compress(bytes(64 << 20)), "gzip")


class FullDisk(FolderBlobs):
    """A folder on a disk without room."""

    def put(self, name: str, content: Any) -> None:
        """Fails as a full disk does, after some of the content was read."""
        next(iter(content))
        raise StorageError(f"no space left for {name}")


def test_a_full_disk_is_a_clean_error(hub: Hub, repository: Repository) -> None:
    full = LargeFiles(hub.database, FullDisk(hub.settings.data / "full"), hub.xet, hub.quotas)
    account = hub.accounts.create_user("ann")
    token = hub.tokens.create(account.id, "test", writes=True)[0]
    with TestClient(application(replace(hub, large_files=full)), base_url="http://hub.test") as client:
        body = {"operation": "upload", "objects": [{"oid": "ab" * 32, "size": 5}]}
        batch = client.post(
            "/ann/speller.git/info/lfs/objects/batch", json=body, headers={"Authorization": f"Bearer {token}"}
        )
        answer = client.put(batch.json()["objects"][0]["actions"]["upload"]["href"], content=b"12345")
    assert (answer.status_code, answer.json()["error"]) == (507, f"no space left for lfs/ab/ab/{'ab' * 32}")
    assert hub.large_files.held(repository.id, ["ab" * 32]) == {}


def test_full_tables_are_a_clean_error_and_lose_nothing(hub: Hub, repository: Repository) -> None:
    head = hub.revisions.resolve(repository.id, "main")
    with hub.database.writing() as session:
        pages = session.scalar(text("PRAGMA page_count"))
        session.execute(text(f"PRAGMA max_page_count = {pages + 2}"))
    files = [AddFile(f"{i}.txt", string.ascii_letters.encode() + bytes([65 + i]) * 40_000) for i in range(20)]
    noise = [AddFile(f"{i}.dat", bytes((i * j * j) % 251 for j in range(200_000))) for i in range(1, 4)]
    from minnow.hub.revisions import Message

    with pytest.raises(StorageError, match="no space left for the hub's tables"):
        hub.publishing.commit(repository, "main", [*files, *noise], Message("x"), by="ann")
    assert hub.revisions.resolve(repository.id, "main") == head
