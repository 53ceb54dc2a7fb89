"""Who is calling, and may they: the authorisation decision of every route.

A route names one permission; `in_federation(permission)` gives it the federation of its path with
the caller, or refuses. Another tenant's federation looks like one that does not exist.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlmodel import Session

from app.audit.service import Actor
from app.core import context
from app.core.http import DatabaseDep, SettingsDep, database_of, settings_of
from app.core.ids import Slug
from app.federations import service
from app.federations.errors import ForbiddenError, UnauthenticatedError
from app.federations.roles import Permission, Principal
from app.federations.tables import Federation

_bearer = HTTPBearer(auto_error=False, description="An API key: `vg_...`")


async def _presented(
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> HTTPAuthorizationCredentials:
    """A key of some kind: who brings none is told so before anything else is looked at."""
    if credentials is None:
        raise UnauthenticatedError
    return credentials


Credentials = Annotated[HTTPAuthorizationCredentials, Depends(_presented)]


def _principal(credentials: Credentials, database: DatabaseDep, settings: SettingsDep) -> Principal:
    with database.read_scope() as session:
        return service.authenticate(session, credentials.credentials, settings.secret_key)


Caller = Annotated[Principal, Depends(_principal)]


@dataclass(frozen=True)
class Access:
    """An authorised call: who, and in which federation."""

    principal: Principal
    as_called: Federation  # as it was when the call came; a row of no session

    @property
    def actor(self) -> Actor:
        """The name that goes onto decisions, with the id that the audit log keeps beside it."""
        return self.principal.actor

    def federation(self, session: Session) -> Federation:
        """The federation, as a row of this session."""
        return service.visible_to(session, self.principal, self.as_called.name)


def demand(principal: Principal, permission: Permission) -> None:
    """Refuse a caller whose role lacks the permission.

    Raises:
        ForbiddenError: naming the role and the permission.
    """
    if not principal.may(permission):
        raise ForbiddenError(f"role {principal.role}", permission)


def _nothing(_request: Request, _access: Access) -> None:
    """Nothing else is asked."""


def in_federation(
    permission: Permission, also: Callable[[Request, Access], None] = _nothing
) -> Callable[..., Access]:
    """Dependency of routes under `/v1/federations/{federation}`: authorised, or refused.

    `also` may refuse an authorised call for a reason of its own.
    """

    # All in one dependency: each of its own has its parameters looked up, and may change threads.
    def authorise(request: Request, federation: Slug, credentials: Credentials) -> Access:
        text, secret_key = credentials.credentials, settings_of(request).secret_key
        with database_of(request).query_scope() as session:
            caller, found = service.authenticate_in(session, federation, text, secret_key)
        context.note("federation", found.name)
        demand(caller, permission)
        access = Access(caller, found)
        also(request, access)
        return access

    return authorise


def in_installation(permission: Permission) -> Callable[..., Principal]:
    """Dependency of routes about the installation: only whose key is for all federations."""

    def authorise(caller: Caller) -> Principal:
        demand(caller, permission)
        if caller.federation_id is not None:
            raise ForbiddenError(f"role {caller.role} of one federation", permission)
        return caller

    return authorise
