"""Errors of the console are pages, not JSON, and who is not signed in is sent to sign in."""

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from app.console.access import SignInNeededError
from app.console.rendering import page
from app.core.errors import DomainError, ErrorKind, NotFoundError

SEE_OTHER = 303


class RefusedError(Exception):
    """A refusal with the page that tells of it."""

    def __init__(self, answer: Response) -> None:
        super().__init__(answer.status_code)
        self.answer = answer


class ConsoleRoute(APIRoute):
    """A route whose refusals people read.

    A refusal leaves the handler as an exception, so that the transaction that was open is rolled
    back; only outside of it does it become a page.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, which raises `RefusedError` with a page for every refusal."""
        handle: Callable[[Request], Any] = super().get_route_handler()

        async def readable(request: Request) -> Response:
            try:
                answer: Response = await handle(request)
            except (SignInNeededError, DomainError, RequestValidationError) as error:
                raise RefusedError(_page_of(error, request)) from error
            return answer

        return readable

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, with a page where it was refused."""
        try:
            await super().handle(scope, receive, send)
        except RefusedError as refused:
            await refused.answer(scope, receive, send)
        except HTTPException as error:
            text = "This address takes forms only. Go back to the page that it belongs to."
            refusal = message(HTTPStatus(error.status_code).phrase, text, error.status_code)
            await refusal(scope, receive, send)


def message(title: str, text: str, status: int) -> Response:
    """A page that says one thing."""
    return page("message.html", status, title=title, text=text, visitor=None)


def _page_of(
    error: SignInNeededError | DomainError | RequestValidationError, request: Request
) -> Response:
    if isinstance(error, SignInNeededError):
        return RedirectResponse(f"/login?after={error.after}", SEE_OTHER)
    if isinstance(error, RequestValidationError):
        error = _what_is_invalid(error, request)
    return message(error.title, error.message, error.kind.value)


class InvalidFormError(DomainError):
    """A form that was not filled in as it asks."""

    code = "invalid_form"
    kind = ErrorKind.INVALID

    def __init__(self) -> None:
        super().__init__("Something in the form is missing or too long. Go back and mend it.")


def _what_is_invalid(error: RequestValidationError, request: Request) -> DomainError:
    """A malformed address is a page that does not exist; the rest is the form's."""
    if any(item["loc"][0] == "path" for item in error.errors()):
        return NotFoundError("page", request.url.path)
    return InvalidFormError()
