"""The promises of a model; each kind subclasses ``ModelPromises`` and says how it is made and what it is fed.

B rows · S positions · K outputs · V vocabulary
"""

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from minnow.bundle.weights import load_weights, save_weights
from minnow.errors import BundleError
from minnow.models.base import ModelConfig
from minnow.models.module import TorchModel
from minnow.models.registry import architecture, model_from

Arrays = dict[str, NDArray[np.generic]]


def arrays(model: Any) -> Arrays:
    return {name: np.asarray(tensor).copy() for name, tensor in model.tensors().items()}


def assert_bits_equal(some: Mapping[str, NDArray[np.generic]], others: Mapping[str, NDArray[np.generic]]) -> None:
    assert {name: (array.dtype, array.shape, array.tobytes()) for name, array in some.items()} == {
        name: (array.dtype, array.shape, array.tobytes()) for name, array in others.items()
    }


def reloaded(model: Any, folder: Path) -> Any:
    """The model after a way over the disk, as a bundle takes it."""
    save_weights(folder / "model.safetensors", model.tensors())
    config = json.loads(json.dumps(model.config.to_dict()))
    return model_from(config, load_weights(folder / "model.safetensors"))


def misshapen(array: NDArray[np.generic]) -> Iterator[NDArray[np.generic]]:
    """The same numbers in shapes that no configuration asked for."""
    yield array[:-1]
    yield np.concatenate([array, array[:1]])
    yield array[None]
    yield array[0]
    if array.ndim > 1:
        yield array.ravel()


class ModelPromises:
    """What any architecture keeps. A subclass gives a ``config``, a model from a seed, rows and how they are read."""

    rounding = 0.0  # by how much the first way over the disk may move an output; later ones never do

    @pytest.fixture
    def config(self) -> ModelConfig:
        raise NotImplementedError

    def new(self, config: Any, seed: int) -> Any:
        """A model whose weights follow from the configuration and the seed."""
        raise NotImplementedError

    def rows(self) -> list[Any]:
        """Different rows of different lengths, at least three."""
        raise NotImplementedError

    def outputs(self, model: Any, rows: Sequence[Any]) -> NDArray[np.float32]:
        """The model's outputs [B, K] for one batch."""
        raise NotImplementedError

    @pytest.fixture
    def model(self, config: ModelConfig) -> Any:
        return self.new(config, seed=0)

    def test_a_row_gets_one_finite_number_a_label(self, model: Any) -> None:
        outputs = self.outputs(model, self.rows())
        assert outputs.shape == (len(self.rows()), model.config.num_labels)
        assert np.isfinite(outputs).all()

    def test_a_row_alone_is_the_row_in_a_batch(self, model: Any) -> None:
        together = self.outputs(model, self.rows())
        alone = np.concatenate([self.outputs(model, [row]) for row in self.rows()])
        np.testing.assert_allclose(alone, together, rtol=1e-5, atol=1e-6)

    def test_another_order_of_rows_is_another_order_of_outputs(self, model: Any) -> None:
        outputs, backwards = self.outputs(model, self.rows()), self.outputs(model, self.rows()[::-1])
        np.testing.assert_allclose(backwards[::-1], outputs, rtol=1e-5, atol=1e-6)

    def test_different_rows_get_different_outputs(self, model: Any) -> None:
        assert len(np.unique(self.outputs(model, self.rows()).round(7), axis=0)) == len(self.rows())

    def test_the_same_rows_get_the_same_outputs_again(self, model: Any) -> None:
        np.testing.assert_array_equal(self.outputs(model, self.rows()), self.outputs(model, self.rows()))

    def test_saving_and_loading_keeps_every_bit(self, model: Any, tmp_path: Path) -> None:
        once = reloaded(model, tmp_path)
        twice = reloaded(once, tmp_path)
        assert type(once) is type(model)
        assert once.config == twice.config == model.config
        assert_bits_equal(arrays(model), arrays(once))
        assert_bits_equal(arrays(once), arrays(twice))
        first, again = self.outputs(once, self.rows()), self.outputs(twice, self.rows())
        np.testing.assert_array_equal(first, again)
        np.testing.assert_allclose(first, self.outputs(model, self.rows()), rtol=0, atol=self.rounding)

    def test_a_loaded_model_owns_its_weights(self, model: Any) -> None:
        tensors = arrays(model)
        loaded = type(model).from_tensors(model.config, tensors)
        before = self.outputs(loaded, self.rows())
        for array in tensors.values():
            array[...] = 0
        np.testing.assert_array_equal(self.outputs(loaded, self.rows()), before)

    def test_loading_draws_no_random_numbers(self, model: Any) -> None:
        tensors, before = arrays(model), torch.get_rng_state()
        type(model).from_tensors(model.config, tensors)
        assert torch.equal(torch.get_rng_state(), before)

    def test_the_same_seed_gives_the_same_weights(self, config: ModelConfig) -> None:
        assert_bits_equal(arrays(self.new(config, seed=5)), arrays(self.new(config, seed=5)))

    def test_the_number_of_parameters_is_that_of_the_numbers_learnt(self, model: Any) -> None:
        assert 0 < model.num_parameters() <= sum(array.size for array in arrays(model).values())

    def test_the_registry_knows_the_architecture(self, model: Any) -> None:
        assert architecture(model.config.model_type) == (type(model.config), type(model))

    def test_an_unknown_key_of_the_configuration_names_the_nearest(self, config: ModelConfig) -> None:
        for name, value in config.to_dict().items():
            if name != "model_type":
                with pytest.raises(BundleError, match=f"{name}_.*did you mean '{name}'"):
                    type(config).from_dict({**config.to_dict(), f"{name}_": value})

    def test_a_missing_or_odd_value_of_the_configuration_names_its_key(self, config: ModelConfig) -> None:
        written = config.to_dict()
        with pytest.raises(BundleError, match="num_labels"):
            type(config).from_dict({key: value for key, value in written.items() if key != "num_labels"})
        for odd in (0, -3, True, "3", 2.5, None, [3]):
            with pytest.raises(BundleError, match="num_labels"):
                type(config).from_dict({**written, "num_labels": odd})

    def test_a_missing_surplus_or_misshapen_tensor_is_named(self, model: Any) -> None:
        tensors = arrays(model)
        for name in tensors:
            self.refuses(model, {key: value for key, value in tensors.items() if key != name}, name)
            for array in misshapen(tensors[name]):
                self.refuses(model, {**tensors, name: array})
        self.refuses(model, {**tensors, "surplus": np.zeros(3, np.float32)}, "surplus")

    def refuses(self, model: Any, tensors: Arrays, named: str = "") -> None:
        with pytest.raises(BundleError) as caught:
            type(model).from_tensors(model.config, tensors)
        assert named in str(caught.value)
        assert "\n" not in str(caught.value)


