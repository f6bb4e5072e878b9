"""A hub that is killed while clients upload: nothing acknowledged is lost, nothing is damaged, trying again works."""

import os
import random
import signal
import threading
import time
from pathlib import Path

import httpx2
import pytest
from command import minnow, start
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError
from ports import free_port

KILLS = int(os.environ.get("MINNOW_TEST_KILLS", "3"))
WRITERS = 3


class Mortal:
    """A hub on one port, which is killed and started again."""

    def __init__(self, data: Path):
        self.data = data
        self.token = str(minnow("hub", "init", "--data", data, "--admin", "root", "--json").json["token"])
        self.port = free_port()
        self.live()

    def live(self) -> None:
        """Serve, and wait until it does."""
        self.process = start("hub", "serve", "--data", self.data, "--port", self.port)
        for _ in range(600):
            try:
                httpx2.get(f"http://127.0.0.1:{self.port}/health")
                return
            except httpx2.TransportError:
                time.sleep(0.05)
        raise AssertionError("the hub did not start")

    def die(self) -> None:
        """As if the power went."""
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


class Writer(threading.Thread):
    """Uploads without end, tries again whatever happens, and remembers what was acknowledged."""

    def __init__(self, api: HfApi, number: int, folder: Path):
        super().__init__(daemon=True)
        self.api, self.number, self.folder = api, number, folder
        self.acknowledged: list[str] = []
        self.failed = 0
        self.ended = threading.Event()

    def run(self) -> None:
        """Upload a folder, or a stream, one after the other."""
        count = 0
        while not self.ended.is_set():
            count += 1
            made = self.folder / str(count)
            made.mkdir(parents=True)
            (made / f"{self.number}-{count}.weights").write_bytes(os.urandom(300_000))
            (made / f"{self.number}-{count}.txt").write_text(str(count))
            while not self.ended.is_set():
                try:
                    self.acknowledged.append(self.upload(made, count))
                    break
                # The client shares one session among threads and closes it after an error; the others may find none.
                except (HfHubHTTPError, httpx2.TransportError, OSError, RuntimeError, AttributeError):
                    self.failed += 1
                    time.sleep(0.2)

    def upload(self, made: Path, count: int) -> str:
        """One upload: by Xet, or by git-lfs where the content is a stream."""
        message = f"{self.number} {count}"
        if self.number % 2:
            return self.api.upload_folder(repo_id="root/one", folder_path=made, commit_message=message).oid
        name = f"{self.number}-{count}.weights"
        with (made / name).open("rb") as stream:
            return self.api.upload_file(
                repo_id="root/one", path_or_fileobj=stream, path_in_repo=name, commit_message=message
            ).oid


def test_killed_at_any_moment_a_hub_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    hub = Mortal(tmp_path / "hub")
    api = HfApi(endpoint=f"http://127.0.0.1:{hub.port}", token=hub.token)
    api.create_repo("root/one")
    writers = [Writer(api, number, tmp_path / f"writer-{number}") for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    moments = random.Random(6)
    for _ in range(KILLS):
        time.sleep(moments.uniform(0.3, 2))
        hub.die()
        hub.live()
    before = sum(len(writer.acknowledged) for writer in writers)
    for _ in range(600):
        if sum(len(writer.acknowledged) for writer in writers) > before + WRITERS:
            break
        time.sleep(0.05)
    for writer in writers:
        writer.ended.set()
    for writer in writers:
        writer.join(60)
    acknowledged = {commit for writer in writers for commit in writer.acknowledged}
    history = {commit.commit_id for commit in api.list_repo_commits("root/one")}
    hub.process.terminate()
    hub.process.communicate()
    assert len(acknowledged) > WRITERS, "after the last kill there were uploads that succeeded"
    assert acknowledged < history
    minnow("hub", "fsck", "--data", hub.data, "--json")
