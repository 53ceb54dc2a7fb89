"""The page about oneself: roles, password, and where one is signed in."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse

from app.console import cookies
from app.console.access import AnyVisitor, Visitor, form_of, lifetimes
from app.console.rendering import page
from app.console.routes import SEE_OTHER, ConsoleRoute
from app.console.sign_in import DoorDep, Password, check_twice, signed_in
from app.core.database import Database
from app.core.errors import DomainError
from app.core.http import DatabaseDep, SettingsDep, WriteSession
from app.core.settings import Settings
from app.federations import service as federations
from app.people import passwords, service, sessions
from app.people.errors import NoPasswordError, WeakPasswordError, WrongCredentialsError

router = APIRouter(route_class=ConsoleRoute, prefix="/account", include_in_schema=False)

SignedInForm = Annotated[Visitor, Depends(form_of())]


@router.get("")
def show_account(visitor: AnyVisitor, database: DatabaseDep, settings: SettingsDep) -> Response:
    """Who one is here, and where one is signed in."""
    return _page(visitor, database, settings)


@router.post("/password")
def change_password(
    old: Password,
    password: Password,
    again: Password,
    visitor: SignedInForm,
    door: DoorDep,
    database: DatabaseDep,
    settings: SettingsDep,
) -> Response:
    """Change one's password; every session ends, and this browser gets a new one."""
    with database.read_scope() as session:
        person = service.get(session, visitor.principal.id)
    if person is None or person.password_hash is None:
        raise NoPasswordError(visitor.name)
    try:
        check_twice(password, again)
        service.change_password(database, door.prove(person.login, old), password)
    except (WeakPasswordError, WrongCredentialsError) as error:
        return _page(visitor, database, settings, error)
    return signed_in(door.start(visitor.principal, ""), "/account", settings)


@router.post("/sessions/{sign_in_id}/end")
def end_session(sign_in_id: UUID, visitor: SignedInForm, session: WriteSession) -> Response:
    """End one of one's sessions."""
    sessions.end(session, visitor.principal, sign_in_id)
    return RedirectResponse("/account", SEE_OTHER)


@router.post("/sign-out-everywhere")
def sign_out_everywhere(
    visitor: SignedInForm, session: WriteSession, settings: SettingsDep
) -> Response:
    """End every session of oneself, this one too."""
    sessions.end_all(session, visitor.principal)
    answer = RedirectResponse("/login", SEE_OTHER)
    cookies.drop(answer, cookies.SESSION, settings)
    return answer


def _page(
    visitor: Visitor, database: Database, settings: Settings, error: DomainError | None = None
) -> Response:
    with database.read_scope() as session:
        person = service.get(session, visitor.principal.id)
        open_now = sessions.of_holder(session, visitor.principal, lifetimes(settings))
        names: dict[UUID | None, str] = {row.id: row.name for row in federations.everyone(session)}
    return page(
        "account.html",
        error.kind.value if error else 200,
        visitor=visitor,
        person=person,
        roles=[(names.get(one.federation_id, ""), one.role.value) for one in visitor.everywhere],
        sessions=open_now,
        shortest=passwords.SHORTEST,
        error=error.message if error else None,
    )
