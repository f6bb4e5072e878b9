"""After a commit: what lists and pages show of a repository is read again from the head of its default branch."""

import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import lru_cache
from typing import Any

from sqlalchemy import delete

from minnow.errors import HubNotFoundError, InputError, RefusedUploadError
from minnow.hub.cards import Facts, count_parameters, facts_of, read_card, read_config
from minnow.hub.contents import Contents, Entry
from minnow.hub.database import Database
from minnow.hub.large_files import LargeFiles
from minnow.hub.names import MAIN
from minnow.hub.payers import weigh
from minnow.hub.repositories import existing, locked
from minnow.hub.repository_tables import RefRow, RepositoryRow, TagRow
from minnow.hub.revisions import Revisions
from minnow.hub.trust.content import Content
from minnow.hub.trust.safetensors import check_safetensors

CARD, CONFIG, SAFETENSORS = "README.md", "config.json", ".safetensors"
WHOLE, PART = "model.safetensors", re.compile(r"model-\d{5}-of-\d{5}\.safetensors", re.ASCII)
MOST_SMALL_BYTES = 1 << 20
MOST_SAFETENSORS = 256
HEADERS_REMEMBERED = 512


class Descriptions:
    """Reads what a repository says of itself, and enters it."""

    def __init__(self, database: Database, revisions: Revisions, contents: Contents, large_files: LargeFiles):
        self._database = database
        self._revisions = revisions
        self._contents = contents
        self._large_files = large_files
        self._counted = lru_cache(HEADERS_REMEMBERED)(self._count)

    def refresh(self, repository_id: int) -> Facts:
        """Enter what the head of main says; where main moves on meanwhile, who moved it enters the rest."""
        head = self._revisions.resolve(repository_id, MAIN)
        facts = self._read(repository_id, head)
        with self._database.writing() as session:
            row = locked(session, repository_id)
            ref = session.get(RefRow, (repository_id, MAIN))
            if ref is not None and ref.commit_id == head:
                _enter(row, facts)
                session.execute(delete(TagRow).where(TagRow.repository_id == repository_id))
                session.add_all(TagRow(repository_id=repository_id, tag=tag) for tag in facts.tags)
            session.flush()
            weigh(session, repository_id)
        return facts

    def _read(self, repository_id: int, head: str) -> Facts:
        with self._database.reading() as session:
            kind = existing(session, repository_id).kind
        files = {entry.path: entry for entry in self._contents.all(head) if not entry.is_folder}
        config = read_config(self._small(files, CONFIG))
        counted = self._parameters(list(files.values()))
        return facts_of(kind, files, self._card(files), config, counted)

    def _card(self, files: Mapping[str, Entry]) -> dict[str, Any]:
        try:
            return read_card(self._small(files, CARD))
        except InputError:
            return {}

    def _small(self, files: Mapping[str, Entry], path: str) -> bytes:
        entry = files.get(path)
        if entry is None or entry.large or entry.size > MOST_SMALL_BYTES:
            return b""
        return self._contents.read(entry)

    def _parameters(self, files: Sequence[Entry]) -> dict[str, Any] | None:
        counted: dict[str, int] = {}
        for sha256 in _weights(files)[:MOST_SAFETENSORS]:
            for dtype, number in self._counted(sha256):
                counted[dtype] = counted.get(dtype, 0) + number
        return {"parameters": counted, "total": sum(counted.values())} if counted else None

    def _count(self, sha256: str) -> tuple[tuple[str, int], ...]:
        """How many numbers of which type a safetensors file holds."""
        try:
            with closing(self._large_files.open(sha256)) as content:
                read: Content = content
                counted = count_parameters([check_safetensors(sha256, read)])
        except (RefusedUploadError, HubNotFoundError):
            return ()
        return tuple(counted["parameters"].items()) if counted else ()


def _weights(files: Sequence[Entry]) -> list[str]:
    """The files that hold the model, once: the whole one, or its parts, or whatever there is of the kind."""
    there = {file.path: file.large.sha256 for file in files if file.large and file.path.endswith(SAFETENSORS)}
    if WHOLE in there:
        return [there[WHOLE]]
    return [sha256 for path, sha256 in there.items() if PART.fullmatch(path)] or list(there.values())


def _enter(row: RepositoryRow, facts: Facts) -> None:
    row.card = dict(facts.card) if facts.card else None
    row.config = dict(facts.config) if facts.config else None
    row.safetensors = dict(facts.safetensors) if facts.safetensors else None
    row.pipeline_tag, row.library_name = facts.pipeline_tag, facts.library_name
    row.num_parameters = facts.num_parameters
