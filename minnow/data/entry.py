"""What the catalog says of a public data set: its files, where they come from, what stands in them."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Local:
    """A file below a data folder; ``sha256`` is None where nobody has verified one."""

    path: str
    sha256: str | None = None
    note: str = ""


@dataclass(frozen=True)
class Download:
    """A file at its source; ``sha256`` likewise."""

    url: str
    sha256: str | None = None


@dataclass(frozen=True)
class File:
    """One part of a set: what ``minnow data get`` writes, other places where it may already lie, where it comes from.

    ``unpack`` names the step from the downloads to the target (``download.steps``) and ``member`` is its argument.
    ``portion`` is which share of a running text the part is, where several parts lie in one file.
    """

    target: Local
    others: tuple[Local, ...] = ()
    downloads: tuple[Download, ...] = ()
    unpack: str = "copy"
    member: str = ""
    rows: int | None = None
    portion: tuple[float, float] = (0.0, 1.0)

    @property
    def places(self) -> tuple[Local, ...]:
        return (self.target, *self.others)

    @property
    def files(self) -> Mapping[str, "File"]:
        """Itself, for no language in particular; see ``Aligned``."""
        return {"": self}


@dataclass(frozen=True)
class Aligned:
    """One part of a set of sentence pairs in a file a language, where line i of each says the same."""

    files: Mapping[str, File]

    @property
    def rows(self) -> int | None:
        return next(iter(self.files.values())).rows


@dataclass(frozen=True)
class Entry:
    """A public data set.

    ``text`` and ``label`` are its columns, ``label_names`` turns labels as stored into names, ``prepare`` names a step
    that every honest score needs (``prepare.steps``). ``research_only`` sets must not be passed on with a product.
    A set without labels has an empty ``label``. ``corpus`` says which parts together are a part of the set read as a
    corpus, ``markup`` that its texts have HTML tags in them, which a corpus leaves out. ``aliases`` are other names of
    its parts.

    A set of sentence pairs has ``languages`` instead of a text and a label: those of its files, or of the columns of
    its table from left to right.
    """

    name: str
    title: str
    task: str
    language: str
    licence: str
    research_only: bool
    homepage: str
    citation: str
    parts: Mapping[str, File | Aligned]
    text: str = ""
    label: str = ""
    label_names: Mapping[str, str] = field(default_factory=dict)
    prepare: str | None = None
    note: str = ""
    corpus: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    markup: bool = False
    languages: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)

    @property
    def made_parts(self) -> tuple[str, ...]:
        """The parts that are made by hash of a set that was published in one piece."""
        if tuple(self.parts) != ("all",):
            return ()
        return ("train", "valid", "test") if self.languages else ("train", "test")

    @property
    def columns(self) -> dict[str, str]:
        return {"text": self.text, "label": self.label}
