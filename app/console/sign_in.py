"""The console's ways in and out: sign in, sign out, set a password by a link."""

import re
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from app.console import cookies
from app.console.access import Visitor, form_of, lifetimes
from app.console.rendering import page
from app.console.routes import SEE_OTHER, ConsoleRoute
from app.core.errors import DomainError, NotFoundError
from app.core.http import DatabaseDep, ReadSession, SettingsDep, WriteSession
from app.core.settings import Settings
from app.people import oidc, passwords, provided, service, sessions
from app.people.errors import NoRoleError, WeakPasswordError, WrongCredentialsError, WrongKeyError
from app.people.signing_in import Door

router = APIRouter(route_class=ConsoleRoute, include_in_schema=False)

LOCAL = r"^/[A-Za-z0-9._/-]*$"
Local = Annotated[str, Form(pattern=LOCAL, max_length=300)]
Login = Annotated[str, Form(max_length=200)]
Password = Annotated[str, Form(max_length=1000)]
Key = Annotated[str, Form(max_length=200)]
SignedInForm = Annotated[Visitor, Depends(form_of())]


def door(request: Request, database: DatabaseDep, settings: SettingsDep) -> Door:
    """Where this request's sender comes in."""
    return Door(
        database,
        settings.secret_key,
        lifetimes(settings),
        address=request.client.host if request.client else "unknown",
        browser=request.headers.get("user-agent", ""),
    )


DoorDep = Annotated[Door, Depends(door)]


@router.get("/login")
def login_form(settings: SettingsDep, after: str = "/") -> Response:
    """The sign-in page; an address that is none of ours leads to the overview."""
    return _login_page(200, after if re.fullmatch(LOCAL, after) else "/", settings)


@router.post("/login")
def login(
    request: Request,
    door: DoorDep,
    settings: SettingsDep,
    after: Local,
    login: Login = "",
    password: Password = "",
    key: Key = "",
) -> Response:
    """Sign in with name and password, or with an API key."""
    old = cookies.given(request, cookies.SESSION, settings)
    try:
        token = door.with_key(key, old) if key else door.with_password(login, password, old)
    except (WrongCredentialsError, WrongKeyError, NoRoleError) as error:
        return _login_page(error.kind.value, after, settings, error)
    return signed_in(token, after, settings)


def signed_in(token: str, after: str, settings: Settings) -> Response:
    """To the page that was asked for, with the new session's cookie."""
    # Two slashes would name another host.
    answer = RedirectResponse("/" + after.lstrip("/"), SEE_OTHER)
    cookies.keep(answer, cookies.SESSION, token, settings.session_most, settings)
    return answer


@router.get("/login/provider")
def begin_with_provider(settings: SettingsDep, after: str = "/") -> Response:
    """To the identity provider, if there is one."""
    address, attempt = _provider(settings).begin(after if re.fullmatch(LOCAL, after) else "/")
    answer = RedirectResponse(address, SEE_OTHER)
    cookies.keep(answer, cookies.ATTEMPT, attempt, timedelta(seconds=oidc.PATIENCE), settings)
    return answer


@router.get("/login/provider/callback")
def finish_with_provider(
    request: Request, door: DoorDep, settings: SettingsDep, state: str = "", code: str = ""
) -> Response:
    """Back from the identity provider, with a code that proves who somebody is."""
    provider, attempt = _provider(settings), cookies.given(request, cookies.ATTEMPT, settings)
    claims = provider.finish(attempt, state, code)
    with door.database.session_scope() as session:
        person = provided.person_of(
            session,
            claims,
            login_claim=settings.oidc_login_claim,
            groups_claim=settings.oidc_groups_claim,
            mapping=settings.oidc_roles,
        )
    token = door.let_in(person, cookies.given(request, cookies.SESSION, settings))
    answer = signed_in(token, attempt.split("~")[2], settings)
    cookies.drop(answer, cookies.ATTEMPT, settings)
    return answer


def _provider(settings: Settings) -> oidc.Client:
    if settings.oidc_issuer is None or settings.oidc_client_id is None:
        raise NotFoundError("page", "/login/provider")
    return oidc.Client(
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id,
        client_secret=settings.oidc_secret,
        scope=settings.oidc_scope,
        redirect_uri=f"{settings.public_url.rstrip('/')}/login/provider/callback",
        secret_key=settings.secret_key,
    )


@router.post("/logout")
def logout(visitor: SignedInForm, session: WriteSession, settings: SettingsDep) -> Response:
    """Sign out."""
    sessions.end(session, visitor.principal, visitor.sign_in_id)
    answer = RedirectResponse("/login", SEE_OTHER)
    cookies.drop(answer, cookies.SESSION, settings)
    return answer


@router.get("/password/{token}")
def password_form(token: str, session: ReadSession, settings: SettingsDep) -> Response:
    """Where a link leads with which a password is set."""
    person = service.invited(session, token, settings.secret_key)
    return _password_page(200, token, person.login)


@router.post("/password/{token}")
def set_password(
    token: str, password: Password, again: Password, database: DatabaseDep, settings: SettingsDep
) -> Response:
    """Set the password of the link's person; then they sign in with it."""
    with database.read_scope() as session:
        person = service.invited(session, token, settings.secret_key)
    try:
        check_twice(password, again)
        service.use_link(database, token, password, settings.secret_key)
    except WeakPasswordError as error:
        return _password_page(error.kind.value, token, person.login, error)
    return RedirectResponse("/login", SEE_OTHER)


def check_twice(password: str, again: str) -> None:
    """Refuse a new password that was not typed the same way twice."""
    if password != again:
        raise WeakPasswordError("The two are not the same. Type the password twice.")


def _login_page(
    status: int, after: str, settings: Settings, error: DomainError | None = None
) -> Response:
    return page(
        "login.html",
        status,
        visitor=None,
        after=after,
        error=error.message if error else None,
        with_key=isinstance(error, WrongKeyError),
        with_provider=settings.oidc_issuer is not None,
    )


def _password_page(
    status: int, token: str, login: str, error: DomainError | None = None
) -> Response:
    return page(
        "password.html",
        status,
        visitor=None,
        token=token,
        login=login,
        shortest=passwords.SHORTEST,
        error=error.message if error else None,
    )
