"""Fetching a public set from its source: hash checked where one is known, unpacked, there whole or not at all."""

import csv
import gzip
import hashlib
import http.client
import io
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import orjson

from minnow.data.catalog import Located, file_name, file_sha256, part_files, verify
from minnow.data.entry import Download, Entry, File
from minnow.data.streams import gunzipped
from minnow.errors import DataError
from minnow.files import written_whole
from minnow.listeners import Progress

MAX_DOWNLOAD_BYTES = 2 << 30
MAX_MEMBER_BYTES = 64 << 20
TIMEOUT_SECONDS = 30


def get(
    entry: Entry,
    folder: Path,
    parts: tuple[str, ...] = (),
    also_in: Sequence[Path] = (),
    progress: Progress | None = None,
) -> dict[str, Path]:
    """Download the parts of a set (all of them, where none is named) into ``folder`` and return where they lie.

    Parts that already lie there, or in a folder of ``also_in``, are verified and left. A part in a file a language
    comes as several, such as ``train.en`` and ``train.de``.

    Args:
        entry: the set.
        folder: the data folder; the set gets a folder of its own in it.
        parts: which parts.
        also_in: other data folders to look in first.
        progress: called with the file's name, the bytes done and the bytes in all (0 where the source does not say).

    Raises:
        DataError: the source cannot be reached, or sent something else than the catalog knows.
        StorageError: the disk refuses.
    """
    wanted = {
        file_name(part, language): file
        for part in parts or tuple(entry.parts)
        for language, file in part_files(entry, part).items()
    }
    got: dict[str, Path] = {}
    fetched: dict[str, Path] = {}
    with tempfile.TemporaryDirectory(prefix="minnow-get-") as held:
        for name, file in wanted.items():
            lying = _lying(file, (folder, *also_in))
            if lying is not None:
                verify(lying)
                got[name] = lying.path
                continue
            for download in file.downloads:
                if download.url not in fetched:
                    target = Path(held) / str(len(fetched))
                    _fetch(download, target, folder / file.target.path, progress)
                    fetched[download.url] = target
            got[name] = _unpack(file, [fetched[download.url] for download in file.downloads], folder)
    return got


def _lying(file: File, folders: Sequence[Path]) -> Located | None:
    """The best form of a part that lies in a folder; one that only stands in for it does not count."""
    for folder in folders:
        for place in file.places:
            if (folder / place.path).is_file() and not place.note:
                return Located(folder / place.path, place.sha256, place.note)
    return None


def _fetch(download: Download, target: Path, place: Path, progress: Progress | None) -> None:
    """Bytes of a URL into a file of the temporary folder, with their hash checked at the end."""
    name = download.url.rsplit("/", 1)[-1]
    digest = hashlib.sha256()
    done = 0
    try:
        # Only http(s): the catalog has no others, and urllib would open file:// and ftp:// as well.
        if not download.url.startswith(("https://", "http://")):
            raise DataError(f"cannot download {download.url}: only http and https are fetched")
        request = urllib.request.Request(download.url, headers={"User-Agent": "minnow"})
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer, target.open("wb") as stream:
            total = int(answer.headers.get("Content-Length") or 0)
            while chunk := answer.read(1 << 18):
                stream.write(chunk)
                digest.update(chunk)
                done += len(chunk)
                if done > MAX_DOWNLOAD_BYTES:
                    raise DataError(f"{download.url} sends more than {MAX_DOWNLOAD_BYTES >> 30} GiB; it was given up")
                if progress is not None:
                    progress(name, done, total)
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", None) or error
        raise DataError(
            f"cannot download {download.url} ({reason}); fetch it on another machine "
            f"and put the unpacked file at {place}"
        ) from error
    if total and done < total:
        raise DataError(f"{download.url} broke off after {done:,} of {total:,} bytes; run the command again")
    if download.sha256 is not None and digest.hexdigest() != download.sha256:
        raise DataError(
            f"{download.url} sent another file than the catalog knows: sha256 {digest.hexdigest()[:12]}… where "
            f"{download.sha256[:12]}… was expected; nothing was kept"
        )


def _unpack(file: File, sources: list[Path], folder: Path) -> Path:
    target = folder / file.target.path
    try:
        with written_whole(target) as stream:
            if target.suffix == ".gz":
                with gzip.GzipFile(filename="", mode="wb", fileobj=stream, mtime=0) as packed:
                    packed.writelines(steps[file.unpack](sources, file))
            else:
                stream.writelines(steps[file.unpack](sources, file))
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"{file.downloads[0].url} sent a file that cannot be unpacked ({error}); try again") from error
    if file.target.sha256 is not None and file_sha256(target) != file.target.sha256:
        target.unlink()
        raise DataError(f"{file.downloads[0].url} unpacked to another file than the catalog knows; nothing was kept")
    return target


