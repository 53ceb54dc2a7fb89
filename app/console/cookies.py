"""The console's cookies: out of reach of scripts, of other sites' forms, and of other hosts."""

from datetime import timedelta
from urllib.parse import urlsplit

from fastapi import Request, Response

from app.core.errors import DomainError, ErrorKind
from app.core.http import SettingsDep
from app.core.settings import Settings

SESSION = "vigie_session"
ATTEMPT = "vigie_sign_in"  # at the identity provider


class FromElsewhereError(DomainError):
    """A form that another site sent."""

    code = "from_elsewhere"
    kind = ErrorKind.FORBIDDEN

    def __init__(self) -> None:
        super().__init__("This form was sent from another site. Open the page here and repeat it.")


def name_of(cookie: str, settings: Settings) -> str:
    """Its name; with this prefix browsers let no other host of the domain set it."""
    return f"__Host-{cookie}" if settings.cookies_are_secure else cookie


def given(request: Request, cookie: str, settings: Settings) -> str:
    """What the browser keeps in a cookie of ours; empty if it has none."""
    return request.cookies.get(name_of(cookie, settings), "")


def keep(answer: Response, cookie: str, value: str, lasting: timedelta, settings: Settings) -> None:
    """Have the browser keep a cookie.

    `Lax`, since links from alerts are to lead to the page and not to the sign-in.
    """
    answer.set_cookie(
        name_of(cookie, settings),
        value,
        max_age=int(lasting.total_seconds()),
        path="/",
        httponly=True,
        samesite="lax",
        secure=settings.cookies_are_secure,
    )


def drop(answer: Response, cookie: str, settings: Settings) -> None:
    """Have the browser forget a cookie."""
    answer.delete_cookie(
        name_of(cookie, settings),
        path="/",
        httponly=True,
        samesite="lax",
        secure=settings.cookies_are_secure,
    )


def from_our_pages(request: Request, settings: SettingsDep) -> None:
    """Dependency of every form: refuse what a browser says was sent from another site.

    Forms of a session carry its token besides; the sign-in form, which has no session, does not.

    Raises:
        FromElsewhereError: by `Sec-Fetch-Site` or, from browsers without it, `Origin`.
    """
    if request.method == "GET":
        return
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None and site not in {"same-origin", "none"}:
        raise FromElsewhereError
    ours = {request.headers.get("host"), urlsplit(settings.public_url).netloc}
    if site is None and origin is not None and urlsplit(origin).netloc not in ours:
        raise FromElsewhereError
