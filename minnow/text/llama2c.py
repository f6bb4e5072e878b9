"""The tokenizer files of llama2.c: pieces with scores, as sentencepiece's BPE learns them.

int32 length of the longest piece, then for each piece float32 score, int32 length, UTF-8 bytes. The two pieces that
begin and end a text, and one for each byte, stand behind ``<unk>``.
"""

import struct
from pathlib import Path

from tokenizers import Tokenizer as Library
from tokenizers import decoders, models, normalizers, processors

from minnow.errors import BundleError
from minnow.text.foreign import ForeignTokenizer

SPECIAL = ("<unk>", "<s>", "</s>")
LONGEST_PIECE = 1024  # bytes
_MARKER = "▁"

Pieces = list[tuple[str, float]]


def read_tokenizer(path: Path, vocab_size: int) -> ForeignTokenizer:
    """The tokenizer of ``vocab_size`` pieces, giving the ids that llama2.c gives.

    Raises:
        BundleError: the file is missing, cut off, or of another size.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BundleError(f"cannot read the tokenizer {path} ({error}); name it with --tokenizer") from error
    pieces = _pieces(content, vocab_size, path)
    ids = {piece: number for number, (piece, _) in enumerate(pieces)}
    if len(ids) < vocab_size:
        raise BundleError(f"{path} holds the same piece twice; it is not a tokenizer of llama2.c")
    library = Library(models.BPE(ids, _merges(pieces, ids), unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    library.normalizer = normalizers.Sequence([normalizers.Prepend(_MARKER), normalizers.Replace(" ", _MARKER)])
    steps = [decoders.Replace(_MARKER, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    library.decoder = decoders.Sequence(steps)
    library.post_processor = processors.TemplateProcessing("<s> $A", "<s> $A <s>:1 $B:1", [("<s>", 1)])
    library.add_special_tokens(list(SPECIAL))
    # Its models were trained on texts that begin with <s> and have no other border, so they write <s> at an end.
    roles = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "eos_token_id": [2, 1]}
    return ForeignTokenizer(library, settings=roles)


def _pieces(content: bytes, vocab_size: int, path: Path) -> Pieces:
    pieces: Pieces = []
    place = 4
    try:
        while len(pieces) < vocab_size:
            score, length = struct.unpack_from("<fi", content, place)
            place += 8 + length
            if not 0 <= length <= LONGEST_PIECE or place > len(content):
                raise BundleError(f"{path} is cut off or no tokenizer of llama2.c; fetch it anew")
            pieces.append((content[place - length : place].decode("utf-8"), score))
    except (struct.error, UnicodeDecodeError) as error:
        raise BundleError(
            f"{path} is damaged or has fewer than the model's {vocab_size} pieces; take the tokenizer of this model"
        ) from error
    if place != len(content):
        raise BundleError(f"{path} has more than the model's {vocab_size} pieces; take the tokenizer of this model")
    spelled = [(piece.replace(" ", _MARKER), score) for piece, score in pieces]
    return [(special, 0.0) for special in SPECIAL] + spelled[len(SPECIAL) :]


def _merges(pieces: Pieces, ids: dict[str, int]) -> list[tuple[str, str]]:
    """Pairs in the order in which they are merged: of all that stand in a text, the one whose piece scores highest."""
    ranked = sorted(pieces[len(SPECIAL) + 256 :], key=lambda entry: -entry[1])
    return [
        (piece[:cut], piece[cut:])
        for piece, _ in ranked
        for cut in range(1, len(piece))
        if piece[:cut] in ids and piece[cut:] in ids
    ]
