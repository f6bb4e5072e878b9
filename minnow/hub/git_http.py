"""What ``git clone`` and ``git fetch`` ask of a repository: its refs, and a pack of what the client does not have."""

import tempfile
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import BinaryIO, cast

from dulwich.errors import GitProtocolError, HangupException
from dulwich.object_filters import FilterSpec
from dulwich.object_format import DEFAULT_OBJECT_FORMAT
from dulwich.object_store import BaseObjectStore, PackCapableObjectStore
from dulwich.objects import ObjectID, RawObjectID, ShaFile
from dulwich.pack import Pack
from dulwich.protocol import CAPABILITY_FILTER, ReceivableProtocol
from dulwich.refs import DictRefsContainer, Ref
from dulwich.repo import BaseRepo
from dulwich.server import Backend, BackendRepo, UploadPackHandler
from sqlalchemy import select
from sqlalchemy.orm import Session

from minnow.errors import InputError
from minnow.hub.database import Database
from minnow.hub.names import MAIN
from minnow.hub.objects import GitObjects
from minnow.hub.repository_tables import CommitRow, RefRow

MOST_REQUEST_BYTES = 16 << 20
IN_MEMORY_BYTES = 8 << 20


class GitHttp:
    """Answers git's smart protocol; what is written into a spool is sent once it is whole."""

    def __init__(self, database: Database, objects: GitObjects):
        self._database = database
        self._objects = objects

    def advertise(self, repository_id: int) -> BinaryIO:
        """The refs of a repository, and what this side can do."""
        return self._answered(repository_id, BytesIO(), advertise=True)

    def upload_pack(self, repository_id: int, request: bytes) -> BinaryIO:
        """What the client asked for, as a pack.

        Raises:
            InputError: the request cannot be read, or asks for what no ref leads to.
        """
        return self._answered(repository_id, BytesIO(request), advertise=False)

    def _answered(self, repository_id: int, request: BinaryIO, *, advertise: bool) -> BinaryIO:
        answer = tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115 - whoever sends it closes it
        try:
            with self._database.reading() as session:
                repository = _Repository(self._objects, session, repository_id)
                wire = ReceivableProtocol(request.read, answer.write)
                backend = _OneRepository(repository)
                if advertise:
                    wire.write_pkt_line(b"# service=git-upload-pack\n")
                    wire.write_pkt_line(None)
                _UploadPack(backend, ["/"], wire, stateless_rpc=True, advertise_refs=advertise).handle()
        except (GitProtocolError, HangupException, AssertionError, ValueError) as error:
            answer.close()
            raise InputError(f"git's request cannot be answered: {error}") from error
        answer.seek(0)
        return cast(BinaryIO, answer)


def unpacked_request(content: bytes, encoding: str) -> bytes:
    """A request as git meant it, which packs long ones; raises InputError where it cannot be unpacked."""
    if encoding != "gzip":
        return content
    unpack = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        plain = unpack.decompress(content, MOST_REQUEST_BYTES)
    except zlib.error as error:
        raise InputError(f"git's request is damaged: {error}") from error
    if unpack.unconsumed_tail or not unpack.eof:
        raise InputError(f"git's request is cut off, or has over {MOST_REQUEST_BYTES} bytes")
    return plain


class _UploadPack(UploadPackHandler):
    """Without filters: one of them (``sparse:oid``) reads patterns from any blob of any repository.

    What is left out of a clone could not be fetched later either, since only what refs lead to may be asked for.
    """

    def capabilities(self) -> list[bytes]:
        """What is told to clients."""
        return [told for told in super().capabilities() if told != CAPABILITY_FILTER]

    @property
    def filter_spec(self) -> FilterSpec | None:
        """None, always."""
        return None

    @filter_spec.setter
    def filter_spec(self, spec: FilterSpec | None) -> None:
        if spec is not None:
            raise GitProtocolError("this hub sends whole clones; leave --filter out")


class _Repository(BaseRepo):
    """A repository of the hub as dulwich reads one; nothing is written through it."""

    def __init__(self, objects: GitObjects, session: Session, repository_id: int):
        rows = session.scalars(select(RefRow).where(RefRow.repository_id == repository_id))
        refs = {Ref(row.name.encode()): (row.tag_id or row.commit_id).encode() for row in rows}
        refs[Ref(b"HEAD")] = b"ref: " + MAIN.encode()
        store = cast(PackCapableObjectStore, _Store(objects, session, repository_id))
        super().__init__(store, DictRefsContainer(refs), DEFAULT_OBJECT_FORMAT)

    def get_shallow(self) -> set[ObjectID]:
        """No history is cut off here."""
        return set()


class _OneRepository(Backend):
    def __init__(self, repository: _Repository):
        self._repository = repository

    def open_repository(self, path: str) -> BackendRepo:
        """The one, whatever is asked for."""
        del path
        return cast(BackendRepo, self._repository)


class _Store(BaseObjectStore):
    """The objects of a repository as dulwich reads them, within one snapshot.

    It has the repository's commits and tags, and no other repository's: a client that names one as its own is not told
    whether it is stored. What those hold is read by its id.
    """

    def __init__(self, objects: GitObjects, session: Session, repository_id: int):
        super().__init__(object_format=DEFAULT_OBJECT_FORMAT)
        self._objects = objects
        self._session = session
        self._repository_id = repository_id

    def contains_loose(self, sha: ObjectID) -> bool:
        """Whether it is a commit or a tag of the repository."""
        commit = select(CommitRow.commit_id).where(
            CommitRow.repository_id == self._repository_id, CommitRow.commit_id == _hex(sha)
        )
        tag = select(RefRow.tag_id).where(RefRow.repository_id == self._repository_id, RefRow.tag_id == _hex(sha))
        return any(self._session.scalar(asked) is not None for asked in (commit, tag))

    def contains_packed(self, sha: ObjectID | RawObjectID) -> bool:
        """Nothing is packed."""
        del sha
        return False

    def __contains__(self, sha: ObjectID | RawObjectID) -> bool:
        return self.contains_loose(cast(ObjectID, sha))

    def __iter__(self) -> Iterator[ObjectID]:
        return iter(())

    @property
    def packs(self) -> list[Pack]:
        """None."""
        return []

    def get_raw(self, name: RawObjectID | ObjectID) -> tuple[int, bytes]:
        """Kind and content."""
        return self._objects.raw(self._session, _hex(name))

    def add_object(self, obj: ShaFile) -> None:
        """Not through here."""
        raise NotImplementedError

    def add_objects(self, objects: object, progress: object = None) -> None:
        """Not through here."""
        raise NotImplementedError


def _hex(sha: bytes) -> str:
    return sha.hex() if len(sha) == 20 else sha.decode("ascii", "replace")
