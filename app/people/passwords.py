"""Passwords: which are good enough, and how they are kept.

They are kept as argon2id (RFC 9106) with the parameters that it recommends where memory is
limited. Checking one takes 64 MiB and a good part of a second, so only the sign-in and account
pages do it, two at a time; no route of the API does. The rules are those of NIST SP 800-63B-4:
length, and no password that is guessed first; nothing about which characters, and no expiry.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import BoundedSemaphore

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from app.people.errors import BusyError, WeakPasswordError

SHORTEST, LONGEST = 15, 128  # characters; the shortest of a password that is the only factor
LEAST_SCORE = 3  # of 4: zxcvbn's "safely unguessable", over 10^8 guesses
SCORED = 72  # characters; beyond them zxcvbn's time grows and its answer does not
AT_ONCE, WAIT_SECONDS = 2, 10.0

_hasher = PasswordHasher(
    time_cost=3, memory_cost=64 * 1024, parallelism=4, hash_len=32, salt_len=16, type=Type.ID
)
_turns = BoundedSemaphore(AT_ONCE)


def check(password: str, login: str, name: str) -> None:
    """Refuse a password that would be guessed.

    Raises:
        WeakPasswordError: saying what to do.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise WeakPasswordError(
            f"A password has {SHORTEST} to {LONGEST} characters; a few words do well."
        )
    if _score(password, login, name) < LEAST_SCORE:
        raise WeakPasswordError(
            "This password is among the first that are guessed: a common one, a pattern, or your"
            " own name. Take a few words that have nothing to do with each other."
        )


def _score(password: str, login: str, name: str) -> int:
    from zxcvbn import zxcvbn  # noqa: PLC0415 - its word lists, only where a password is set

    score: int = zxcvbn(password[:SCORED], user_inputs=[login, *name.split(), "vigie"])["score"]
    return score


def hashed(password: str) -> str:
    """What is stored of a password.

    Raises:
        BusyError: if others' are being checked for too long.
    """
    with _turn():
        return _hasher.hash(_encoded(password))


def matches(password: str, stored: str | None) -> bool:
    """Whether it is the password; None, where there is no account, takes as long as a wrong one.

    Raises:
        BusyError: if others' are being checked for too long.
    """
    with _turn():
        try:
            _hasher.verify(stored or _nobodys(), _encoded(password))
        except (VerificationError, InvalidHashError):
            return False
    return stored is not None


@cache
def _nobodys() -> str:
    return _hasher.hash(b"nobody's password")


def _encoded(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")


@contextmanager
def _turn() -> Iterator[None]:
    if not _turns.acquire(timeout=WAIT_SECONDS):
        raise BusyError
    try:
        yield
    finally:
        _turns.release()
