"""Fill mask: the likeliest words for each gap, from a model that knows one sentence."""

from random import Random
from types import SimpleNamespace

import pytest
import torch

from minnow.bundle.bundle import Bundle
from minnow.errors import BundleError, InputError, RecipeError
from minnow.models.bert import Bert, BertConfig
from minnow.tasks.fill_mask import FillMask
from minnow.tasks.registry import task_from, task_of
from minnow.text.tokenizer import Tokenizer, TokenizerSettings

SENTENCE = "the cat sat on the mat"


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """A BERT that learns to fill the sentence in a moment."""
    made = Tokenizer.train([SENTENCE] * 2, TokenizerSettings(kind="word", min_frequency=1)).with_special_tokens(
        ["<mask>"]
    )
    assert made.mask_id is not None
    torch.manual_seed(0)
    config = {"vocab_size": made.vocab_size, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    shape = BertConfig.from_dict({**config, "intermediate_size": 32, "max_position_embeddings": 12})
    model = Bert(shape)
    (whole,) = made.encode_ids([SENTENCE])
    whole = made.frame(whole)
    rows = torch.tensor([whole] * len(whole))
    masked = rows.clone()
    masked.fill_diagonal_(made.mask_id)
    lengths = torch.full((len(whole),), len(whole))
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    model.train()
    for _ in range(60):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(masked, lengths).flatten(0, 1), rows.flatten()).backward()
        optimizer.step()
    return Bundle(model.eval(), FillMask(num_candidates=3).to_dict(), made)


def test_the_likeliest_word_fills_the_gap(bundle: Bundle) -> None:
    task = task_of(bundle)
    (found,) = task.predict(bundle.model, bundle.tokenizer, ["the [MASK] sat on the mat"])
    assert str(found) == SENTENCE
    told = found.to_dict()
    assert told["filled"] == SENTENCE
    ((first, *others),) = told["gaps"]
    assert first["text"] == "cat"
    assert first["probability"] > 0.5
    assert len(others) == 2
    assert first["probability"] > others[0]["probability"] > others[1]["probability"]


def test_every_gap_has_its_candidates_and_either_spelling_is_a_gap(bundle: Bundle) -> None:
    task = task_of(bundle)
    texts = ["the <mask> sat on the [MASK]", "the cat [MASK] on the mat"] * 10
    found = task.predict(bundle.model, bundle.tokenizer, texts)
    assert [len(one.to_dict()["gaps"]) for one in found] == [2, 1] * 10
    alone = task.predict(bundle.model, bundle.tokenizer, texts[1:2])[0]
    assert str(alone) == str(found[1]) == SENTENCE


def test_what_cannot_be_filled_is_said(bundle: Bundle) -> None:
    task = task_of(bundle)
    with pytest.raises(InputError, match="the text has no gap to fill: 'the cat'; write <mask>"):
        task.predict(bundle.model, bundle.tokenizer, ["the cat"])
    with pytest.raises(InputError, match="the model reads at most 12"):
        task.predict(bundle.model, bundle.tokenizer, ["[MASK] " + "the cat " * 20])


def test_model_tokenizer_and_task_must_fit(bundle: Bundle) -> None:
    plain = Tokenizer.train([SENTENCE], TokenizerSettings(kind="word", min_frequency=1))
    with pytest.raises(BundleError, match="its tokenizer has no token for one"):
        task_of(Bundle(bundle.model, bundle.task, plain))
    assert task_from(bundle.task) == FillMask(num_candidates=3)
    with pytest.raises(BundleError, match="version 7"):
        task_from({**bundle.task, "version": 7})
    with pytest.raises(BundleError, match="num_candidates"):
        task_from({**bundle.task, "num_candidate": 3})
    with pytest.raises(RecipeError, match="num_candidates must be at least 1"):
        FillMask(0)


@pytest.mark.parametrize("kind", ["bpe", "unigram", "word"])
def test_a_gap_is_read_as_training_hides_a_token(kind: str) -> None:
    random = Random(0)
    rare = ["".join(random.choice("bdfgklmnprstvw") + random.choice("aeiou") for _ in range(3)) for _ in range(300)]
    texts = [" ".join(random.choices([*SENTENCE.split(), *rare], [50] * 6 + [1] * 300, k=8)) for _ in range(600)]
    settings = TokenizerSettings(kind=kind, vocab_size=400, min_frequency=1)
    made = Tokenizer.train(texts, settings).with_special_tokens(["<mask>"])
    found = made.encode(texts[0])
    marked = [token[0] in "▁Ġ" or kind == "word" for token in made.tokens(found.token_ids)]
    whole = [begins and len(token) > 2 for begins, token in zip(marked, made.tokens(found.token_ids), strict=True)]
    place = whole.index(True, 1)  # a token that begins with its space, where the kind has such tokens
    start, end = found.offsets[place]
    gap = texts[0][:start] + texts[0][start:end].replace(texts[0][start:end].strip(), "[MASK]") + texts[0][end:]
    asked = FillMask._token_ids(made, gap, SimpleNamespace())
    assert asked == made.frame([*found.token_ids[:place], made.mask_id, *found.token_ids[place + 1 :]])
