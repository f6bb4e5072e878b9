"""Users, organisations, roles and passwords."""

import pytest

from minnow.errors import HubConflictError, HubExistsError, HubNotFoundError, InputError
from minnow.hub.accounts import Accounts, Membership, account_name, role_named
from minnow.hub.database import Database
from minnow.hub.rights import Role


@pytest.fixture
def accounts(database: Database) -> Accounts:
    made = Accounts(database)
    made.create_user("Root", site_admin=True)
    made.create_user("ann", full_name="Ann 安", email="ann@example.org")
    made.create_organization("Team", admin_id=made.find("ann").id)
    return made


def test_a_name_is_taken_once_in_upper_and_lower_case_by_users_and_organisations(accounts: Accounts) -> None:
    for name in ("ANN", "team"):
        with pytest.raises(HubExistsError, match=f"account {name} exists already"):
            accounts.create_user(name)
        with pytest.raises(HubExistsError):
            accounts.create_organization(name)
    assert accounts.find("ANN").name == "ann"
    assert accounts.find("Ann").full_name == "Ann 安"
    assert [account.name for account in accounts.all("user")] == ["ann", "Root"]
    assert [account.name for account in accounts.all("organization")] == ["Team"]


@pytest.mark.parametrize("name", ["", "-a", "a-", "a--b", "a..b", ".git", "a/b", "a b", "ä", "a.git", "x" * 97, "a\n"])
def test_names_that_no_address_could_hold_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="an account's name must have"):
        account_name(name)


def test_addresses_of_the_hub_are_no_names() -> None:
    with pytest.raises(InputError, match="address of the hub"):
        account_name("Datasets")
    assert account_name("a-b_c.d9") == "a-b_c.d9"


def test_roles_in_an_organisation_change_and_end(accounts: Accounts) -> None:
    accounts.create_user("bob")
    accounts.set_role("team", "BOB", Role.READ)
    accounts.set_role("team", "bob", Role.WRITE)
    assert accounts.members("Team") == [Membership("ann", Role.ADMIN), Membership("bob", Role.WRITE)]
    assert accounts.organizations_of(accounts.find("bob").id) == [Membership("Team", Role.WRITE)]
    accounts.remove_member("team", "bob")
    assert accounts.members("Team") == [Membership("ann", Role.ADMIN)]
    with pytest.raises(HubNotFoundError, match="member bob of team"):
        accounts.remove_member("team", "bob")
    with pytest.raises(HubNotFoundError, match="organisation ann"):
        accounts.set_role("ann", "bob", Role.READ)
    with pytest.raises(InputError, match="must be read, write or admin"):
        role_named("owner")


def test_neither_the_hub_nor_an_organisation_loses_its_last_administrator(accounts: Accounts) -> None:
    for change in ({"site_admin": False}, {"disabled": True}):
        with pytest.raises(HubConflictError, match="a hub needs an administrator"):
            accounts.change("root", **change)
    with pytest.raises(HubConflictError, match="a hub needs an administrator"):
        accounts.remove("root", owns=lambda _: 0)
    with pytest.raises(HubConflictError, match="Team needs an administrator"):
        accounts.set_role("team", "ann", Role.WRITE)
    with pytest.raises(HubConflictError, match="Team needs an administrator"):
        accounts.remove_member("team", "ann")
    assert accounts.find("root").site_admin
    assert accounts.members("team") == [Membership("ann", Role.ADMIN)]


def test_who_owns_something_is_not_removed(accounts: Accounts) -> None:
    with pytest.raises(HubConflictError, match="ann owns 2 repositories; move or delete these"):
        accounts.remove("ann", owns=lambda _: 2)
    accounts.remove("team", owns=lambda _: 0)
    accounts.remove("ann", owns=lambda _: 0)
    with pytest.raises(HubNotFoundError, match="account ann"):
        accounts.find("ann")


def test_nobody_gets_the_name_of_an_account_that_was_removed(accounts: Accounts) -> None:
    accounts.remove("team", owns=lambda _: 0)
    for create in (accounts.create_user, accounts.create_organization):
        with pytest.raises(HubConflictError, match="TEAM was an account that was removed"):
            create("TEAM")


def test_only_the_right_password_of_an_enabled_user_signs_in(accounts: Accounts) -> None:
    accounts.create_user("cho", password="correct horse")
    found = accounts.check_password("CHO", "correct horse")
    assert found is not None
    assert found.name == "cho"
    assert accounts.check_password("cho", "correct horsf") is None
    assert accounts.check_password("nobody", "correct horse") is None
    assert accounts.check_password("ann", "") is None, "an account without a password"
    accounts.change("cho", password="battery staple")
    assert accounts.check_password("cho", "correct horse") is None
    assert accounts.check_password("cho", "battery staple")
    accounts.change("cho", disabled=True)
    assert accounts.check_password("cho", "battery staple") is None
    with pytest.raises(InputError, match="10 to 256 characters, but got 5"):
        accounts.change("cho", password="short")
