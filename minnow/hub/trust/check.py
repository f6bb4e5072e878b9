"""What may be uploaded: safetensors whose headers are sound, nothing that runs code when it is loaded.

A file is looked at twice: by its name and first bytes when the upload is announced, and whole when it is committed.
"""

import io
import json
import re
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

from minnow.errors import RefusedUploadError
from minnow.hub.trust.archives import Budget, look_into
from minnow.hub.trust.arrays import MAGIC, check_array
from minnow.hub.trust.content import Bytes, Content, buffered, part
from minnow.hub.trust.pickles import HEAD_BYTES, is_pickle
from minnow.hub.trust.safetensors import SUFFIX, check_safetensors, check_start

PICKLED_SUFFIXES = {
    ".pt",
    ".pth",
    ".ptl",
    ".pkl",
    ".pickle",
    ".pck",
    ".pcl",
    ".ckpt",
    ".joblib",
    ".dill",
    ".cloudpickle",
}
PICKLED_NAMES = re.compile(
    r"(pytorch_model|diffusion_pytorch_model|adapter_model|training_args|optimizer|scheduler|scaler|rng_state\w*)"
    r"([-.][\w.-]*)?\.bin"
)
PACKED_SUFFIXES = {".gz", ".bz2", ".xz", ".zst", ".lz4", ".z", ".zlib", ".br"}
MOST_JSON_BYTES = 16 * 1024 * 1024
CODE_KEYS = ("auto_map", "custom_pipelines")
CONVERT = (
    "write weights as safetensors: `save_pretrained(folder, safe_serialization=True)` for a model of transformers, "
    "`safetensors.torch.save_file(state_dict, 'model.safetensors')` for any other; data as parquet, JSON lines or "
    "plain NumPy arrays"
)


@dataclass(frozen=True)
class Policy:
    """What a hub takes.

    Attributes:
        remote_code: whether configurations may name Python code of the repository (``auto_map``), which runs on the
            machine of whoever loads the model with ``trust_remote_code=True``.
    """

    remote_code: bool = False


STRICT = Policy()


def check_sample(path: str, size: int, sample: bytes) -> None:
    """Look at a file that is about to be uploaded.

    Args:
        path: in the repository.
        size: of the whole file, in bytes.
        sample: its first bytes, as many as the client sent; it may be none.

    Raises:
        RefusedUploadError: it would be refused when it is committed.
    """
    _check_name(path)
    _check_head(path, sample, io.BytesIO(sample))
    if _name(path).endswith(SUFFIX) and len(sample) >= min(size, 9):
        check_start(path, sample, size)


def check_upload(path: str, content: Content, policy: Policy = STRICT) -> None:
    """Look at the whole of a file that is to be committed.

    Raises:
        RefusedUploadError: says what is wrong and how to convert it.
    """
    _check_name(path)
    head = part(content, 0, HEAD_BYTES)
    _check_head(path, head, buffered(content, HEAD_BYTES))
    if _name(path).endswith(SUFFIX):
        check_safetensors(path, content)
        return
    look_into(path, content, head, _check_member, Budget(path, content.size))
    if _name(path).endswith(".json") and not policy.remote_code:
        _check_remote_code(path, content)


def _check_member(path: str, head: bytes, member: BinaryIO) -> None:
    """Look at a file within an archive, of which no more is unpacked than is read here."""
    _check_name(path)
    _check_head(path, head, member)


def _check_name(path: str) -> None:
    name = _name(path)
    stem = name
    while (dot := stem.rfind(".")) > 0 and stem[dot:] in PACKED_SUFFIXES:
        stem = stem[:dot]
    if any(stem.endswith(suffix) for suffix in PICKLED_SUFFIXES) or PICKLED_NAMES.fullmatch(stem):
        raise RefusedUploadError(
            f"{path} is named like a pickle, and loading a pickle runs whatever code is in it; {CONVERT}"
        )


def _check_head(path: str, head: bytes, content: BinaryIO) -> None:
    """Look at a content by its first bytes, and further where it goes on like a pickle."""
    if is_pickle(content):
        raise RefusedUploadError(f"{path} is a pickle, and loading a pickle runs whatever code is in it; {CONVERT}")
    if head.startswith(MAGIC):
        check_array(path, head)
    elif _holds_torch_pickle(head):
        raise RefusedUploadError(
            f"{path} is a file of torch.save, which holds a pickle, and loading a pickle runs whatever code is in it; "
            f"{CONVERT}"
        )


def _holds_torch_pickle(head: bytes) -> bool:
    """Whether the first member of a zip archive is the pickle that torch.save puts there; the name is in the header."""
    if not head.startswith(b"PK\x03\x04"):
        return False
    length = int.from_bytes(head[26:28], "little")
    return head[30 : 30 + length].endswith(b"data.pkl")


def _check_remote_code(path: str, content: Content) -> None:
    if content.size > MOST_JSON_BYTES:
        if _name(path).endswith("config.json"):
            raise RefusedUploadError(f"{path} has over {MOST_JSON_BYTES} bytes, too many for a configuration")
        return
    try:
        text = part(content, 0, content.size).decode("utf-8-sig")
        # As a float, a whole number may have any length; how many digits else is a matter of who reads it.
        json.loads(text, object_hook=partial(_refuse_code, path), parse_int=float)
    except ValueError:
        return
    except RecursionError:
        # How deep a reader comes depends on where he begins: what is too deep here may not be so there.
        raise RefusedUploadError(f"{path} is nested too deeply to be looked into; make it flatter") from None


def _refuse_code(path: str, read: dict[str, Any]) -> dict[str, Any]:
    """The same object, where it names no code; ``processor_config.json`` has those of its processors within its own."""
    # A vocabulary may have such a word too, but then a number stands behind it.
    if any(read.get(key) and isinstance(read[key], dict | list | str) for key in CODE_KEYS):
        raise RefusedUploadError(
            f"{path} names Python code that is to run where the model is loaded (auto_map); this hub takes none. "
            "Use an architecture of transformers, or ask who keeps the hub for `minnow hub serve --allow-remote-code`"
        )
    return read


def _name(path: str) -> str:
    return path.rpartition("/")[2].lower()


__all__ = ["STRICT", "Bytes", "Content", "Policy", "check_sample", "check_upload"]
