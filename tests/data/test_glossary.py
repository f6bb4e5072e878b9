"""A glossary from a file of lines with a tab."""

import gzip
from pathlib import Path

import pytest

from minnow.data.glossary import read_glossary
from minnow.errors import DataError


def test_a_term_may_have_several_translations(tmp_path: Path) -> None:
    path = tmp_path / "terms.tsv"
    path.write_text("bicycle\tFahrrad\n\nice  cream \t Eis\nbicycle\tRad\r\n", encoding="utf-8")
    assert read_glossary(path) == {"bicycle": ["Fahrrad", "Rad"], "ice cream": ["Eis"]}
    packed = tmp_path / "terms.tsv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert read_glossary(packed) == read_glossary(path)


@pytest.mark.parametrize("line", ["bicycle", "bicycle\t", "\tFahrrad", "a\tb\tc"])
def test_a_line_that_is_no_term_and_translation_is_named(line: str, tmp_path: Path) -> None:
    path = tmp_path / "terms.tsv"
    path.write_text(f"x\ty\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"line 2 of .*terms.tsv should hold a term and its translation with a tab"):
        read_glossary(path)


def test_a_file_without_terms_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "terms.tsv"
    path.write_text("\n  \n", encoding="utf-8")
    with pytest.raises(DataError, match="holds no term; write a term and its translation a line"):
        read_glossary(path)
    with pytest.raises(DataError, match="cannot read"):
        read_glossary(tmp_path / "none.tsv")
