"""Models of other houses as folders of this one: ``import_folder``."""

from collections.abc import Callable
from pathlib import Path

from minnow.api.model import Model


def import_folder(
    source: str | Path,
    out: str | Path,
    *,
    tokenizer: str | Path | None = None,
    overwrite: bool = False,
    note: Callable[[str], None] = lambda _: None,
) -> Model:
    """Make a model folder of a Hugging Face folder or of a llama2.c file.

    Args:
        source: the folder, with config.json, safetensors and a tokenizer; or the ``.bin`` file.
        out: the folder for the model.
        tokenizer: a file or a folder, where ``source`` has none.
        overwrite: replace the model that stands in ``out``.
        note: is told what was left out.

    Raises:
        InputError: something is missing, damaged or not known here; nothing is written then.
    """
    from minnow.bundle import layout
    from minnow.bundle.importing import read_foreign, save_foreign

    folder = Path(out)
    layout.check_free(folder, overwrite)
    bundle = read_foreign(Path(source), Path(tokenizer) if tokenizer is not None else None, note)
    model = Model(bundle, folder)
    save_foreign(bundle, Path(source), folder)
    return model
