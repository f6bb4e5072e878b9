"""Configurations in Hugging Face's words: what is harmless in their files is passed over, what we cannot do refused.

A key that nobody here knows might change what the model computes, so it is an error rather than silently dropped.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self

from minnow.errors import BundleError, RecipeError
from minnow.models.base import ModelConfig
from minnow.strict import write_record

# About files, training, heads for other tasks, or the way of generating; none changes the logits.
HARMLESS = frozenset(
    """
    architectures attn_implementation bad_words_ids begin_suppress_tokens chunk_size_feed_forward classifier_dropout
    cls_token_id decoder_start_token_id directionality diversity_penalty do_sample dtype early_stopping
    encoder_no_repeat_ngram_size exponential_decay_length_penalty finetuning_task forced_bos_token_id
    forced_eos_token_id gradient_checkpointing id2label is_llama_config keys_to_ignore_at_inference label2id
    length_penalty mask_token_id max_length max_sequence_length min_length n_ctx n_special no_repeat_ngram_size
    num_beam_groups num_beams num_labels num_return_sequences output_attentions output_hidden_states output_past
    output_scores pooler_fc_size pooler_num_attention_heads pooler_num_fc_layers pooler_size_per_head pooler_type
    predict_special_tokens prefix pretraining_tp problem_type qa_dropout remove_invalid_values
    reorder_and_upcast_attn repetition_penalty return_dict return_dict_in_generate sep_token_id seq_classif_dropout
    summary_activation summary_first_dropout summary_proj_to_labels summary_type summary_use_proj suppress_tokens
    task_specific_params temperature tf_legacy_loss tie_last_hidden_states tie_weights_ tokenizer_class top_k top_p
    torch_dtype torchscript transformers.js_config transformers_version typical_p unk_token_id unsloth_fixed
    unsloth_version use_bfloat16 use_cache
    """.split()  # noqa: SIM905 - a list would be a page of quotes
)

# Switches that this house has one position of.
FIXED: dict[str, tuple[Any, ...]] = {
    "add_cross_attention": (False, None),
    "cross_attention_hidden_size": (None,),
    "embedding_size": (None,),
    "is_decoder": (False, None),
    "is_encoder_decoder": (False, None),
    "partial_rotary_factor": (1.0, None),
    "per_layer_config": (None,),
    "position_embedding_type": ("absolute", None),
    "pruned_heads": ({}, None),
    "quantization_config": (None,),
    "rope_interleaved": (False, None),
    "scale_attn_weights": (True,),
    "sinusoidal_pos_embds": (False, True),  # how the table of positions was made; its numbers are in the file
    "tie_encoder_decoder": (False, None),
    "tie_word_embeddings": (True,),
    "use_mrope": (False, None),
}


@dataclass(frozen=True, kw_only=True)
class ForeignConfig(ModelConfig):
    """A configuration whose file other programs read too.

    Attributes:
        pad_token_id: fills rows up.
        bos_token_id: begins a text.
        eos_token_id: ends a text; where any of several does, all of them.
    """

    architecture: ClassVar[str]  # the name of the class that opens it in ``transformers``
    most_layers: ClassVar[int] = 512

    pad_token_id: int | None = None
    bos_token_id: int | None = None
    eos_token_id: int | tuple[int, ...] | None = None

    def to_dict(self) -> dict[str, Any]:
        """What ``config.json`` says; None is written out, for others have defaults of their own."""
        written = write_record(self)
        values = {f.name: written.get(f.name) for f in fields(self)}
        return {"architectures": [self.architecture], "model_type": self.model_type, **values}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read ``config.json``, of this house or of another.

        Raises:
            BundleError: a key that nobody knows here, or a value that this house cannot do.
        """
        own = {f.name for f in fields(cls)}
        kept = {}
        for key, value in values.items():
            if key not in own and key in FIXED:
                cls._check_fixed(key, value)
            elif key in own or not (key in HARMLESS or key.startswith("_")):  # what begins so is a program's own
                kept[key] = value
        ends = kept.pop("eos_token_id", None)
        if not isinstance(ends, list | tuple):
            kept["eos_token_id"] = ends
            return super().from_dict(kept)
        if not all(type(end) is int for end in ends):
            raise BundleError(f"config.json.eos_token_id must be whole numbers, but got {ends!r}")
        return replace(super().from_dict(kept), eos_token_id=tuple(ends))

    @classmethod
    def _check_fixed(cls, key: str, value: Any) -> None:
        if value not in FIXED[key]:
            raise BundleError(
                f"config.json asks for {key}={value!r}, which {cls.model_type} of this house does not compute; "
                f"it can only do {FIXED[key][0]!r}"
            )


def check_heads(size_name: str, size: int, heads_name: str, num_heads: int) -> None:
    """Raise RecipeError unless the features are shared out evenly among the heads."""
    if size % num_heads:
        below, above = size // num_heads * num_heads, (size // num_heads + 1) * num_heads
        nearby = f"{below} or {above}" if below else str(above)
        raise RecipeError(
            f"{size_name} must be a multiple of {heads_name}, but got {size_name}={size}, {heads_name}={num_heads}; "
            f"try {nearby}"
        )
