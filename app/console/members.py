"""The console's page of keys and people: issue, revoke, invite, give and take roles."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Response
from fastapi.responses import RedirectResponse
from sqlmodel import Session

from app.console.access import Visitor, form_of, reader_of
from app.console.rendering import page
from app.console.routes import SEE_OTHER, ConsoleRoute
from app.core.http import ReadSession, SettingsDep, WriteSession
from app.core.ids import Slug
from app.federations import service as federations
from app.federations.roles import Permission, Role
from app.federations.schemas import Holder, KeyIn, Login
from app.federations.tables import ApiKey, Federation
from app.people import roles, service
from app.people.tables import Membership

router = APIRouter(
    prefix="/f/{federation}/members", route_class=ConsoleRoute, include_in_schema=False
)

Keeper = Annotated[Visitor, Depends(reader_of(Permission.MANAGE_KEYS))]
KeyForm = Annotated[Visitor, Depends(form_of(Permission.MANAGE_KEYS))]
PeopleForm = Annotated[Visitor, Depends(form_of(Permission.MANAGE_PEOPLE))]
Days = Annotated[str, Form(pattern=r"^([1-9][0-9]{0,2})?$")]  # an empty field comes as ""


@dataclass(frozen=True)
class Secret:
    """What is shown this once."""

    title: str
    text: str


@dataclass(frozen=True)
class MembersPage:
    """All that the page shows."""

    federation: Federation
    people: Sequence[Membership]
    keys: Sequence[ApiKey]
    roles: Sequence[str]
    invites: bool  # whether the visitor may make accounts, which are the whole service's
    secret: Secret | None


@router.get("")
def show_members(federation: Slug, visitor: Keeper, session: ReadSession) -> Response:
    """Who and what has access to the federation."""
    return _page(session, visitor, visitor.federation(session, federation))


@router.post("/keys")
def issue_key(
    federation: Slug,
    holder: Annotated[Holder, Form()],
    role: Annotated[Role, Form()],
    visitor: KeyForm,
    session: WriteSession,
    settings: SettingsDep,
    days: Days = "",
    login: Annotated[Literal[""] | Login, Form()] = "",
) -> Response:
    """Issue a key; its text is on this page and nowhere else."""
    row = visitor.federation(session, federation)
    lasts = int(days) if days else None
    body = KeyIn(holder=holder, role=role, expires_in_days=lasts, login=login or None)
    _, text = federations.issue_key(session, row, body, visitor.name, settings.secret_key)
    return _page(session, visitor, row, Secret(f"The key of {holder}", str(text)))


@router.post("/keys/{key_id}/revoke")
def revoke_key(federation: Slug, key_id: UUID, visitor: KeyForm, session: WriteSession) -> Response:
    """Revoke a key at once."""
    row = visitor.federation(session, federation)
    federations.revoke_key(session, row, key_id, visitor.name)
    return _to(federation)


@router.post("/people")
def give_role(
    federation: Slug,
    login: Annotated[Login, Form()],
    role: Annotated[Role, Form()],
    visitor: PeopleForm,
    session: WriteSession,
) -> Response:
    """Give somebody a role here, in place of the one that they had."""
    row = visitor.federation(session, federation)
    roles.give(session, login, row.id, role, visitor.name)
    return _to(federation)


@router.post("/people/take")
def take_role(
    federation: Slug, login: Annotated[Login, Form()], visitor: PeopleForm, session: WriteSession
) -> Response:
    """Take somebody's role here away."""
    row = visitor.federation(session, federation)
    roles.take(session, login, row.id, visitor.name)
    return _to(federation)


@router.post("/people/invite")
def invite(
    federation: Slug,
    login: Annotated[Login, Form()],
    name: Annotated[Holder, Form()],
    role: Annotated[Role, Form()],
    visitor: PeopleForm,
    session: WriteSession,
    settings: SettingsDep,
) -> Response:
    """Make an account with a role here; the link with which to set a password is shown once."""
    row = visitor.federation(session, federation)
    visitor.demand_in_installation(Permission.MANAGE_PEOPLE)
    service.add(session, login, name, visitor.name)
    roles.give(session, login, row.id, role, visitor.name)
    link = service.make_link(session, login, visitor.name, settings.secret_key)
    address = f"{settings.public_url.rstrip('/')}/password/{link.token}"
    return _page(session, visitor, row, Secret(f"The link for {name} to set a password", address))


def _page(
    session: Session, visitor: Visitor, federation: Federation, secret: Secret | None = None
) -> Response:
    it = MembersPage(
        federation=federation,
        people=roles.roles_in(session, federation.id),
        keys=federations.keys_of(session, federation),
        roles=[role.value for role in Role],
        invites=visitor.may_in_installation(Permission.MANAGE_PEOPLE),
        secret=secret,
    )
    return page("members.html", visitor=visitor, it=it)


def _to(federation: str) -> Response:
    return RedirectResponse(f"/f/{federation}/members", SEE_OTHER)
