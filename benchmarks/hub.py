"""How fast is a hub: a large file up and down, by HTTP and by Xet, and small questions with many repositories.

The ceiling comes first: what hashing, the disk, and nginx do on this machine. Files travel between processes of one
machine, so both ends share its cores. ``python benchmarks/hub.py [--megabytes 1024] [--repositories 10000]``.
"""

import argparse
import hashlib
import http.client
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from record import HERE, stamp, stamp_lines, table, tell, write

Times = dict[str, list[float]]

NGINX = """\
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr crit;
events {{}}
http {{
  access_log off; sendfile on; default_type application/octet-stream;
  client_body_temp_path {folder}/temp; proxy_temp_path {folder}/temp; fastcgi_temp_path {folder}/temp;
  uwsgi_temp_path {folder}/temp; scgi_temp_path {folder}/temp;
  server {{ listen 127.0.0.1:{port}; root {folder}/files; }}
}}
"""
CLIENT = """
import os, sys, time
from huggingface_hub import HfApi, hf_hub_download
way, repository, path = sys.argv[1:]
began = time.perf_counter()
if way == "up":
    HfApi().upload_file(path_or_fileobj=path, path_in_repo="model.safetensors", repo_id=repository)
else:
    hf_hub_download(repository, "model.safetensors", local_dir=path)
print(time.perf_counter() - began)
"""
SECONDS = 4.0  # of small questions of a kind
ASKERS = 4
MOST_REST = 120.0  # seconds
EXPLAINED = """\
GB/s are of 10^9 bytes, medians of {rounds} interleaved rounds with the lowest and the highest in brackets, of a file of
{size} MiB of random bytes in safetensors' form. **nginx** sends the file from a folder; curl throws away what it
fetches. **hashed inline** is a handler that hashes and writes one piece after the other, as most servers do. Every
upload is of another content, hashed by the hub, flushed to the disk and renamed before it answers; it goes past the
system's cache, which the hub fills behind its answer. Each measurement begins when the hub has nothing to do. From the
second round on a sixteenth of the chunks is new to the hub. **Xet** is `upload_file` and `hf_hub_download` of
huggingface_hub with an empty cache, the whole call: the client cuts, hashes and packs, the hub hashes all of it again
(BLAKE3 of chunks, SHA-256 of the file). Small questions come from {askers}
threads of one Python process, which needs a core of its own; a question's time is that of one thread alone."""


@dataclass(frozen=True)
class Served:
    """A hub that is served, and its administrator's token."""

    url: str
    token: str
    process: int

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


