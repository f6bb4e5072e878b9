"""A table of characters as the library reads it from a tokenizer's file."""

from hypothesis import given
from hypothesis import strategies as st
from tokenizers import normalizers

from minnow.text.charsmap import charsmap

characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")


def written(table: dict[str, str], text: str) -> str:
    # The library looks at signs that belong together first; a letter before each keeps them apart.
    return "".join(normalizers.Precompiled(charsmap(table)).normalize_str(f"a{one}")[1:] for one in text)


@given(table=st.dictionaries(characters, st.text(characters, max_size=3), max_size=300), text=st.text(characters))
def test_what_the_table_names_is_replaced_and_nothing_else(table: dict[str, str], text: str) -> None:
    table.pop("a", None)
    asked = "".join(table) + text.replace("\0", "")
    assert written(table, asked) == "".join(table.get(one, one) for one in asked)


def test_a_table_of_thousands_in_all_lengths_of_utf8() -> None:
    table = {chr(point): chr(point + 1) for point in (*range(0x80, 0x700, 2), *range(0x4E00, 0x9000, 2), 0x1F600)}
    step = normalizers.Precompiled(charsmap(table))
    for point in (*range(0x80, 0x300), *range(0x4DF0, 0x9010), 0x1F600, 0x1F601):
        assert step.normalize_str(f"a{chr(point)}") == f"a{table.get(chr(point), chr(point))}"


def test_a_sign_is_replaced_with_its_marks_where_they_are_short() -> None:
    step = normalizers.Precompiled(charsmap({"國": "国"}))
    assert step.normalize_str("國\u0323家") == "国家"  # the library's way, which loses the mark
    assert step.normalize_str("國\ufe00家") == "国\ufe00家"


def test_the_order_of_the_table_changes_nothing() -> None:
    table = {"國": "国", "愛": "爱", "ß": "ss"}
    assert charsmap(table) == charsmap(dict(reversed(table.items())))
    assert normalizers.Precompiled(charsmap({})).normalize_str("國") == "國"
