"""Fill mask: a text with gaps in, the likeliest words for each gap out.

B rows · S positions · V vocabulary
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from minnow.errors import BundleError, InputError, RecipeError
from minnow.tasks.base import Task, check_vocabulary, needed
from minnow.tasks.signature import Candidate, Field, Filled, Signature
from minnow.text.tokenizer import Tokenizer

GAPS = ("[MASK]", "<mask>")  # either may be written, whatever the model's own token is called
LEADING_SPACE = ("bpe", "unigram")  # kinds whose tokens begin with the space before a word
ROWS_AT_ONCE = 16


@dataclass(frozen=True)
class FillMask(Task):
    """The use of a masked language model.

    Attributes:
        num_candidates: how many words are given for a gap.
    """

    name: ClassVar[str] = "fill_mask"
    version: ClassVar[int] = 1
    signature: ClassVar[Signature] = Signature(
        "fill_mask", (Field("text", "text", "a text with [MASK] in it"),), Filled
    )

    num_candidates: int = 5

    def __post_init__(self) -> None:
        if self.num_candidates < 1:
            raise RecipeError(f"num_candidates must be at least 1, but got num_candidates={self.num_candidates}")

    def check(self, model: Any, tokenizer: Tokenizer | None) -> None:
        check_vocabulary(model, tokenizer)
        if needed(tokenizer).mask_id is None:
            raise BundleError("the model fills gaps, but its tokenizer has no token for one; fetch it anew")

    def predict(self, model: Any, tokenizer: Tokenizer | None, inputs: Sequence[str]) -> list[Filled]:
        """The candidates for each gap of each text.

        Raises:
            InputError: a text has no gap, or more tokens than the model can read.
        """
        found: list[Filled] = []
        for start in range(0, len(inputs), ROWS_AT_ONCE):
            found += self._filled(model, needed(tokenizer), inputs[start : start + ROWS_AT_ONCE])
        return found

    def _filled(self, model: Any, tokenizer: Tokenizer, texts: Sequence[str]) -> Iterator[Filled]:
        import torch

        rows = [self._token_ids(tokenizer, text, model) for text in texts]
        lengths_B = torch.tensor([len(row) for row in rows])
        token_ids_BS = torch.full((len(rows), int(lengths_B.max())), tokenizer.pad_id)
        for number, row in enumerate(rows):
            token_ids_BS[number, : len(row)] = torch.tensor(row)
        device = next(model.parameters()).device
        with torch.inference_mode():
            logits_BSV = model.eval()(token_ids_BS.to(device), lengths_B.to(device))[..., : tokenizer.vocab_size]
        for number, row in enumerate(rows):
            places = [place for place, token_id in enumerate(row) if token_id == tokenizer.mask_id]
            best = (
                logits_BSV[number, places].float().softmax(dim=1).topk(min(self.num_candidates, tokenizer.vocab_size))
            )
            yield _answer(tokenizer, row, places, best.indices.tolist(), best.values.tolist())

    @staticmethod
    def _token_ids(tokenizer: Tokenizer, text: str, model: Any) -> list[int]:
        own = tokenizer.special_tokens.get("mask_token", GAPS[0])
        for gap in GAPS:
            text = text.replace(gap, own)
        *before, last = text.split(own)
        if not before:
            raise InputError(f"the text has no gap to fill: {text[:60]!r}; write {own} where a word is missing")
        if tokenizer.kind in LEADING_SPACE:  # the space is the hidden token's, as in training
            before = [part.removesuffix(" ") for part in before]
        parts = tokenizer.encode_ids([*before, last])
        assert tokenizer.mask_id is not None  # see check
        joined = parts[0] + [token_id for part in parts[1:] for token_id in (tokenizer.mask_id, *part)]
        token_ids = tokenizer.frame(joined)
        most = getattr(model, "context_size", None)
        if most is not None and len(token_ids) > most:
            raise InputError(
                f"the text has {len(token_ids):,} tokens, but the model reads at most {most:,}; shorten it"
            )
        return token_ids


def _answer(
    tokenizer: Tokenizer,
    row: list[int],
    places: list[int],
    token_ids: list[list[int]],
    probabilities: list[list[float]],
) -> Filled:
    gaps = tuple(
        tuple(Candidate(tokenizer.decode([one]).strip(), share) for one, share in zip(ids, shares, strict=True))
        for ids, shares in zip(token_ids, probabilities, strict=True)
    )
    whole = list(row)
    for place, ids in zip(places, token_ids, strict=True):
        whole[place] = ids[0]
    return Filled(tokenizer.decode(whole), gaps)
