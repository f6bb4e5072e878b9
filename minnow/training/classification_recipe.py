"""The recipe of ``minnow train DATA``: everything that decides how a classifier is made.

Defaults are written here once. ``render`` puts them, with what each key means, into the file that ``minnow init``
writes; the comments are the attribute lines of the docstrings below.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from minnow.errors import RecipeError
from minnow.text.tokenizer import TokenizerSettings
from minnow.training import recipe_file
from minnow.training.linear import LinearSettings
from minnow.training.recipe_file import above_zero, among, at_least, held_out_share, parse
from minnow.training.settings import TrainingSettings, check_training, keys_asked

MODELS = ("auto", "ngram", "text_classifier", "encoder_classifier")
METRICS = ("accuracy", "f1_macro", "f1_micro", "f1_weighted", "precision_macro", "recall_macro", "loss")


@dataclass(frozen=True)
class DataSettings:
    """Where the texts come from and how they are split.

    Attributes:
        train: a file, a folder of class folders, or a name of `minnow data list`; "" for what the command line says.
        test: the same, for the test part; "" for the set's own test part where it has one.
        text: the column with the text; "" to find it by name and content.
        label: the column with the label; "" likewise.
        validation: share of the training rows held out to choose and calibrate by; or, the same as train, what is read
            for it, of a folder or a public set the valid part; "" for 0.1.
        strip_markup: take HTML tags and entities out of every text, in training and in use.
        class_weights: none, or balanced: rare labels count as much as frequent ones.
    """

    train: str = ""
    test: str = ""
    text: str = ""
    label: str = ""
    validation: str = "0.1"
    strip_markup: bool = True
    class_weights: str = "none"


@dataclass(frozen=True)
class ModelSettings:
    """Which architecture.

    Attributes:
        name: auto, ngram, text_classifier or encoder_classifier; auto takes encoder_classifier where fine_tuning names
            a model, else ngram unless there are very many short texts.
        vectors: a file of word vectors (word2vec, GloVe) that start the embeddings of a text_classifier; "" for none.
        freeze_vectors: keep those embeddings as they are; words that the file does not have learn theirs.
        wide: fit an ngram beside a neural model; the two answer together, each with the weight that it deserves on the
            validation part (Cheng et al. 2016).
    """

    name: str = "auto"
    vectors: str = ""
    freeze_vectors: bool = False
    wide: bool = False


@dataclass(frozen=True)
class NgramRecipe:
    """A linear model over n-grams: one view of words, one of words and letters.

    Attributes:
        word_order: n-grams of 1 to this many words, weighted by the log-count ratio of each label.
        letters: auto, on or off: a second view with runs of letters, weighted by TF-IDF; auto leaves it out where the
            texts are long enough to do without (more than 16 million characters in all).
        shortest_letters: the shortest run of letters of that view.
        longest_letters: the longest.
        folds: over which the share of each view and the confidence are fitted; every text is answered by a model
            that has not seen it.
        naive_bayes_cost: the penalty on mistakes of the word view.
        tf_idf_cost: the penalty on mistakes of the letter view.
        max_passes: over the texts.
        tolerance: the largest violation of the optimum's conditions that counts as converged.
        min_texts: in how many texts an n-gram must stand; 0 for 1, or 2 where there are over three million n-grams.
    """

    word_order: int = 3
    letters: str = "auto"
    shortest_letters: int = 1
    longest_letters: int = 5
    folds: int = 5
    naive_bayes_cost: float = 1.0
    tf_idf_cost: float = 2.0
    max_passes: int = 40
    tolerance: float = 0.05
    min_texts: int = 0

    @property
    def solver(self) -> LinearSettings:
        return LinearSettings(self.naive_bayes_cost, self.tf_idf_cost, self.max_passes, self.tolerance, self.min_texts)


@dataclass(frozen=True)
class TextClassifierRecipe:
    """A neural model: embeddings, an encoder, a pooling, a linear head.

    Attributes:
        embedding_size: numbers a token.
        encoder: rnn, lstm, gru, convolution, or none (the pooling sees the embeddings themselves).
        hidden_size: units of a layer and direction, or channels of each width.
        num_layers: of a recurrent encoder.
        bidirectional: read each text from both ends.
        pooling: last, mean, max, concat (last, max and mean), additive, dot, general or self_attention.
        widths: of the convolutions, in tokens.
        dropout: before the head.
        token_dropout: share of a text's token types that are left out (Gal & Ghahramani 2016).
        embedding_dropout: of embedding features, one mask a text; also between layers.
        recurrent_dropout: of the recurrent state, one mask a batch (Gal & Ghahramani 2016).
        start: of recurrent weights: library (small and uniform), remembering (orthogonal, forget gates open), or auto:
            remembering under the pooling last.
        bigrams: the most word pairs that get vectors of their own, beside those of words; 0 for none.
        bigram_size: numbers a pair.
        bigram_dropout: share of a text's pairs that are left out.
        bigram_texts: in how many training texts a pair must stand to get one.
        max_tokens: of a text that are read; 0 for all.
        keep: which tokens stay of a longer text: first, last or both ends.
    """

    embedding_size: int = 100
    encoder: str = "lstm"
    hidden_size: int = 128
    num_layers: int = 1
    bidirectional: bool = True
    pooling: str = "max"
    widths: tuple[int, ...] = (2, 3, 4)
    dropout: float = 0.4
    token_dropout: float = 0.2
    embedding_dropout: float = 0.2
    recurrent_dropout: float = 0.0
    start: str = "auto"
    bigrams: int = 0
    bigram_size: int = 16
    bigram_dropout: float = 0.7
    bigram_texts: int = 25
    max_tokens: int = 400
    keep: str = "both"


@dataclass(frozen=True)
class FineTuningRecipe:
    """A classifier that starts from a language model: its tokenizer, its encoder, a pooling, a head.

    Attributes:
        model: the folder of the model to start from: rnn_lm, llama, gpt2, bert, or a classifier made from one; "" for
            none.
        pooling: first, last, mean, max, concat (last, max and mean), additive, dot, general or self_attention.
        head_size: units of the head's hidden layer; 0 for a head that is linear.
        dropout: of what the pooling gives.
        head_dropout: of the head's hidden layer.
        token_dropout: share of a text's token types that are read as the unknown token.
        batch_norm: whether what the pooling gives is brought to mean 0 and variance 1 over the texts that a core has of
            a batch (Howard & Ruder 2018, section 3.3); without it the head of a small model may stop learning.
        dropout_factor: on every dropout rate that the encoder was trained with.
        encoder_rate: the learning rate of the encoder's last layer, as a share of the head's; 0 for 1 where the
            encoder is recurrent and 0.05 where it is a transformer.
        layer_decay: the learning rate of a layer, as a share of that of the layer above it (Howard & Ruder 2018:
            0.385); 0 for 1 where the encoder is recurrent and 0.4 where it is a transformer.
        unfreeze_epochs: after so many epochs one layer more begins to learn, from the head down (1 in the paper); 0 for
            all at once.
        adversarial: how far embeddings are pushed against the label in training, as a share of their length (Miyato et
            al. 2017: 0.016), at twice the work; 0 for not at all. With unfreeze_epochs it begins when the embeddings
            begin to learn.
        max_tokens: of a text that are read; 0 for all that the encoder can.
        keep: which tokens stay of a longer text: first, last or both ends.
    """

    model: str = ""
    pooling: str = "concat"
    head_size: int = 50
    dropout: float = 0.2
    head_dropout: float = 0.1
    token_dropout: float = 0.0
    batch_norm: bool = True
    dropout_factor: float = 0.5
    encoder_rate: float = 0.0
    layer_decay: float = 0.0
    unfreeze_epochs: float = 0.0
    adversarial: float = 0.0
    max_tokens: int = 500
    keep: str = "both"


@dataclass(frozen=True)
class ClassificationRecipe:
    """One whole experiment."""

    data: DataSettings = field(default_factory=DataSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    ngram: NgramRecipe = field(default_factory=NgramRecipe)
    tokenizer: TokenizerSettings = field(default_factory=TokenizerSettings)
    text_classifier: TextClassifierRecipe = field(default_factory=TextClassifierRecipe)
    fine_tuning: FineTuningRecipe = field(default_factory=FineTuningRecipe)
    training: TrainingSettings = field(default_factory=TrainingSettings)

    def __post_init__(self) -> None:
        among("model.name", self.model.name, MODELS)
        among("ngram.letters", self.ngram.letters, ("auto", "on", "off"))
        among("data.class_weights", self.data.class_weights, ("none", "balanced"))
        among("text_classifier.keep", self.text_classifier.keep, ("first", "last", "both"))
        among("fine_tuning.keep", self.fine_tuning.keep, ("first", "last", "both"))
        check_training(self.training, METRICS)
        for section, key in (
            ("ngram", "min_texts"),
            ("fine_tuning", "dropout_factor"),
            ("fine_tuning", "encoder_rate"),
            ("fine_tuning", "unfreeze_epochs"),
            ("fine_tuning", "adversarial"),
            ("fine_tuning", "max_tokens"),
        ):
            at_least(section, key, getattr(getattr(self, section), key), 0)
        at_least("ngram", "max_passes", self.ngram.max_passes, 1)
        for key in ("naive_bayes_cost", "tf_idf_cost", "tolerance"):
            above_zero("ngram", key, getattr(self.ngram, key))
        if not 0 <= self.fine_tuning.layer_decay <= 1:
            raise RecipeError(
                f"fine_tuning.layer_decay must lie between 0 and 1, but got {self.fine_tuning.layer_decay}; try 0.4"
            )
        if self.fine_tuning.model and self.model.name not in ("auto", "encoder_classifier"):
            raise RecipeError(
                f"a {self.model.name} cannot start from a model, but fine_tuning.model is {self.fine_tuning.model!r}; "
                "leave --from or --model out"
            )
        if self.model.wide and self.model.name == "ngram":
            raise RecipeError(
                "model.wide puts an ngram beside a neural model, but model.name is ngram already; take text_classifier "
                "or --from MODEL, or leave model.wide out"
            )
        if self.model.vectors and self.model.name in ("ngram", "encoder_classifier"):
            raise RecipeError(
                f"model.vectors start the embeddings of a text_classifier, but the model is {self.model.name}; take "
                "--model text_classifier, or leave model.vectors out"
            )
        if not 2 <= self.ngram.folds <= 50:
            raise RecipeError(f"ngram.folds must lie between 2 and 50, but got {self.ngram.folds}; try 5")

    def validation_share(self) -> float | None:
        """The share to hold out, None where ``data.validation`` names data of its own."""
        return held_out_share("data.validation", self.data.validation or "0.1", usual=0.1)

    def unread(self) -> dict[str, bool]:
        """The keys that the model does not read, and whether the recipe says something else there than by itself."""
        usual, name = ClassificationRecipe(), self.model.name
        reads = {
            "ngram": name == "ngram" or self.model.wide,
            "tokenizer": name == "text_classifier",
            "text_classifier": name == "text_classifier",
            "fine_tuning": name == "encoder_classifier",
            "training": name != "ngram",
        }
        asked = {"model.freeze_vectors": self.model.freeze_vectors and not self.model.vectors}
        for section in (section for section, read in reads.items() if not read):
            asked |= keys_asked(section, getattr(self, section), getattr(usual, section))
        asked.pop("training.seed", None)  # of the folds
        if self.model.vectors:  # whose size the embeddings have
            asked["text_classifier.embedding_size"] = (
                self.text_classifier.embedding_size != usual.text_classifier.embedding_size
            )
        return asked


def read_recipe(path: Path) -> ClassificationRecipe:
    """Read a recipe file.

    Raises:
        RecipeError: no such file, not TOML, an unknown key or an impossible value.
    """
    return recipe_from(parse(path))


def recipe_from(tables: Mapping[str, Any], overrides: Sequence[str] = ()) -> ClassificationRecipe:
    """A recipe from tables and ``section.key=value`` overrides.

    Raises:
        RecipeError: an unknown key, which names the nearest, or an impossible value.
    """
    return recipe_file.read(ClassificationRecipe, tables, overrides)


def render(recipe: ClassificationRecipe) -> str:
    """The recipe as TOML with a comment above every key."""
    return recipe_file.render(recipe, "minnow train DATA --recipe THIS_FILE")
