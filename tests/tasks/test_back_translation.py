"""Back-translation: pairs of lines and what a model makes of them, in the direction that is to be learnt."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from minnow.data.pairs import Pairs, load_pairs
from minnow.data.table import read_table
from minnow.decoding.sampling import MAX_SEED
from minnow.decoding.translating import TranslationSettings
from minnow.errors import DataError, InputError
from minnow.tasks.back_translation import BackTranslator, back_translated, direction_of_pairs, write_pairs
from minnow.tasks.signature import Text
from minnow.tasks.translation import Translation

TO_ENGLISH = Translation((("de", "en"),))
UNNAMED = Translation((("source", "target"),))
THREE = Translation((("en", "de"), ("de", "en"), ("en", "fr"), ("fr", "en")), tagged=True)


class Shouting:
    """A model that writes in capitals, nothing for ``nothing``, and comes to no end with ``endless``."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def __call__(self, lines: list[str]) -> list[Text]:
        self.asked.append(list(lines))
        return [self._one(line) for line in lines]

    def _one(self, line: str) -> Text:
        return Text("" if line == "nothing" else line.upper(), 1, "length" if line == "endless" else "stop")


def test_each_line_makes_a_pair_but_for_those_that_come_to_nothing() -> None:
    model = Shouting()
    lines = ["ein Hund", "", "nothing", "  zwei   Katzen ", "endless", "drei"]
    parts = list(back_translated(iter(lines), model, lines_at_once=4))
    assert parts == [
        (4, [("EIN HUND", "ein Hund"), ("ZWEI KATZEN", "zwei Katzen")]),
        (2, [("DREI", "drei")]),
    ]
    assert model.asked == [["ein Hund", "nothing", "zwei Katzen"], ["endless", "drei"]]


@pytest.mark.parametrize("name", ["pairs.tsv", "pairs.jsonl", "pairs.tsv.gz"])
def test_the_table_has_the_real_pairs_first_and_is_read_as_pairs(name: str, tmp_path: Path) -> None:
    (tmp_path / "mono.de").write_text('ein Hund\n"Zwei" sagte er\n\nnothing\n', encoding="utf-8")
    real = Pairs(["a\tb"], ["c d"], [("en", "de")], "real", "0")
    made = write_pairs(tmp_path / "mono.de", tmp_path / name, ("en", "de"), Shouting(), real, tag="<BT>")
    assert (made.source, made.target, made.real, made.synthetic, made.left_out) == ("en", "de", 1, 2, 2)
    assert made.to_json()["path"] == str(tmp_path / name)
    pairs = load_pairs(tmp_path / name, languages=("en", "de"))
    assert [" ".join(text.split()) for text in pairs.sources] == ["a b", "<BT> EIN HUND", '<BT> "ZWEI" SAGTE ER']
    assert [text.strip() for text in pairs.targets] == ["c d", "ein Hund", '"Zwei" sagte er']


def test_a_file_that_makes_no_pair_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "mono.de").write_text("\nnothing\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"no line of .*mono.de made a pair; it needs one sentence in de a line"):
        write_pairs(tmp_path / "mono.de", tmp_path / "out.tsv", ("en", "de"), Shouting())
    with pytest.raises(DataError, match="cannot read"):
        write_pairs(tmp_path / "none.de", tmp_path / "out.tsv", ("en", "de"), Shouting())
    assert [path.name for path in tmp_path.iterdir()] == ["mono.de"]


def test_lines_are_handed_on_as_they_are_read(tmp_path: Path) -> None:
    """So that memory does not grow with the file: nothing is read far ahead of what is written."""
    (tmp_path / "mono.de").write_text("".join(f"Zeile {number}\n" for number in range(5_000)), encoding="utf-8")
    model = Shouting()
    write_pairs(tmp_path / "mono.de", tmp_path / "out.tsv", ("en", "de"), model)
    assert max(map(len, model.asked)) == 1024
    assert read_table(tmp_path / "out.tsv").height == 5_000


def test_no_two_lines_draw_alike_in_whichever_part_they_come() -> None:
    """Parts of one seed would else be those of the seeds beside it, and the largest seed would end with the first."""

    class Watching(Translation):
        def translate(self, _model: Any, _tokenizer: Any, lines: Sequence[str], settings: Any, *_: Any) -> Any:  # type: ignore[override]
            drawn.extend((settings.seed, settings.first + place) for place in range(len(lines)))
            return [[Text(line, 1, "stop")] for line in lines]

    drawn: list[tuple[int, int]] = []
    settings = TranslationSettings(sample=True, beam=1, seed=MAX_SEED)
    model: Any = BackTranslator(Watching((("de", "en"),)), None, None, settings, "en")  # type: ignore[arg-type]
    for lines in (["eins", "zwei"], ["drei"], ["vier", "fünf"]):
        assert [text.text for text in model(lines)] == lines
    assert drawn == [(MAX_SEED, number) for number in range(5)]


def test_the_model_writes_the_source_and_has_learnt_to_read_the_target() -> None:
    assert direction_of_pairs(TO_ENGLISH) == ("en", "de")
    assert direction_of_pairs(TO_ENGLISH, ("en", "de"), "en", "fr") == ("en", "de")
    assert direction_of_pairs(UNNAMED) == ("source", "target")
    assert direction_of_pairs(UNNAMED, ("en", "de")) == ("en", "de")
    assert direction_of_pairs(THREE, to="fr") == ("fr", "en")
    assert direction_of_pairs(THREE, to="en", spelt="fr") == ("en", "fr")
    assert direction_of_pairs(THREE, ("fr", "de")) == ("fr", "de"), "never learnt together"


@pytest.mark.parametrize(
    ("task", "given", "words"),
    [
        (TO_ENGLISH, {"languages": ("de", "en")}, "does not write 'de', but en"),
        (TO_ENGLISH, {"languages": ("en", "fr")}, "from de into en, but the targets are in fr; give a model from fr"),
        (TO_ENGLISH, {"languages": ("en", "en")}, "but the targets are in en"),
        (TO_ENGLISH, {"languages": ("en",)}, "pairs have two languages, but got en"),
        (TO_ENGLISH, {"spelt": "en"}, "translates from de into en, but the targets are in en"),
        (TO_ENGLISH, {"languages": ("en", "de"), "to": "de"}, "the model writes the sources, in en, but got to='de'"),
        (THREE, {}, "the model writes de, en, fr; say which"),
        (THREE, {"to": "en"}, "the model reads de, fr; say which the file holds: --source en --target de"),
        (THREE, {"to": "en", "spelt": "en"}, "but the targets are in en"),
        (
            THREE,
            {"languages": ("en", "fr"), "spelt": "de"},
            "says de, but its texts are said to be fr",
        ),
    ],
)
def test_a_model_of_the_wrong_direction_is_refused(task: Translation, given: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        direction_of_pairs(task, **given)  # type: ignore[arg-type]
