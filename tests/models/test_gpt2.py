"""GPT-2 keeps the promises of a language model."""

import pytest
import torch
from contracts.language_model import LanguageModelPromises

from minnow.errors import BundleError, InputError, RecipeError
from minnow.models.gpt2 import GPT2, GPT2Config

SMALL = {"vocab_size": 24, "n_embd": 16, "n_layer": 2, "n_head": 4, "n_positions": 48}
NO_DROPOUT = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}


def small(**changes: object) -> GPT2Config:
    return GPT2Config(**{**SMALL, **NO_DROPOUT, **changes})  # type: ignore[arg-type]


class TestEveryShape(LanguageModelPromises):
    @pytest.fixture(
        params=[
            pytest.param(small(scale_attn_by_inverse_layer_idx=True, eos_token_id=3), id="tied"),
            pytest.param(small(tie_word_embeddings=False, n_inner=20, activation_function="relu"), id="untied"),
        ]
    )
    def config(self, request: pytest.FixtureRequest) -> GPT2Config:
        config: GPT2Config = request.param
        return config


def test_a_text_beyond_the_last_position_is_refused_and_the_state_stays_good() -> None:
    torch.manual_seed(0)
    model = GPT2(small(n_positions=4)).eval()
    token_ids_BS = torch.tensor([[5, 6, 7, 8]])
    with pytest.raises(InputError, match="at most 4 positions, but got 5"):
        model(torch.tensor([[5, 6, 7, 8, 9]]))
    _, state = model.prefill(token_ids_BS[:, :3], torch.tensor([3]))
    last_BV, full = model.step(token_ids_BS[:, 3], state)
    with pytest.raises(InputError, match="at most 4 positions, but got 5"):
        model.step(torch.tensor([9]), full)
    torch.testing.assert_close(model.step(token_ids_BS[:, 3], state)[0], last_BV)


def test_dropout_varies_training_only() -> None:
    token_ids_BS = torch.arange(24).view(2, 12)
    for name in NO_DROPOUT:
        model = GPT2(small(**{name: 0.3}))
        assert torch.equal(model.eval()(token_ids_BS), model(token_ids_BS))
        assert not torch.equal(model.train()(token_ids_BS), model(token_ids_BS)), name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_embd": 18}, "multiple of n_head, but got n_embd=18, n_head=4; try 16 or 20"),
        ({"n_layer": 10**9}, "at most 512"),
        ({"n_inner": 0}, "n_inner=0"),
        ({"activation_function": "gelu_nw"}, "did you mean 'gelu_new'"),
        ({"attn_pdrop": 1.0}, "attn_pdrop=1.0; try 0.1"),
    ],
)
def test_impossible_shapes_say_what_would_do(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        small(**change)
    with pytest.raises(BundleError, match=message):
        GPT2Config.from_dict({**SMALL, **change})
    assert issubclass(RecipeError, InputError)
