"""Who pays: strangers for what they send, owners for what their branches and tags lead to."""

import pytest
from contracts.hub_database import proposed, sent, used
from sqlalchemy import update

from minnow.errors import QuotaError
from minnow.hub.hub import Hub
from minnow.hub.repositories import Repository
from minnow.hub.repository_tables import LargeFileRow
from minnow.hub.revisions import Message
from minnow.hub.rights import Caller, Place, Role, payer
from minnow.hub.upkeep import problems
from minnow.hub.uploads import AddLarge, DeleteFile


def commit(
    hub: Hub, repository: Repository, *files: AddLarge | DeleteFile, branch: str = "main", by: str = "ann"
) -> str:
    return hub.publishing.commit(repository, branch, files, Message("change"), by=by, pays=by).commit


@pytest.fixture
def small(hub: Hub) -> None:
    """Ann may store 100 bytes."""
    hub.accounts.create_user("ann", site_admin=True)
    hub.accounts.change("ann", quota_bytes=100)


@pytest.mark.parametrize(
    ("caller", "account"),
    [
        (Caller(1, "ann", writes=True), "ann"),
        (Caller(1, "tom", roles={"team": Role.WRITE}, writes=True), "team"),
        (Caller(1, "tess", roles={"team": Role.READ}, writes=True), "tess"),
        (Caller(1, "eve", writes=True), "eve"),
        (Caller(1, "root", site_admin=True, writes=True), "team"),
    ],
)
def test_who_may_write_sends_in_the_owners_name_and_others_in_their_own(caller: Caller, account: str) -> None:
    assert payer(caller, Place("model", "team" if caller.name != "ann" else "ann", "one")) == account


def test_an_owner_pays_at_once_and_once(hub: Hub, repository: Repository) -> None:
    large = sent(hub, repository, "Ann", b"x" * 60)
    assert used(hub, "ann") == (60,)
    commit(hub, repository, large)
    assert used(hub, "ann") == (60,)


def test_what_a_stranger_sent_is_the_owners_once_the_owner_commits_or_sends_it(
    hub: Hub, repository: Repository
) -> None:
    one, two = (sent(hub, repository, "bob", content) for content in (b"x" * 60, b"y" * 30))
    assert used(hub, "ann", "bob") == (0, 90)
    commit(hub, repository, one)
    assert used(hub, "ann", "bob") == (60, 30)
    sent(hub, repository, "ann", b"y" * 30)
    assert used(hub, "ann", "bob") == (90, 0)
    sent(hub, repository, "bob", b"x" * 60)
    assert used(hub, "ann", "bob") == (90, 0), "what was accepted stays so"
    assert two.size == 30


def test_whoever_sends_again_what_waits_pays_for_it(hub: Hub, repository: Repository) -> None:
    for account in ("bob", "eve"):
        sent(hub, repository, account, b"x" * 60)
    assert used(hub, "ann", "bob", "eve") == (0, 0, 60)


@pytest.mark.usefixtures("small")
def test_a_branch_and_a_tag_on_a_proposal_accept_all_of_its_history(hub: Hub, repository: Repository) -> None:
    large = sent(hub, repository, "bob", b"x" * 60)
    number = proposed(hub, repository, "bob", large)
    ref = f"refs/pr/{number}"
    commit(hub, repository, DeleteFile(large.path), sent(hub, repository, "bob", b"y" * 50), branch=ref, by="bob")
    full = "ann may store 100 bytes and stores 0; 110 more do not fit"
    with pytest.raises(QuotaError, match=full):
        hub.revisions.create_branch(repository.id, "dev", ref)
    with pytest.raises(QuotaError, match=full):
        hub.revisions.create_tag(repository.id, "v1", ref, by="ann")
    with pytest.raises(QuotaError, match=full):
        hub.publishing.merge(repository.id, number, "", by="ann")
    assert used(hub, "ann", "bob") == (0, 110)
    hub.accounts.change("ann", quota_bytes=110)
    hub.revisions.create_tag(repository.id, "v1", ref, by="ann")
    assert used(hub, "ann", "bob") == (110, 0)
    assert list(problems(hub.settings, hub.database, contents=True)) == []


@pytest.mark.usefixtures("small")
def test_an_owner_without_room_commits_no_file_of_a_stranger(hub: Hub, repository: Repository) -> None:
    large = sent(hub, repository, "bob", b"x" * 101)
    head = hub.revisions.resolve(repository.id, "main")
    with pytest.raises(QuotaError, match="ann may store"):
        commit(hub, repository, large)
    assert hub.revisions.resolve(repository.id, "main") == head
    assert used(hub, "ann", "bob") == (0, 101)


def test_a_copy_takes_nothing_that_was_only_proposed(hub: Hub, repository: Repository) -> None:
    commit(hub, repository, sent(hub, repository, "ann", b"x" * 60))
    proposed(hub, repository, "bob", sent(hub, repository, "bob", b"y" * 50))
    hub.publishing.copy(repository, "eve", "copy", private=False)
    assert used(hub, "ann", "bob", "eve") == (60, 50, 60)


def test_a_deleted_repository_frees_its_strangers(hub: Hub, repository: Repository) -> None:
    proposed(hub, repository, "bob", sent(hub, repository, "bob", b"y" * 50))
    hub.repositories.delete(repository.id)
    assert used(hub, "ann", "bob") == (0, 0)


def test_fsck_finds_who_pays_for_what_is_not_his(hub: Hub, repository: Repository) -> None:
    large = sent(hub, repository, "ann", b"x" * 60)
    commit(hub, repository, large)
    proposed(hub, repository, "bob", sent(hub, repository, "bob", b"y"))
    assert list(problems(hub.settings, hub.database, contents=False)) == []
    with hub.database.writing() as session:
        session.execute(update(LargeFileRow).where(LargeFileRow.sha256 == large.sha256).values(payer="bob"))
    assert list(problems(hub.settings, hub.database, contents=False)) == [
        f"model ann/speller: the large file {large.sha256} is on a branch or a tag, but counts for bob"
    ]
