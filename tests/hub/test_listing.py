"""Lists: what a query finds, in which order, page by page, and never what the caller may not know of."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from minnow.errors import InputError, UnknownNameError
from minnow.hub.hub import Hub
from minnow.hub.listing import Query, read_parameters
from minnow.hub.repository_tables import RepositoryRow, TagRow
from minnow.hub.rights import ANONYMOUS, Caller, Role

START = datetime(2026, 1, 1, tzinfo=UTC)
EVERYTHING = Query("model", sort="createdAt")


@pytest.fixture
def many(hub: Hub) -> Hub:
    """Ten models of two owners: every third private, some tagged, all of them different."""
    for i in range(10):
        owner = "ann" if i % 2 else "team"
        made = hub.repositories.create("model", owner, f"model-{i}", private=i % 3 == 0, by="ann")
        values = {"created_at": START + timedelta(days=i // 2), "downloads": i % 4, "num_parameters": i * 10**6}
        values |= {"pipeline_tag": "translation" if i > 5 else None, "gate": "auto" if i == 4 else ""}
        with hub.database.writing() as session:
            session.execute(update(RepositoryRow).where(RepositoryRow.id == made.id).values(**values))
            session.add_all(TagRow(repository_id=made.id, tag=tag) for tag in ("words", f"license:l{i % 2}"))
    return hub


def names(hub: Hub, query: Query, caller: Caller = ANONYMOUS) -> list[str]:
    """What all pages show, each of two."""
    found: list[str] = []
    while True:
        page = hub.listing.find(replace(query, limit=2), caller)
        found += [listed.repository.name for listed in page.listed]
        if not page.cursor:
            return found
        query = replace(query, cursor=page.cursor)


def test_pages_together_are_the_whole_in_order(many: Hub) -> None:
    keeper = Caller(1, "root", site_admin=True)
    assert names(many, EVERYTHING, keeper) == [f"model-{i}" for i in (9, 8, 7, 6, 5, 4, 3, 2, 1, 0)]
    by_downloads = names(many, Query("model", sort="downloads"), keeper)
    assert by_downloads == [f"model-{i}" for i in (7, 3, 6, 2, 9, 5, 1, 8, 4, 0)]


def test_strangers_see_what_is_public_and_members_what_is_theirs(many: Hub) -> None:
    public = [f"model-{i}" for i in (8, 7, 5, 4, 2, 1)]
    assert names(many, EVERYTHING) == public
    ann = Caller(2, "Ann", roles={"team": Role.READ})
    assert len(names(many, EVERYTHING, ann)) == 10
    assert names(many, EVERYTHING, Caller(2, "ann")) == [f"model-{i}" for i in (9, 8, 7, 5, 4, 3, 2, 1)]
    assert names(many, EVERYTHING, replace(ann, scope=("team/model-0",))) == [*public, "model-0"]
    assert names(many, EVERYTHING, Caller(3, "an")) == public


def test_queries_narrow_and_add_up(many: Hub) -> None:
    def found(**asked: object) -> list[str]:
        return [name.removeprefix("model-") for name in names(many, replace(EVERYTHING, **asked))]  # type: ignore[arg-type]

    assert found(search="MODEL-7") == ["7"]
    assert found(search="team del-") == ["8", "4", "2"]
    assert found(search="%") == found(search="mod_l") == []
    assert found(author="ANN") == ["7", "5", "1"]
    assert found(author="an") == []
    assert found(filters=("words", "License:L0")) == ["8", "4", "2"]
    assert found(filters=("words", "none")) == []
    assert found(pipeline_tag="translation") == ["8", "7"]
    assert found(gated=True) == ["4"]
    assert found(gated=False, author="team") == ["8", "2"]
    assert found(parameters=(2_000_000, 7_000_000)) == ["7", "5", "4", "2"]
    assert names(many, Query("dataset")) == []


def test_an_order_or_a_cursor_that_there_is_not_is_refused(many: Hub) -> None:
    with pytest.raises(InputError, match="did you mean 'downloads'"):
        names(many, Query("model", sort="download"))
    for cursor in ("x", "W10", "bnVsbA", "WzEsImEiXQ", "é"):
        with pytest.raises((InputError, UnknownNameError)):
            names(many, replace(EVERYTHING, cursor=cursor))


def test_bounds_of_parameters_are_read() -> None:
    assert read_parameters("min:6B,max:128b") == (6 * 10**9, 128 * 10**9)
    assert read_parameters("max:1.5M") == (None, 1_500_000)
    assert read_parameters("") == (None, None)
    for wrong in ("6B", "min:x", "low:1", "min:-1"):
        with pytest.raises(InputError):
            read_parameters(wrong)


def test_downloads_are_counted_once_for_the_files_of_one_fetch(hub: Hub) -> None:
    made = hub.repositories.create("model", "ann", "one", private=False, by="ann")
    for who in ("user 1", "10.0.0.1"):
        for path in ("a", "b", "(chunks)", "c"):
            hub.downloads.count(made.id, who, path, again=path != "(chunks)")
    hub.downloads.count(made.id, "user 1", "(chunks)", again=False)
    hub.downloads.enter()
    told = hub.repositories.by_id(made.id)
    assert (told.downloads, told.downloads_all_time) == (2, 2)
    hub.downloads.count(made.id, "user 1", "a")
    hub.downloads.count(made.id, "user 1", "b")
    hub.downloads.count(made.id + 1000, "user 1", "a")
    hub.downloads.enter()
    assert hub.repositories.by_id(made.id).downloads_all_time == 3
