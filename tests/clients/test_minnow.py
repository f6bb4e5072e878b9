"""``minnow push``, ``pull``, ``search`` and ``login`` against a hub that is served; and models loaded by name."""

import hashlib
import json
from pathlib import Path

import httpx2
import pytest
from command import minnow, start
from huggingface_hub import HfApi

import minnow as house
from minnow.errors import BundleError, MinnowError, RemoteError

from .conftest import LiveHub


@pytest.fixture(scope="module")
def token(live_hub: LiveHub) -> str:
    return live_hub.add_user("mia")


@pytest.fixture
def home(tmp_path: Path, live_hub: LiveHub, token: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where nothing was pulled yet, with a hub and a token in the environment."""
    for name, value in {
        "XDG_CONFIG_HOME": tmp_path / "config",
        "MINNOW_CACHE": tmp_path / "cache",
        "HF_ENDPOINT": live_hub.url,
        "HF_TOKEN": token,
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }.items():
        monkeypatch.setenv(name, str(value))
    return tmp_path


@pytest.fixture(scope="module")
def pushed(linear: Path, live_hub: LiveHub, token: str) -> str:
    """A model on the hub under this name, tagged v1; the tests only read it."""
    minnow("push", linear, "mia/linear", "--tag", "v1", "--hub", live_hub.url, "--token", token)
    return "mia/linear"


def test_a_model_goes_up_and_comes_down_the_same(linear: Path, pushed: str, home: Path) -> None:
    told = minnow("pull", f"{pushed}@v1", "--out", home / "copy", "--json").json
    assert told["folder"] == str(home / "copy")
    files = [path.relative_to(linear) for path in linear.rglob("*") if path.is_file()]
    sent = {path for path in files if path.parts[0] != "run" or path.suffix in (".png", ".svg")}
    assert {path.relative_to(home / "copy") for path in (home / "copy").rglob("*") if path.is_file()} == sent | {
        Path(".gitattributes")
    }
    for path in sent:
        assert (home / "copy" / path).read_bytes() == (linear / path).read_bytes()
    assert not (home / "copy" / "model.safetensors").is_symlink()
    taken = minnow("pull", pushed, "--out", home / "copy", fails=True)
    assert (taken.code, "is not empty; choose another --out" in taken.error) == (2, True)


def test_a_model_is_loaded_by_its_name(linear: Path, pushed: str, colours: Path, home: Path) -> None:
    text = "the sky is blue"
    assert house.load(f"{pushed}@v1")(text) == house.load(linear)(text)
    by_name = minnow("predict", f"{pushed}@v1", text).out
    assert json.loads(by_name)["label"] == house.load(linear)(text).label
    assert minnow("show", pushed, "--json").json["labels"] == list(house.load(linear).labels)
    refused = minnow("train", colours / "train.csv", "--from", f"{pushed}@v1", fails=True)
    assert str(home / "cache") in refused.error, "what --from names was pulled, and cannot be started from"
    assert (home / "cache").is_dir()


def test_what_was_pulled_once_needs_no_hub(pushed: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = house.pull(f"{pushed}@v1")
    assert house.pull(f"{pushed}@v1", offline=True) == folder
    with pytest.raises(RemoteError, match="was not pulled before"):
        house.pull("mia/other", offline=True)
    # The same hub, gone: its cache is found by its address.
    hub = next((home / "cache").iterdir())
    hub.rename(home / "cache" / "127.0.0.1_9")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert house.load(f"{pushed}@v1")("red").label
    with pytest.raises(RemoteError, match=r"no hub answers at http://127\.0\.0\.1:9"):
        house.pull("mia/other")


def test_what_was_pulled_once_is_not_given_where_the_hub_refuses(
    home: Path, live_hub: LiveHub, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "made").mkdir()
    (home / "made" / "notes.txt").write_text("notes")
    house.push(home / "made", "mia/mine", private=True, tag="v1")
    folder = house.pull("mia/mine")
    assert folder == house.pull("mia/mine@v1") == house.pull("mia/mine", offline=True)
    monkeypatch.setenv("HF_TOKEN", live_hub.add_user("nora"))
    with pytest.raises(RemoteError, match=r"there is no mia/mine on .*, or you may not see it"):
        house.pull("mia/mine")
    monkeypatch.setenv("HF_TOKEN", token)
    HfApi(endpoint=live_hub.url, token=token).delete_repo("mia/mine")
    for name in ("mia/mine", "mia/mine@v1"):
        with pytest.raises(RemoteError, match="there is no mia/mine"):
            house.pull(name)
    assert house.pull("mia/mine@v1", offline=True) == folder


def test_a_tag_that_is_there_is_told_before_anything_is_sent(home: Path) -> None:
    (home / "made").mkdir()
    (home / "made" / "notes.txt").write_text("notes")
    first = house.push(home / "made", "mia/tagged", tag="v1")
    (home / "made" / "notes.txt").write_text("other notes")
    with pytest.raises(MinnowError, match="mia/tagged has a tag v1 already; choose another --tag"):
        house.push(home / "made", "mia/tagged", tag="v1")
    assert (house.pull("mia/tagged") / "notes.txt").read_text() == "notes"
    assert house.push(home / "made", "mia/tagged", tag="v2").commit != first.commit


def test_a_damaged_file_is_found_and_brought_anew(pushed: str, home: Path) -> None:
    weights = (house.pull(pushed) / "model.safetensors").resolve()
    content = weights.read_bytes()
    weights.chmod(0o644)
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(MinnowError, match=r"model\.safetensors was damaged on this disk and is removed"):
        house.pull(pushed)
    assert (house.pull(pushed) / "model.safetensors").read_bytes() == content
    assert home.exists()


def test_what_is_the_same_is_not_sent_again(linear: Path, home: Path) -> None:
    first = house.push(linear, "mia/twice", private=True)
    again = house.push(linear, "mia/twice")
    assert again.commit == first.commit
    (home / "more").mkdir()
    (home / "more" / "notes.txt").write_text("notes")
    added = house.push(home / "more", "mia/twice", message="notes")
    assert (house.pull("mia/twice") / "model.safetensors").exists()
    only = house.push(home / "more", "mia/twice", delete=True)
    assert len({first.commit, added.commit, only.commit}) == 3
    assert {path.name for path in house.pull("mia/twice").iterdir()} == {".gitattributes", "notes.txt"}
    house.push(home / "more", "mia/twice@trial")
    assert (house.pull("mia/twice@trial") / "model.safetensors").exists() is False


def test_of_a_run_the_pictures_go_up_which_the_card_shows(home: Path, live_hub: LiveHub) -> None:
    kept = ["run/journal.jsonl", "run/log [1].txt", "run/checkpoint/tensors.safetensors"]
    sent = ["minnow.json", "run/curves.png", "run/curves.svg"]
    for name in (*kept, *sent):
        (home / "made" / name).parent.mkdir(parents=True, exist_ok=True)
        (home / "made" / name).write_bytes(b"{}")
    house.push(home / "made", "mia/pictures")
    folder = house.pull("mia/pictures")
    found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert found == [".gitattributes", *sent]
    picture = httpx2.get(f"{live_hub.url}/mia/pictures/resolve/main/run/curves.png", follow_redirects=True)
    assert (picture.content, picture.headers["content-type"]) == (b"{}", "image/png")


def derived(folder: Path, base: Path) -> Path:
    """A model's folder whose provenance names the weights of another."""
    folder.mkdir()
    weights = (base / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[:-8] + folder.name.encode().rjust(8))
    source = {"name": base.name, "weights_sha256": hashlib.sha256(weights).hexdigest()}
    (folder / "minnow.json").write_text(json.dumps({"provenance": {"from": source}}))
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# A card\n")
    return folder


def bases_of(name: str, live_hub: LiveHub) -> object:
    card = HfApi(endpoint=live_hub.url, token=False).model_info(name).card_data
    return card.get("base_model") if card else None


def test_a_model_names_the_one_it_was_made_from(linear: Path, pushed: str, home: Path, live_hub: LiveHub) -> None:
    made = derived(home / "made", linear)
    assert house.push(made, "mia/unknown").base is None, "nothing on this machine tells what the base is called"
    house.pull(f"{pushed}@v1", out=home / "copy")
    told = minnow("push", made, "mia/made", "--tag", "v1", "--json").json
    assert (told["base"], bases_of("mia/made", live_hub)) == (pushed, pushed)
    assert house.push(made, "mia/made").commit == told["commit"], "what is the same is not sent again"
    assert (made / "README.md").read_text() == "---\nlicense: mit\n---\n# A card\n", "what is here stays as it was"
    assert "# A card" in (house.pull("mia/made") / "README.md").read_text()
    again = derived(home / "again", made)
    assert house.push(again, "mia/again").base == "mia/made", "what was pushed is known too"
    assert house.push(derived(home / "other", again), "mia/other", base="mia/said").base == "mia/said"
    assert house.push(derived(home / "next", made), "mia/made").base is None, "a revision has no base in itself"
    (made / "README.md").write_text("---\nbase_model: mia/written\n---\n")
    house.push(made, "mia/named")
    assert bases_of("mia/named", live_hub) == "mia/written"


def test_data_sets_travel_too(home: Path) -> None:
    (home / "rows").mkdir()
    (home / "rows" / "train.csv").write_text("text,label\na,b\n")
    minnow("push", home / "rows", "mia/rows", "--kind", "dataset", "--private")
    folder = Path(minnow("pull", "mia/rows", "--kind", "dataset", "--json").json["folder"])
    assert (folder / "train.csv").read_text() == "text,label\na,b\n"


def test_search_finds_by_name_owner_and_tag(pushed: str, home: Path) -> None:
    found = minnow("search", "LINEA", "--json").json["repositories"]
    assert [one["name"] for one in found] == [pushed]
    assert "text-classification" in found[0]["tags"]
    assert pushed in minnow("search", "--owner", "mia", "--tag", "text-classification").out
    assert minnow("search", "linear", "--tag", "translation", "--json").json == {"repositories": []}
    assert home.exists()


def test_a_login_is_tried_and_remembered(
    live_hub: LiveHub, token: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.delenv("HF_ENDPOINT")
    monkeypatch.setenv("HF_HOME", str(home / "hf"))
    refused = minnow("login", "--hub", live_hub.url, given="hf_wrong\n", fails=True)
    assert (refused.code, "did not take the token" in refused.error) == (2, True)
    told = minnow("login", "--hub", live_hub.url, "--json", given=token + "\n").json
    assert (told["user"], told["hub"]) == ("mia", live_hub.url)
    assert minnow("search", "--json").json["repositories"]
    (home / "one").mkdir()
    (home / "one" / "a.txt").write_text("a")
    assert house.push(home / "one", "mia/login").name == "mia/login"


def test_bad_input_is_one_line(pushed: str, linear: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "empty").mkdir()
    for words, message in (
        (("pull", "mia"), "a repository is named team/name"),
        (("pull", "mia/none"), "there is no mia/none on"),
        (("pull", f"{pushed}@none"), f"revision {pushed}@none"),
        (("pull", pushed, "--hub", "nowhere"), "a hub's address must be"),
        (("pull", pushed, "--hub", "http://127.0.0.1:9"), "no hub answers at http://127.0.0.1:9"),
        (("pull", pushed, "--kind", "app"), "a repository is a model, a dataset or a space"),
        (("push", home / "none", "mia/x"), "is not a folder with files in"),
        (("push", home / "empty", "mia/x"), "is not a folder with files in"),
        (("push", linear, "root/x"), "refuses to write root/x"),
        (("push", linear, "mia/x", "--token", "hf_wrong"), "did not take the token"),
        (("predict", "mia/none", "a text"), "there is no mia/none on"),
    ):
        refused = minnow(*words, fails=True)
        assert refused.code == (1 if "no hub answers" in message else 2), words
        assert message in refused.error, words
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setenv("HF_HOME", str(home / "hf"))
    refused = minnow("push", linear, "mia/x", fails=True)
    assert "needs a token; log in with: minnow login" in refused.error
    monkeypatch.delenv("HF_ENDPOINT")
    assert "no hub is named" in minnow("push", linear, "mia/x", fails=True).error
    with pytest.raises(BundleError, match="there is no model at runs/none"):
        house.load("runs/none")


def test_an_unfinished_model_stays_at_home(home: Path) -> None:
    (home / "model" / "run").mkdir(parents=True)
    refused = minnow("push", home / "model", "mia/unfinished", fails=True)
    assert "unfinished training run" in refused.error


def test_a_first_start_founds_a_hub_and_a_folder_is_served_once(tmp_path: Path) -> None:
    hub = LiveHub(tmp_path / "hub")
    try:
        assert hub.token.startswith("hf_")
        second = start("hub", "serve", "--data", tmp_path / "hub", "--port", 0)
        _, said = second.communicate(timeout=60)
        assert (second.returncode, "another process serves the hub" in said) == (2, True)
        taken = start("hub", "serve", "--data", tmp_path / "other", "--port", hub.url.rpartition(":")[2])
        _, said = taken.communicate(timeout=60)
        assert (taken.returncode, "cannot listen on 127.0.0.1" in said) == (2, True)
    finally:
        said = hub.stop()
    assert hub.process.returncode in (0, -15)
    assert "Traceback" not in said
    again = LiveHub(tmp_path / "hub")
    assert again.token == "", "the token is told once"
    again.stop()


def test_a_first_start_tells_the_token_to_whoever_reads_its_output(tmp_path: Path) -> None:
    hub = start("hub", "serve", "--data", tmp_path / "hub", "--port", 0)
    assert hub.stdout
    lines = [hub.stdout.readline().split() for _ in range(2)]
    hub.terminate()
    _, said = hub.communicate(timeout=60)
    assert lines[0] == ["administrator", "admin"]
    assert lines[1][0] == "token"
    assert lines[1][1].startswith("hf_")
    assert "Traceback" not in said


def test_a_backup_is_served_in_the_place_of_the_hub(live_hub: LiveHub, pushed: str, linear: Path, home: Path) -> None:
    told = minnow("hub", "backup", "--data", live_hub.data, "--out", home / "backup", "--json").json
    assert told["copied_files"] > 0
    assert minnow("hub", "fsck", "--data", home / "backup", "--json").json == {"ok": True, "problems": []}
    copy = LiveHub(home / "backup")
    try:
        folder = house.pull(f"{pushed}@v1", hub=copy.url)
    finally:
        copy.stop()
    assert (folder / "model.safetensors").read_bytes() == (linear / "model.safetensors").read_bytes()
    stats = minnow("hub", "stats", "--data", home / "backup", "--json").json
    assert stats["repositories"] > 0
    assert 0 < stats["stored_bytes"] <= stats["logical_bytes"]
