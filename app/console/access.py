"""Who is looking at a page, and may they: the console's side of authorisation."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, Form, Request
from sqlmodel import Session

from app.audit.service import Actor
from app.console import session as sessions
from app.console.session import SignedIn
from app.core import clock
from app.core.errors import DomainError, ErrorKind
from app.core.http import DatabaseDep, SettingsDep
from app.federations import service as federations
from app.federations.dependencies import demand
from app.federations.names import Naming
from app.federations.roles import Permission, Principal
from app.federations.tables import Federation


class SignInNeededError(Exception):
    """Nobody is signed in; the page to come back to is in `after`."""

    def __init__(self, after: str) -> None:
        super().__init__(after)
        self.after = after


class StaleFormError(DomainError):
    """A form that this session did not render."""

    code = "stale_form"
    kind = ErrorKind.FORBIDDEN

    def __init__(self) -> None:
        super().__init__("This form is out of date. Go back, load the page again, and repeat it.")


@dataclass(frozen=True)
class Visitor:
    """Somebody who is signed in."""

    principal: Principal
    signed_in: SignedIn

    @property
    def name(self) -> Actor:
        """The name that decisions carry."""
        return self.principal.actor

    @property
    def form_token(self) -> str:
        """What forms carry to show that this session rendered them."""
        return self.signed_in.form_token

    def may(self, permission: str) -> bool:
        """Whether the visitor's role has a permission (templates give its name)."""
        return self.principal.may(Permission(permission))

    def naming(self, federation: Federation) -> Naming:
        """How clients are called before this visitor."""
        return Naming.for_reader(federation, self.principal)

    def federation(self, session: Session, name: str) -> Federation:
        """The federation, if this visitor may know of it."""
        return federations.visible_to(session, self.principal, name)


def _visitor(request: Request, database: DatabaseDep, settings: SettingsDep) -> Visitor:
    cookie = request.cookies.get(sessions.COOKIE, "")
    signed_in = sessions.read(cookie, settings.secret_key, clock.now()) if cookie else None
    if signed_in is not None:
        with database.read_scope() as session:
            principal = federations.principal_of_key(session, signed_in.key_id)
        if principal is not None:
            return Visitor(principal, signed_in)
    after = request.url.path if request.method == "GET" else "/"
    raise SignInNeededError(quote(after))


AnyVisitor = Annotated[Visitor, Depends(_visitor)]


def reader(visitor: AnyVisitor) -> Visitor:
    """Dependency of pages: a visitor who may read."""
    demand(visitor.principal, Permission.READ)
    return visitor


def form_of(permission: Permission | None = None) -> Callable[..., Visitor]:
    """Dependency of forms: a visitor with the permission, whose session rendered the form."""

    def authorise(visitor: AnyVisitor, form_token: Annotated[str, Form()] = "") -> Visitor:
        if not sessions.form_token_is(visitor.signed_in, form_token):
            raise StaleFormError
        if permission is not None:
            demand(visitor.principal, permission)
        return visitor

    return authorise
