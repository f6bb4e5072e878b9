"""The promises of a model that turns one text into another; an architecture subclasses ``Seq2SeqPromises``.

B rows · S positions of the source · T positions of the target · D features · V target vocabulary
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from contracts.model import TokenModelPromises, arrays, assert_bits_equal
from minnow.bundle.bundle import Bundle
from minnow.errors import BundleError
from minnow.layers.masks import padding_mask
from minnow.models.base import ModelConfig
from minnow.models.seq2seq import Seq2Seq, Seq2SeqConfig
from minnow.models.writer import DecodeState
from minnow.tasks.registry import task_of
from minnow.tasks.translation import Translation
from minnow.text.tokenizer import Tokenizer, TokenizerSettings

CLOSE = {"rtol": 1e-4, "atol": 1e-5}
Row = tuple[list[int], list[int]]  # source and target


@dataclass(frozen=True)
class Padded:
    """Rows of both sides as a model reads them."""

    source_ids_BS: Tensor
    lengths_B: Tensor
    target_ids_BT: Tensor
    target_lengths_B: Tensor

    @property
    def read(self) -> tuple[Tensor, Tensor]:
        return self.source_ids_BS, self.lengths_B

    @property
    def both(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.source_ids_BS, self.lengths_B, self.target_ids_BT

    @property
    def written(self) -> Tensor:
        """Where targets have text [B, T]."""
        return padding_mask(self.target_lengths_B, self.target_ids_BT.shape[1])


def letters(num_tokens: int) -> Tokenizer:
    """A tokenizer of so many tokens, all but the special ones letters."""
    alphabet = " ".join(chr(ord("a") + letter) for letter in range(num_tokens - 5))
    made = Tokenizer.train([alphabet], TokenizerSettings("character", num_tokens, False, "none", 1))
    assert made.vocab_size == num_tokens
    return made


class Seq2SeqPromises(TokenModelPromises):
    """What any ``Seq2Seq`` keeps. A subclass gives a ``config`` with ``vocab_size`` 24 and without dropout."""

    def new(self, config: ModelConfig, seed: int) -> Seq2Seq:
        """With weights large enough that every position matters to the outputs."""
        model = super().new(config, seed)
        assert isinstance(model, Seq2Seq)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
        return model

    def rows(self) -> list[Row]:
        """No two sources begin or end alike, and the targets have other lengths than they.

        No target begins with the start: where all that was read is alike, no distance tells two places apart.
        """
        rng = np.random.default_rng(2)
        lengths = (4, 1, 2, 6, 3, 5)
        return [
            (source, rng.integers(8, 19, length).tolist())
            for source, length in zip(super().rows(), lengths, strict=True)
        ]

    def padded(self, rows: Sequence[Any], num_padding: int = 0, padding: int = 0) -> Padded:  # type: ignore[override]
        sides = [super(Seq2SeqPromises, self).padded(side, num_padding, padding) for side in zip(*rows, strict=True)]
        return Padded(*sides[0], *sides[1])

    @torch.inference_mode()
    def outputs(self, model: Any, rows: Sequence[Any]) -> NDArray[np.float32]:
        """The logits of each row's first token, of the one after a certain token, and behind its whole target."""
        given = self.padded(rows)
        first_BV, state = model.prefill(*given.read)
        second_BV, _ = model.step(torch.full((len(rows),), 5), state)
        last_BV = model(*given.both)[torch.arange(len(rows)), given.target_lengths_B - 1]
        outputs: NDArray[np.float32] = torch.cat([first_BV, second_BV, last_BV], dim=1).numpy()
        return outputs

    def loss(self, model: Any) -> Tensor:
        """Of each token of the targets, given the source and those before it."""
        given = self.padded(self.rows())
        targets_BT = torch.where(given.written, given.target_ids_BT, -100)
        return F.cross_entropy(model(*given.both).flatten(0, 1), targets_BT.flatten())

    def texts(self, config: Seq2SeqConfig, num_rows: int = 4, num_target: int = 12) -> Padded:
        """Sources of several lengths, and targets that are as long as one another."""
        random = torch.Generator().manual_seed(3)
        lengths_B = torch.tensor([7, 1, 4, 5, 2, 6])[:num_rows]
        source_ids_BS = torch.randint(1, config.vocab_size, (num_rows, 7), generator=random)
        target_ids_BT = torch.randint(1, config.output_vocab_size, (num_rows, num_target), generator=random)
        return Padded(source_ids_BS, lengths_B, target_ids_BT, torch.full_like(lengths_B, num_target))

    # Shapes and what depends on what

    @torch.inference_mode()
    def test_a_row_gets_one_finite_number_a_label(self, model: Any) -> None:
        given = self.padded(self.rows())
        logits_BTV = model(*given.both)
        num_rows, num_source, num_target = len(self.rows()), given.source_ids_BS.shape[1], given.target_ids_BT.shape[1]
        assert logits_BTV.shape == (num_rows, num_target, model.config.output_vocab_size)
        assert torch.isfinite(logits_BTV).all()
        assert model.hidden(*given.both).shape == (num_rows, num_target, model.output_size)
        assert model.encode(*given.read).shape[:2] == (num_rows, num_source)
        assert model.output_weight_VD.shape == (model.config.output_vocab_size, model.output_size)
        assert model.target_embedding.num_embeddings == model.config.output_vocab_size

    @torch.inference_mode()
    def test_the_logits_are_the_output_layer_over_the_hidden_states(self, model: Any) -> None:
        given = self.padded(self.rows())
        by_hand_BTV = F.linear(model.hidden(*given.both), model.output_weight_VD, model.output_bias_V)
        torch.testing.assert_close(by_hand_BTV, model(*given.both))

    @torch.inference_mode()
    def test_padding_changes_nothing(self, model: Any) -> None:
        plain = self.padded(self.rows())
        expected_BTV, expected_BTS = model(*plain.both), model.attention(*plain.both)
        first_BV, state = model.prefill(*plain.read)
        second_BV, _ = model.step(torch.full_like(plain.lengths_B, 5), state)
        for num_padding, padding in ((5, 0), (5, 7), (0, 7)):
            more = self.padded(self.rows(), num_padding, padding)
            where = more.written
            torch.testing.assert_close(model(*more.both)[where], expected_BTV[plain.written], **CLOSE)
            weights_BTS = model.attention(*more.both)
            num_source = expected_BTS.shape[2]
            torch.testing.assert_close(weights_BTS[where][:, :num_source], expected_BTS[plain.written], **CLOSE)
            ours_BV, state = model.prefill(*more.read)
            torch.testing.assert_close(ours_BV, first_BV, **CLOSE)
            torch.testing.assert_close(model.step(torch.full_like(more.lengths_B, 5), state)[0], second_BV, **CLOSE)

    @torch.inference_mode()
    def test_a_position_sees_what_was_written_before_it_and_nothing_else_of_the_target(self, model: Any) -> None:
        given = self.texts(model.config)
        before = model(*given.both)
        for place in (0, 5, 10):
            changed = given.target_ids_BT.clone()
            changed[:, place] = changed[:, place] % (model.config.output_vocab_size - 1) + 1
            after = model(*given.read, changed)
            torch.testing.assert_close(after[:, : place + 1], before[:, : place + 1], **CLOSE)
            moved_B = (after - before)[:, place + 1].abs().amax(-1)
            assert (moved_B > 1e-4).all()

    @torch.inference_mode()
    def test_every_position_of_the_target_sees_every_word_of_the_source(self, model: Any) -> None:
        given = self.texts(model.config)
        before = model(*given.both)
        for row, place in ((0, 0), (0, 6), (2, 3), (1, 0)):
            changed = given.source_ids_BS.clone()
            changed[row, place] = changed[row, place] % (model.config.vocab_size - 1) + 1
            moved_BT = (model(changed, given.lengths_B, given.target_ids_BT) - before).abs().amax(-1)
            assert (moved_BT[row] > 1e-5).all()
            assert (moved_BT[[other for other in range(4) if other != row]] < 1e-5).all()

    @torch.inference_mode()
    def test_the_decoder_reads_the_start_first(self, model: Any) -> None:
        given = self.texts(model.config)
        start = given.target_ids_BT.roll(1, dims=1)
        start[:, 0] = model.config.start_id
        assert torch.equal(model.shifted(given.target_ids_BT), start)

    @torch.inference_mode()
    def test_a_source_without_text_disturbs_nobody(self, model: Any) -> None:
        given = self.texts(model.config)
        lengths_B = torch.tensor([7, 0, 4, 5])
        others = torch.tensor([0, 2, 3])
        logits_BTV = model(given.source_ids_BS, lengths_B, given.target_ids_BT)
        assert torch.isfinite(logits_BTV).all()
        torch.testing.assert_close(logits_BTV[others], model(*given.both)[others], **CLOSE)
        assert torch.isfinite(model.prefill(given.source_ids_BS, lengths_B)[0]).all()

    @torch.inference_mode()
    def test_attention_weights_add_up_to_one_and_do_not_see_padding(self, model: Any) -> None:
        given = self.texts(model.config)
        weights_BTS = model.attention(*given.both)
        assert weights_BTS.shape == (4, 12, 7)
        assert (weights_BTS >= 0).all()
        torch.testing.assert_close(weights_BTS.sum(-1), torch.ones(4, 12))
        assert not weights_BTS[~padding_mask(given.lengths_B, 7)[:, None].expand_as(weights_BTS)].any()
        assert weights_BTS[0].std() > 0

    # Step by step

    @torch.inference_mode()
    def test_steps_after_prefill_give_the_logits_of_the_whole_sequence(self, model: Any) -> None:
        given = self.texts(model.config, num_target=40)
        whole_BTV = model(*given.both)
        logits_BV, state = model.prefill(*given.read)
        torch.testing.assert_close(logits_BV, whole_BTV[:, 0], **CLOSE)
        for place in range(39):
            logits_BV, state = model.step(given.target_ids_BT[:, place], state)
            torch.testing.assert_close(logits_BV, whole_BTV[:, place + 1], **CLOSE)

    @torch.inference_mode()
    def test_looking_is_a_step_and_tells_its_attention(self, model: Any) -> None:
        """Also of rows that share a source."""
        given = self.texts(model.config)
        whole_BTV, whole_BTS = model(*given.both), model.attention(*given.both)
        for rows in (torch.arange(4), torch.arange(4).repeat_interleave(2), torch.tensor([2, 0, 3])):
            state = model.prefill(*given.read)[1].select(rows)
            for place in range(5):
                logits_RV, weights_RS, state = model.look(given.target_ids_BT[rows, place], state)
                torch.testing.assert_close(logits_RV, whole_BTV[rows, place + 1], **CLOSE)
                torch.testing.assert_close(weights_RS, whole_BTS[rows, place + 1], **CLOSE)

    @torch.inference_mode()
    def test_selecting_rows_of_a_state_permutes_repeats_and_drops_them(self, model: Any) -> None:
        given = self.texts(model.config)
        _, state = model.prefill(*given.read)
        assert isinstance(state, DecodeState)
        assert state.num_rows == 4
        logits_BV, longer = model.step(torch.tensor([6, 7, 8, 9]), state)
        again_BV, _ = model.step(torch.tensor([2, 3, 4, 5]), longer)
        for chosen in (
            [3, 0, 0, 2, 1],
            [1],
            [2, 3],
            [0, 1, 2, 3],
            [0, 0, 2, 2],
            [0, 0, 1, 2],
            [1, 1, 1, 1],
            [1, 1, 1, 0],
        ):
            rows = torch.tensor(chosen)
            picked = state.select(rows)
            assert picked.num_rows == len(chosen)
            ours_BV, picked = model.step(rows + 6, picked)
            torch.testing.assert_close(ours_BV, logits_BV[rows], **CLOSE)
            torch.testing.assert_close(model.step(rows + 2, picked)[0], again_BV[rows], **CLOSE)
            torch.testing.assert_close(model.step(rows + 2, longer.select(rows))[0], again_BV[rows], **CLOSE)
        assert state.select(torch.tensor([], dtype=torch.long)).num_rows == 0

    @torch.inference_mode()
    @pytest.mark.parametrize("seed", range(4))
    def test_rows_chosen_in_any_order_go_on_from_what_they_have_written(self, model: Any, seed: int) -> None:
        """A search at its wildest: after every step rows are moved, repeated and dropped, by sources and across them;
        what each row has written is kept beside it and read anew as a whole."""
        random = np.random.default_rng(seed)
        given = self.texts(model.config, num_rows=3)
        _, state = model.prefill(*given.read)
        rows: list[tuple[int, list[int]]] = [(source, []) for source in range(3)]
        for _ in range(7):
            chosen = self.chosen([source for source, _ in rows], random)
            rows, state = [rows[row] for row in chosen], state.select(torch.tensor(chosen))
            assert state.num_rows == len(chosen)
            token_ids = random.integers(1, model.config.output_vocab_size, len(chosen)).tolist()
            logits_RV, state = model.step(torch.tensor(token_ids), state)
            rows = [(source, [*text, token]) for (source, text), token in zip(rows, token_ids, strict=True)]
            sources = torch.tensor([source for source, _ in rows])
            # The last token is only read by the one after it.
            texts_RT = torch.tensor([[*text, 0] for _, text in rows])
            whole_RTV = model(given.source_ids_BS[sources], given.lengths_B[sources], texts_RT)
            torch.testing.assert_close(logits_RV, whole_RTV[:, -1], **CLOSE)

    def chosen(self, sources: list[int], random: np.random.Generator) -> list[int]:
        """Row numbers: so many of each source that is left, side by side; or any at all."""
        if random.random() < 0.3:
            return [int(row) for row in random.integers(0, len(sources), random.integers(1, 7))]
        kept = [source for source in dict.fromkeys(sources) if random.random() < 0.85] or sources[:1]
        num_beams = int(random.integers(1, 4))
        return [
            int(row)
            for source in kept
            for row in random.choice([row for row, one in enumerate(sources) if one == source], num_beams)
        ]

    @torch.inference_mode()
    def test_rows_of_one_source_share_what_is_remembered_of_it(self, model: Any) -> None:
        given = self.texts(model.config)
        _, state = model.prefill(*given.read)
        beams = state.select(torch.arange(4).repeat_interleave(3))
        assert (beams.num_rows, beams.group) == (12, 3)
        assert [len(x) for x in self.remembered(beams)] == [4] * len(self.remembered(state))
        _, beams = model.step(torch.arange(1, 13), beams)
        moved = beams.select(torch.tensor([2, 2, 0, 5, 3, 4, 7, 6, 6, 9, 10, 11]))
        assert moved.group == 3
        assert [x.data_ptr() for x in self.remembered(moved)] == [x.data_ptr() for x in self.remembered(state)]
        fewer = moved.select(torch.tensor([3, 4, 5, 9, 9, 9]))
        assert (fewer.num_rows, fewer.group) == (6, 3)
        assert [len(x) for x in self.remembered(fewer)] == [2] * len(self.remembered(state))
        mixed = moved.select(torch.tensor([0, 1, 2, 3]))
        assert (mixed.num_rows, mixed.group) == (4, 1)

    def remembered(self, state: Any) -> list[Tensor]:
        """What a state holds of its sources, a row each."""
        raise NotImplementedError

    @torch.inference_mode()
    def test_a_state_stays_good_after_steps_from_it(self, model: Any) -> None:
        given = self.texts(model.config, num_rows=3)
        _, state = model.prefill(*given.read)
        some_B, others_B = torch.tensor([4, 5, 6]), torch.tensor([9, 8, 7])
        written: list[Tensor] = []

        def whole(*more: Tensor) -> Tensor:
            """The logits behind all that was written and this, read anew."""
            texts_BT = torch.stack([*written, *more, torch.zeros_like(some_B)], dim=1)
            logits_BV: Tensor = model(*given.read, texts_BT)[:, -1]
            return logits_BV

        for _ in range(3):  # once before the first growth of a buffer, then with room behind
            _, after_some = model.step(some_B, state)
            _, after_others = model.step(others_B, state)
            torch.testing.assert_close(model.step(others_B, after_some)[0], whole(some_B, others_B), **CLOSE)
            torch.testing.assert_close(model.step(some_B, after_others)[0], whole(others_B, some_B), **CLOSE)
            torch.testing.assert_close(model.step(some_B, state)[0], whole(some_B), **CLOSE)
            torch.testing.assert_close(model.step(others_B, state)[0], whole(others_B), **CLOSE)
            state = after_others
            written.append(others_B)

    def test_a_state_may_be_made_in_inference_mode_and_used_outside(self, model: Any) -> None:
        given = self.padded(self.rows())
        tokens_B = given.target_ids_BT[:, 0]
        with torch.inference_mode():
            _, first = model.prefill(*given.read)
            _, inside = model.step(tokens_B, first)
            _, outside = model.step(tokens_B, first)
            expected_BV = model.step(tokens_B, inside)[0].clone()
        torch.testing.assert_close(model.step(tokens_B, outside)[0], expected_BV, **CLOSE)

    # Learning and keeping

    def test_gradients_in_training_are_those_of_double_precision(self, config: ModelConfig) -> None:
        model = self.new(config, seed=0).train()
        exact = copy.deepcopy(model).double()
        for each in (model, exact):
            self.loss(each).backward()  # type: ignore[no-untyped-call]
        torch.testing.assert_close(self.loss(model).double(), self.loss(exact), rtol=1e-5, atol=1e-6)
        for (name, ours), theirs in zip(model.named_parameters(), exact.parameters(), strict=True):
            assert ours.grad is not None
            error = (ours.grad.double() - theirs.grad).norm() / theirs.grad.norm()
            assert error < 1e-4, name

    def test_bfloat16_learns_nearly_the_same(self, config: ModelConfig) -> None:
        model = self.new(config, seed=0).train()
        expected = self.loss(model)
        with torch.autocast("cpu", torch.bfloat16):
            loss = self.loss(model)
        loss.backward()  # type: ignore[no-untyped-call]
        assert abs(loss.item() - expected.item()) < 0.05 * expected.item()
        assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())

    def test_a_bundle_keeps_the_model_and_both_vocabularies(self, model: Any, tmp_path: Path) -> None:
        config = model.config
        tokenizer = letters(config.vocab_size)
        tokenizer.target = letters(config.target_vocab_size) if config.target_vocab_size else None
        Bundle(model, Translation((("en", "de"),)).to_dict(), tokenizer).save(tmp_path)
        assert (tmp_path / "target_tokenizer.json").is_file() == (config.target_vocab_size > 0)
        bundle = Bundle.load(tmp_path)
        assert isinstance(task_of(bundle), Translation)
        assert bundle.tokenizer is not None
        assert bundle.tokenizer.vocab_size == config.vocab_size
        assert bundle.tokenizer.writing.vocabulary == tokenizer.writing.vocabulary
        assert bundle.model.config == config
        assert_bits_equal(arrays(bundle.model), arrays(model))
        np.testing.assert_array_equal(self.outputs(bundle.model, self.rows()), self.outputs(model, self.rows()))

    # Configurations

    def test_a_missing_or_odd_value_of_the_configuration_names_its_key(self, config: Any) -> None:
        written = config.to_dict()
        with pytest.raises(BundleError, match="vocab_size"):
            type(config).from_dict({key: value for key, value in written.items() if key != "vocab_size"})
        for odd in (0, -3, True, "3", 2.5, None, [3]):
            with pytest.raises(BundleError, match="vocab_size"):
                type(config).from_dict({**written, "vocab_size": odd})
        for key, value in written.items():
            if key != "model_type":
                for odd in self.odd(value):
                    with pytest.raises(BundleError, match=key):
                        type(config).from_dict({**written, key: odd})

    def odd(self, value: Any) -> list[Any]:
        """What cannot stand where this stands."""
        if isinstance(value, str):
            return ["lsmt", 3, None]
        if isinstance(value, bool):
            return [1, "true", None]
        if isinstance(value, float):
            return [-0.5, float("nan"), "0.1", True, None]
        return [-3, True, "3", 2.5, None, [3]]

    def test_the_start_is_a_token_that_is_written(self, config: Any) -> None:
        for start_id in (-1, config.output_vocab_size, config.output_vocab_size + 5):
            with pytest.raises(BundleError, match="start_id"):
                type(config).from_dict({**config.to_dict(), "start_id": start_id})
        assert replace(config, start_id=config.output_vocab_size - 1)
