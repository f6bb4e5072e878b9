"""Repositories made, found, moved, deleted; their names belong to one of them at a time."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from minnow.errors import HubExistsError, HubNotFoundError, InputError
from minnow.hub.hub import Hub
from minnow.hub.repositories import Repository


def test_a_new_repository_has_one_commit_that_tells_git_which_files_are_large(hub: Hub, repository: Repository) -> None:
    [first] = hub.revisions.history(repository.id, "main")
    entry = hub.contents.file(first.id, ".gitattributes")
    assert b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n" in hub.contents.read(entry)
    assert (first.author, first.title) == ("ann", "initial commit")


def test_names_are_one_in_upper_and_lower_case(hub: Hub, repository: Repository) -> None:
    assert hub.repositories.find("model", "ANN", "Speller") == repository
    with pytest.raises(HubExistsError):
        hub.repositories.create("model", "Ann", "SPELLER", private=False, by="ann")
    assert hub.repositories.create("dataset", "ann", "speller", private=False, by="ann").id != repository.id


def test_of_many_who_create_at_once_one_does(hub: Hub) -> None:
    start = threading.Barrier(8)

    def create(_i: int) -> int | None:
        start.wait()
        try:
            return hub.repositories.create("model", "ann", "wanted", private=False, by="ann").id
        except HubExistsError:
            return None

    with ThreadPoolExecutor(8) as pool:
        assert len([id for id in pool.map(create, range(8)) if id]) == 1


def test_a_moved_repository_is_found_under_both_names(hub: Hub, repository: Repository) -> None:
    hub.repositories.move(repository.id, "team", "corrector")
    assert hub.repositories.find("model", "team", "corrector").id == repository.id
    assert hub.repositories.find("model", "ann", "speller").full_name == "team/corrector"
    with pytest.raises(HubNotFoundError):
        hub.repositories.find("dataset", "ann", "speller")


def test_a_name_that_was_left_may_be_taken_and_then_leads_there(hub: Hub, repository: Repository) -> None:
    hub.repositories.move(repository.id, "ann", "second")
    taken = hub.repositories.create("model", "ann", "speller", private=False, by="ann")
    assert hub.repositories.find("model", "ann", "speller").id == taken.id
    hub.repositories.delete(taken.id)
    with pytest.raises(HubNotFoundError):
        hub.repositories.find("model", "ann", "speller")


def test_a_repository_can_move_back_and_change_its_letters(hub: Hub, repository: Repository) -> None:
    hub.repositories.move(repository.id, "ann", "second")
    hub.repositories.move(repository.id, "ann", "speller")
    assert hub.repositories.find("model", "ann", "second").name == "speller"
    assert hub.repositories.move(repository.id, "ann", "Speller").name == "Speller"


def test_a_taken_name_stays_where_it_is(hub: Hub, repository: Repository) -> None:
    hub.repositories.create("model", "ann", "other", private=False, by="ann")
    with pytest.raises(HubExistsError):
        hub.repositories.move(repository.id, "ann", "Other")
    with pytest.raises(InputError):
        hub.repositories.move(repository.id, "ann", "..")
    assert hub.repositories.by_id(repository.id) == repository


def test_settings_change_one_by_one(hub: Hub, repository: Repository) -> None:
    assert hub.repositories.change(repository.id, private=True).private
    gated = hub.repositories.change(repository.id, gate="manual")
    assert (gated.private, gated.gate) == (True, "manual")
    assert hub.repositories.change(repository.id, gate="").gate == ""


def test_what_was_deleted_is_gone(hub: Hub, repository: Repository) -> None:
    hub.repositories.delete(repository.id)
    for call in (
        lambda: hub.repositories.find("model", "ann", "speller"),
        lambda: hub.repositories.by_id(repository.id),
        lambda: hub.repositories.delete(repository.id),
        lambda: hub.repositories.change(repository.id, private=True),
        lambda: hub.revisions.resolve(repository.id, "main"),
    ):
        with pytest.raises(HubNotFoundError):
            call()
