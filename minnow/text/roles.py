"""Which token plays which role: in the house's own tokenizers, and by the files beside one; and the chat template."""

import json
from pathlib import Path
from typing import Any

from minnow.errors import BundleError

SPECIAL_TOKENS = ("<pad>", "<unk>", "<bos>", "<eos>")  # the first entries of every vocabulary of this house
PAD_ID, UNK_ID, BOS_ID, EOS_ID = range(4)
MASK_TOKEN = "<mask>"
OUR_ROLES = dict(zip(("pad_token", "unk_token", "bos_token", "eos_token"), SPECIAL_TOKENS, strict=True))
CONFIG_FILE = "tokenizer_config.json"
ROLES = ("pad_token", "unk_token", "bos_token", "eos_token", "cls_token", "sep_token", "mask_token")
# What a lone tokenizer.json calls its tokens, most telling names first.
CUSTOMARY = {
    "pad_token": ("<pad>", "[PAD]", "<|pad|>"),
    "unk_token": ("<unk>", "[UNK]"),
    "bos_token": ("<s>", "<bos>", "<|begin_of_text|>"),
    "eos_token": ("</s>", "<eos>", "<|end_of_text|>", "<|im_end|>", "<|endoftext|>"),
    "cls_token": ("[CLS]",),
    "sep_token": ("[SEP]",),
    "mask_token": ("[MASK]", "<mask>"),
}
LARGEST_FILE = 200_000_000  # bytes; the largest vocabularies in use take a tenth


def settings_beside(folder: Path | None) -> dict[str, Any]:
    """Roles and settings from the files of a folder; what the tokenizer's own files say comes first."""
    settings: dict[str, Any] = {}
    if folder is None:
        return settings
    for name in ("config.json", "generation_config.json", "special_tokens_map.json", CONFIG_FILE):
        found = read_object(folder / name)
        if name in ("config.json", "generation_config.json"):
            found = {f"{role}_id": found[f"{role}_id"] for role in ROLES if found.get(f"{role}_id") is not None}
        settings |= {key: _content(value) for key, value in found.items() if value is not None}
    settings["chat_template"] = chat_template_beside(folder)
    return settings


def chat_template_beside(folder: Path) -> str | None:
    """The chat template of a folder: a file of its own, or a line in ``tokenizer_config.json``."""
    own = folder / "chat_template.jinja"
    if own.is_file():
        return read_text(own)
    found = read_object(folder / CONFIG_FILE).get("chat_template")
    if isinstance(found, list):  # several by name
        by_name = {str(one.get("name")): one.get("template") for one in found if isinstance(one, dict)}
        found = by_name.get("default")
    return found if isinstance(found, str) else None


def _content(value: Any) -> Any:
    """A token may be written as its text or as a table of how it is matched."""
    return value["content"] if isinstance(value, dict) and "content" in value else value


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object; empty where the file is not there.

    Raises:
        BundleError: it is there and is no JSON object.
    """
    if not path.is_file():
        return {}
    try:
        found = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path} is damaged ({error}); fetch it anew") from error
    if not isinstance(found, dict):
        raise BundleError(f"{path} should hold one JSON object; fetch it anew")
    return found


def read_text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise BundleError(f"{path} is larger than {LARGEST_FILE:,} bytes; it is not a tokenizer's file")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"cannot read {path} ({error}); fetch it anew") from error
