"""Slows guessing down: after some failures a login, or an address, waits longer each time.

Both are counted whether or not the account exists, so that waiting says nothing about it, and
before a password is looked at, so that guesses sent at once are counted too. The pause doubles
with each failure past the limit, up to a quarter of an hour, and ends by itself: who keeps guessing
somebody's password delays them by no more than that. Login and address are kept under a keyed hash.
"""

from datetime import timedelta

import structlog
from sqlmodel import Session

from app.audit import service as audit
from app.core import clock
from app.people import repository, tokens
from app.people.errors import BlockedError
from app.people.tables import SignInFailures

FREE = {"login": 5, "address": 20}  # failures before the first pause
FIRST, LONGEST = timedelta(seconds=30), timedelta(minutes=15)
FORGOTTEN = timedelta(hours=24)  # since the last failure

log = structlog.get_logger(__name__)


def begin(session: Session, secret_key: bytes, *, login: str, address: str) -> None:
    """Count an attempt, which `succeeded` takes back.

    Raises:
        BlockedError: with the seconds that are left, while the login or the address has to wait.
    """
    rows = {
        kind: repository.counted_failures(session, subject)
        for kind, subject in _subjects(secret_key, login, address).items()
    }
    left = max(row.last_at + _pause(kind, row) - clock.now() for kind, row in rows.items())
    if left > timedelta(0):
        raise BlockedError(-(-left // timedelta(seconds=1)))
    for row in rows.values():
        old = clock.now() - row.last_at > FORGOTTEN
        row.failures, row.last_at = (1 if old else row.failures + 1), clock.now()


def failed(session: Session, secret_key: bytes, *, login: str, address: str) -> None:
    """Tell of the pause that an attempt has led to, if it has."""
    for kind, subject in _subjects(secret_key, login, address).items():
        row = repository.counted_failures(session, subject)
        if pause := _pause(kind, row):
            until = (row.last_at + pause).isoformat()
            # The address itself goes only into the log, which is erased some day.
            log.warning("sign_in.blocked", subject=subject, address=address, until=until)
            audit.record(
                session,
                actor="sign-in",
                action=f"sign_in.block_{kind}",
                entity=subject,
                after={"failures": row.failures, "blocked_until": until},
            )


def succeeded(session: Session, secret_key: bytes, *, login: str, address: str) -> None:
    """Forget the failures of the login, and take the attempt back from the address."""
    forget(session, secret_key, login)
    row = repository.counted_failures(session, _subjects(secret_key, "", address)["address"])
    row.failures = max(0, row.failures - 1)


def forget(session: Session, secret_key: bytes, login: str) -> None:
    """Let a login try again at once."""
    if login:
        repository.forget_failures(session, _subjects(secret_key, login, "")["login"])


def _pause(kind: str, row: SignInFailures) -> timedelta:
    over = row.failures - FREE[kind]
    return min(LONGEST, FIRST * 2 ** min(over, 10)) if over >= 0 else timedelta(0)


def _subjects(secret_key: bytes, login: str, address: str) -> dict[str, str]:
    """What is counted: the login (where there is one: a key has none) and the address."""
    named = {"login": login.casefold(), "address": address}
    return {
        kind: f"{kind}:{tokens.digest(text, secret_key, f'failures of a {kind}')[:32]}"
        for kind, text in named.items()
        if text
    }
