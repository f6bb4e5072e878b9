"""A trained model as a folder: read it, write it, and nothing of what it is for."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import orjson

from minnow.bundle import layout
from minnow.bundle.weights import load_weights, packed_weights
from minnow.errors import BundleError, InputError, UnknownNameError
from minnow.files import storage_error, write_bytes, write_text
from minnow.models.foreign import ForeignConfig
from minnow.models.registry import model_from
from minnow.text.opening import open_tokenizer
from minnow.text.tokenizer import Tokenizer

FORMAT_VERSION = 1
WHOLE = (layout.CONFIG, layout.WEIGHTS)
ADAPTER = (layout.ADAPTER_CONFIG, layout.ADAPTER_WEIGHTS)
OPTIONAL = (layout.TOKENIZER, layout.TARGET_TOKENIZER, layout.TOKENIZER_CONFIG, layout.GENERATION_CONFIG, layout.RECIPE)


@dataclass(frozen=True)
class Bundle:
    """A model and what travels with it.

    Attributes:
        model: of an architecture in ``models/``.
        task: name, version and settings of the task it was made for, as that task writes them.
        tokenizer: None for a model that reads text in another way.
        provenance: data, code, machine and time it was made with.
        recipe: the recipe's text.
        base: where the model has an adapter that is kept apart, the folder of the model without it; such a bundle
            is saved as the adapter alone.
    """

    model: Any
    task: Mapping[str, Any]
    tokenizer: Tokenizer | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    recipe: str = ""
    base: Path | None = None

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Read a model folder; where it holds an adapter, the model that the adapter belongs to as well.

        Raises:
            BundleError: it is missing, unfinished, damaged, or from a later version of Minnow.
        """
        folder = Path(folder)
        layout.check_bundle(folder)
        manifest = _read_json(folder / layout.MANIFEST)
        written = manifest.get("format_version")
        if written != FORMAT_VERSION:
            raise BundleError(f"{folder} has format {written}, but this Minnow reads {FORMAT_VERSION}; update Minnow")
        if not isinstance(manifest.get("task"), dict):
            raise BundleError(f"{folder / layout.MANIFEST} names no task; train the model again or fetch it anew")
        if not isinstance(manifest.get("provenance", {}), dict):
            raise _damaged(folder / layout.MANIFEST, TypeError("provenance must be an object"))
        model, base = cls._model(folder, manifest.get("provenance", {}))
        tokenizer = open_tokenizer(folder / layout.TOKENIZER) if manifest.get("tokenizer") else None
        if tokenizer is not None and (folder / layout.TARGET_TOKENIZER).is_file():
            tokenizer.target = open_tokenizer(folder / layout.TARGET_TOKENIZER)
        recipe = folder / layout.RECIPE
        return cls(
            model,
            manifest["task"],
            tokenizer,
            manifest.get("provenance", {}),
            _read_text(recipe) if recipe.is_file() else "",
            base,
        )

    @classmethod
    def _model(cls, folder: Path, provenance: Mapping[str, Any]) -> tuple[Any, Path | None]:
        """The model of a folder, and where that holds an adapter, the folder of the model beneath."""
        if not (folder / layout.ADAPTER_CONFIG).is_file():
            return model_from(_read_json(folder / layout.CONFIG), load_weights(folder / layout.WEIGHTS)), None
        from minnow.bundle.adapter import base_of, check_beneath, load_adapter  # which needs torch
        from minnow.layers.lora import adapters

        base = base_of(folder)
        beneath = cls.load(base)
        if beneath.base is not None:
            raise BundleError(f"the adapter {folder} belongs to {base}, which is itself an adapter; give a whole model")
        check_beneath(folder, base, provenance)
        model = load_adapter(folder, beneath.model)
        return model, base if adapters(model) else None

    def merged(self) -> Self:
        """This bundle with an adapter that is kept apart added to the weights; its model changes in place."""
        if self.base is None:
            return self
        from minnow.layers.lora import merge

        merge(self.model)
        return replace(self, base=None)

    def in_precision(self, precision: str) -> Self:
        """This bundle with a model that computes in ``float32``, in ``bfloat16``, or in the faster of the two on this
        machine (``auto``). Its weights change in place: in bfloat16 they take half the memory and keep three digits.
        With ``int8`` they stay, and a search multiplies them rounded to eight bits.

        Raises:
            InputError: there is no such precision, or not for this model, or not on this machine.
        """
        import torch

        from minnow.layers.precision import PRECISIONS, precision_of_search

        if precision not in PRECISIONS:
            raise UnknownNameError("precision", precision, PRECISIONS)
        parameter = next(self.model.parameters(), None) if hasattr(self.model, "parameters") else None
        if parameter is None:
            if precision in ("bfloat16", "int8"):
                raise InputError(
                    f"a model of the type {self.model.config.model_type} has one precision of its own; "
                    "take auto, or leave the precision out"
                )
            return self
        if precision == "int8":
            self._check_eight_bits()
        if hasattr(self.model, "eight_bits"):
            self.model.eight_bits = precision == "int8"
        said = "float32" if precision == "int8" else precision
        self.model.to(getattr(torch, precision_of_search(said, self.model, parameter.device)))
        return self

    def _check_eight_bits(self) -> None:
        from minnow.layers.tiles import arithmetics_here

        if not hasattr(self.model, "eight_bits"):
            raise InputError(
                f"int8 is for models of the type transformer_seq2seq, but this is a {self.model.config.model_type}; "
                "take auto, or leave the precision out"
            )
        if "int8" not in arithmetics_here():
            raise InputError("int8 needs a processor with AVX-512 and its VNNI, which this one lacks; take auto")

    def save(self, folder: Path | str) -> None:
        """Write the folder; ``minnow.json`` comes last, so that a folder that has it is complete. An older model there
        stays until this one's weights are ready to be written."""
        folder = Path(folder)
        manifest = {
            "format_version": FORMAT_VERSION,
            "task": dict(self.task),
            "tokenizer": self.tokenizer is not None,
            "provenance": dict(self.provenance),
        }
        files, last = self._model_files(folder), _as_json(manifest)
        other = ADAPTER if self.base is None else WHOLE
        for name in (layout.MANIFEST, *other, *OPTIONAL):  # an older model's must not outlive it
            _remove(folder / name)
        for name, content in files.items():
            write_bytes(folder / name, content)
        if self.tokenizer is not None:
            self.tokenizer.save(folder / layout.TOKENIZER)
            if self.tokenizer.target is not None:
                self.tokenizer.target.save(folder / layout.TARGET_TOKENIZER)
            if isinstance(self.model.config, ForeignConfig):
                self._save_for_transformers(self.tokenizer, folder)
        if self.recipe:
            write_text(folder / layout.RECIPE, self.recipe)
        write_text(folder / layout.MANIFEST, last)

    def _model_files(self, folder: Path) -> dict[str, bytes]:
        if self.base is None:
            config = _as_json(self.model.config.to_dict()).encode()
            return {layout.CONFIG: config, layout.WEIGHTS: packed_weights(self.model.tensors())}
        from minnow.bundle.adapter import adapter_files

        return adapter_files(folder, self.model, self.base, "CAUSAL_LM" if hasattr(self.model, "prefill") else None)

    def _save_for_transformers(self, tokenizer: Tokenizer, folder: Path) -> None:
        """Which tokens begin, end and pad a text, so that ``transformers`` opens the folder as it is."""
        writes = hasattr(self.model, "prefill")
        # What is written must follow its prompt: of prompts side by side the shorter ones are filled up before.
        tokenizer.save_config(folder, **({"padding_side": "left"} if writes else {}))
        if writes:
            ends = tokenizer.eos_ids
            generation = {
                "eos_token_id": list(ends) if len(ends) > 1 else ends[0],
                "pad_token_id": tokenizer.pad_id,
            }
            if "bos_token" in tokenizer.special_tokens:
                generation["bos_token_id"] = tokenizer.bos_id
            write_text(folder / layout.GENERATION_CONFIG, _as_json(generation))


def size_on_disk(folder: Path) -> int:
    """Bytes of what a model needs to answer: configuration, weights, tokenizer, manifest; of an adapter its own."""
    names = (*WHOLE, *ADAPTER, layout.TOKENIZER, layout.TARGET_TOKENIZER, layout.MANIFEST)
    return sum((folder / name).stat().st_size for name in names if (folder / name).is_file())


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(_read_text(path))
    except (ValueError, RecursionError) as error:
        raise _damaged(path, error) from error
    if not isinstance(content, dict):
        raise BundleError(f"{path} should hold one JSON object; train the model again or fetch it anew")
    return content


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> BundleError:
    return BundleError(f"{path} is missing or damaged ({error}); train the model again or fetch it anew")


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(error, path) from error


def _as_json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY).decode() + "\n"