def main() -> None:
    given = arguments()
    content: dict[str, Any] = {**stamp(0), "megabytes": given.megabytes, "repositories": given.repositories}
    with TemporaryDirectory(dir=given.work) as folder, ExitStack() as stack:
        place = Path(folder)
        file = place / "files" / "model.safetensors"
        file.parent.mkdir()
        random_file(file, given.megabytes)
        content["ceiling"] = ceiling(file, place)
        tell(str(content["ceiling"]))
        hub = stack.enter_context(served(place / "hub", given.repositories))
        content["questions"] = questions(hub)
        tell(str(content["questions"]))
        content["files"] = files(hub, file, place, given.rounds, stack)
    (given.out / "hub.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    write(given.out / "hub.md", page(content, given.rounds))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1024, help="of the file")
    parser.add_argument("--repositories", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", type=Path, help="where files lie meanwhile; needs ten times the file")
    parser.add_argument("--out", type=Path, default=HERE, help="folder for hub.md and .json")
    return parser.parse_args()


# What is served


@contextmanager
def served(data: Path, num_repositories: int) -> Iterator[Served]:
    """A hub with so many repositories, in a process of its own."""
    told = json.loads(minnow("hub", "init", "--data", str(data), "--admin", "ann", "--json"))
    fill(data, num_repositories)
    command = [*MINNOW, "hub", "serve", "--data", str(data), "--port", "0", "--json"]
    with running(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield Served(json.loads(process.stdout.readline())["url"], told["token"], process.pid)


def fill(data: Path, number: int) -> None:
    from minnow.hub.hub import build_hub, close_hub
    from minnow.hub.settings import read_settings

    hub = build_hub(read_settings(data, {}))
    draw = random.Random(0)
    for i in range(number):
        if i % 1000 == 0:
            tell(f"repositories: {i:,} of {number:,}")
        name = f"{draw.choice(('tiny', 'small', 'base'))}-{draw.choice(('llama', 'bert', 'lstm'))}-{i}"
        hub.repositories.create("model", "ann", name, private=i % 10 == 0, by="ann")
    close_hub(hub)


MINNOW = [sys.executable, "-c", "from minnow.cli.main import main; main()"]


def minnow(*words: str) -> str:
    return subprocess.run([*MINNOW, *words], stdout=subprocess.PIPE, text=True, check=True).stdout


@contextmanager
def running(command: list[str], **more: Any) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(command, **more)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def answers(port: int) -> None:
    """Wait for a server."""
    for _ in range(200):
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"nobody answers on port {port}")


# The ceiling


def ceiling(file: Path, place: Path) -> dict[str, float]:
    """GB/s of hashing from memory, with one core, and of writing to the disk for good."""
    import blake3

    content = file.read_bytes()
    gigabytes = len(content) / 1e9

    def written() -> None:
        with (place / "written").open("wb", buffering=0) as out:
            for start in range(0, len(content), 1 << 20):
                out.write(content[start : start + (1 << 20)])
            os.fsync(out.fileno())

    return {
        "sha256": gigabytes / timed(lambda: hashlib.sha256(content).digest()),
        "blake3": gigabytes / timed(lambda: blake3.blake3(content).digest()),
        "disk": gigabytes / timed(written),
    }


def timed(work: Callable[[], object], times: int = 3) -> float:
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return median(seconds)


# Files


def random_file(path: Path, megabytes: int) -> None:
    """Random bytes as one tensor."""
    size = megabytes << 20
    header = json.dumps({"weight": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    header += b" " * (-len(header) % 8)
    draw = np.random.default_rng(0)
    with path.open("wb") as out:
        out.write(len(header).to_bytes(8, "little") + header)
        for _ in range(megabytes):
            out.write(draw.bytes(1 << 20))


def renew(path: Path, number: int) -> str:
    """Another content, of which every mebibyte differs; its SHA-256."""
    with path.open("r+b") as out:
        for start in range(1 << 20, path.stat().st_size - 8, 1 << 20):
            out.seek(start)
            out.write(random.Random(start + number).randbytes(8))
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def files(hub: Served, file: Path, place: Path, rounds: int, stack: ExitStack) -> Times:
    """GB/s of each way, a figure a round."""
    size = file.stat().st_size
    ways = dict(uploads(hub, file, place, stack))
    ask(hub, "POST", "/api/repos/create", {"name": "plain"})
    ask(hub, "POST", "/api/repos/create", {"name": "chunked"})
    found: Times = {}
    for number in range(rounds):
        tell(f"round {number + 1} of {rounds}")
        sha256 = renew(file, number)
        for title, work in ways.items():
            rest(hub.process)
            seconds = work(sha256)
            found.setdefault(title, []).append(size / 1e9 / seconds)
            tell(f"  {title}: {found[title][-1]:.2f} GB/s")
    return found


def uploads(hub: Served, file: Path, place: Path, stack: ExitStack) -> Iterator[tuple[str, Callable[[str], float]]]:
    """The ways, in the order in which a round takes them: what is fetched was sent before."""
    size = file.stat().st_size

    def to_hub(sha256: str) -> float:
        wanted = {"operation": "upload", "objects": [{"oid": sha256, "size": size}]}
        told = ask(hub, "POST", "/ann/plain.git/info/lfs/objects/batch", wanted)
        seconds = sent(told["objects"][0]["actions"]["upload"]["href"], file)
        line = {"key": "lfsFile", "value": {"path": file.name, "algo": "sha256", "oid": sha256, "size": size}}
        commit = "".join(json.dumps(row) + "\n" for row in ({"key": "header", "value": {"summary": "new"}}, line))
        ask(hub, "POST", "/api/models/ann/plain/commit/main", commit.encode())
        return seconds

    yield "up: LFS", to_hub

    port = free_port()
    receiver = [sys.executable, str(HERE / "peers" / "inline_receiver.py"), str(port), str(place)]
    stack.enter_context(running(receiver))
    answers(port)
    yield "up: hashed inline", lambda _: sent(f"http://127.0.0.1:{port}/file", file)
    yield "down: hub", lambda _: fetched(f"{hub.url}/ann/plain/resolve/main/{file.name}", hub.token)
    if shutil.which("nginx"):
        nginx_port, folder = free_port(), place
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=nginx_port), encoding="utf-8")
        stack.enter_context(running(["nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder)]))
        answers(nginx_port)
        yield "down: nginx", lambda _: fetched(f"http://127.0.0.1:{nginx_port}/{file.name}")
    else:
        tell("no nginx; install it with: apt-get install nginx")
    yield "up: Xet", lambda _: by_client(hub, "up", "ann/chunked", file, place)
    yield "down: Xet", lambda _: by_client(hub, "down", "ann/chunked", place / "fetched", place)


def rest(process: int) -> None:
    """Wait until a process neither computes nor reads, so that nobody is measured beside its work."""
    folder = Path(f"/proc/{process}")
    before: list[bytes] = []
    until = time.monotonic() + MOST_REST
    while folder.exists() and time.monotonic() < until:
        seconds = (folder / "stat").read_bytes().rpartition(b")")[2].split()[11:13]
        now = [*seconds, (folder / "io").read_bytes()]
        if now == before:
            return
        before = now
        time.sleep(0.5)


def sent(url: str, file: Path) -> float:
    return curl("--upload-file", str(file), "--header", "Expect:", url)


def fetched(url: str, token: str = "") -> float:
    return curl(*(["--header", f"Authorization: Bearer {token}"] if token else []), "--location", url)


def curl(*options: str) -> float:
    """Seconds that curl took."""
    command = ["curl", "--silent", "--fail", "--output", os.devnull, "--write-out", "%{time_total}", *options]
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def by_client(hub: Served, way: str, repository: str, path: Path, place: Path) -> float:
    """Seconds of one call of the client, whose cache is empty."""
    shutil.rmtree(place / "home", ignore_errors=True)
    shutil.rmtree(place / "fetched", ignore_errors=True)
    told = {"HF_ENDPOINT": hub.url, "HF_TOKEN": hub.token, "HF_HOME": str(place / "home")}
    quiet = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    command = [sys.executable, "-c", CLIENT, way, repository, str(path)]
    done = subprocess.run(command, env=os.environ | told | quiet, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout.split()[-1])


# Small questions


def questions(hub: Served) -> dict[str, dict[str, float]]:
    """Of each kind the answers a second, and the milliseconds of one."""
    some = ask(hub, "GET", "/api/models?limit=200")
    names = [one["id"] for one in some]
    kinds = {
        "what a repository is": lambda i: f"/api/models/{names[i % len(names)]}",
        "its files": lambda i: f"/api/models/{names[i % len(names)]}/tree/main",
        "the head of a file": lambda i: f"/{names[i % len(names)]}/resolve/main/.gitattributes",
        "a list of 100": lambda _: "/api/models?limit=100&sort=downloads",
        "a search": lambda i: f"/api/models?search=lstm-{i % 97}&limit=20",
    }
    return {
        title: {"a second": rate(hub, path), "milliseconds": 1000 / rate(hub, path, askers=1)}
        for title, path in kinds.items()
    }


def rate(hub: Served, path: Callable[[int], str], askers: int = ASKERS) -> float:
    """Answers a second to so many threads."""
    counts = [0] * askers
    until = time.perf_counter() + SECONDS

    def going(asker: int) -> None:
        connection = http.client.HTTPConnection(urlsplit(hub.url).netloc)
        while time.perf_counter() < until:
            connection.request("GET", path(asker + askers * counts[asker]), headers=hub.headers)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, answer.status
            counts[asker] += 1
        connection.close()

    threads = [threading.Thread(target=going, args=(i,)) for i in range(askers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / SECONDS


def ask(hub: Served, method: str, path: str, body: dict[str, Any] | bytes | None = None) -> Any:
    """The JSON answer of the hub."""
    connection = http.client.HTTPConnection(urlsplit(hub.url).netloc)
    content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    kind = "application/x-ndjson" if isinstance(body, bytes) else "application/json"
    connection.request(method, path, content, {**hub.headers, "Content-Type": kind})
    answer = connection.getresponse()
    said = answer.read()
    if answer.status >= 300:
        raise SystemExit(f"{method} {path}: {answer.status} {said[:300]!r}")
    return json.loads(said)


# The page


def page(content: dict[str, Any], rounds: int) -> list[str]:
    top, found = content["ceiling"], content["files"]
    hashing = 1 / (1 / top["sha256"] + 1 / top["blake3"])
    beside = {
        "up: LFS": ("hashed inline", found.get("up: hashed inline")),
        "down: hub": ("nginx", found.get("down: nginx")),
        "up: Xet": ("what its hashing allows one core", [hashing]),
        "down: Xet": ("what its hashing allows one core", [hashing]),
    }
    rows = []
    for title, rates in found.items():
        against, theirs = beside.get(title, ("", None))
        ratio = f"{median(rates) / median(theirs):.2f} × {against}" if theirs else ""
        rows.append((title, f"{median(rates):.2f} [{min(rates):.2f}, {max(rates):.2f}]", ratio))
    small = [
        (title, f"{one['a second']:,.0f}", f"{one['milliseconds']:.1f}") for title, one in content["questions"].items()
    ]
    return [
        "# A hub beside what the machine allows",
        "",
        *stamp_lines(content),
        "",
        f"Ceiling: SHA-256 {top['sha256']:.2f} GB/s and BLAKE3 {top['blake3']:.2f} GB/s with one core, "
        f"{top['disk']:.2f} GB/s to the disk for good.",
        "",
        f"## A file of {content['megabytes']:,} MiB",
        "",
        *table(("", "GB/s", "beside"), rows),
        "",
        f"## Questions to a hub with {content['repositories']:,} repositories",
        "",
        *table(("", "answers a second", "milliseconds, one alone"), small),
        "",
        EXPLAINED.format(rounds=rounds, size=f"{content['megabytes']:,}", askers=ASKERS),
    ]


if __name__ == "__main__":
    main()
