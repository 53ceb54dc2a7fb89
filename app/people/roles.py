"""Which role somebody holds where: given by hand, or by the identity provider's groups."""

from uuid import UUID

from sqlmodel import Session

from app.audit import service as audit
from app.core import clock
from app.core.errors import NotFoundError
from app.federations.roles import Principal, Role
from app.people import repository
from app.people.repository import HAND, PROVIDER
from app.people.service import refuse_oneself
from app.people.tables import Membership, Person

Groups = dict[UUID | None, Role]  # a role for each federation; None: for all


def give(
    session: Session, login: str, federation_id: UUID | None, role: Role, actor: str
) -> Membership:
    """Give a login a role in a federation, or (None) in all, in place of the one it had there.

    There need be no account of that login yet.

    Raises:
        OwnRoleError: if the actor gives it to themselves.
    """
    refuse_oneself(repository.person_with_login(session, login), actor)
    return _put(session, login, federation_id, role, HAND, actor)


def take(session: Session, login: str, federation_id: UUID | None, actor: str) -> Membership:
    """Take a login's role in a federation, or (None) in all, away.

    Raises:
        NotFoundError: if none was given there by hand.
        OwnRoleError: if it is the actor's own.
    """
    refuse_oneself(repository.person_with_login(session, login), actor)
    row = repository.membership(session, login, federation_id, HAND)
    if row is None:
        raise NotFoundError("role of", login)
    _remove(session, row, actor)
    return row


def set_groups(session: Session, person: Person, groups: Groups) -> None:
    """Make what the identity provider says of somebody's groups their roles, until it says else."""
    actor = audit.Actor(person.name, f"person:{person.id}", person.login)
    for row in repository.memberships_of(session, person.login):
        if row.source == PROVIDER and row.federation_id not in groups:
            _remove(session, row, actor)
    for federation_id, role in groups.items():
        _put(session, person.login, federation_id, role, PROVIDER, actor)


def roles_in(session: Session, federation_id: UUID | None) -> list[Membership]:
    """Every role that people hold in a federation, or (None) in all, by login."""
    return repository.memberships_in(session, federation_id)


def principals_of(session: Session, person: Person) -> list[Principal]:
    """What somebody is, in each federation where they are something; by hand counts first."""
    found: dict[UUID | None, Role] = {}
    for row in repository.memberships_of(session, person.login):
        found.setdefault(row.federation_id, Role(row.role))
    return [
        Principal(person.id, person.name, role, federation_id, is_person=True, login=person.login)
        for federation_id, role in found.items()
    ]


def _put(
    session: Session, login: str, federation_id: UUID | None, role: Role, source: str, actor: str
) -> Membership:
    row = repository.membership(session, login, federation_id, source)
    before = row.role if row else None
    if row is None:
        row = Membership(
            login=login,
            federation_id=federation_id,
            role=role.value,
            source=source,
            given_by=str(actor),
            given_at=clock.now(),
        )
        session.add(row)
    if before != role.value:
        row.role, row.given_by, row.given_at = role.value, str(actor), clock.now()
        session.flush()
        _tell(session, row, actor, before, role.value)
    return row


def _remove(session: Session, row: Membership, actor: str) -> None:
    session.delete(row)
    _tell(session, row, actor, row.role, None)


def _tell(session: Session, row: Membership, actor: str, was: str | None, now: str | None) -> None:
    audit.record(
        session,
        actor=actor,
        action="role.give" if now else "role.take",
        entity=f"login:{row.login}",
        federation_id=row.federation_id,
        before={"role": was, "source": row.source} if was else None,
        after={"role": now, "source": row.source} if now else None,
    )
