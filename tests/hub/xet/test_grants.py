"""Tokens and addresses cannot be made up, stretched to anything else, or used after their time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minnow.errors import ForbiddenError, NotSignedInError
from minnow.hub.xet.grants import Grant, Signer

SIGNER = Signer(b"s" * 32)
GRANT = Grant(12, (3, 45), True, 1000)
HASH = "ab" * 32


def test_a_token_reads_back() -> None:
    for grant in (GRANT, Grant(1, (), False, 5), Grant(1, (), True, 5, "ann", reads=False)):
        assert SIGNER.grant(SIGNER.token(grant), 4) == grant
    assert SIGNER.token(GRANT) != SIGNER.token(Grant(12, (3, 45), True, 1000))


def test_a_token_ends() -> None:
    with pytest.raises(NotSignedInError):
        SIGNER.grant(SIGNER.token(GRANT), 1000)


def test_a_token_for_reading_writes_nothing() -> None:
    token = SIGNER.token(Grant(12, (), False, 1000))
    with pytest.raises(ForbiddenError, match="may only read"):
        SIGNER.grant(token, 0, writing=True)
    assert SIGNER.grant(SIGNER.token(GRANT), 0, writing=True) == GRANT


@given(st.data())
def test_a_changed_token_is_none(data: st.DataObject) -> None:
    token = SIGNER.token(GRANT)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters(exclude_characters=token[place]))
    with pytest.raises(NotSignedInError):
        SIGNER.grant(token[:place] + other + token[place + 1 :], 0)


@given(st.text(max_size=200))
def test_anything_else_is_no_token(text: str) -> None:
    with pytest.raises(NotSignedInError):
        SIGNER.grant(text, 0)


def test_another_secret_makes_other_tokens() -> None:
    with pytest.raises(NotSignedInError):
        SIGNER.grant(Signer(b"t" * 32).token(GRANT), 0)


def signature(query: str) -> str:
    return query.rpartition("=")[2]


def test_an_address_gives_what_it_says_until_it_ends() -> None:
    signed = signature(SIGNER.query(HASH, 5, 90, 1000))
    SIGNER.check(HASH, 5, 90, 1000, signed, 999)
    for xorb, start, stop, until, now in (
        (HASH, 5, 90, 1000, 1000),
        (HASH, 4, 90, 1000, 0),
        (HASH, 5, 91, 1000, 0),
        (HASH, 5, 90, 1001, 0),
        ("cd" * 32, 5, 90, 1000, 0),
    ):
        with pytest.raises(ForbiddenError):
            SIGNER.check(xorb, start, stop, until, signed, now)
    for made_up in ("", "0" * 64, signed[:-1], "é" * 64):
        with pytest.raises(ForbiddenError):
            SIGNER.check(HASH, 5, 90, 1000, made_up, 0)
