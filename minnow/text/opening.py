"""A tokenizer from its files, whoever made them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers import Tokenizer as Library

from minnow.errors import BundleError, InputError
from minnow.text.foreign import ForeignTokenizer
from minnow.text.pipelines import damage_named, is_ours, read_library
from minnow.text.roles import CUSTOMARY, ROLES, read_object, read_text, settings_beside
from minnow.text.tokenizer import Tokenizer


def open_tokenizer(path: Path | str) -> Tokenizer:
    """Read a ``tokenizer.json``, of this house or of another; what stands beside it tells the roles of tokens.

    Raises:
        BundleError: the file is missing, damaged, or of a kind that cannot be used.
    """
    path = Path(path)
    library = read_library(path)
    with damage_named(path):
        if not is_ours(library):
            return ForeignTokenizer(library, path.parent)
    return Tokenizer.of(library, path)


def open_foreign(path: Path) -> Tokenizer:
    """A tokenizer from ``tokenizer.json``, or from a folder with that or with the older vocabulary files.

    Raises:
        BundleError: there is none, or it is of a format that cannot be read, with the way to convert it.
    """
    folder = path if path.is_dir() else path.parent
    if path.is_file() and path.suffix == ".json":
        return open_tokenizer(path)
    if (folder / "tokenizer.json").is_file() and path.is_dir():
        return open_tokenizer(folder / "tokenizer.json")
    if path.name == "vocab.txt" or (folder / "vocab.txt").is_file():
        return _opened(_wordpiece, folder)
    if (folder / "merges.txt").is_file() and (folder / "vocab.json").is_file():
        return _opened(_byte_level, folder)
    if not path.exists():
        raise BundleError(f"there is no tokenizer at {path}; give tokenizer.json or its folder with --tokenizer")
    raise BundleError(
        f"{path} holds no tokenizer.json, vocab.txt or merges.txt; convert what it has with "
        "transformers.AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER), or give another with --tokenizer"
    )


# The older files

CONVERTED = "write a tokenizer.json with transformers.AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)"


def _opened(read: Callable[[Path, Mapping[str, Any]], Library], folder: Path) -> Tokenizer:
    settings = settings_beside(folder)
    try:
        return ForeignTokenizer(read(folder, settings), settings=settings)
    except InputError:
        raise
    except Exception as error:  # the library raises nothing narrower
        raise BundleError(f"the tokenizer's files in {folder} are damaged ({error}); fetch them anew") from error


def _wordpiece(folder: Path, settings: Mapping[str, Any]) -> Library:
    """BERT's: ``vocab.txt``, a token a line; other separators of lines are tokens themselves."""
    lines = read_text(folder / "vocab.txt").removesuffix("\n").split("\n")
    ids = {token: token_id for token_id, token in enumerate(lines)}
    library = Library(models.WordPiece(ids, unk_token="[UNK]"))
    lowercase = bool(settings.get("do_lower_case", True))
    library.normalizer = normalizers.BertNormalizer(
        handle_chinese_chars=bool(settings.get("tokenize_chinese_chars", True)),
        lowercase=lowercase,
        strip_accents=settings.get("strip_accents"),
    )
    library.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    library.decoder = decoders.WordPiece()
    framing = [("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])]
    library.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", framing)
    library.add_special_tokens(
        [token for role in CUSTOMARY.values() for token in role if token in ids and token[0] == "["]
    )
    _add_tokens(library, folder, settings)
    return library


def _byte_level(folder: Path, settings: Mapping[str, Any]) -> Library:
    """GPT-2's: ``vocab.json`` and ``merges.txt``."""
    _check_byte_level(folder, settings)
    model = models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt"))
    library = Library(model)
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=bool(settings.get("add_prefix_space", False)))
    library.decoder = decoders.ByteLevel()
    special = [settings[role] for role in ROLES if isinstance(settings.get(role), str)]
    known = [token for token in dict.fromkeys((*special, "<|endoftext|>")) if model.token_to_id(token) is not None]
    library.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in known])
    _add_tokens(library, folder, settings)
    _frame(library, settings)
    return library


def _check_byte_level(folder: Path, settings: Mapping[str, Any]) -> None:
    """Raise BundleError where these files are of a kind that cuts texts in another way than GPT-2's."""
    model = read_object(folder / "config.json")
    name = settings.get("tokenizer_class") or model.get("tokenizer_class") or model.get("model_type") or "gpt2"
    if name not in ("GPT2Tokenizer", "GPT2TokenizerFast", "gpt2"):
        raise BundleError(
            f"vocab.json and merges.txt can be read as GPT-2's alone, but those in {folder} are of {name}, which cuts "
            f"texts in another way; {CONVERTED}"
        )


def _frame(library: Library, settings: Mapping[str, Any]) -> None:
    """What GPT-2's settings ask to be put before and after a text. A ``tokenizer.json`` says it itself."""
    begin, end = (str(settings.get(role, "<|endoftext|>")) for role in ("bos_token", "eos_token"))
    before = [begin] if settings.get("add_bos_token") is True else []
    after = [end] if settings.get("add_eos_token") is True else []
    ids = [(token, library.token_to_id(token)) for token in dict.fromkeys((*before, *after))]
    if ids and all(token_id is not None for _, token_id in ids):
        whole = [*before, "$A", *after]
        library.post_processor = processors.TemplateProcessing(whole, [*whole, "$B:1"], ids)


def _add_tokens(library: Library, folder: Path, settings: Mapping[str, Any]) -> None:
    """The tokens that were added after the vocabulary had been learnt, by the files beside it.

    Raises:
        BundleError: one of them could not have the id that it has there.
    """
    for token_id, token in sorted(_added(folder, settings).items()):
        library.add_tokens([token])
        found = library.token_to_id(token.content)
        if found != token_id:
            raise BundleError(
                f"{token.content!r} was added as {token_id} to the tokenizer in {folder}, but would be {found} after "
                f"what its files hold; fetch them anew, or {CONVERTED}"
            )


def _added(folder: Path, settings: Mapping[str, Any]) -> dict[int, AddedToken]:
    said = settings.get("added_tokens_decoder")
    if isinstance(said, Mapping):
        return {int(token_id): AddedToken(**token) for token_id, token in said.items()}
    others = settings.get("additional_special_tokens") or ()
    special = {settings.get(role) for role in ROLES} | {x["content"] if isinstance(x, Mapping) else x for x in others}
    return {
        token_id: AddedToken(token, special=token in special, normalized=token not in special)
        for token, token_id in read_object(folder / "added_tokens.json").items()
    }
