"""The promises of a model that reads both ways and says what stands under a mask.

B rows · S positions · D features · V vocabulary
"""

import copy
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from contracts.model import TokenModelPromises
from minnow.errors import BundleError, InputError
from minnow.layers.masks import padding_mask
from minnow.layers.transformer import HeadedAttention
from minnow.models.base import ModelConfig
from minnow.models.masked_model import MaskedModel

CLOSE = {"rtol": 1e-4, "atol": 1e-5}


class MaskedModelPromises(TokenModelPromises):
    """What any ``MaskedModel`` keeps. A subclass gives a ``config`` with ``vocab_size`` 24 and without dropout."""

    learning_rate = 0.01

    def new(self, config: ModelConfig, seed: int) -> MaskedModel:
        """With weights large enough that every position matters to the outputs."""
        model = super().new(config, seed)
        assert isinstance(model, MaskedModel)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
        return model

    @torch.inference_mode()
    def outputs(self, model: Any, rows: Sequence[Any]) -> NDArray[np.float32]:
        """The logits of each row's first and last position."""
        token_ids_BS, lengths_B = self.padded(rows)
        logits_BSV = model(token_ids_BS, lengths_B)
        last_BV = logits_BSV[torch.arange(len(rows)), lengths_B - 1]
        outputs: NDArray[np.float32] = torch.cat([logits_BSV[:, 0], last_BV], dim=1).numpy()
        return outputs

    def loss(self, model: Any) -> Tensor:
        """Of every token of rows whose second token is hidden under a 0."""
        token_ids_BS, lengths_B = self.padded(self.rows())
        targets_BS = torch.where(padding_mask(lengths_B, token_ids_BS.shape[1]), token_ids_BS, -100)
        hidden_BS = token_ids_BS.clone()
        hidden_BS[:, 1] = 0
        return F.cross_entropy(model(hidden_BS, lengths_B).flatten(0, 1), targets_BS.flatten())

    def test_a_row_gets_one_finite_number_a_label(self, model: Any) -> None:
        token_ids_BS, lengths_B = self.padded(self.rows())
        logits_BSV = model(token_ids_BS, lengths_B)
        assert logits_BSV.shape == (*token_ids_BS.shape, self.vocab_size)
        assert torch.isfinite(logits_BSV).all()
        for states_BSD in (model.encode(token_ids_BS, lengths_B), model.hidden(token_ids_BS, lengths_B)):
            assert states_BSD.shape == (*token_ids_BS.shape, model.output_size)
        by_hand = F.linear(model.hidden(token_ids_BS, lengths_B), model.output_weight_VD, model.output_bias_V)
        torch.testing.assert_close(by_hand, logits_BSV)

    def test_an_unknown_key_of_the_configuration_names_the_nearest(self, config: ModelConfig) -> None:
        for f in fields(config):
            with pytest.raises(BundleError, match=f"{f.name}_.*did you mean '{f.name}'"):
                type(config).from_dict({**config.to_dict(), f"{f.name}_": 1})

    def test_a_missing_or_odd_value_of_the_configuration_names_its_key(self, config: ModelConfig) -> None:
        written = config.to_dict()
        with pytest.raises(BundleError, match="vocab_size"):
            type(config).from_dict({key: value for key, value in written.items() if key != "vocab_size"})
        for odd in (0, -3, True, "3", 2.5, None, [3]):
            with pytest.raises(BundleError, match="vocab_size"):
                type(config).from_dict({**written, "vocab_size": odd})

    @torch.inference_mode()
    def test_padding_changes_nothing(self, model: Any) -> None:
        token_ids_BS, lengths_B = self.padded(self.rows())
        plain_BSV = model(token_ids_BS, lengths_B)
        for num_padding, padding in ((5, 0), (5, 7), (0, 7)):
            more_BSV = model(*self.padded(self.rows(), num_padding, padding))
            for row, length in enumerate(lengths_B.tolist()):
                torch.testing.assert_close(more_BSV[row, :length], plain_BSV[row, :length], **CLOSE)

    @torch.inference_mode()
    def test_every_position_sees_every_other(self, model: Any) -> None:
        token_ids_BS, lengths_B = torch.arange(1, 15).view(2, 7), torch.tensor([7, 7])
        before = model.encode(token_ids_BS, lengths_B)
        for place in (0, 3, 6):
            changed = token_ids_BS.clone()
            changed[:, place] = 20
            moved = (model.encode(changed, lengths_B) - before).abs().amax(-1)
            assert (moved > 1e-4).all()

    @torch.inference_mode()
    @pytest.mark.parametrize("own_stream", [False, True])
    def test_a_row_without_text_disturbs_nobody(self, model: Any, own_stream: bool) -> None:
        token_ids_BS = torch.arange(1, 9).view(2, 4)
        expected_BSV = model(token_ids_BS[:1], torch.tensor([4]))
        for module in model.train(own_stream).modules():
            if own_stream and isinstance(module, HeadedAttention):  # which takes the way that drops single weights
                module.rate, module.generator = 1e-12, torch.Generator()
        logits_BSV = model(token_ids_BS, torch.tensor([4, 0]))
        assert torch.isfinite(logits_BSV).all()
        torch.testing.assert_close(logits_BSV[:1], expected_BSV, **CLOSE)

    def test_a_text_beyond_the_last_position_is_refused(self, model: Any) -> None:
        longer = model.context_size + 1
        with pytest.raises(InputError, match=f"at most {model.context_size} positions, but got {longer}"):
            model(torch.ones(1, longer, dtype=torch.long), torch.tensor([longer]))

    def test_a_gradient_reaches_every_parameter(self, config: ModelConfig) -> None:
        model = self.new(config, seed=0).train()
        token_ids_BS = torch.arange(model.context_size)[None] % self.vocab_size  # so that each position is in use
        logits_BSV = model(token_ids_BS, torch.tensor([model.context_size]))
        logits_BSV.square().sum().backward()  # type: ignore[no-untyped-call]
        weak = [name for name, parameter in model.named_parameters() if not self.moves(parameter.grad)]
        # A bias on all keys alike adds the same to all of a query's scores, which the softmax takes out again.
        assert [name for name in weak if not name.endswith(("key.bias", "k_lin.bias"))] == []

    def moves(self, gradient: Tensor | None) -> bool:
        return gradient is not None and bool(gradient.abs().max() > 1e-6)

    def test_checkpointing_changes_no_gradient(self, config: ModelConfig) -> None:
        model = self.new(config, seed=0).train()
        lean = copy.deepcopy(model)
        lean.gradient_checkpointing = True
        for each in (model, lean):
            self.loss(each).backward()  # type: ignore[no-untyped-call]
        for ours, theirs in zip(lean.parameters(), model.parameters(), strict=True):
            torch.testing.assert_close(ours.grad, theirs.grad)
