"""What a repository says of itself: the front matter of its card, its configuration, the parameters it holds."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import orjson
import yaml

from minnow.errors import InputError

FRONT_MATTER = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*\r?$", re.DOTALL | re.MULTILINE)
BASES = re.compile(r"^base_model:[ \t]*((?:[^\n]*)(?:\n[ \t]*-[ \t][^\n]*)*)", re.MULTILINE)
MOST_CARD_BYTES = 1 << 20
MOST_FRONT_MATTER = 64 << 10
MOST_DEPTH = 12
MOST_TAGS, MOST_TAG_LETTERS = 200, 200
MOST_WORD_LETTERS = 128
LARGEST = (1 << 63) - 1
# What reading YAML ends in where tags and numbers are not what they say.
BROKEN = (yaml.YAMLError, ValueError, LookupError, AttributeError, ArithmeticError, TypeError, RecursionError)
CONFIG_KEYS = ("architectures", "model_type", "auto_map", "quantization_config", "tokenizer_config")
ADAPTER_FILE = "adapter_config.json"
ONE_WORD_KEYS = ("pipeline_tag", "library_name")
TAGGED_KEYS = {"license": "license", "datasets": "dataset", "base_model": "base_model", "language": ""}
TAGGED_OF_DATASETS = {
    key: key
    for key in (
        *("task_categories", "task_ids", "size_categories", "language", "license", "multilinguality"),
        *("language_creators", "annotations_creators", "source_datasets"),
    )
}
TAGGED_OF_SPACES = {"sdk": "", "license": "license", "models": "model", "datasets": "dataset"}
TAGGED = {"model": TAGGED_KEYS, "dataset": TAGGED_OF_DATASETS, "space": TAGGED_OF_SPACES}
FORMATS = {"safetensors": "safetensors", "gguf": "gguf", "onnx": "onnx"}
FORMATS_OF_DATASETS = {
    "parquet": "parquet",
    "csv": "csv",
    "tsv": "csv",
    "json": "json",
    "jsonl": "json",
    "arrow": "arrow",
}
# What a configuration's architecture says of the task, as far as its name ends so.
TASKS = {
    "ForCausalLM": "text-generation",
    "LMHeadModel": "text-generation",
    "ForMaskedLM": "fill-mask",
    "ForSequenceClassification": "text-classification",
    "ForTokenClassification": "token-classification",
    "ForQuestionAnswering": "question-answering",
}


@dataclass(frozen=True)
class Facts:
    """What lists and pages show of a repository, read from the head of its default branch."""

    card: Mapping[str, Any] | None = None
    config: Mapping[str, Any] | None = None
    pipeline_tag: str | None = None
    library_name: str | None = None
    safetensors: Mapping[str, Any] | None = None
    tags: tuple[str, ...] = ()

    @property
    def num_parameters(self) -> int | None:
        """How many numbers its safetensors files hold."""
        return int(self.safetensors["total"]) if self.safetensors else None


def read_card(content: bytes | str) -> dict[str, Any]:
    """The front matter of a README.md; an empty one where it has none.

    Raises:
        InputError: it is no YAML table, too long, too deep, or names a part of itself.
    """
    text = content if isinstance(content, str) else content[:MOST_CARD_BYTES].decode("utf-8", "replace")
    found = FRONT_MATTER.search(text)
    if not found:
        return {}
    if len(found[1]) > MOST_FRONT_MATTER:
        raise InputError(f"the front matter of a card has at most {MOST_FRONT_MATTER} letters, but got {len(found[1])}")
    try:
        value = yaml.load(found[1], Loader=_Loader)
    except BROKEN as error:
        raise InputError(f"the front matter of the card is no YAML: {' '.join(str(error).split())}") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InputError("the front matter of a card must be a table of keys and values, such as `license: mit`")
    return {_text(key): _plain(inner, 1) for key, inner in value.items()}


def bases_in_sample(sample: bytes) -> tuple[str, ...]:
    """The models that the beginning of a README.md names as its base, which may be cut off anywhere."""
    text = sample.decode("utf-8", "replace")
    found = BASES.search(text) if text.lstrip("\ufeff").startswith("---") else None
    return tuple(word.strip(" \t\r-\"'[]") for word in re.split(r"[\n,]", found[1]) if word.strip()) if found else ()


def card_problems(content: str) -> list[str]:
    """What is wrong with a card, in sentences; none where it is right."""
    try:
        card = read_card(content)
    except InputError as error:
        return [str(error)]
    wrong = [f'"{key}" must be a string' for key in ONE_WORD_KEYS if not isinstance(card.get(key, ""), str)]
    wrong += [
        f'"{key}" must be a string or a list of strings'
        for key in ("license", "language", "tags", "datasets", "metrics", "base_model")
        if not all(isinstance(word, str) for word in _words(card.get(key)))
    ]
    return wrong


def card_warnings(content: str) -> list[str]:
    """What a card might say besides."""
    if not FRONT_MATTER.search(content):
        return ["the card has no front matter; add license, language and tags, so that people find the repository"]
    return []


def facts_of(
    kind: str, paths: Iterable[str], card: Mapping[str, Any], config: Mapping[str, Any] | None, safetensors: Any
) -> Facts:
    """What files, card and configuration say of a repository together.

    Args:
        paths: of all files.
        safetensors: ``{"parameters": {dtype: number}, "total": number}``, or None.
    """
    there = list(paths)
    library = card.get("library_name") or ("transformers" if config and config.get("model_type") else None)
    pipeline = card["pipeline_tag"] if "pipeline_tag" in card else _task(config or {}) if kind == "model" else None
    pipeline = _text(pipeline)[:MOST_WORD_LETTERS] if isinstance(pipeline, str) else None
    library = _text(library)[:MOST_WORD_LETTERS] if isinstance(library, str) else None
    words = map(_text, _tags(kind, there, card, config or {}, library, pipeline))
    tags = dict.fromkeys(tag[:MOST_TAG_LETTERS] for tag in words if tag)
    return Facts(card or None, config, pipeline, library, safetensors, tuple(tags)[:MOST_TAGS])


def read_config(content: bytes) -> dict[str, Any] | None:
    """What of a config.json lists show; None where it is none."""
    try:
        config = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(config, dict):
        return None
    return {key: config[key] for key in CONFIG_KEYS if key in config} or None


def count_parameters(headers: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """How many numbers of which type the tensors in these safetensors headers have; None without a header."""
    parameters: dict[str, int] = {}
    for header in headers:
        for name, tensor in header.items():
            if name != "__metadata__":
                size = 1
                for length in tensor["shape"]:
                    size *= length
                parameters[tensor["dtype"]] = parameters.get(tensor["dtype"], 0) + size
    return {"parameters": parameters, "total": sum(parameters.values())} if parameters else None


class _Loader(yaml.SafeLoader):
    """Plain values only; a part that is named and used again could grow without bound, so it is refused."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """As the base class does it, but for aliases."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("anchors and aliases (& and *) are not taken in a card")
        return super().compose_node(parent, index)


