"""Sessions of the console: kept here, so that they end when somebody says so.

The cookie is a random token of which only a keyed hash is stored. A session ends when it was not
used for a while, at its end in any case, and at once when its person signs out everywhere, gets
another password or is disabled, or its key is revoked. A form's token is an HMAC of the cookie, so
no other site can make one.
"""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlmodel import Session

from app.audit import service as audit
from app.core import clock
from app.core.errors import NotFoundError
from app.federations import service as federations
from app.federations.roles import Principal
from app.people import lockout, repository, roles, tokens
from app.people.tables import SignIn

TOUCHED = timedelta(minutes=1)  # how exactly it is known when a session was last used
BROWSER = 200  # characters
_COOKIE, _FORM = "console session", "console form"


@dataclass(frozen=True)
class Lifetimes:
    """How long a session lasts without use, and at most."""

    idle: timedelta
    most: timedelta


def start(
    session: Session, holder: Principal, browser: str, lifetimes: Lifetimes, secret_key: bytes
) -> str:
    """The token of a new session of a person or of a key's holder."""
    at, token = clock.now(), tokens.new()
    row = SignIn(
        digest=tokens.digest(token, secret_key, _COOKIE),
        person_id=holder.id if holder.is_person else None,
        key_id=None if holder.is_person else holder.id,
        browser="".join(letter for letter in browser if letter.isprintable())[:BROWSER],
        started_at=at,
        seen_at=at,
        ends_at=at + lifetimes.most,
    )
    repository.forget_sign_ins(session, at, at - lifetimes.idle)
    repository.forget_old_failures(session, at - lockout.FORGOTTEN)
    session.add(row)
    _tell(session, row, "session.start", holder.actor)
    return token


def read(session: Session, token: str, lifetimes: Lifetimes, secret_key: bytes) -> SignIn | None:
    """The session of a token; None if there is none, or it is over."""
    row = repository.sign_in(session, tokens.digest(token, secret_key, _COOKIE))
    at = clock.now()
    if row is None or at >= row.ends_at or at - row.seen_at >= lifetimes.idle:
        return None
    return row


def touch(session: Session, row: SignIn) -> None:
    """Note that a session is in use."""
    current = repository.sign_in_with_id(session, row.id)
    if current is not None:
        current.seen_at = clock.now()


def is_untouched(row: SignIn) -> bool:
    """Whether it is time to note that a session is in use."""
    return clock.now() - row.seen_at >= TOUCHED


def principals_of(session: Session, row: SignIn) -> list[Principal]:
    """Who holds a session, in each of their roles; none where all have been taken away."""
    if row.key_id is not None:
        key = federations.principal_of_key(session, row.key_id)
        return [key] if key else []
    person = repository.person(session, row.person_id) if row.person_id else None
    if person is None or person.disabled_at is not None:
        return []
    return roles.principals_of(session, person)


def of_holder(session: Session, holder: Principal, lifetimes: Lifetimes) -> list[SignIn]:
    """The sessions that a person or a key has open, newest first."""
    at, rows = clock.now(), repository.sign_ins_of(session, *_holder(holder))
    return [row for row in rows if at < row.ends_at and at - row.seen_at < lifetimes.idle]


def end(session: Session, holder: Principal, sign_in_id: UUID) -> None:
    """End one of the holder's own sessions.

    Raises:
        NotFoundError: if the holder has none with that id.
    """
    row = repository.sign_in_with_id(session, sign_in_id)
    if row is None or (row.person_id, row.key_id) != _holder(holder):
        raise NotFoundError("session", sign_in_id)
    session.delete(row)
    _tell(session, row, "session.end", holder.actor)


def end_all(session: Session, holder: Principal) -> int:
    """End every session of the holder; how many there were."""
    ended = repository.end_sign_ins_of(session, *_holder(holder))
    audit.record(
        session,
        actor=holder.actor,
        action="session.end_all",
        entity=holder.actor.id,
        after={"sessions": ended},
    )
    return ended


def form_token(token: str, secret_key: bytes) -> str:
    """What the forms of a session carry."""
    return tokens.digest(token, secret_key, _FORM)


def _holder(holder: Principal) -> tuple[UUID | None, UUID | None]:
    return (holder.id, None) if holder.is_person else (None, holder.id)


def _tell(session: Session, row: SignIn, action: str, actor: audit.Actor) -> None:
    after = {"until": row.ends_at.isoformat()} if action == "session.start" else None
    audit.record(session, actor=actor, action=action, entity=f"session:{row.id}", after=after)
