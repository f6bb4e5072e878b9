"""A card names what its model was made from."""

from pathlib import Path

import pytest

from minnow.bases import CARD, naming
from minnow.errors import InputError


@pytest.mark.parametrize("front", ["- a\n- b", "a: [", "a: {b"])
def test_a_card_that_cannot_be_read_is_named_where_a_base_is_to_stand_in_it(front: str, tmp_path: Path) -> None:
    (tmp_path / CARD).write_text(f"---\n{front}\n---\ntext\n")
    with naming(tmp_path, None) as shown:
        assert shown == tmp_path
    with pytest.raises(InputError, match=rf"{CARD} begins with front matter that is no table"), naming(tmp_path, "t/n"):
        pass


def test_the_base_is_added_to_what_the_card_says(tmp_path: Path) -> None:
    (tmp_path / CARD).write_text("---\nlicense: mit\n---\ntext\n")
    with naming(tmp_path, "team/name") as shown:
        assert shown != tmp_path
        written = (shown / CARD).read_text()
    assert "license: mit" in written
    assert "base_model: team/name" in written
    assert "team/name" not in (tmp_path / CARD).read_text()
