"""The recipe of ``minnow train SOURCE TARGET --task translation``: all that decides how a model learns to turn one text
into another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from minnow.data.pair_cleaning import PairCleaningSettings
from minnow.errors import InputError, RecipeError
from minnow.text.subword_dropout import check_kind, check_rate
from minnow.text.tokenizer import TokenizerSettings
from minnow.training import recipe_file
from minnow.training.recipe_file import among, at_least, held_out_share
from minnow.training.settings import TrainingSettings, check_training

KIND = "pairs"  # the section by which such a recipe is told from others
MODELS = ("transformer_seq2seq", "rnn_seq2seq")
METRICS = ("bleu", "chrf", "exact_match", "loss")


@dataclass(frozen=True)
class PairSettings:
    """Where the pairs come from.

    Attributes:
        train: a file of sources; or a table with both sides, the prefix of line-parallel files (corpus for corpus.en
            and corpus.de), or a name of `minnow data list`.
        train_target: the file of targets, line by line beside a file of sources; "" where train has both sides.
        validation: the same as train, for the pairs to choose by; or the share of train to hold out; "" for the set's
            own part or else 0.02.
        validation_target: its file of targets.
        test: the same, to measure on; "" for the set's own test part where it has one.
        test_target: its file of targets.
        languages: from which into which; with three or more, from each into each other, in one model.
        source_column: the column of a table with the sources; "" to find it.
        target_column: the one with the targets; "" likewise.
        clean: leave out pairs that are no translations, as [cleaning] says, from train alone.
        other_names: pairs that are added to train, as a share of them, with a made-up name in the place of one that
            both sides spell alike, or that one spells and the other always renders in the same way; so a model learns
            to write names as they stand. In a Mandarin source every second one is Chinese, and in pinyin in a target of
            Latin letters. 0 for off.
        joined: pairs that each epoch reads besides, as a share of train, made of two: one sentence behind another, or
            behind a short one and a comma; so a model of single sentences learns to translate more. 0 for off.
    """

    train: str = ""
    train_target: str = ""
    validation: str = ""
    validation_target: str = ""
    test: str = ""
    test_target: str = ""
    languages: tuple[str, ...] = ()
    source_column: str = ""
    target_column: str = ""
    clean: bool = True
    other_names: float = 0.0
    joined: float = 0.0

    def share(self) -> float | None:
        """Of train to hold out; None where ``validation`` names pairs, or nothing."""
        return held_out_share("pairs.validation", self.validation, usual=0.02)


@dataclass(frozen=True)
class Seq2SeqSettings:
    """Which model.

    Attributes:
        name: transformer_seq2seq or rnn_seq2seq.
        start: the folder of a model that translates, whose weights and vocabulary the run goes on from; "" to begin
            anew.
    """

    name: str = "transformer_seq2seq"
    start: str = ""


@dataclass(frozen=True)
class PairTokenizer:
    """How text becomes tokens; learnt from the training pairs.

    Attributes:
        joint: one vocabulary for both sides, whose embeddings they share; else each side has its own.
        kind: bpe, unigram, word, character, wordpiece or whitespace.
        vocab_size: the most entries of a vocabulary.
        lowercase: drop case; what is written has none then.
        normalization: nfkc, nfc or none.
        min_frequency: how often something must occur to earn an entry.
        simplified: read traditional Chinese characters as simplified ones; what is written has none then.
        bpe_dropout: share of the merges that are left out while the model learns, others at each epoch, so that it
            meets words in many cuts (Provilkov et al. 2020); for bpe.
    """

    joint: bool = True
    kind: str = "bpe"
    vocab_size: int = 8000
    lowercase: bool = False
    normalization: str = "nfc"
    min_frequency: int = 2
    simplified: bool = False
    bpe_dropout: float = 0.0

    @property
    def settings(self) -> TokenizerSettings:
        return TokenizerSettings(
            self.kind, self.vocab_size, self.lowercase, self.normalization, self.min_frequency, self.simplified
        )


@dataclass(frozen=True)
class TranslationTraining(TrainingSettings):
    """How a model learns to translate.

    Attributes:
        metric: to choose the best epoch by: bleu, chrf or exact_match of greedy translations, or loss.
        r_drop: weight of the divergence between two readings of each batch under dropouts of their own (Liang et al.
            2021); above 0 a step is twice the work.
    """

    epochs: int = 40
    tokens_per_batch: int = 4096
    schedule: str = "cosine"
    label_smoothing: float = 0.1
    average: float = 0.999
    metric: str = "bleu"
    patience: int = 0
    checkpoint_seconds: float = 60.0
    r_drop: float = 0.0


@dataclass(frozen=True)
class TranslationRecipe:
    """One whole run on pairs.

    Attributes:
        shape: keys of the architecture's configuration, such as hidden_size; what is left out is as it is there.
    """

    pairs: PairSettings = field(default_factory=PairSettings)
    cleaning: PairCleaningSettings = field(default_factory=PairCleaningSettings)
    model: Seq2SeqSettings = field(default_factory=Seq2SeqSettings)
    tokenizer: PairTokenizer = field(default_factory=PairTokenizer)
    shape: dict[str, Any] = field(default_factory=dict)
    training: TranslationTraining = field(default_factory=TranslationTraining)

    def __post_init__(self) -> None:
        among("model.name", self.model.name, MODELS)
        check_training(self.training, METRICS)
        at_least("training", "r_drop", self.training.r_drop, 0)
        at_least("tokenizer", "vocab_size", self.tokenizer.vocab_size, 1)
        _ = self.tokenizer.settings
        check_rate(self.tokenizer.bpe_dropout)
        if self.tokenizer.bpe_dropout and not self.model.start:
            check_kind(self.tokenizer.kind)
        if len(self.pairs.languages) == 1:
            raise RecipeError(
                f"pairs.languages must name two or more, but got {self.pairs.languages[0]!r} alone; such as en, de"
            )
        for key, source in (("validation", self.pairs.validation), ("test", self.pairs.test)):
            named = bool(source) and (key != "validation" or self.pairs.share() is None)
            if getattr(self.pairs, f"{key}_target") and not named:
                raise RecipeError(
                    f"pairs.{key}_target is the other side of a file that pairs.{key} names, but that is {source!r}; "
                    f"name the file of sources there, or leave pairs.{key}_target out"
                )
        self.pairs.share()
        for key in ("other_names", "joined"):
            _check_share(f"pairs.{key}", getattr(self.pairs, key))


def _check_share(key: str, share: float) -> None:
    if not 0 <= share <= 1:
        raise RecipeError(f"{key} must lie in [0, 1], but got {share}; try 0.1, or 0 for off")


def render(recipe: TranslationRecipe) -> str:
    """The recipe as TOML with a comment above every key."""
    return recipe_file.render(recipe, "minnow train --recipe THIS_FILE")


def recipe_from(tables: Mapping[str, Any], overrides: Sequence[str] = ()) -> TranslationRecipe:
    """A recipe from tables and ``section.key=value`` overrides.

    Raises:
        RecipeError: an unknown key, which names the nearest, or an impossible value.
    """
    try:
        return recipe_file.read(TranslationRecipe, tables, overrides)
    except InputError as error:  # of the settings that others share, which say no more than what is wrong
        raise RecipeError(str(error)) from error
