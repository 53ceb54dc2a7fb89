"""All queries on people, their roles, links and sessions."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, delete, or_, select

from app.core import clock
from app.core.database import insert_unless_there
from app.people.tables import Membership, PasswordLink, Person, SignIn, SignInFailures

HAND, PROVIDER = "hand", "provider"


def insert_person(session: Session, person: Person) -> bool:
    """Insert an account; False, and nothing done, where login or identity are taken."""
    return insert_unless_there(session, person)


def person(session: Session, person_id: UUID) -> Person | None:
    """The account with that id."""
    return session.get(Person, person_id)


def person_with_login(session: Session, login: str, *, lock: bool = False) -> Person | None:
    """The account with that login."""
    query = select(Person).where(Person.login == login)
    return session.exec(query.with_for_update() if lock else query).first()


def person_known_as(session: Session, issuer: str, subject: str) -> Person | None:
    """The account of somebody whom the identity provider knows."""
    query = select(Person).where(Person.issuer == issuer, Person.subject == subject)
    return session.exec(query).first()


def people(session: Session) -> list[Person]:
    """Every account, by login."""
    return list(session.exec(select(Person).order_by(col(Person.login))))


def memberships_of(session: Session, login: str) -> list[Membership]:
    """Every role of a login, those given by hand first."""
    query = select(Membership).where(Membership.login == login)
    return list(session.exec(query.order_by(col(Membership.source), col(Membership.given_at))))


def memberships_in(session: Session, federation_id: UUID | None) -> list[Membership]:
    """Every role in one federation, or (None) in all, by login."""
    query = select(Membership).where(_in(federation_id))
    return list(session.exec(query.order_by(col(Membership.login), col(Membership.source))))


def membership(
    session: Session, login: str, federation_id: UUID | None, source: str
) -> Membership | None:
    """The role of a login in one federation, or (None) in all, from one source, locked."""
    query = select(Membership).where(
        Membership.login == login, Membership.source == source, _in(federation_id)
    )
    return session.exec(query.with_for_update()).first()


def replace_link(session: Session, link: PasswordLink) -> None:
    """Keep a link in place of all others of the person."""
    session.exec(delete(PasswordLink).where(col(PasswordLink.person_id) == link.person_id))
    session.add(link)


def link(session: Session, digest: str, at: datetime, *, lock: bool = False) -> PasswordLink | None:
    """The link with that digest, if it has not expired."""
    query = select(PasswordLink).where(
        PasswordLink.digest == digest, col(PasswordLink.expires_at) > at
    )
    return session.exec(query.with_for_update() if lock else query).first()


def sign_in(session: Session, digest: str) -> SignIn | None:
    """The session with that digest, over or not."""
    return session.exec(select(SignIn).where(SignIn.digest == digest)).first()


def sign_in_with_id(session: Session, sign_in_id: UUID) -> SignIn | None:
    """The session with that id."""
    return session.get(SignIn, sign_in_id)


def sign_ins_of(session: Session, person_id: UUID | None, key_id: UUID | None) -> list[SignIn]:
    """The sessions of a person or of a key, newest first."""
    query = select(SignIn).where(SignIn.person_id == person_id, SignIn.key_id == key_id)
    return list(session.exec(query.order_by(col(SignIn.started_at).desc())))


def end_sign_ins_of(session: Session, person_id: UUID | None, key_id: UUID | None) -> int:
    """End every session of a person or of a key; how many there were."""
    ended = session.exec(
        delete(SignIn).where(
            col(SignIn.person_id).is_not_distinct_from(person_id),
            col(SignIn.key_id).is_not_distinct_from(key_id),
        )
    )
    return ended.rowcount


def forget_sign_ins(session: Session, at: datetime, seen_before: datetime) -> None:
    """Erase the sessions that are over."""
    over = or_(col(SignIn.ends_at) <= at, col(SignIn.seen_at) <= seen_before)
    session.exec(delete(SignIn).where(over))


def counted_failures(session: Session, subject: str) -> SignInFailures:
    """How often signing in failed for a login or an address, locked; made where there is none."""
    query = select(SignInFailures).where(SignInFailures.subject == subject).with_for_update()
    row = session.exec(query).first()
    if row is None:
        insert_unless_there(
            session, SignInFailures(subject=subject, failures=0, last_at=clock.now())
        )
        row = session.exec(query).one()
    return row


def forget_failures(session: Session, subject: str) -> None:
    """Erase what is counted for a login or an address."""
    session.exec(delete(SignInFailures).where(col(SignInFailures.subject) == subject))


def forget_old_failures(session: Session, before: datetime) -> None:
    """Erase what was last counted before then."""
    session.exec(delete(SignInFailures).where(col(SignInFailures.last_at) < before))


def _in(federation_id: UUID | None) -> ColumnElement[bool]:
    return col(Membership.federation_id).is_not_distinct_from(federation_id)