class TokenModelPromises(ModelPromises):
    """What an architecture over torch keeps that reads token ids [B, S] and lengths [B]."""

    vocab_size = 24
    learning_rate = 0.02

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def one_thread(cls) -> Iterator[None]:
        """So small a model takes longer with two."""
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(before)

    def model_class(self, config: ModelConfig) -> type[TorchModel]:
        cls: type[TorchModel] = architecture(config.model_type)[1]
        return cls

    def new(self, config: ModelConfig, seed: int) -> TorchModel:
        torch.manual_seed(seed)
        return self.model_class(config)(config).eval()

    def rows(self) -> list[list[int]]:
        """No two rows begin or end alike, for a model may look at nothing else."""
        rng = np.random.default_rng(1)
        return [
            [2 * i + 2, *rng.integers(1, self.vocab_size, length).tolist(), 2 * i + 3]
            for i, length in enumerate((3, 0, 7, 1, 4, 2))
        ]

    def padded(self, rows: Sequence[Sequence[int]], num_padding: int = 0, padding: int = 0) -> tuple[Tensor, Tensor]:
        lengths_B = torch.tensor([len(row) for row in rows])
        token_ids_BS = torch.full((len(rows), int(lengths_B.max()) + num_padding), padding)
        for i, row in enumerate(rows):
            token_ids_BS[i, : len(row)] = torch.tensor(row)
        return token_ids_BS, lengths_B

    @torch.inference_mode()
    def outputs(self, model: Any, rows: Sequence[Any]) -> NDArray[np.float32]:
        outputs: NDArray[np.float32] = model(*self.padded(rows)).numpy()
        return outputs

    def loss(self, model: TorchModel) -> Tensor:
        """Of answers that the rows do not hint at, so that the model has to tell them apart."""
        targets_B = torch.arange(len(self.rows())) % model.config.num_labels  # type: ignore[attr-defined]
        return F.cross_entropy(model(*self.padded(self.rows())), targets_B)

    @torch.inference_mode()
    def test_padding_changes_nothing(self, model: TorchModel) -> None:
        plain = model(*self.padded(self.rows()))
        for num_padding, padding in ((5, 0), (5, 7), (0, 7)):
            more = model(*self.padded(self.rows(), num_padding, padding))
            torch.testing.assert_close(more, plain, rtol=1e-5, atol=1e-6)

    def test_another_seed_gives_other_weights(self, config: ModelConfig) -> None:
        ours, others = arrays(self.new(config, seed=5)), arrays(self.new(config, seed=6))
        assert any((ours[name] != others[name]).any() for name in ours)

    def test_a_gradient_reaches_every_parameter(self, config: ModelConfig) -> None:
        model = self.new(config, seed=0).train()
        with torch.no_grad():  # away from zeros at the start, which hold back the gradient of what they multiply
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.2)
        self.loss(model).backward()  # type: ignore[no-untyped-call]
        strongest = {
            name: 0.0 if parameter.grad is None else float(parameter.grad.abs().max())
            for name, parameter in model.named_parameters()
        }
        # What cancels in exact arithmetic leaves about 1e-9 behind.
        assert [name for name, gradient in strongest.items() if gradient < 1e-6] == []

    def test_one_batch_is_learnt_to_near_zero_loss(self, config: ModelConfig) -> None:
        model = self.new(config, seed=0).train()
        optimizer = torch.optim.Adam(model.parameters(), self.learning_rate)
        for _ in range(150):
            optimizer.zero_grad()
            loss = self.loss(model)
            if loss < 0.02:
                break
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        with torch.inference_mode():
            assert self.loss(model.eval()) < 0.05

    def test_a_loaded_model_is_ready_to_answer(self, model: TorchModel, tmp_path: Path) -> None:
        loaded = reloaded(copy.deepcopy(model).train(), tmp_path)
        assert not loaded.training