def _copied(sources: list[Path], file: File) -> Iterator[bytes]:
    del file
    with sources[0].open("rb") as stream:
        while chunk := stream.read(1 << 20):
            yield chunk


def _gunzipped(sources: list[Path], file: File) -> Iterator[bytes]:
    return _bounded(gunzipped(sources[0]), file.downloads[0].url)


def _member_of_zip(sources: list[Path], file: File) -> Iterator[bytes]:
    with zipfile.ZipFile(sources[0]) as archive, archive.open(file.member) as stream:
        yield from _bounded(iter(lambda: stream.read(1 << 20), b""), file.member)


def _bounded(chunks: Iterator[bytes], name: str) -> Iterator[bytes]:
    done = 0
    for chunk in chunks:
        done += len(chunk)
        if done > MAX_DOWNLOAD_BYTES:
            raise DataError(f"{name} unpacks to more than {MAX_DOWNLOAD_BYTES >> 30} GiB; it was given up")
        yield chunk


def _label_then_text(sources: list[Path], file: File) -> Iterator[bytes]:
    """``1 a fine film`` to ``1<TAB>a fine film``; the files are UTF-8 or Latin-1 and do not say which."""
    del file
    content = sources[0].read_bytes()
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    for line in text.split("\n"):
        if line:
            yield (line.replace(" ", "\t", 1) + "\n").encode()


def _aligned(sources: list[Path], file: File) -> Iterator[bytes]:
    """A file of sentences and a file of intents, line by line."""
    del file
    sentences, intents = (source.read_text(encoding="utf-8").rstrip("\n").split("\n") for source in sources)
    if len(sentences) != len(intents):
        raise DataError(f"{len(sentences)} sentences but {len(intents)} intents were sent; nothing was kept")
    for sentence, intent in zip(sentences, intents, strict=True):
        yield orjson.dumps({"tokens": sentence.split(), "intent": intent.strip()}, option=orjson.OPT_APPEND_NEWLINE)


def _ag_news(sources: list[Path], file: File) -> Iterator[bytes]:
    """Class (from 1), title, description to label (from 0) and one text, joined by a stop as is usual."""
    del file
    text = sources[0].read_text(encoding="utf-8")
    for number, title, description in csv.reader(io.StringIO(text, newline="")):
        row = {"label": int(number) - 1, "text": f"{title} . {description}"}
        yield orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def _class_folders(sources: list[Path], file: File, encoding: str = "utf-8") -> Iterator[bytes]:
    """Texts of a tar: below ``member`` a folder a class, or texts without a label; read in order, never unpacked."""
    prefix = Path(file.member).parts
    with tarfile.open(sources[0], mode="r|gz") as archive:
        for member in archive:
            inner = Path(member.name).parts
            depth = len(inner) - len(prefix)
            if not member.isfile() or inner[: len(prefix)] != prefix or depth not in (1, 2):
                continue
            if member.size > MAX_MEMBER_BYTES:
                raise DataError(
                    f"{member.name} is larger than {MAX_MEMBER_BYTES >> 20} MiB; it is not the known archive"
                )
            stream = archive.extractfile(member)
            if stream is None or (depth == 2 and inner[-2] == "unsup") or (depth == 1 and not _holds_texts(prefix)):
                continue
            row = {"id": inner[-1], "text": stream.read().decode(encoding)}
            if depth == 2:
                row["label"] = inner[-2]
            yield orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def _stories(sources: list[Path], file: File) -> Iterator[bytes]:
    """Stories of a zip, a csv a story and a row a section; ``member`` is their folder."""
    with zipfile.ZipFile(sources[0]) as archive:
        found = sorted(info.filename for info in archive.infolist() if info.filename.startswith(f"{file.member}/"))
        for name in found:
            if not name.endswith("-story.csv"):
                continue
            if archive.getinfo(name).file_size > MAX_MEMBER_BYTES:
                raise DataError(f"{name} is larger than {MAX_MEMBER_BYTES >> 20} MiB; it is not the known archive")
            text = archive.read(name).decode("utf-8-sig")
            sections = [row["text"] for row in csv.DictReader(io.StringIO(text, newline="")) if row.get("text")]
            row = {"story": Path(name).name.removesuffix("-story.csv"), "sections": sections}
            yield orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def _holds_texts(prefix: tuple[str, ...]) -> bool:
    """Beside the classes of the film reviews lie lists of URLs and word counts, which are no texts."""
    return prefix[-1] == "unsup"


def _class_folders_latin1(sources: list[Path], file: File) -> Iterator[bytes]:
    return _class_folders(sources, file, "latin-1")


steps: dict[str, Callable[[list[Path], File], Iterator[bytes]]] = {
    "copy": _copied,
    "gunzip": _gunzipped,
    "zip": _member_of_zip,
    "spaced": _label_then_text,
    "aligned": _aligned,
    "ag_news": _ag_news,
    "stories": _stories,
    "class_folders": _class_folders,
    "class_folders_latin1": _class_folders_latin1,
}
