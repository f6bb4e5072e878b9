"""Architectures by name. A new one is a file in this folder and a line here, or an entry point ``minnow.models``."""

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from minnow.errors import BundleError, UnknownNameError
from minnow.models.base import ModelConfig

ARCHITECTURES = {
    "bert": ("minnow.models.bert", "BertConfig", "Bert"),
    "distilbert": ("minnow.models.distilbert", "DistilBertConfig", "DistilBert"),
    "encoder_classifier": ("minnow.models.encoder_classifier", "EncoderClassifierConfig", "EncoderClassifier"),
    "gpt2": ("minnow.models.gpt2", "GPT2Config", "GPT2"),
    "llama": ("minnow.models.llama", "LlamaConfig", "Llama"),
    "mistral": ("minnow.models.llama", "MistralConfig", "Llama"),
    "ngram": ("minnow.models.ngram", "NgramConfig", "NgramModel"),
    "qwen2": ("minnow.models.llama", "Qwen2Config", "Llama"),
    "qwen3": ("minnow.models.llama", "Qwen3Config", "Llama"),
    "rnn_lm": ("minnow.models.rnn_lm", "RnnLMConfig", "RnnLM"),
    "rnn_seq2seq": ("minnow.models.rnn_seq2seq", "RnnSeq2SeqConfig", "RnnSeq2Seq"),
    "text_classifier": ("minnow.models.text_classifier", "TextClassifierConfig", "TextClassifier"),
    "transformer_seq2seq": ("minnow.models.transformer_seq2seq", "TransformerSeq2SeqConfig", "TransformerSeq2Seq"),
    "wide_and_deep": ("minnow.models.wide_and_deep", "WideAndDeepConfig", "WideAndDeep"),
}


def architecture(model_type: str) -> tuple[type[ModelConfig], Any]:
    """The configuration and the model class of an architecture.

    Raises:
        UnknownNameError: no architecture has this name.
    """
    if model_type in ARCHITECTURES:
        module, config, model = ARCHITECTURES[model_type]
        loaded = import_module(module)
        return getattr(loaded, config), getattr(loaded, model)
    added = {point.name: point for point in entry_points(group="minnow.models")}
    if model_type not in added:
        raise UnknownNameError("model", model_type, [*ARCHITECTURES, *added])
    config_class, model_class = added[model_type].load()
    return config_class, model_class


def model_from(config: Mapping[str, Any], tensors: Mapping[str, Any]) -> Any:
    """The model that ``config.json`` describes, with the weights of ``model.safetensors``.

    Raises:
        BundleError: the two do not fit together, or the architecture is unknown.
    """
    name = config.get("model_type")
    if not isinstance(name, str):
        raise BundleError("config.json names no model_type; it is not a model of this house")
    try:
        config_class, model_class = architecture(name)
    except UnknownNameError as error:
        raise BundleError(f"config.json: {error}") from error
    return model_class.from_tensors(config_class.from_dict(config), tensors)
