"""``augment``: more pairs to learn from, whose sources a model writes."""

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from minnow.api.languages import languages_asked
from minnow.api.model import Model, load
from minnow.api.settings import Translating
from minnow.errors import StorageError
from minnow.listeners import Note, Progress, unheard

if TYPE_CHECKING:
    from minnow.data.pairs import Pairs
    from minnow.tasks.back_translation import Augmented


def augment(
    file: str | Path,
    *,
    back_translate: Model | str | Path,
    out: str | Path,
    source: str | None = None,
    target: str | None = None,
    to: str | None = None,
    real: str | Path | None = None,
    tag: str = "",
    progress: Progress | None = None,
    note: Note = unheard,
    **settings: Unpack[Translating],
) -> "Augmented":
    """Make pairs of the lines of a text: a model of the other direction writes the source of each.

    The table has a column for each language and goes to ``minnow train TABLE --task translation``. What the model makes
    is written as it comes, in constant memory; the real pairs are held whole. It stands there whole or not at all.

    Args:
        file: a text, one sentence a line, in the language that is to be translated into.
        back_translate: a model from that language into the one that is to be translated from, or its folder.
        out: the table, ``.tsv`` or ``.jsonl``; ``.gz`` packs it.
        source, target: from which into which language the pairs go, where the model knows several directions.
        to: the language that the model is to write, where that is enough.
        real: pairs that come first, as ``train`` reads them: a table, a prefix, a name of the catalog.
        tag: stands before each source that the model wrote.
        progress: called with what is done, how much of it, and of how much.
        note: is told what was read and left out.
        settings: of the translation, as in ``Model.translate``; with ``sample`` sources are drawn (Edunov et al. 2018,
            "Understanding Back-Translation at Scale").

    Raises:
        InputError: file, model or languages do not fit one another; nothing is written then.
    """
    from minnow.data.parallel import language_of
    from minnow.decoding.translating import TranslationSettings
    from minnow.tasks.back_translation import BackTranslator, direction_of_pairs, write_pairs

    opened = back_translate if isinstance(back_translate, Model) else load(back_translate)
    task, path = opened.translator(), Path(out)
    direction = direction_of_pairs(task, languages_asked(source, target), to, language_of(Path(file)))
    chosen = TranslationSettings.of(**settings)
    if path.exists() and any(Path(one).exists() and path.samefile(one) for one in (file, real) if one is not None):
        raise StorageError(f"--out {path} would overwrite what is read; choose another --out")
    into = task.into(to if task.unnamed else direction[0])
    translate = BackTranslator(task, opened.bundle.model, opened.tokenizer(), chosen, into, progress)
    return write_pairs(Path(file), path, direction, translate, _real_pairs(real, direction, note), tag)


def _real_pairs(real: str | Path | None, languages: tuple[str, str], note: Note) -> "Pairs | None":
    from minnow.data.pairs import load_pairs

    if real is None:
        return None
    pairs = load_pairs(real, languages=languages)
    for line in (f"{pairs.name}: {len(pairs):,} pairs", *pairs.notes):
        note(line)
    return pairs
