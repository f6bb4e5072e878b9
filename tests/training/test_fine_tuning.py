"""A classifier starts from what a language model has learnt, learns from the top down, and goes on after a kill."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from colours import rows
from command import minnow, with_settings

from minnow.bundle.bundle import Bundle
from minnow.errors import BundleError
from minnow.models.encoder_classifier import EncoderClassifier, EncoderClassifierConfig
from minnow.models.rnn_lm import RnnLM, RnnLMConfig
from minnow.text.tokenizer import Tokenizer, TokenizerSettings
from minnow.training.classification import train_classifier
from minnow.training.classification_recipe import ClassificationRecipe, FineTuningRecipe, TrainingSettings, recipe_from
from minnow.training.fine_tuning import Plan, classifier_from, layer_groups, plan_for
from minnow.training.journal import read_journal
from minnow.training.labelled import LabelledRows, Labelling
from minnow.training.trainer import Trainer
from training.test_trainer import TASK, TRAIN, VALIDATION

pytestmark = pytest.mark.usefixtures("no_pictures")
SETTINGS = FineTuningRecipe(model="there", head_size=8)
QUICK: dict[str, object] = {
    "training.epochs": 12,
    "training.learning_rate": 0.03,
    "training.tokens_per_batch": 128,
    "training.average": 0.9,
    "fine_tuning.head_size": 8,
    "fine_tuning.encoder_rate": 1.0,  # the language model has learnt nothing that could be lost
    "fine_tuning.layer_decay": 1.0,
    "fine_tuning.dropout": 0.1,
    "fine_tuning.dropout_factor": 0.0,
    "training.patience": 0,
    "training.precision": "float32",  # the same on every machine
}


def language_model(texts: list[str], **changes: Any) -> Bundle:
    """Untrained, so that what a classifier learns from it is its own."""
    tokenizer = Tokenizer.train(texts, TokenizerSettings(min_frequency=1))
    torch.manual_seed(0)
    sizes = {"embedding_size": 16, "hidden_size": 16, "num_layers": 2, **changes}
    model = RnnLM(RnnLMConfig(tokenizer.vocab_size, **sizes)).eval()
    return Bundle(model, {"name": "text_generation", "version": 1}, tokenizer)


@pytest.fixture(scope="module")
def source() -> Bundle:
    return language_model([text for text, _ in rows(240, seed=1)])


@pytest.fixture(scope="module")
def folder(source: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "lm"
    source.save(path)
    return path


def classifier(source: Bundle, **changes: Any) -> EncoderClassifier:
    return classifier_from(source, 3, replace(SETTINGS, **changes))[0]


def test_the_encoder_of_the_classifier_is_that_of_the_language_model(source: Bundle) -> None:
    model, tokenizer = classifier_from(source, 3, SETTINGS)
    assert tokenizer is source.tokenizer
    token_ids_BS = torch.tensor([[3, 8, 9, 10]])
    states_BSD, _ = source.model.hidden(token_ids_BS)
    torch.testing.assert_close(model.eval().encoder.encode(token_ids_BS, torch.tensor([4])), states_BSD)
    assert model.config.first_id == tokenizer.eos_id
    assert model.config.last_id is None


def test_a_classifier_may_start_from_a_classifier(source: Bundle) -> None:
    first, tokenizer = classifier_from(source, 3, SETTINGS)
    second, _ = classifier_from(Bundle(first, {}, tokenizer), 5, SETTINGS)
    assert second.config.num_labels == 5
    assert second.config.first_id == first.config.first_id
    for name, weight in first.encoder.state_dict().items():
        assert torch.equal(weight, second.encoder.state_dict()[name])
    assert second.encoder.config == first.encoder.config  # with the dropouts of fine-tuning, which are not halved again


def test_dropout_of_the_encoder_is_scaled(source: Bundle) -> None:
    encoder = classifier(source, dropout_factor=0.5).encoder
    assert encoder.config.hidden_dropout == pytest.approx(0.5 * source.model.config.hidden_dropout)
    assert encoder.hidden_dropout.rate == encoder.config.hidden_dropout


def test_groups_go_from_the_embeddings_up_to_the_head(source: Bundle) -> None:
    model = classifier(source)
    groups = layer_groups(model)
    assert sorted(name for names in groups for name in names) == sorted(name for name, _ in model.named_parameters())
    assert groups[0] == ("encoder.embedding.weight",)
    assert all(name.startswith("encoder.layers.0.") for name in groups[1])
    assert all(name.startswith("encoder.layers.1.") for name in groups[2])
    assert {name.split(".")[0] for name in groups[-1]} == {"hidden", "head"}


def test_rates_fall_from_layer_to_layer(source: Bundle) -> None:
    plan = plan_for(classifier(source), replace(SETTINGS, encoder_rate=0.5, layer_decay=0.4))
    assert plan.factors == pytest.approx((0.5 * 0.4**2, 0.5 * 0.4, 0.5, 1.0))
    model = classifier(source)
    groups = plan.parameter_groups(model, 0.1)
    listed = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(listed) == sorted(id(parameter) for parameter in model.parameters())
    embedding = next(group for group in groups if group["params"][0] is model.encoder.embedding.weight)
    assert embedding["weight_decay"] == 0.0
    assert embedding["factor"] == pytest.approx(0.08)


def test_layers_begin_to_learn_one_after_another(source: Bundle) -> None:
    model = classifier(source)
    plan = replace(plan_for(model, SETTINGS), unfreeze_epochs=0.5)

    def learning(epochs: float) -> list[bool]:
        plan.freeze(model, epochs)
        parameters = dict(model.named_parameters())
        return [all(parameters[name].requires_grad for name in names) for names in plan.groups]

    assert learning(0.0) == learning(0.49) == [False, False, False, True]
    assert learning(0.5) == [False, False, True, True]
    assert learning(1.5) == learning(9.0) == [True] * 4
    assert replace(plan, unfreeze_epochs=0.0).num_learning(0.0) == 4


class TestTraining:
    """The loop with a plan."""

    def trained(self, tmp_path: Path, plan: Plan | None, source: Bundle, **settings: Any) -> tuple[Any, Any]:
        model = classifier(source)
        before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
        Trainer(
            model,
            Labelling(TASK, self.small(TRAIN, model), self.small(VALIDATION, model)),
            TrainingSettings(epochs=1, tokens_per_batch=128, average=0.0, precision="float32", **settings),
            tmp_path,
            lambda _: None,
            plan=plan,
        ).fit()
        moved = {name: float((p.detach() - before[name]).norm()) for name, p in model.named_parameters()}
        return model, moved

    def small(self, labelled: LabelledRows, model: EncoderClassifier) -> LabelledRows:
        assert labelled.tokens.ids.max() < model.config.vocab_size
        return labelled

    def test_frozen_layers_stay_as_they_were(self, tmp_path: Path, source: Bundle) -> None:
        plan = replace(plan_for(classifier(source), SETTINGS), unfreeze_epochs=2.0)
        _, moved = self.trained(tmp_path, plan, source)
        assert all((distance > 0) == (name in plan.groups[-1]) for name, distance in moved.items())

    def test_slow_layers_move_less(self, tmp_path: Path, source: Bundle) -> None:
        plan = replace(plan_for(classifier(source), SETTINGS), factors=(1e-9, 1e-6, 1e-3, 1.0))
        _, moved = self.trained(tmp_path, plan, source)
        furthest = [max(moved[name] for name in names) for names in plan.groups]
        assert furthest == sorted(furthest)
        assert 0 < 100 * furthest[1] < furthest[2]


def alike(source: Bundle) -> Bundle:
    """A language model whose states are large and almost the same for all texts."""
    model = copy.deepcopy(source.model)
    with torch.no_grad():
        for bias_of_four_gates in (model.layers[1].cell.bias_ih_l0, model.layers[1].cell.bias_hh_l0):
            bias_of_four_gates.add_(3.0)
    return Bundle(model, source.task, source.tokenizer)


def test_a_head_learns_from_features_that_are_almost_the_same_for_all_texts(
    source: Bundle, colours: Path, tmp_path: Path
) -> None:
    """Without the norm its hidden layer dies in the first steps, and the loss stays that of a guess."""
    alike(source).save(tmp_path / "lm")
    data = {"data": {"train": str(colours / "train.csv")}, "fine_tuning": {"model": str(tmp_path / "lm")}}
    recipe = recipe_from(data, [f"{key}={value}" for key, value in QUICK.items()])
    accuracy = {}
    for norm in (True, False):
        changed = replace(recipe, fine_tuning=replace(recipe.fine_tuning, batch_norm=norm))
        train_classifier(changed, tmp_path / str(norm))
        journal = read_journal(tmp_path / str(norm) / "run" / "journal.jsonl")
        accuracy[norm] = max(row["accuracy"] for row in journal)
    assert accuracy[True] > 0.85
    assert accuracy[False] < 0.6


def test_open_rates_are_those_of_the_kind_of_encoder(source: Bundle) -> None:
    assert plan_for(classifier(source), SETTINGS).factors == (1.0, 1.0, 1.0, 1.0)
    sizes = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    encoder = {"model_type": "llama", "vocab_size": 24, **sizes}
    transformer = EncoderClassifier(EncoderClassifierConfig(encoder, 3))
    assert plan_for(transformer, SETTINGS).factors == pytest.approx((0.05 * 0.4**2, 0.05 * 0.4, 0.05, 1.0))


def test_a_classifier_with_a_norm_answers_in_half_precision_too(source: Bundle) -> None:
    model = classifier(source).eval()
    given = torch.tensor([[3, 8, 9, 10], [4, 7, 9, 0]]), torch.tensor([4, 3])
    model.batch_norm.measure(model.features(*given) + torch.tensor([[0.1], [0.0]]))  # type: ignore[union-attr]
    expected = model(*given)
    half = Bundle(model, {}, source.tokenizer).in_precision("bfloat16").model
    torch.testing.assert_close(half(*given).float(), expected, atol=0.1, rtol=0.1)


def test_from_the_command_line_to_an_answer(folder: Path, colours: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    made = minnow(
        *("train", colours / "train.csv", "--test", colours / "test.csv", "--from", folder, "--out", out, "--json"),
        *with_settings(QUICK),
    )
    assert made.json["model_type"] == "encoder_classifier"
    assert made.json["accuracy"] > 0.85
    assert f"encoder_classifier, from {folder}" in made.err
    assert Bundle.load(out).provenance["from"]["name"] == "lm"
    assert minnow("predict", out, "the ocean and the whale").json["label"] == "blue"
    assert minnow("evaluate", out, colours / "test.csv", "--json").json["accuracy"] == made.json["accuracy"]


class CutOffError(Exception):
    """Stands for whatever ends a process in the middle of a run."""


def cut_off(recipe: ClassificationRecipe, out: Path, epochs: int) -> None:
    """A run that ends unheard after so many epochs, its last checkpoint behind it."""

    def show(row: dict[str, Any]) -> None:
        if "validation_loss" in row and row["epoch"] == epochs:
            raise CutOffError

    with pytest.raises(CutOffError):
        train_classifier(recipe, out, show=show)


def test_a_run_that_was_cut_off_ends_as_if_it_had_not_been(folder: Path, colours: Path, tmp_path: Path) -> None:
    gradual = {"fine_tuning.unfreeze_epochs": 0.7, "fine_tuning.adversarial": 0.02, "training.precision": "float32"}
    often = {"training.epochs": 3, "training.checkpoint_seconds": 0.0}
    settings = [f"{key}={value}" for key, value in {**QUICK, **gradual, **often}.items()]
    data = {"data": {"train": str(colours / "train.csv")}, "fine_tuning": {"model": str(folder)}}
    recipe = recipe_from(data, settings)
    whole = train_classifier(recipe, tmp_path / "whole").bundle
    cut_off(recipe, tmp_path / "cut", epochs=2)
    assert not (tmp_path / "cut" / "minnow.json").exists()
    made = minnow("train", "--resume", "--out", tmp_path / "cut", "--json").json
    assert made["model_type"] == "encoder_classifier"
    expected, found = whole.model.state_dict(), Bundle.load(tmp_path / "cut").model.state_dict()
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    losses = [
        [row["validation_loss"] for row in read_journal(tmp_path / name / "run" / "journal.jsonl")]
        for name in ("whole", "cut")
    ]
    assert losses[0] == losses[1]


def test_a_run_goes_on_from_no_other_model(source: Bundle, colours: Path, tmp_path: Path) -> None:
    source.save(tmp_path / "lm")
    data = {"data": {"train": str(colours / "train.csv")}, "fine_tuning": {"model": str(tmp_path / "lm")}}
    cut_off(recipe_from(data, ["training.epochs=2"]), tmp_path / "cut", epochs=1)
    language_model([text for text, _ in rows(240, seed=1)], hidden_size=12).save(tmp_path / "lm")
    failed = minnow("train", "--resume", "--out", tmp_path / "cut", fails=True)
    assert "lm has changed since the run began" in failed.error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--from", "nowhere"], "there is no model at nowhere"),
        (["--model", "encoder_classifier"], "--from MODEL"),
        (["--from", "nowhere", "--model", "ngram"], "leave --from or --model out"),
        (["--from", "LM", "--set", "fine_tuning.pooling=maxx"], "did you mean 'max'"),
        (["--from", "LM", "--set", "fine_tuning.layer_decay=1.5"], "layer_decay must lie between 0 and 1"),
        (["--from", "LM", "--set", "fine_tuning.unfreeze_epochs=-1"], "unfreeze_epochs must be at least 0"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_written(
    options: list[str], message: str, folder: Path, colours: Path, tmp_path: Path
) -> None:
    given = [str(folder) if option == "LM" else option for option in options]
    failed = minnow("train", colours / "train.csv", "--out", tmp_path / "out", *given, fails=True)
    assert message in failed.error
    assert failed.code == 2
    assert not (tmp_path / "out").exists()


def test_a_model_without_an_encoder_is_refused(linear: Path, colours: Path, tmp_path: Path) -> None:
    failed = minnow("train", colours / "train.csv", "--from", linear, "--out", tmp_path / "out", fails=True)
    assert "ngram, which is no encoder" in failed.error
    assert not (tmp_path / "out").exists()
    with pytest.raises(BundleError, match="no tokenizer"):
        classifier_from(replace(language_model(["a b c d e"]), tokenizer=None), 2, SETTINGS)