def _plain(value: Any, depth: int) -> Any:
    """A value as JSON has it."""
    if depth > MOST_DEPTH:
        raise InputError(f"the front matter of a card is at most {MOST_DEPTH} levels deep")
    if isinstance(value, dict):
        return {_text(key): _plain(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(inner, depth + 1) for inner in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, int) and -LARGEST <= value <= LARGEST:
        return value
    return value.isoformat() if isinstance(value, date | datetime) else _text(value)


def _text(value: Any) -> str:
    """A value as text that can be stored and sent: no half of a letter, and no NUL."""
    if isinstance(value, int) and abs(value) > LARGEST:
        return hex(value)  # as decimals it takes long, and Python refuses where there are very many
    return str(value).encode("utf-8", "replace").decode().replace("\0", "")


def _words(value: Any) -> Sequence[Any]:
    if value is None:
        return ()
    return value if isinstance(value, list) else (value,)


def _tags(
    kind: str,
    paths: Sequence[str],
    card: Mapping[str, Any],
    config: Mapping[str, Any],
    library: str | None,
    pipeline: str | None,
) -> Iterator[str]:
    yield from (library or "", pipeline or "")
    suffixes = {path.rpartition(".")[2] for path in paths}
    if kind == "dataset":
        yield from (f"format:{tag}" for suffix, tag in FORMATS_OF_DATASETS.items() if suffix in suffixes)
    else:
        yield from (tag for suffix, tag in FORMATS.items() if suffix in suffixes)
    if isinstance(config.get("model_type"), str):
        yield config["model_type"]
    yield from (str(word) for word in _words(card.get("tags")))
    for key, prefix in TAGGED.get(kind, TAGGED_KEYS).items():
        yield from (f"{prefix}:{word}" if prefix else str(word) for word in _words(card.get(key)))
    if kind == "model":
        relation = card.get("base_model_relation") or ("adapter" if ADAPTER_FILE in paths else "finetune")
        yield from (f"base_model:{relation}:{base}" for base in _words(card.get("base_model")))


def _task(config: Mapping[str, Any]) -> str | None:
    """The task that the first architecture of a configuration is named after."""
    names = [name for name in _words(config.get("architectures")) if isinstance(name, str)][:1]
    return next((task for name in names for ending, task in TASKS.items() if name.endswith(ending)), None)
