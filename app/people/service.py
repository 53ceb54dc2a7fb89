"""Decisions on accounts: who has one, how a password is set, who may no longer sign in."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlmodel import Session

from app.audit import service as audit
from app.core import clock
from app.core.database import Database
from app.core.errors import NotFoundError
from app.people import lockout, passwords, repository, tokens
from app.people.errors import (
    LinkOverError,
    LoginTakenError,
    NoPasswordError,
    OwnRoleError,
)
from app.people.tables import PasswordLink, Person

LINK_LIFETIME = timedelta(hours=72)
_LINK = "password link"


@dataclass(frozen=True)
class MadeLink:
    """A link to set a password: its token is told once, and stored nowhere."""

    token: str
    expires_at: datetime

    def __repr__(self) -> str:
        return f"MadeLink(expires_at={self.expires_at!r})"


def add(session: Session, login: str, name: str, actor: str) -> Person:
    """Make an account that nobody can sign in to until its password is set by a link.

    Raises:
        LoginTakenError: if somebody has that login.
    """
    person = Person(login=login, name=name, created_at=clock.now())
    if not repository.insert_person(session, person):
        raise LoginTakenError(login)
    tell(session, person, "person.add", actor, after={"login": login, "name": name})
    return person


def named(session: Session, login: str) -> Person:
    """The account with that login, locked.

    Raises:
        NotFoundError: if there is none.
    """
    person = repository.person_with_login(session, login, lock=True)
    if person is None:
        raise NotFoundError("person", login)
    return person


def get(session: Session, person_id: UUID) -> Person | None:
    """The account with that id."""
    return repository.person(session, person_id)


def everyone(session: Session) -> list[Person]:
    """Every account, by login."""
    return repository.people(session)


def make_link(session: Session, login: str, actor: str, secret_key: bytes) -> MadeLink:
    """A link to set a password, to invite or after one was forgotten; older ones end.

    Raises:
        NotFoundError: if there is no such account.
        NoPasswordError: if its person signs in with the identity provider.
    """
    person = named(session, login)
    if person.issuer is not None:
        raise NoPasswordError(login)
    made = MadeLink(tokens.new(), clock.now() + LINK_LIFETIME)
    kept = PasswordLink(
        digest=tokens.digest(made.token, secret_key, _LINK),
        person_id=person.id,
        made_by=str(actor),
        expires_at=made.expires_at,
    )
    repository.replace_link(session, kept)
    tell(session, person, "person.make_link", actor, after={"until": made.expires_at.isoformat()})
    return made


def invited(session: Session, token: str, secret_key: bytes) -> Person:
    """Whose password a link sets.

    Raises:
        LinkOverError: if it was used, was replaced, has expired, or never was.
    """
    digest = tokens.digest(token, secret_key, _LINK)
    link = repository.link(session, digest, clock.now())
    person = repository.person(session, link.person_id) if link else None
    if person is None or person.disabled_at is not None:
        raise LinkOverError
    return person


def use_link(database: Database, token: str, password: str, secret_key: bytes) -> None:
    """Set the password of a link's person, once; every session of theirs ends.

    Raises:
        LinkOverError: if the link is over, or somebody else was first.
        WeakPasswordError: for a password that would be guessed; the link stays.
    """
    with database.read_scope() as session:
        person = invited(session, token, secret_key)
    passwords.check(password, person.login, person.name)
    kept = passwords.hashed(password)
    digest = tokens.digest(token, secret_key, _LINK)
    with database.session_scope() as session:
        link = repository.link(session, digest, clock.now(), lock=True)
        if link is None:
            raise LinkOverError
        session.delete(link)
        row = named(session, person.login)
        _set_password(session, row, kept, audit.Actor(row.name, f"person:{row.id}", row.login))
        lockout.forget(session, secret_key, row.login)


def change_password(database: Database, person: Person, new: str) -> None:
    """Replace the password of somebody who proved who they are; every session of theirs ends.

    Raises:
        WeakPasswordError: if it would be guessed.
    """
    passwords.check(new, person.login, person.name)
    kept = passwords.hashed(new)
    with database.session_scope() as session:
        row = named(session, person.login)
        _set_password(session, row, kept, audit.Actor(row.name, f"person:{row.id}", row.login))


def disable(session: Session, login: str, actor: str) -> Person:
    """Let somebody sign in no more, and end what they are signed in to.

    Raises:
        OwnRoleError: if it is the actor's own account.
    """
    person = named(session, login)
    refuse_oneself(person, actor)
    if person.disabled_at is None:
        person.disabled_at = clock.now()
        repository.end_sign_ins_of(session, person.id, None)
        tell(session, person, "person.disable", actor, after={"disabled": True})
    return person


def enable(session: Session, login: str, actor: str, secret_key: bytes) -> Person:
    """Let somebody sign in again, at once even after failed attempts."""
    person = named(session, login)
    lockout.forget(session, secret_key, login)
    person.disabled_at = None
    tell(session, person, "person.enable", actor, after={"disabled": False})
    return person


def sign_out(session: Session, login: str, actor: str) -> None:
    """End every session of somebody."""
    person = named(session, login)
    ended = repository.end_sign_ins_of(session, person.id, None)
    tell(session, person, "person.sign_out", actor, after={"sessions": ended})


def refuse_oneself(person: Person | None, actor: str) -> None:
    """Nobody changes what they may do themselves.

    Raises:
        OwnRoleError: if the actor is that person.
    """
    if person is not None and getattr(actor, "id", None) == f"person:{person.id}":
        raise OwnRoleError


def tell(
    session: Session,
    person: Person,
    action: str,
    actor: str,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Put what was done to an account into the audit log."""
    audit.record(
        session,
        actor=actor,
        action=action,
        entity=f"person:{person.login}",
        before=before,
        after={"id": str(person.id), **(after or {})},
    )


def _set_password(session: Session, person: Person, kept: str, actor: str) -> None:
    person.password_hash = kept
    repository.end_sign_ins_of(session, person.id, None)
    tell(session, person, "person.set_password", actor)
