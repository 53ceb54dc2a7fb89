"""Who is looking at a page, and may they: the console's side of authorisation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from fastapi import Depends, Form, Request
from sqlmodel import Session

from app.audit.service import Actor
from app.console import cookies
from app.core import context
from app.core.database import Database
from app.core.errors import DomainError, ErrorKind, NotFoundError
from app.core.http import DatabaseDep, SettingsDep
from app.core.settings import Settings
from app.federations import service as federations
from app.federations.dependencies import demand
from app.federations.errors import ForbiddenError
from app.federations.names import Naming
from app.federations.roles import Permission, Principal
from app.federations.tables import Federation
from app.people import sessions, tokens
from app.people.sessions import Lifetimes
from app.people.tables import SignIn


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
    """Somebody who is signed in: who they are on this page, and everywhere."""

    principal: Principal  # in the page's federation, where it has one
    everywhere: Sequence[Principal]  # a person may have another role in each federation
    form_token: str  # what forms carry to show that this session rendered them
    sign_in_id: UUID
    in_one: bool  # whether the page is of one federation

    @property
    def name(self) -> Actor:
        """The name that decisions carry."""
        return self.principal.actor

    @property
    def role_here(self) -> str:
        """The role on this page; none where the page is of no federation and roles differ."""
        return self.principal.role.value if self.in_one or len(self.everywhere) == 1 else ""

    def may(self, permission: str) -> bool:
        """Whether the visitor's role has a permission (templates give its name)."""
        return self.principal.may(Permission(permission))

    def may_in_installation(self, permission: Permission) -> bool:
        """Whether a role that is held in all federations has a permission."""
        return any(one.federation_id is None and one.may(permission) for one in self.everywhere)

    def demand_in_installation(self, permission: Permission) -> None:
        """Refuse whose role in all federations lacks the permission.

        Raises:
            ForbiddenError: naming the role here and the permission.
        """
        if not self.may_in_installation(permission):
            raise ForbiddenError(f"role {self.principal.role} in one federation", permission)

    def naming(self, federation: Federation) -> Naming:
        """How clients are called before this visitor."""
        return Naming.for_reader(federation, self.inside(federation))

    def federation(self, session: Session, name: str) -> Federation:
        """The federation, if this visitor may know of it."""
        return federations.visible_to(session, self.principal, name)

    def federations(self, session: Session) -> list[Federation]:
        """Every federation that this visitor may know of, by name."""
        seen = {row.id: row for one in self.everywhere for row in federations.seen_by(session, one)}
        return sorted(seen.values(), key=lambda row: row.name)

    def inside(self, federation: Federation) -> Principal:
        """Who the visitor is in a federation."""
        return in_federation(self.everywhere, federation.id)


def in_federation(held: Sequence[Principal], federation_id: UUID | None) -> Principal:
    """The role in that federation, else the one in all, else one that does not see it."""
    by_federation = {one.federation_id: one for one in held}
    return by_federation.get(federation_id) or by_federation.get(None) or held[0]


def lifetimes(settings: Settings) -> Lifetimes:
    """How long sessions last."""
    return Lifetimes(settings.session_idle, settings.session_most)


def _visitor(request: Request, database: DatabaseDep, settings: SettingsDep) -> Visitor:
    token = cookies.given(request, cookies.SESSION, settings)
    with database.read_scope() as session:
        row = sessions.read(session, token, lifetimes(settings), settings.secret_key)
        held = sessions.principals_of(session, row) if row else []
        here = _federation_of_page(session, request)
    if row is None or not held:
        after = request.url.path if request.method == "GET" else "/"
        raise SignInNeededError(quote(after))
    _touch(database, row)
    form_token = sessions.form_token(token, settings.secret_key)
    return Visitor(in_federation(held, here), held, form_token, row.id, here is not None)


def _federation_of_page(session: Session, request: Request) -> UUID | None:
    name = request.path_params.get("federation")
    try:
        found = federations.named(session, name) if name else None
    except NotFoundError:
        return None
    if found is None:
        return None
    context.note("federation", found.name)
    return found.id


def _touch(database: Database, row: SignIn) -> None:
    if sessions.is_untouched(row):
        with database.session_scope() as session:
            sessions.touch(session, row)


AnyVisitor = Annotated[Visitor, Depends(_visitor)]


def reader(visitor: AnyVisitor) -> Visitor:
    """Dependency of pages: a visitor who may read."""
    demand(visitor.principal, Permission.READ)
    return visitor


def reader_of(permission: Permission) -> Callable[..., Visitor]:
    """Dependency of pages that not every reader may see."""

    def authorise(visitor: AnyVisitor) -> Visitor:
        demand(visitor.principal, permission)
        return visitor

    return authorise


def form_of(permission: Permission | None = None) -> Callable[..., Visitor]:
    """Dependency of forms: a visitor with the permission, whose session rendered the form."""

    def authorise(visitor: AnyVisitor, form_token: Annotated[str, Form()] = "") -> Visitor:
        if not tokens.same(form_token, visitor.form_token):
            raise StaleFormError
        if permission is not None:
            demand(visitor.principal, permission)
        return visitor

    return authorise
