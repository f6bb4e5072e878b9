"""Passwords, as Argon2id hashes."""

from minnow.errors import InputError

LEAST, MOST = 10, 256
NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$bm9ib2R5J3Mgc2FsdA$0000000000000000000000000000000000000000000"


def hash_password(password: str) -> str:
    """What is stored of a password.

    Raises:
        InputError: it is shorter or longer than a password may be.
    """
    from argon2 import PasswordHasher

    if not LEAST <= len(password) <= MOST:
        raise InputError(f"a password must have {LEAST} to {MOST} characters, but got {len(password)}")
    return PasswordHasher().hash(password)


def fits(password: str, stored: str | None) -> bool:
    """Whether it is the password that was stored; where none was, the answer takes as long and is no."""
    from argon2 import PasswordHasher
    from argon2.exceptions import InvalidHashError, VerificationError

    if len(password) > MOST:
        return False
    try:
        return PasswordHasher().verify(stored or NOBODY, password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False
