"""Xet over PostgreSQL keeps what it promises over SQLite."""

from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, text

from hub.test_database import server
from hub.xet.conftest import new_repository
from hub.xet.test_lineage import ANN, nearest, test_public_files_with_the_same_first_chunk_are_told
from hub.xet.test_service import (
    test_a_file_comes_out_as_it_went_in,
    test_a_xorb_whose_content_is_gone_may_come_again,
    test_many_at_once_store_one_xorb_and_each_has_the_file,
    test_one_wrong_file_takes_the_whole_shard_with_it,
)
from hub.xet.test_sweeping import sweep, test_a_file_that_nobody_has_goes_and_its_xorbs_a_while_later
from minnow.hub.database import Database

__all__ = [
    "server",
    "sweep",
    "test_a_file_comes_out_as_it_went_in",
    "test_a_file_that_nobody_has_goes_and_its_xorbs_a_while_later",
    "test_a_xorb_whose_content_is_gone_may_come_again",
    "test_many_at_once_store_one_xorb_and_each_has_the_file",
    "test_one_wrong_file_takes_the_whole_shard_with_it",
    "test_public_files_with_the_same_first_chunk_are_told",
]


@pytest.fixture
def database(server: str, request: pytest.FixtureRequest) -> Iterator[Database]:
    name = f"xet_{abs(hash(request.node.name)):x}"
    engine = create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    made = Database(f"{server}/{name}")
    made.migrate()
    yield made
    made.close()


def test_bases_are_followed(database: Database) -> None:
    ground = new_repository(database, "ground", "eve")
    mine = new_repository(database, "mine", card={"base_model": "eve/ground"})
    assert nearest(database, ANN, mine) == (ground,)
