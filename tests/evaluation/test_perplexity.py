"""Perplexity: the sum over a text's tokens of what the model says of each, however the text is read.

B rows · S positions · V vocabulary
"""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from minnow.bundle.bundle import Bundle
from minnow.data.corpus import open_corpus
from minnow.errors import BundleError, DataError, InputError
from minnow.evaluation.perplexity import LanguageReport, causal_nats, masked_nats, measure_language
from minnow.models.bert import Bert, BertConfig
from minnow.models.llama import Llama, LlamaConfig
from minnow.models.rnn_lm import RnnLM, RnnLMConfig
from minnow.tasks.fill_mask import FillMask
from minnow.tasks.text_generation import TextGeneration
from minnow.text.tokenizer import Tokenizer, TokenizerSettings

TEXT = "".join(f"{number} cats sat\nand {number % 7} ran .\n" for number in range(60))
CONTEXT = 32
CHARACTERS = Tokenizer.train([TEXT], TokenizerSettings("character", 100, False, "none", 1))
WORDS = Tokenizer.train([TEXT], TokenizerSettings("whitespace", 40, False, "none", 1))


def spread(model: torch.nn.Module) -> torch.nn.Module:
    """Weights large enough that every position matters."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return model.eval()


def llama(vocab_size: int) -> Llama:
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=vocab_size, max_position_embeddings=CONTEXT, **sizes)
    return spread(Llama(config))  # type: ignore[return-value]


def recurrent(vocab_size: int) -> RnnLM:
    config = RnnLMConfig(vocab_size=vocab_size, embedding_size=12, hidden_size=12, num_layers=2)
    return spread(RnnLM(config))  # type: ignore[return-value]


def bundle_of(model: torch.nn.Module, tokenizer: Tokenizer) -> Bundle:
    return Bundle(model, TextGeneration().to_dict(), tokenizer)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return path


def whole_nats(model: torch.nn.Module, token_ids: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        logits_SV = model(torch.from_numpy(token_ids[None, :-1]))[0]
        return F.cross_entropy(logits_SV, torch.from_numpy(token_ids[1:]), reduction="none").double().numpy()


@pytest.fixture
def token_ids() -> np.ndarray:
    return np.random.default_rng(0).integers(4, 20, 101)


def test_a_text_within_the_context_is_read_at_once(token_ids: np.ndarray) -> None:
    model = llama(20)
    short = token_ids[:CONTEXT]
    for stride in (1, 7, CONTEXT):
        np.testing.assert_allclose(causal_nats(model, short, CONTEXT, stride), whole_nats(model, short), rtol=1e-4)


@pytest.mark.parametrize(("length", "stride"), [(32, 32), (32, 16), (32, 5), (10, 1), (32, 31), (1, 1)])
@pytest.mark.parametrize("rows", [1, 3, None])
def test_each_token_is_foretold_once_from_its_window(
    token_ids: np.ndarray, length: int, stride: int, rows: int | None
) -> None:
    model = llama(20)
    total = len(token_ids) - 1
    expected = np.full(total, np.nan)
    for end in [*range(length, total, stride), total]:
        window = whole_nats(model, token_ids[end - length : end + 1])
        fresh = np.isnan(expected[end - length : end])
        expected[end - length : end][fresh] = window[fresh]
    assert not np.isnan(expected).any()
    np.testing.assert_allclose(causal_nats(model, token_ids, length, stride, rows=rows), expected, rtol=1e-4)


def test_more_context_changes_what_is_foretold(token_ids: np.ndarray) -> None:
    model = llama(20)
    few, many = causal_nats(model, token_ids, 8, 8), causal_nats(model, token_ids, 32, 1)
    np.testing.assert_allclose(few[:8], many[:8], rtol=1e-4)
    assert not np.allclose(few[8:], many[8:], rtol=1e-3)


def test_a_recurrent_model_carries_its_memory_to_the_end(
    token_ids: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = recurrent(20)
    monkeypatch.setattr("minnow.evaluation.perplexity.CHUNK", 9)
    total = len(token_ids) - 1
    np.testing.assert_allclose(causal_nats(model, token_ids, total, total), whole_nats(model, token_ids), rtol=1e-4)


def test_streams_of_a_recurrent_model_are_as_good_as_one(text: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = bundle_of(recurrent(CHARACTERS.vocab_size), CHARACTERS)
    whole = measure_language(bundle, open_corpus(text), "m")
    monkeypatch.setattr("minnow.evaluation.perplexity.STREAM_LENGTH", 200)
    monkeypatch.setattr("minnow.evaluation.perplexity.WARM_UP", 100)
    monkeypatch.setattr("minnow.evaluation.perplexity.CHUNK", 33)
    streams = measure_language(bundle, open_corpus(text), "m")
    assert whole.tokens == streams.tokens == len(TEXT)
    assert streams.loss == pytest.approx(whole.loss, rel=1e-4)
    monkeypatch.setattr("minnow.evaluation.perplexity.WARM_UP", 0)
    assert measure_language(bundle, open_corpus(text), "m").loss != pytest.approx(whole.loss, rel=1e-5)


@pytest.mark.parametrize("tokenizer", [CHARACTERS, WORDS], ids=["characters", "words"])
@pytest.mark.parametrize("build", [llama, recurrent])
def test_the_measures_follow_from_the_nats(text: Path, tokenizer: Tokenizer, build: type) -> None:
    report = measure_language(bundle_of(build(tokenizer.vocab_size), tokenizer), open_corpus(text), "m")
    total = report.loss * report.tokens
    words = len(TEXT.split()) + TEXT.count("\n")
    assert report.perplexity == pytest.approx(math.exp(report.loss))
    assert report.word_perplexity == pytest.approx(math.exp(total / words))
    assert report.bits_per_byte == pytest.approx(total / math.log(2) / len(TEXT.encode()))
    assert (report.words, report.bytes) == (words, len(TEXT.encode()))
    assert report.tokens == (len(TEXT) if tokenizer is CHARACTERS else words)
    assert report.seconds > 0


def test_a_model_that_knows_nothing_needs_the_logarithm_of_the_vocabulary(text: Path) -> None:
    model = llama(CHARACTERS.vocab_size)
    with torch.no_grad():
        model.output_weight_VD.zero_()
    report = measure_language(bundle_of(model, CHARACTERS), open_corpus(text), "m")
    assert report.loss == pytest.approx(math.log(CHARACTERS.vocab_size))


def test_the_share_of_unknown_tokens_is_told(text: Path) -> None:
    report = measure_language(bundle_of(llama(WORDS.vocab_size), WORDS), open_corpus(text), "m")
    unknown = sum(row.count(WORDS.unk_id) for row in WORDS.encode_ids(TEXT.split("\n")))
    assert report.unknown == pytest.approx(unknown / report.tokens)
    assert unknown
    assert any("unknown to the vocabulary" in note for note in report.notes)


def masked_model() -> tuple[Bert, Tokenizer]:
    tokenizer = CHARACTERS.with_special_tokens(["<mask>"])
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = BertConfig(vocab_size=tokenizer.vocab_size, max_position_embeddings=40, **sizes)
    return spread(Bert(config)), tokenizer  # type: ignore[return-value]


def test_a_masked_model_guesses_every_token_once_and_says_so(text: Path) -> None:
    model, tokenizer = masked_model()
    report = measure_language(Bundle(model, FillMask().to_dict(), tokenizer), open_corpus(text), "m")
    assert report.objective == "masked"
    assert report.tokens == len(TEXT)
    assert report.word_perplexity is None
    assert report.bits_per_byte is None
    assert any("pseudo-perplexity" in note for note in report.notes)
    assert report.scores.keys() == {"loss", "perplexity"}


def test_a_masked_model_does_not_see_what_it_guesses(monkeypatch: pytest.MonkeyPatch) -> None:
    model, tokenizer = masked_model()
    shown: list[torch.Tensor] = []
    inner = model.hidden
    monkeypatch.setattr(model, "hidden", lambda ids, lengths: (shown.append(ids), inner(ids, lengths))[1])
    token_ids = np.array(tokenizer.encode_ids([TEXT])[0])[:30]
    masked_nats(model, tokenizer, token_ids, 40)
    hidden_BS = (shown[0] == tokenizer.mask_id)[:, len(tokenizer.prefix_ids) :][:, :30]
    assert (hidden_BS.sum(0) == 1).all()
    assert (hidden_BS.sum(1) <= 5).all()


def test_a_masked_model_needs_room_between_its_borders(monkeypatch: pytest.MonkeyPatch) -> None:
    model, tokenizer = masked_model()
    monkeypatch.setattr(tokenizer, "prefix_ids", (tokenizer.bos_id,))
    monkeypatch.setattr(tokenizer, "suffix_ids", (tokenizer.eos_id,))
    token_ids = np.array(tokenizer.encode_ids([TEXT])[0])[:30]
    with pytest.raises(InputError, match="a context of 2 leaves no room for text; a masked model needs 3"):
        masked_nats(model, tokenizer, token_ids, 2)
    assert len(masked_nats(model, tokenizer, token_ids, 10)) == 30


def test_the_report_comes_back_from_the_disk(text: Path, tmp_path: Path) -> None:
    report = measure_language(bundle_of(llama(WORDS.vocab_size), WORDS), open_corpus(text), "m")
    (path,) = report.save(tmp_path / "out")
    import orjson

    content = orjson.loads(path.read_bytes())
    assert LanguageReport.from_json(content) == report
    with pytest.raises(BundleError, match="evaluate the model again"):
        LanguageReport.from_json({**content, "kind": "labels"})


@pytest.mark.parametrize(
    ("context", "stride", "message"),
    [
        (CONTEXT + 1, None, "context must lie between 1 and the model's 32"),
        (8, 9, "stride must lie"),
        (0, None, "got 0"),
    ],
)
def test_a_context_that_cannot_be_is_refused(text: Path, context: int, stride: int | None, message: str) -> None:
    bundle = bundle_of(llama(CHARACTERS.vocab_size), CHARACTERS)
    with pytest.raises(InputError, match=message):
        measure_language(bundle, open_corpus(text), "m", context=context, stride=stride)


def test_a_recurrent_model_has_no_context_to_choose(text: Path) -> None:
    bundle = bundle_of(recurrent(CHARACTERS.vocab_size), CHARACTERS)
    with pytest.raises(InputError, match="carries its memory on"):
        measure_language(bundle, open_corpus(text), "m", context=5)


def test_an_empty_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text(" \n")
    with pytest.raises(DataError, match="holds no text"):
        measure_language(bundle_of(llama(CHARACTERS.vocab_size), CHARACTERS), open_corpus(tmp_path / "empty.txt"), "m")


@pytest.mark.parametrize("content", ["a", "7\n"])
def test_a_text_of_one_or_two_tokens_is_enough(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.txt").write_text(content)
    for build in (llama, recurrent):
        bundle = bundle_of(build(CHARACTERS.vocab_size), CHARACTERS)
        assert measure_language(bundle, open_corpus(tmp_path / "a.txt"), "m").tokens == len(content)
