"""Models of other houses as folders of this one: ``import_folder``."""

from pathlib import Path

from minnow.api.hubs import folder_of
from minnow.api.model import Model
from minnow.listeners import Note, unheard


def import_folder(
    source: str | Path,
    out: str | Path,
    *,
    tokenizer: str | Path | None = None,
    base: str | Path | None = None,
    merge: bool = False,
    overwrite: bool = False,
    note: Note = unheard,
) -> Model:
    """Make a model folder of a Hugging Face folder, of a llama2.c file, or of an adapter that PEFT wrote.

    Args:
        source: the folder, with config.json, safetensors and a tokenizer; or the ``.bin`` file.
        out: the folder for the model.
        tokenizer: a file or a folder, where ``source`` has none.
        base: of an adapter, the model that it belongs to, where the adapter's own file does not tell: its folder, or
            ``team/name`` on a hub.
        merge: make a whole model of an adapter and its base; else the folder holds the adapter alone, where it can.
        overwrite: replace the model that stands in ``out``.
        note: is told what was left out.

    Raises:
        InputError: something is missing, damaged or not known here; nothing is written then.
    """
    from minnow.bundle import layout
    from minnow.bundle.foreign_adapter import Beside
    from minnow.bundle.importing import read_foreign, save_foreign
    from minnow.errors import StorageError

    folder = Path(out)
    layout.check_free(folder, overwrite)
    beside = Beside(folder_of(base) if base is not None else None, merge)
    bundle = read_foreign(Path(source), Path(tokenizer) if tokenizer is not None else None, note, beside)
    model = Model(bundle, folder)
    if bundle.base is not None and folder.resolve() == bundle.base:
        raise StorageError(f"the adapter would take the place of its own model {folder}; choose another --out")
    save_foreign(bundle, Path(source), folder)
    return model
