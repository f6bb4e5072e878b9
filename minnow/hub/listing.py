"""Lists of repositories: searched, filtered, sorted, page by page, and only those that the caller may know of."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import BindParameter, Connection, Row, Select, and_, bindparam, exists, false, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from minnow.errors import InputError, nearest
from minnow.hub.database import Database
from minnow.hub.names import MAIN, Kind
from minnow.hub.questions import Question
from minnow.hub.repositories import COLUMNS, Repository
from minnow.hub.repository_tables import RefRow, RepositoryRow, TagRow
from minnow.hub.rights import Caller, may_read

MOST_A_PAGE = 1000
MOST_WORDS = 20
MOST_PARAMETERS = 1 << 62
MOST_MICROSECONDS, MOST_NUMBER = 1 << 56, 1 << 62  # of a cursor: the year 4253, and what a row may hold
SORTS: Mapping[str, InstrumentedAttribute[Any]] = {
    "createdAt": RepositoryRow.created_at,
    "created_at": RepositoryRow.created_at,
    "lastModified": RepositoryRow.updated_at,
    "last_modified": RepositoryRow.updated_at,
    "downloads": RepositoryRow.downloads,
    "likes": RepositoryRow.likes,
    "trendingScore": RepositoryRow.downloads,
    "trending_score": RepositoryRow.downloads,
}
NUMBER = re.compile(r"(\d+(?:\.\d+)?)([KMBT]?)", re.IGNORECASE)
POWERS = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}


@dataclass(frozen=True)
class Query:
    """What is looked for.

    Attributes:
        search: parts of ``owner/name``; all must be there.
        filters: tags that a repository must all have.
        linked: only what says that it uses a model or a data set.
        gated: None for both.
        parameters: least and most number of parameters.
        sort: a key of ``SORTS``; the largest or latest first.
        cursor: of an earlier page; empty begins.
    """

    kind: Kind
    search: str = ""
    author: str = ""
    filters: tuple[str, ...] = ()
    linked: bool = False
    pipeline_tag: str = ""
    gated: bool | None = None
    parameters: tuple[int | None, int | None] = (None, None)
    sort: str = "lastModified"
    limit: int = MOST_A_PAGE
    cursor: str = ""


@dataclass(frozen=True)
class Listed:
    """A repository in a list, with its tags and the head of its default branch."""

    repository: Repository
    tags: tuple[str, ...]
    head: str | None


@dataclass(frozen=True)
class Page:
    """Some of the repositories; ``cursor`` asks for the next ones, and is empty on the last page."""

    listed: tuple[Listed, ...]
    cursor: str


class Listing:
    """The lists of a hub."""

    def __init__(self, database: Database):
        self._database = database

    def find(self, query: Query, caller: Caller) -> Page:
        """A page of what a query finds.

        Raises:
            InputError: a sort or a cursor that there is not.
        """
        column = _column(query.sort)
        asked = _where(select(*COLUMNS), query, caller)
        if query.cursor:
            asked = asked.where(_behind(column, query.cursor))
        limit = max(1, min(query.limit, MOST_A_PAGE))
        asked = asked.order_by(column.desc(), RepositoryRow.id.desc()).limit(limit + 1)
        with self._database.looking() as connection:
            rows = connection.execute(asked).all()
            cursor = _cursor(column, rows[limit - 1]) if len(rows) > limit else ""
            found = (Repository(*row) for row in rows[:limit])
            shown = [repository for repository in found if may_read(caller, repository.place)]
            return Page(tuple(_listed(connection, shown)), cursor)

    def counts(self, owner: str) -> dict[str, int]:
        """How many public repositories of each kind an owner has."""
        asked = select(RepositoryRow.kind, func.count()).where(
            RepositoryRow.key.startswith(f"{owner.lower()}/", autoescape=True), RepositoryRow.private.is_(False)
        )
        with self._database.reading() as session:
            return dict(session.execute(asked.group_by(RepositoryRow.kind)).all())

    def details(self, repository: Repository) -> Listed:
        """One repository as lists show it."""
        with self._database.looking() as connection:
            tags = tuple(row.tag for row in _TAGS_OF.rows(connection, id=repository.id))
            head = _HEAD_OF.first(connection, id=repository.id)
            return Listed(repository, tags, head and head.commit_id)


def read_parameters(text: str) -> tuple[int | None, int | None]:
    """Bounds such as ``min:6B,max:128B``; raises InputError where they are none."""
    bounds: dict[str, int] = {}
    for part in filter(None, text.split(",")):
        key, _, value = part.partition(":")
        found = NUMBER.fullmatch(value)
        if key not in {"min", "max"} or not found:
            raise InputError(f"num_parameters must be such as min:6B,max:128B, but got {text!r}")
        bounds[key] = int(min(float(found[1]) * POWERS[found[2].upper()], MOST_PARAMETERS))
    return bounds.get("min"), bounds.get("max")


def _where(asked: Select[Any], query: Query, caller: Caller) -> Select[Any]:
    asked = asked.where(RepositoryRow.kind == query.kind)
    if not caller.site_admin:
        # The owners that the caller belongs to; what the token allows of theirs is decided row by row.
        owners = [caller.name.lower(), *caller.roles] if caller.signed_in else []
        own = or_(*(RepositoryRow.key.startswith(f"{owner}/", autoescape=True) for owner in owners), false())
        asked = asked.where(or_(RepositoryRow.private.is_(False), own))
    for word in _words(query.search):
        asked = asked.where(RepositoryRow.key.contains(word, autoescape=True))
    if query.author:
        asked = asked.where(RepositoryRow.key.startswith(f"{query.author.lower()}/", autoescape=True))
    if query.pipeline_tag:
        asked = asked.where(RepositoryRow.pipeline_tag == query.pipeline_tag)
    if query.gated is not None:
        asked = asked.where(RepositoryRow.gate != "" if query.gated else RepositoryRow.gate == "")
    for tag in dict.fromkeys(query.filters):
        own = TagRow.repository_id == RepositoryRow.id
        asked = asked.where(exists().where(own, func.lower(TagRow.tag).in_(_spellings(tag))))
    if query.linked:
        linked = or_(*(TagRow.tag.startswith(prefix) for prefix in ("model:", "dataset:")))
        asked = asked.where(exists().where(TagRow.repository_id == RepositoryRow.id, linked))
    least, most = query.parameters
    if least is not None:
        asked = asked.where(RepositoryRow.num_parameters >= least)
    if most is not None:
        asked = asked.where(RepositoryRow.num_parameters <= most)
    return asked


def _words(search: str) -> Sequence[str]:
    words = search.lower().split()
    if len(words) > MOST_WORDS:
        raise InputError(f"a search has at most {MOST_WORDS} words, but got {len(words)}")
    return words


def _spellings(tag: str) -> Sequence[str]:
    """How a filter may stand among the tags: languages are tagged without their key by models."""
    lowered = tag.lower()
    return lowered, lowered.removeprefix("language:"), lowered.removeprefix("library:")


def _column(sort: str) -> InstrumentedAttribute[Any]:
    if sort not in SORTS:
        raise InputError(f"lists are not sorted by {sort!r}; {nearest(sort, SORTS)}")
    return SORTS[sort]


def _behind(column: InstrumentedAttribute[Any], cursor: str) -> Any:
    value, last = _read_cursor(cursor)
    wanted: Any = datetime.fromtimestamp(min(value, MOST_MICROSECONDS) / 1e6, UTC) if _is_moment(column) else value
    return or_(column < wanted, and_(column == wanted, RepositoryRow.id < last))


def _cursor(column: InstrumentedAttribute[Any], row: Row[Any]) -> str:
    value = getattr(row, column.key)
    number = _microseconds(value) if isinstance(value, datetime) else value
    return urlsafe_b64encode(orjson.dumps([number, row.id])).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[int, int]:
    try:
        read = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError:
        read = None
    if (
        not isinstance(read, list)
        or [type(part) for part in read] != [int, int]
        or not all(0 <= part <= MOST_NUMBER for part in read)
    ):
        raise InputError("the cursor is damaged; take it as it stands in the Link header of the page before")
    return read[0], read[1]


def _is_moment(column: InstrumentedAttribute[Any]) -> bool:
    return column.key in {"created_at", "updated_at"}


def _microseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1e6)


def _listed(connection: Connection, repositories: Sequence[Repository]) -> list[Listed]:
    asked = {"ids": [repository.id for repository in repositories]}
    tags: dict[int, list[str]] = {repository.id: [] for repository in repositories}
    for id, tag in connection.execute(_TAGS, asked):
        tags[id].append(tag)
    heads = dict(connection.execute(_HEADS, asked).all())
    return [Listed(one, tuple(tags[one.id]), heads.get(one.id)) for one in repositories]


_TAGS_OF = Question(select(TagRow.tag).where(TagRow.repository_id == bindparam("id")))
_HEAD_OF = Question(select(RefRow.commit_id).where(RefRow.repository_id == bindparam("id"), RefRow.name == MAIN))
_IDS: BindParameter[int] = bindparam("ids", expanding=True)
_TAGS = select(TagRow.repository_id, TagRow.tag).where(TagRow.repository_id.in_(_IDS))
_HEADS = select(RefRow.repository_id, RefRow.commit_id).where(RefRow.repository_id.in_(_IDS), RefRow.name == MAIN)
