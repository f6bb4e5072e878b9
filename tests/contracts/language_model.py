"""The promises of a language model; an architecture subclasses ``LanguageModelPromises`` and gives its configurations.

B rows · S positions · D features · V vocabulary
"""

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
from minnow.errors import BundleError
from minnow.layers.masks import padding_mask
from minnow.models.base import ModelConfig
from minnow.models.language_model import LanguageModel
from minnow.models.writer import DecodeState

CLOSE = {"rtol": 1e-4, "atol": 1e-5}


class LanguageModelPromises(TokenModelPromises):
    """What any ``LanguageModel`` keeps. A subclass gives a ``config`` with ``vocab_size`` 24 and without dropout."""

    def new(self, config: ModelConfig, seed: int) -> LanguageModel:
        """With weights large enough that every position matters to the outputs."""
        model = super().new(config, seed)
        assert isinstance(model, LanguageModel)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
        return model

    def rows(self) -> list[list[int]]:
        """No row says its first token twice: where all that was read is alike, no distance tells two places apart."""
        other = self.vocab_size - 1
        return [[row[0], *(other if token == row[0] else token for token in row[1:])] for row in super().rows()]

    @torch.inference_mode()
    def outputs(self, model: Any, rows: Sequence[Any]) -> NDArray[np.float32]:
        """The logits after each row's last token, and after one token more."""
        first_BV, state = model.prefill(*self.padded(rows))
        second_BV, _ = model.step(torch.full((len(rows),), 5), state)
        outputs: NDArray[np.float32] = torch.cat([first_BV, second_BV], dim=1).numpy()
        return outputs

    def loss(self, model: Any) -> Tensor:
        """Of each next token, given those before it."""
        token_ids_BS, lengths_B = self.padded(self.rows())
        logits_BSV = model(token_ids_BS)[:, :-1]
        targets_BS = torch.where(padding_mask(lengths_B, token_ids_BS.shape[1]), token_ids_BS, -100)[:, 1:]
        return F.cross_entropy(logits_BSV.flatten(0, 1), targets_BS.flatten())

    def text(self, num_rows: int = 3, num_tokens: int = 12) -> Tensor:
        return torch.randint(1, self.vocab_size, (num_rows, num_tokens), generator=torch.Generator().manual_seed(3))

    def test_a_row_gets_one_finite_number_a_label(self, model: Any) -> None:
        token_ids_BS = self.text()
        logits_BSV = model(token_ids_BS)
        assert logits_BSV.shape == (*token_ids_BS.shape, self.vocab_size)
        assert torch.isfinite(logits_BSV).all()
        assert model.hidden(token_ids_BS)[0].shape == (*token_ids_BS.shape, model.output_size)
        assert model.output_weight_VD.shape == (self.vocab_size, model.output_size)

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
        plain_BV, _ = model.prefill(token_ids_BS, lengths_B)
        plain_BSD = model.encode(token_ids_BS, lengths_B)
        for num_padding, padding in ((5, 0), (5, 7), (0, 7)):
            more_BS, _ = self.padded(self.rows(), num_padding, padding)
            torch.testing.assert_close(model.prefill(more_BS, lengths_B)[0], plain_BV, **CLOSE)
            more_BSD = model.encode(more_BS, lengths_B)
            for row, length in enumerate(lengths_B.tolist()):
                torch.testing.assert_close(more_BSD[row, :length], plain_BSD[row, :length], **CLOSE)

    @torch.inference_mode()
    def test_a_position_does_not_see_what_follows(self, model: Any) -> None:
        token_ids_BS = self.text()
        before = model(token_ids_BS)
        for place in (1, 6, 11):
            changed = token_ids_BS.clone()
            changed[:, place] = changed[:, place] % (self.vocab_size - 1) + 1
            after = model(changed)
            torch.testing.assert_close(after[:, :place], before[:, :place], **CLOSE)
            assert not torch.allclose(after[:, place], before[:, place], **CLOSE)

    @torch.inference_mode()
    def test_the_logits_are_the_output_layer_over_the_hidden_states(self, model: Any) -> None:
        token_ids_BS = self.text()
        logits_BSV = model(token_ids_BS)
        torch.testing.assert_close(model.logits(model.hidden(token_ids_BS)[0]), logits_BSV, **CLOSE)
        by_hand = F.linear(model.hidden(token_ids_BS)[0], model.output_weight_VD, model.output_bias_V)
        torch.testing.assert_close(by_hand, logits_BSV, **CLOSE)

    @torch.inference_mode()
    def test_steps_after_prefill_give_the_logits_of_the_whole_text(self, model: Any) -> None:
        token_ids_BS = self.text(4, 40)
        whole_BSV = model(token_ids_BS)
        for lengths in ([5, 5, 5, 5], [9, 1, 4, 7]):
            self.follows(model, token_ids_BS, torch.tensor(lengths), whole_BSV, num_steps=30)

    def follows(self, model: Any, token_ids_BS: Tensor, lengths_B: Tensor, whole_BSV: Tensor, num_steps: int) -> None:
        rows = torch.arange(len(lengths_B))
        logits_BV, state = model.prefill(token_ids_BS[:, : int(lengths_B.max())], lengths_B)
        torch.testing.assert_close(logits_BV, whole_BSV[rows, lengths_B - 1], **CLOSE)
        for step in range(num_steps):
            logits_BV, state = model.step(token_ids_BS[rows, lengths_B + step], state)
            torch.testing.assert_close(logits_BV, whole_BSV[rows, lengths_B + step], **CLOSE)

    @torch.no_grad()
    def test_a_text_may_be_read_in_pieces(self, model: Any) -> None:
        token_ids_BS = self.text(2, 30)
        whole_BSD, _ = model.hidden(token_ids_BS)
        pieces, state = [], None
        for piece in token_ids_BS.split([4, 1, 11, 14], dim=1):
            hidden_BSD, state = model.hidden(piece, state)
            pieces.append(hidden_BSD)
        torch.testing.assert_close(torch.cat(pieces, dim=1), whole_BSD, **CLOSE)

    @torch.inference_mode()
    def test_selecting_rows_of_a_state_permutes_and_repeats_them(self, model: Any) -> None:
        token_ids_BS, lengths_B = self.text(4, 9), torch.tensor([9, 3, 5, 5])
        _, state = model.prefill(token_ids_BS, lengths_B)
        assert isinstance(state, DecodeState)
        assert state.num_rows == 4
        logits_BV, longer = model.step(torch.tensor([6, 7, 8, 9]), state)
        again_BV, _ = model.step(torch.tensor([2, 3, 4, 5]), longer)
        for chosen in ([3, 0, 0, 2, 1], [1], [2, 3], [0, 1, 2, 3]):
            rows = torch.tensor(chosen)
            picked = state.select(rows)
            assert picked.num_rows == len(chosen)
            ours_BV, picked = model.step(rows + 6, picked)
            torch.testing.assert_close(ours_BV, logits_BV[rows], **CLOSE)
            torch.testing.assert_close(model.step(rows + 2, picked)[0], again_BV[rows], **CLOSE)
            torch.testing.assert_close(model.step(rows + 2, longer.select(rows))[0], again_BV[rows], **CLOSE)

    @torch.inference_mode()
    def test_a_state_stays_good_after_steps_from_it(self, model: Any) -> None:
        token_ids_BS, lengths_B = self.text(3, 6), torch.tensor([6, 2, 4])
        _, state = model.prefill(token_ids_BS, lengths_B)
        for _ in range(3):  # once before the first growth of a buffer, then with room behind
            some_B, others_B = torch.tensor([4, 5, 6]), torch.tensor([9, 8, 7])
            first_BV, after_some = model.step(some_B, state)
            second_BV, after_others = model.step(others_B, state)
            third_BV, _ = model.step(others_B, after_some)
            torch.testing.assert_close(model.step(some_B, state)[0], first_BV, **CLOSE)
            torch.testing.assert_close(model.step(others_B, state)[0], second_BV, **CLOSE)
            torch.testing.assert_close(model.step(others_B, after_some)[0], third_BV, **CLOSE)
            assert not torch.allclose(first_BV, second_BV, **CLOSE)
            state = after_others

    def test_a_state_may_be_made_in_inference_mode_and_used_outside(self, model: Any) -> None:
        token_ids_BS, lengths_B = self.padded(self.rows())
        with torch.inference_mode():
            _, first = model.prefill(token_ids_BS, lengths_B)
            _, inside = model.step(token_ids_BS[:, 0], first)
            _, outside = model.step(token_ids_BS[:, 0], first)
            expected_BV = model.step(token_ids_BS[:, 1], inside)[0].clone()
        torch.testing.assert_close(model.step(token_ids_BS[:, 1], outside)[0], expected_BV, **CLOSE)
