"""A packed model is the model: the same logits but for rounding, through every step, whatever is selected.

B sources · S positions of a source · R rows
"""

from typing import Any

import pytest
import torch
from torch import Tensor

from minnow.decoding.packed_seq2seq import PackedSeq2Seq, packed_for
from minnow.decoding.translating import TranslationSettings, translate_rows
from minnow.layers.lora import LoraSettings, attach
from minnow.layers.tiles import arithmetics_here
from minnow.models.registry import architecture

VOCAB_SIZE = 37  # no multiple of anything
SHAPE = {"hidden_size": 24, "num_heads": 2, "inner_size": 20, "encoder_layers": 2, "decoder_layers": 2}
LENGTHS = torch.tensor([5, 1, 3])
CLOSE = {"float32": 1e-4, "bfloat16": 0.06, "int8": 0.1}  # of logits whose spread is about 1

pytestmark = pytest.mark.skipif("float32" not in arithmetics_here(), reason="this processor multiplies no tiles")


def made(seed: int = 0, **more: Any) -> Any:
    config_class, model_class = architecture("transformer_seq2seq")
    torch.manual_seed(seed)
    return model_class(config_class.from_dict({"vocab_size": VOCAB_SIZE, **SHAPE, **more})).eval()


def sources() -> Tensor:
    return torch.randint(4, VOCAB_SIZE, (3, 5), generator=torch.Generator().manual_seed(1))


def tokens(count: int, seed: int) -> Tensor:
    return torch.randint(4, VOCAB_SIZE, (count,), generator=torch.Generator().manual_seed(seed))


def close(found: Tensor, wanted: Tensor, arithmetic: str = "float32") -> None:
    torch.testing.assert_close(found, wanted.float(), atol=CLOSE[arithmetic], rtol=0)


@pytest.mark.parametrize("arithmetic", CLOSE)
@pytest.mark.parametrize("more", [{}, {"target_vocab_size": 41, "tied": False}])
def test_it_reads_and_writes_as_the_model_does(arithmetic: str, more: dict[str, Any]) -> None:
    if arithmetic not in arithmetics_here():
        pytest.skip(f"this processor multiplies no tiles in {arithmetic}")
    model = made(**more)
    packed = PackedSeq2Seq(model, arithmetic)
    wanted, state = model.prefill(sources(), LENGTHS)
    found, own = packed.prefill(sources(), LENGTHS)
    close(found, wanted, arithmetic)
    rows = torch.tensor([0, 0, 1, 1, 2, 2])
    for number in range(40):  # further than there is room for at first
        state, own = state.select(rows), own.select(rows)
        assert own.num_rows == state.num_rows == len(rows)
        wanted, state = model.step(tokens(len(rows), number), state)
        found, own = packed.step(tokens(len(rows), number), own)
        close(found, wanted, arithmetic)
        rows = torch.tensor([1, 0, 2, 2, 5, 4]) if number != 20 else torch.tensor([4, 1])
        rows = rows if len(rows) <= own.num_rows else torch.tensor([1, 0])


def test_a_search_may_go_on_from_a_state_twice() -> None:
    model = made()
    packed = PackedSeq2Seq(model, "float32")
    _, first = packed.prefill(sources(), LENGTHS)
    _, left = packed.step(tokens(3, 1), first)
    once, _ = packed.step(tokens(3, 3), left)
    packed.step(tokens(3, 2), first)
    again, _ = packed.step(tokens(3, 3), left)
    assert torch.equal(once, again)


def test_a_source_is_read_alike_alone_and_beside_others() -> None:
    packed = PackedSeq2Seq(made(), "float32")
    together, _ = packed.prefill(sources(), LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        alone, _ = packed.prefill(sources()[row : row + 1, :length], LENGTHS[row : row + 1])
        assert torch.equal(alone[0], together[row])


def test_what_was_packed_is_kept_until_a_weight_changes() -> None:
    model = made()
    packed = packed_for(model)
    assert isinstance(packed, PackedSeq2Seq)
    assert packed_for(model) is packed
    with torch.no_grad():
        model.decoder_norm.weight.mul_(2)
    changed = packed_for(model)
    assert changed is not packed
    close(changed.prefill(sources(), LENGTHS)[0], model.prefill(sources(), LENGTHS)[0])


def test_a_change_of_a_model_that_was_made_in_inference_mode_is_seen() -> None:
    with torch.inference_mode():
        model = made(target_vocab_size=41, tied=False)
        before = packed_for(model).prefill(sources(), LENGTHS)[0]
        model.output_weight_VD.mul_(2)
        close(packed_for(model).prefill(sources(), LENGTHS)[0], 2 * before)


def test_another_thread_may_shorten_the_table_of_positions_meanwhile() -> None:
    class Raced(PackedSeq2Seq):
        """Where whatever is kept is at once replaced by a shorter table."""

        @property
        def _angles(self) -> Any:
            return self._shortest

        @_angles.setter
        def _angles(self, table: Any) -> None:
            self._shortest = tuple(part[:2] for part in table)

    cosine, sine = Raced(made(), "float32")._angle(40)
    wanted = PackedSeq2Seq(made(), "float32")._angle(40)
    assert (cosine.tolist(), sine.tolist()) == tuple(part.tolist() for part in wanted)


def test_what_is_not_known_packed_stays_as_it_is() -> None:
    config_class, model_class = architecture("rnn_seq2seq")
    recurrent = model_class(config_class.from_dict({"vocab_size": 9, "embedding_size": 4, "hidden_size": 4})).eval()
    adapted = made()
    attach(adapted, LoraSettings(2))
    for model in (recurrent, made().train(), made().double(), adapted.eval()):
        assert packed_for(model) is model


def test_a_search_in_eight_bits_is_that_of_the_rounded_model() -> None:
    if "int8" not in arithmetics_here():
        pytest.skip("this processor multiplies no tiles in eight bits")
    model, rows = made(), [row.tolist() for row in sources()]
    model.eight_bits = True
    assert packed_for(model).arithmetic == "int8"
    settings = TranslationSettings(beam=3)
    narrow = [best[0] for best in translate_rows(model, rows, settings, 3)]
    model.eight_bits = False
    wide = [best[0] for best in translate_rows(model, rows, settings, 3)]
    for one, other in zip(narrow, wide, strict=True):
        assert one.log_probability != other.log_probability
        assert one.log_probability == pytest.approx(other.log_probability, rel=0.1)
