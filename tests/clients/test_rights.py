"""Organisations, bound and ended tokens, quotas, rates and the audit log, as the current client sees them."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from command import minnow
from huggingface_hub import CommitOperationCopy, HfApi
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError
from huggingface_hub.utils import get_session, parse_ratelimit_headers

from minnow.hub.database import Database
from minnow.hub.tokens import Tokens

from .conftest import LiveHub

Keep = Callable[..., object]


@pytest.fixture(scope="module")
def team(live_hub: LiveHub) -> dict[str, HfApi]:
    """An organisation with a member for each role, and a stranger; the clients by name."""
    people = {"tina": "admin", "tom": "write", "tess": "read", "stranger": "none"}
    clients = {name: HfApi(endpoint=live_hub.url, token=live_hub.add_user(name)) for name in people}
    minnow("hub", "org", "add", "team", "--admin", "tina", "--data", live_hub.data)
    for name in ("tom", "tess"):
        minnow("hub", "org", "role", "team", name, people[name], "--data", live_hub.data)
    return clients


def made_token(hub: LiveHub, user: str, *options: str) -> str:
    return str(minnow("hub", "token", "add", user, "--data", hub.data, "--json", *options).json["token"])


def refused(call: Callable[[], object]) -> int:
    """The status of a call that must fail."""
    with pytest.raises(HfHubHTTPError) as error:
        call()
    return int(error.value.response.status_code)


def test_each_role_of_an_organisation_may_do_its_part(team: dict[str, HfApi]) -> None:
    name = "team/shared"
    assert refused(lambda: team["tess"].create_repo(name)) == 403
    assert refused(lambda: team["stranger"].create_repo(name)) == 403
    team["tom"].create_repo(name, private=True)
    team["tom"].upload_file(path_or_fileobj=b"x", path_in_repo="x.txt", repo_id=name)
    assert "x.txt" in team["tess"].list_repo_files(name)
    assert refused(lambda: team["tess"].upload_file(path_or_fileobj=b"y", path_in_repo="y", repo_id=name)) == 403
    assert refused(lambda: team["tom"].update_repo_settings(name, private=False)) == 403
    assert refused(lambda: team["tom"].delete_repo(name)) == 403
    with pytest.raises(RepositoryNotFoundError):
        team["stranger"].list_repo_files(name)
    assert [one.id for one in team["tess"].list_models(author="team")] == [name]
    assert list(team["stranger"].list_models(author="team")) == []
    team["tina"].update_repo_settings(name, private=False)
    assert team["stranger"].list_repo_files(name)
    assert [one.id for one in team["tess"].list_user_repos("team")] == [name]
    assert refused(lambda: list(team["stranger"].list_user_repos("team"))) == 403
    orgs = {one["name"]: one["roleInOrg"] for one in team["tess"].whoami()["orgs"]}
    assert orgs == {"team": "read"}
    members = {member.username for member in team["stranger"].list_organization_members("team")}
    assert members == {"tina", "tom", "tess"}
    assert team["stranger"].get_organization_overview("team").num_users == 3
    assert team["stranger"].get_user_overview("tom").username == "tom"
    team["tina"].delete_repo(name)


def test_who_wants_gated_files_asks_for_them(live_hub: LiveHub, team: dict[str, HfApi], tmp_path: Path) -> None:
    tom, stranger = team["tom"], team["stranger"]
    tom.create_repo("tom/gated")
    tom.upload_file(path_or_fileobj=b"x", path_in_repo="x.txt", repo_id="tom/gated")
    address = f"{live_hub.url}/api/models/tom/gated/user-access-request"
    auth = {"Authorization": f"Bearer {stranger.token}"}

    def ask(**more: object) -> int:
        return int(get_session().post(address, headers=auth, json={"fields": {"purpose": "study"} | more}).status_code)

    def may_download() -> bool:
        try:
            stranger.hf_hub_download("tom/gated", "x.txt", cache_dir=tmp_path / str(time.monotonic_ns()))
        except GatedRepoError:
            return False
        return True

    assert ask() == 400, "it is not gated"
    tom.update_repo_settings("tom/gated", gated="manual")
    assert get_session().post(address).status_code == 401
    assert ask(many={}) == 400, "fields are plain values"
    assert ask() == 200
    assert not may_download()
    waiting = list(tom.list_pending_access_requests("tom/gated"))
    assert [(one.username, one.fields) for one in waiting] == [("stranger", {"purpose": "study"})]
    tom.accept_access_request("tom/gated", "stranger")
    assert may_download()
    assert get_session().post(address + "/cancel", headers=auth).status_code == 200
    assert not may_download()
    tom.update_repo_settings("tom/gated", gated="auto")
    assert ask() == 200
    assert may_download()


def test_a_token_opens_what_it_is_bound_to(live_hub: LiveHub, team: dict[str, HfApi]) -> None:
    for name in ("tom/one", "tom/two"):
        team["tom"].create_repo(name, private=True)
    bound = HfApi(endpoint=live_hub.url, token=made_token(live_hub, "tom", "--repository", "tom/one"))
    bound.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id="tom/one")
    with pytest.raises(RepositoryNotFoundError):
        bound.list_repo_files("tom/two")
    assert refused(lambda: bound.create_repo("tom/three")) == 403
    reader = HfApi(endpoint=live_hub.url, token=made_token(live_hub, "tom", "--role", "read"))
    assert reader.whoami()["auth"]["accessToken"]["role"] == "read"
    assert reader.list_repo_files("tom/two")
    assert refused(lambda: reader.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id="tom/two")) == 403
    assert refused(lambda: reader.create_repo("tom/three")) == 403


def test_a_revoked_and_an_ended_token_open_nothing(live_hub: LiveHub, team: dict[str, HfApi]) -> None:
    del team
    tokens = Tokens(Database(f"sqlite:///{live_hub.data / 'hub.db'}"))
    user = tokens.authenticate(made_token(live_hub, "tess")).user_id
    assert user is not None
    text, token = tokens.create(user, "short", writes=True, expires_at=datetime.now(UTC) + timedelta(seconds=1))
    revoked_text, revoked = tokens.create(user, "revoked", writes=True)
    assert HfApi(endpoint=live_hub.url, token=revoked_text).whoami()["name"] == "tess"
    minnow("hub", "token", "revoke", revoked.id, "--data", live_hub.data)
    assert token.expires_at is not None
    time.sleep(max(0.0, (token.expires_at - datetime.now(UTC)).total_seconds()))
    for ended in (text, revoked_text):
        assert refused(lambda ended=ended: HfApi(endpoint=live_hub.url, token=ended).whoami()) == 401
        assert refused(lambda ended=ended: list(HfApi(endpoint=live_hub.url, token=ended).list_models())) == 401


def test_a_quota_bounds_what_an_owner_stores(live_hub: LiveHub, tmp_path: Path) -> None:
    api = HfApi(endpoint=live_hub.url, token=live_hub.add_user("quin"))
    minnow("hub", "user", "change", "quin", "--quota", "300kB", "--data", live_hub.data)
    api.create_repo("quin/small")
    content = bytes(range(256)) * 800
    api.upload_file(path_or_fileobj=content, path_in_repo="a.arrow", repo_id="quin/small")
    (tmp_path / "b.arrow").write_bytes(content[::-1])
    with pytest.raises(Exception, match="quin may store 300,000 bytes and stores"):
        api.upload_folder(folder_path=tmp_path, repo_id="quin/small")
    assert not api.file_exists("quin/small", "b.arrow")
    held = [(one.id, one.type, one.storage, one.visibility) for one in api.list_user_repos()]
    assert held == [("quin/small", "model", len(content), "public")]
    minnow("hub", "user", "change", "quin", "--quota", "none", "--data", live_hub.data)
    api.upload_folder(folder_path=tmp_path, repo_id="quin/small")
    assert api.file_exists("quin/small", "b.arrow")


def test_a_stranger_pays_for_a_pull_request_until_it_is_merged(live_hub: LiveHub, tmp_path: Path) -> None:
    owner, stranger = (HfApi(endpoint=live_hub.url, token=live_hub.add_user(name)) for name in ("olga", "sven"))
    for name, quota in (("olga", "100kB"), ("sven", "300kB")):
        minnow("hub", "user", "change", name, "--quota", quota, "--data", live_hub.data)
    owner.create_repo("olga/open")
    content = bytes(range(256)) * 800
    streamed = stranger.upload_file(  # a stream goes by git-lfs, a file by Xet
        path_or_fileobj=content, path_in_repo="a.arrow", repo_id="olga/open", create_pr=True
    )
    (tmp_path / "b.arrow").write_bytes(content[::-1])
    with pytest.raises(
        Exception, match="sven may store 300,000 bytes and stores 204,800, 204,800 of them not accepted"
    ):
        stranger.upload_folder(folder_path=tmp_path, repo_id="olga/open", create_pr=True)
    assert [one.storage for one in owner.list_user_repos()] == [0]
    assert streamed.pr_num is not None
    with pytest.raises(HfHubHTTPError, match="cannot be merged: olga may store 100,000 bytes and stores 0; 204,800"):
        owner.merge_pull_request("olga/open", streamed.pr_num)
    minnow("hub", "user", "change", "olga", "--quota", "500kB", "--data", live_hub.data)
    owner.merge_pull_request("olga/open", streamed.pr_num)
    assert [one.storage for one in owner.list_user_repos()] == [204_800]
    stranger.create_repo("sven/own")
    stranger.upload_file(path_or_fileobj=b"copied" * 99, path_in_repo="c.arrow", repo_id="sven/own")
    copy = CommitOperationCopy("c.arrow", "c.arrow", src_repo_id="sven/own", src_repo_type="model")
    third = stranger.create_commit("olga/open", [copy], commit_message="a copy", create_pr=True)
    assert "c.arrow" in owner.list_repo_files("olga/open", revision=third.pr_revision)
    second = stranger.upload_folder(folder_path=tmp_path, repo_id="olga/open", create_pr=True)
    assert second.pr_num is not None


def test_what_is_done_is_in_the_audit_log(live_hub: LiveHub, team: dict[str, HfApi]) -> None:
    api = team["tom"]
    api.create_repo("tom/logged", private=True)
    api.update_repo_settings("tom/logged", gated="auto")
    api.delete_repo("tom/logged")
    lines = minnow("hub", "audit", "--actor", "tom", "--data", live_hub.data, "--json").json["audit"]
    done = [line["action"] for line in lines if line["subject"] == "model tom/logged"]
    assert done == ["repository.create", "repository.change", "repository.delete"]
    assert {line["address"] for line in lines} == {"127.0.0.1"}


def test_what_is_left_out_says_so_and_what_nobody_knows_is_not_found(live_hub: LiveHub, team: dict[str, HfApi]) -> None:
    for call in (
        lambda: list(team["tom"].list_collections(owner="tom")),
        team["tom"].list_webhooks,
        lambda: team["tom"].get_space_runtime("tom/app"),
    ):
        with pytest.raises(HfHubHTTPError, match="this hub does not do that: "):
            call()
    for path in ("/api/nothing", "/api/models/tom/one/nothing", "/nothing/at/all", "/api/collection"):
        assert get_session().get(live_hub.url + path).status_code == 404


@pytest.fixture
def slow_hub(tmp_path: Path) -> Iterator[LiveHub]:
    """A hub that answers five requests in two seconds."""
    hub = LiveHub(tmp_path / "hub", "--rate", "5/2")
    yield hub
    hub.stop()


def test_who_asks_too_often_is_told_how_long_to_wait(slow_hub: LiveHub) -> None:
    for _ in range(5):
        assert get_session().get(f"{slow_hub.url}/api/models").status_code == 200
    answer = get_session().get(f"{slow_hub.url}/api/models")
    assert answer.status_code == 429
    told = parse_ratelimit_headers(answer.headers)
    assert told is not None
    assert (told.remaining, told.limit, told.window_seconds) == (0, 5, 2)
    assert 0 < told.reset_in_seconds <= 3
    assert int(answer.headers["Retry-After"]) == told.reset_in_seconds
    time.sleep(told.reset_in_seconds)
    assert get_session().get(f"{slow_hub.url}/api/models").status_code == 200
