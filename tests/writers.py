"""Small untrained language models with tokenizers of every kind: they write nonsense, but always the same."""

from pathlib import Path

import torch

from minnow.bundle.bundle import Bundle
from minnow.models.rnn_lm import RnnLM, RnnLMConfig
from minnow.text.tokenizer import Tokenizer, TokenizerSettings

TEXT = (
    'Once upon a time, there was a little girl named Lily. "Hello, world!" she said.\n'
    "{[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]} : café 名字 don't null true false\n"
)
SPACED = ("character", "bpe", "unigram")
KINDS = (*SPACED, "word", "wordpiece", "whitespace")


def tokenizer(kind: str = "character") -> Tokenizer:
    settings = TokenizerSettings(kind=kind, vocab_size=340, lowercase=False, normalization="none", min_frequency=1)
    return Tokenizer.train([TEXT] * 3, settings)


def model(vocab_size: int, seed: int = 0) -> RnnLM:
    torch.manual_seed(seed)
    built = RnnLM(RnnLMConfig(vocab_size, embedding_size=16, hidden_size=16, cell="gru", tied=False)).eval()
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.4)
    return built


def bundle(kind: str = "character", seed: int = 0) -> Bundle:
    """The model has three rows more than the tokenizer has tokens, as models of other houses often do."""
    made = tokenizer(kind)
    return Bundle(model(made.vocab_size + 3, seed), {"name": "text_generation", "version": 1}, made)


def folder(path: Path, kind: str = "character", seed: int = 0) -> Path:
    bundle(kind, seed).save(path)
    return path
