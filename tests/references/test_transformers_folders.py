"""``transformers`` opens our folders as they are, and we open its: same ids, same logits, same greedy text."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from houses import HOUSES, TEXTS, byte_level, wordpiece

from minnow.api import import_folder
from minnow.bundle.bundle import Bundle
from minnow.models.bert import Bert, BertConfig
from minnow.models.gpt2 import GPT2, GPT2Config
from minnow.models.llama import Llama, LlamaConfig
from minnow.text.kinds import KINDS
from minnow.text.opening import open_foreign, open_tokenizer
from minnow.text.tokenizer import Tokenizer, TokenizerSettings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
transformers = pytest.importorskip("transformers")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

GENERATION = {"name": "text_generation", "version": 1}
SIZES = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}


def llama(vocab_size: int) -> Llama:
    return Llama(LlamaConfig(vocab_size=vocab_size, **SIZES, tie_word_embeddings=True))


def gpt2(vocab_size: int) -> GPT2:
    return GPT2(GPT2Config(vocab_size=vocab_size, n_embd=16, n_layer=2, n_head=2, n_positions=64))


def tokenizer_of(kind: str, folder: Path) -> Tokenizer:
    if kind.startswith("their "):
        return open_tokenizer(HOUSES[kind.removeprefix("their ")](folder / "house") / "tokenizer.json")
    return Tokenizer.train(TEXTS, TokenizerSettings(kind, 400, min_frequency=1))


def saved(model: Any, tokenizer: Tokenizer, folder: Path) -> Path:
    Bundle(model.eval(), GENERATION, tokenizer).save(folder)
    return folder


@pytest.mark.parametrize("made", [llama, gpt2])
@pytest.mark.parametrize("kind", [*KINDS, *(f"their {name}" for name in HOUSES)])
def test_auto_classes_open_our_folder(kind: str, made: Any, tmp_path: Path) -> None:
    torch.manual_seed(0)
    tokenizer = tokenizer_of(kind, tmp_path)
    model = made(tokenizer.vocab_size)
    folder = saved(model, tokenizer, tmp_path / "model")
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    other = transformers.AutoModelForCausalLM.from_pretrained(folder)
    for text in (*TEXTS[:3], "two  spaces", " a beginning"):
        token_ids = tokenizer.encode(text).token_ids
        assert theirs(text, add_special_tokens=False)["input_ids"] == token_ids
        assert theirs(text)["input_ids"] == tokenizer.frame(token_ids)
    assert ("token_type_ids" in theirs("a")) == (theirs.mask_token == "[MASK]")
    token_ids = tokenizer.encode(TEXTS[0]).token_ids
    assert theirs.decode(token_ids) == tokenizer.decode(token_ids)
    assert theirs.eos_token_id == tokenizer.eos_id or "eos_token" not in tokenizer.special_tokens
    with torch.no_grad():
        batch = torch.tensor([token_ids[:12]])
        assert (other(batch).logits - model(batch)).abs().max() < 1e-4


AROUND = {"add_bos_token": True, "add_eos_token": True}


@pytest.mark.parametrize("asked", [AROUND, dict.fromkeys(AROUND, False)])
@pytest.mark.parametrize("house", HOUSES)
def test_what_stands_around_a_text_is_said_by_the_same_file(house: str, asked: dict[str, Any], tmp_path: Path) -> None:
    folder = HOUSES[house](tmp_path)
    config = json.loads((folder / "tokenizer_config.json").read_text()) | asked
    plain = {key: value["content"] if isinstance(value, dict) else value for key, value in config.items()}
    (folder / "tokenizer_config.json").write_text(json.dumps(plain))
    tokenizer, theirs = open_foreign(folder), transformers.AutoTokenizer.from_pretrained(folder)
    assert tokenizer.frame(tokenizer.encode("a kettle").token_ids) == theirs("a kettle")["input_ids"]


def test_older_files_with_added_tokens_give_the_same_ids(tmp_path: Path) -> None:
    file = byte_level(tmp_path / "house") / "tokenizer.json"
    model = json.loads(file.read_text(encoding="utf-8"))["model"]
    size = len(model["vocab"])
    config = {
        "tokenizer_class": "GPT2Tokenizer",
        "add_bos_token": True,
        "added_tokens_decoder": {
            str(size): {"content": "<one>", "special": False, "normalized": False},
            str(size + 1): {"content": "<|two|>", "special": True, "normalized": False},
        },
    }
    (tmp_path / "vocab.json").write_text(json.dumps(model["vocab"]))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n" + "\n".join(" ".join(pair) for pair in model["merges"]))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    tokenizer, theirs = open_foreign(tmp_path), transformers.AutoTokenizer.from_pretrained(tmp_path)
    for text in (*TEXTS, "a <one> b", " x"):
        assert tokenizer.frame(tokenizer.encode(text).token_ids) == theirs(text)["input_ids"]
    assert tokenizer.encode_marked("a<|two|>") == theirs("a<|two|>", add_special_tokens=False)["input_ids"]


def test_a_vocabulary_of_lines_gives_the_same_ids(tmp_path: Path) -> None:
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "\u2028", "水", "水壶", "kettle"]
    (tmp_path / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    for chinese in (True, False):
        config = {"tokenizer_class": "BertTokenizer", "tokenize_chinese_chars": chinese}
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
        tokenizer, theirs = open_foreign(tmp_path), transformers.AutoTokenizer.from_pretrained(tmp_path)
        for text in ("a Kettle", "水壶 kettle", "水"):
            assert tokenizer.frame(tokenizer.encode(text).token_ids) == theirs(text)["input_ids"]


@pytest.mark.parametrize("made", [llama, gpt2])
def test_greedy_text_is_the_same(made: Any, tmp_path: Path) -> None:
    torch.manual_seed(1)
    tokenizer = tokenizer_of("bpe", tmp_path)
    model = made(tokenizer.vocab_size)
    folder = saved(model, tokenizer, tmp_path / "model")
    other = transformers.AutoModelForCausalLM.from_pretrained(folder)
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    written = other.generate(**theirs("Once upon", return_tensors="pt"), max_new_tokens=20, do_sample=False)[0].tolist()
    token_ids = tokenizer.encode("Once upon").token_ids
    logits_BV, state = model.prefill(torch.tensor([token_ids]), torch.tensor([len(token_ids)]))
    while len(token_ids) < len(written):
        token_ids.append(int(logits_BV.argmax()))
        logits_BV, state = model.step(torch.tensor(token_ids[-1:]), state)
    assert token_ids == written


@pytest.mark.parametrize("made", [llama, gpt2])
def test_prompts_side_by_side_are_written_on_as_each_alone(made: Any, tmp_path: Path) -> None:
    torch.manual_seed(1)
    tokenizer = tokenizer_of("bpe", tmp_path)
    folder = saved(made(tokenizer.vocab_size), tokenizer, tmp_path / "model")
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    other = transformers.AutoModelForCausalLM.from_pretrained(folder)
    asked = {"max_new_tokens": 8, "min_new_tokens": 8, "do_sample": False}
    prompts = ["Once upon a time", "The"]
    together = other.generate(**theirs(prompts, return_tensors="pt", padding=True), **asked)
    alone = [other.generate(**theirs(prompt, return_tensors="pt"), **asked)[0] for prompt in prompts]
    assert [row[-8:].tolist() for row in together] == [row[-8:].tolist() for row in alone]


def test_a_masked_model_of_ours_opens_with_its_mask(tmp_path: Path) -> None:
    torch.manual_seed(0)
    tokenizer = tokenizer_of("bpe", tmp_path).with_special_tokens(["<mask>"])
    model = Bert(BertConfig(vocab_size=tokenizer.vocab_size, **SIZES))
    folder = saved(model, tokenizer, tmp_path / "model")
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    other = transformers.AutoModelForMaskedLM.from_pretrained(folder)
    assert theirs.mask_token_id == tokenizer.mask_id
    assert theirs.padding_side == "right"  # its positions count from the first token
    token_ids = [*theirs.encode("the kettle"), theirs.mask_token_id]
    assert token_ids[:-1] == tokenizer.encode("the kettle").token_ids
    with torch.no_grad():
        found = model(torch.tensor([token_ids]), torch.tensor([len(token_ids)]))
        assert (other(torch.tensor([token_ids])).logits - found).abs().max() < 1e-4


def test_a_chat_template_of_ours_is_theirs(tmp_path: Path) -> None:
    tokenizer = tokenizer_of("bpe", tmp_path).with_special_tokens(["<|user|>"])
    tokenizer.chat_template = "{% for m in messages %}<|user|>{{ m.content }}{{ eos_token }}{% endfor %}"
    folder = saved(llama(tokenizer.vocab_size), tokenizer, tmp_path / "model")
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    token_ids = theirs.apply_chat_template([{"role": "user", "content": "hi"}], return_dict=False)
    assert token_ids == open_tokenizer(folder / "tokenizer.json").encode_marked("<|user|>hi<eos>")
    assert token_ids[-1] == 3


SMALL = {"vocab_size": 500, **SIZES, "max_position_embeddings": 64}
THEIRS = {
    "llama": lambda: transformers.LlamaForCausalLM(transformers.LlamaConfig(**SMALL, num_key_value_heads=2)),
    "mistral": lambda: transformers.MistralForCausalLM(transformers.MistralConfig(**SMALL, num_key_value_heads=2)),
    "qwen2": lambda: transformers.Qwen2ForCausalLM(transformers.Qwen2Config(**SMALL, num_key_value_heads=2)),
    "qwen3": lambda: transformers.Qwen3ForCausalLM(
        transformers.Qwen3Config(**SMALL, num_key_value_heads=2, head_dim=8, tie_word_embeddings=True)
    ),
    "gpt2": lambda: transformers.GPT2LMHeadModel(
        transformers.GPT2Config(vocab_size=500, n_embd=16, n_layer=2, n_head=2, n_positions=64)
    ),
    "bert": lambda: transformers.BertForMaskedLM(transformers.BertConfig(**SMALL)),
    "bert for pre-training": lambda: transformers.BertForPreTraining(transformers.BertConfig(**SMALL)),
    "distilbert": lambda: transformers.DistilBertForMaskedLM(
        transformers.DistilBertConfig(
            vocab_size=500, dim=16, hidden_dim=32, n_layers=2, n_heads=2, max_position_embeddings=64
        )
    ),
}


@pytest.mark.parametrize("name", THEIRS)
@pytest.mark.parametrize("parts", ["one file", "several files"])
def test_folders_of_theirs_open_here(name: str, parts: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    other = THEIRS[name]().eval()
    folder = (wordpiece if "bert" in name else byte_level)(tmp_path / "theirs")
    other.save_pretrained(folder, max_shard_size="20KB" if parts == "several files" else "1GB")
    model = import_folder(folder, tmp_path / "ours").bundle.model
    assert (len(list(folder.glob("*.safetensors"))) > 1) == (parts == "several files")
    token_ids = torch.randint(5, 400, (2, 20))
    with torch.no_grad():
        output = other(token_ids)
        expected = output.prediction_logits if name == "bert for pre-training" else output.logits
        found = model(token_ids) if hasattr(model, "prefill") else model(token_ids, torch.tensor([20, 20]))
    assert (found - expected).abs().max() < 1e-4


def test_an_encoder_of_theirs_opens_here(tmp_path: Path) -> None:
    torch.manual_seed(0)
    other = transformers.BertModel(transformers.BertConfig(**SMALL)).eval()
    other.save_pretrained(wordpiece(tmp_path / "theirs"))
    model = import_folder(tmp_path / "theirs", tmp_path / "ours").bundle.model
    token_ids = torch.randint(5, 400, (2, 20))
    with torch.no_grad():
        found = model.encode(token_ids, torch.tensor([20, 20]))
        assert (found - other(token_ids).last_hidden_state).abs().max() < 1e-4
        again = transformers.AutoModel.from_pretrained(tmp_path / "ours")
        assert (again(token_ids).last_hidden_state - found).abs().max() < 1e-4
