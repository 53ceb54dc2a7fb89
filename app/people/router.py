"""HTTP of people: accounts are the installation's, roles are each federation's."""

from typing import Annotated

from fastapi import APIRouter, Depends, status

from app.core.http import ReadSession, SettingsDep, WriteSession
from app.core.settings import Settings
from app.federations.dependencies import Access, in_federation, in_installation
from app.federations.roles import Permission, Principal
from app.federations.schemas import Login
from app.people import roles, service
from app.people.schemas import (
    InvitedOut,
    LinkOut,
    MembershipOut,
    PersonIn,
    PersonOut,
    RoleIn,
)
from app.people.service import MadeLink
from app.people.tables import Membership, Person

router = APIRouter(prefix="/v1", tags=["people"])

Admin = Annotated[Principal, Depends(in_installation(Permission.MANAGE_PEOPLE))]
FederationAdmin = Annotated[Access, Depends(in_federation(Permission.MANAGE_PEOPLE))]


@router.post("/people", status_code=status.HTTP_201_CREATED)
def add_person(
    body: PersonIn, admin: Admin, session: WriteSession, settings: SettingsDep
) -> InvitedOut:
    """Make an account, and a link with which its person sets their password."""
    person = service.add(session, body.login, body.name, admin.actor)
    link = service.make_link(session, body.login, admin.actor, settings.secret_key)
    facts = PersonOut.model_validate(person).model_dump()
    return InvitedOut(**facts, link=_link_out(link, settings))


@router.get("/people", response_model=list[PersonOut])
def list_people(admin: Admin, session: ReadSession) -> list[Person]:  # noqa: ARG001 - who may
    """Every account, by login."""
    return service.everyone(session)


@router.post("/people/{login}/password-link", status_code=status.HTTP_201_CREATED)
def make_link(login: Login, admin: Admin, session: WriteSession, settings: SettingsDep) -> LinkOut:
    """A new link to set a password, for who lost it; an older one ends."""
    return _link_out(service.make_link(session, login, admin.actor, settings.secret_key), settings)


@router.post("/people/{login}/disable", response_model=PersonOut)
def disable_person(login: Login, admin: Admin, session: WriteSession) -> Person:
    """Let somebody sign in no more; every session of theirs ends."""
    return service.disable(session, login, admin.actor)


@router.post("/people/{login}/enable", response_model=PersonOut)
def enable_person(
    login: Login, admin: Admin, session: WriteSession, settings: SettingsDep
) -> Person:
    """Let somebody sign in again, at once even after failed attempts."""
    return service.enable(session, login, admin.actor, settings.secret_key)


@router.post("/people/{login}/sign-out", status_code=status.HTTP_204_NO_CONTENT)
def sign_out_person(login: Login, admin: Admin, session: WriteSession) -> None:
    """End every session of somebody."""
    service.sign_out(session, login, admin.actor)


@router.get("/roles", response_model=list[MembershipOut])
def list_roles_everywhere(
    admin: Admin,  # noqa: ARG001 - who may
    session: ReadSession,
) -> list[Membership]:
    """Who holds a role in all federations."""
    return roles.roles_in(session, None)


@router.put("/roles/{login}", response_model=MembershipOut)
def give_role_everywhere(
    login: Login, body: RoleIn, admin: Admin, session: WriteSession
) -> Membership:
    """Give somebody a role in all federations; one that they hold in a federation counts first."""
    return roles.give(session, login, None, body.role, admin.actor)


@router.delete("/roles/{login}", status_code=status.HTTP_204_NO_CONTENT)
def take_role_everywhere(login: Login, admin: Admin, session: WriteSession) -> None:
    """Take somebody's role in all federations away."""
    roles.take(session, login, None, admin.actor)


@router.get("/federations/{federation}/people", response_model=list[MembershipOut])
def list_roles(access: FederationAdmin, session: ReadSession) -> list[Membership]:
    """Who holds a role in the federation."""
    return roles.roles_in(session, access.federation(session).id)


@router.put("/federations/{federation}/people/{login}", response_model=MembershipOut)
def give_role(
    login: Login, body: RoleIn, access: FederationAdmin, session: WriteSession
) -> Membership:
    """Give somebody a role in the federation, in place of the one they had there.

    There need be no account of that login yet, and the answer does not tell whether there is.
    """
    federation = access.federation(session)
    return roles.give(session, login, federation.id, body.role, access.actor)


@router.delete("/federations/{federation}/people/{login}", status_code=status.HTTP_204_NO_CONTENT)
def take_role(login: Login, access: FederationAdmin, session: WriteSession) -> None:
    """Take somebody's role in the federation away."""
    roles.take(session, login, access.federation(session).id, access.actor)


def _link_out(link: MadeLink, settings: Settings) -> LinkOut:
    address = f"{settings.public_url.rstrip('/')}/password/{link.token}"
    return LinkOut(url=address, expires_at=link.expires_at)
