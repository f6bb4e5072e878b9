"""Tables that people write become records, or a line that says which key is wrong and what was wanted."""

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minnow.errors import RecipeError
from minnow.strict import read_record, write_record


@dataclass(frozen=True)
class Leaf:
    size: int = 3
    name: str = "leaf"


@dataclass(frozen=True)
class Tree:
    height: float
    evergreen: bool = False
    rings: int | None = None
    nickname: str | None = None
    widths: tuple[int, ...] = (1, 2)
    first: Leaf = field(default_factory=Leaf)
    leaves: tuple[Leaf, ...] = ()
    weights: dict[str, float] = field(default_factory=dict)
    last: Leaf | None = None


@dataclass(frozen=True)
class Guarded:
    share: float

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise RecipeError(f"share must lie in [0, 1], but got share={self.share}")


numbers = st.integers(-(2**53), 2**53)
leaves = st.builds(Leaf, numbers, st.text(max_size=5))
trees = st.builds(
    Tree,
    height=st.floats(allow_nan=False),
    evergreen=st.booleans(),
    rings=st.none() | numbers,
    nickname=st.none() | st.text(max_size=5),
    widths=st.lists(numbers, max_size=4).map(tuple),
    first=leaves,
    leaves=st.lists(leaves, max_size=3).map(tuple),
    weights=st.dictionaries(st.text(max_size=3), st.floats(allow_nan=False), max_size=3),
    last=st.none() | leaves,
)


@given(trees)
def test_what_is_written_reads_back_equal(tree: Tree) -> None:
    assert read_record(Tree, write_record(tree), "tree") == tree


@given(trees)
def test_a_written_record_is_plain_and_holds_no_none(tree: Tree) -> None:
    def plain(value: Any) -> bool:
        if isinstance(value, dict):
            return all(isinstance(key, str) and plain(part) for key, part in value.items())
        return all(map(plain, value)) if isinstance(value, list) else isinstance(value, bool | int | float | str)

    assert plain(write_record(tree))


def test_missing_keys_take_the_defaults() -> None:
    assert read_record(Tree, {"height": 1.5, "first": {"size": 9}}, "tree") == Tree(1.5, first=Leaf(9, "leaf"))


def test_a_whole_number_serves_as_a_number() -> None:
    height = read_record(Tree, {"height": 2}, "tree").height
    assert (height, type(height)) == (2.0, float)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"hight": 1}, "unknown key 'hight' in tree; did you mean 'height'"),
        ({"height": 1, "first": {"nam": "x"}}, "unknown key 'nam' in tree.first; did you mean 'name'"),
        ({"height": 1, "leaves": [{}, {"siz": 1}]}, "unknown key 'siz' in tree.leaves; did you mean 'size'"),
        ({"height": 1, "last": {"zzzzz": 1}}, "unknown key 'zzzzz' in tree.last; choose one of: name, size"),
        ({"evergreen": True}, "tree needs the key 'height'"),
        ({"height": "tall"}, "tree.height must be a number, but got 'tall'"),
        ({"height": True}, "tree.height must be a number, but got True"),
        ({"height": None}, "tree.height must be a number, but got None"),
        ({"height": 10**400}, "tree.height must be a number"),
        ({"height": 1, "evergreen": 1}, "tree.evergreen must be true or false, but got 1"),
        ({"height": 1, "rings": 2.0}, "tree.rings must be a whole number, but got 2.0"),
        ({"height": 1, "rings": False}, "tree.rings must be a whole number, but got False"),
        ({"height": 1, "nickname": 7}, "tree.nickname must be a string, but got 7"),
        ({"height": 1, "widths": 3}, "tree.widths must be a list, but got 3"),
        ({"height": 1, "widths": "12"}, "tree.widths must be a list, but got '12'"),
        ({"height": 1, "widths": [1, "2"]}, "tree.widths must be a whole number, but got '2'"),
        ({"height": 1, "first": 5}, "tree.first must be a table of keys and values, but got 5"),
        ({"height": 1, "weights": []}, r"tree.weights must be a table, but got \[\]"),
        ({"height": 1, "weights": {"a": "b"}}, "tree.weights.a must be a number, but got 'b'"),
        ([], r"tree must be a table of keys and values, but got \[\]"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_what_was_wanted(values: Any, message: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        read_record(Tree, values, "tree")
    assert "\n" not in str(caught.value)


def test_rules_of_the_record_itself_hold() -> None:
    with pytest.raises(RecipeError, match="share=3"):
        read_record(Guarded, {"share": 3}, "guarded")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from([*Tree.__dataclass_fields__, "other"])


@given(st.dictionaries(names, anything, max_size=4))
def test_any_table_gives_a_record_or_a_recipe_error(values: dict[str, Any]) -> None:
    with suppress(RecipeError):
        assert isinstance(read_record(Tree, values, "tree"), Tree)
