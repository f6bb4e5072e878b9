"""Stop strings: found wherever tokens are cut, and nothing handed out that would have to be taken back."""

import random

import pytest

from minnow.decoding.stopping import StopStrings
from minnow.errors import InputError


def read(pieces: list[str], strings: tuple[str, ...]) -> tuple[list[str], bool]:
    stops = StopStrings(strings)
    out = [stops.push(piece) for piece in pieces]
    if not stops.stopped:
        out.append(stops.flush())
    return out, stops.stopped


def test_the_text_ends_before_the_stop_string_however_it_is_cut() -> None:
    chance = random.Random(1)
    for _ in range(500):
        text = "".join(chance.choice("ab\n") for _ in range(chance.randrange(30)))
        strings = tuple({"".join(chance.choice("ab\n") for _ in range(chance.randrange(1, 5))) for _ in range(3)})
        cuts = sorted(chance.choices(range(len(text) + 1), k=6))
        pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        out, stopped = read(pieces, strings)
        # What is whole first ends the text; of several with one end, the longest.
        places = [(text.find(string) + len(string), text.find(string)) for string in strings if string in text]
        assert stopped == bool(places)
        assert "".join(out) == (text[: min(places)[1]] if places else text)
        assert read(list(text), strings)[1] == stopped
        assert "".join(read(list(text), strings)[0]) == "".join(out)


def test_a_string_within_another_ends_the_text_before_the_other_is_whole() -> None:
    for pieces in (["abc"], ["ab", "c"], ["a", "b", "c"]):
        assert "".join(read(pieces, ("abc", "b"))[0]) == "a"
    for pieces in (["xab"], ["x", "a", "b"]):
        assert "".join(read(pieces, ("b", "ab"))[0]) == "x"


def test_only_what_may_begin_a_stop_string_is_held() -> None:
    stops = StopStrings(("END.",))
    assert [stops.push(piece) for piece in ("the ", "E", "N", "T", " EN", "D", ".", "more")] == [
        "the ", "", "", "ENT", " ", "", "", ""
    ]  # fmt: skip
    assert stops.stopped
    assert stops.flush() == ""


def test_without_stop_strings_everything_goes_through() -> None:
    assert read(["a", "", "b\n"], ()) == (["a", "", "b\n", ""], False)


def test_strings_that_cannot_be_are_refused() -> None:
    with pytest.raises(InputError, match="must not be empty"):
        StopStrings(("",))
    with pytest.raises(InputError, match="at most 64 stop strings"):
        StopStrings(("x",) * 65)
    with pytest.raises(InputError, match="1,000 characters"):
        StopStrings(("x" * 1_001,))
