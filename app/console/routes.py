"""Errors of the console are pages, not JSON, and who is not signed in is sent to sign in."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute

from app.console.access import SignInNeededError
from app.console.rendering import page
from app.core.errors import DomainError, ErrorKind

SEE_OTHER = 303


class ConsoleRoute(APIRoute):
    """A route whose refusals people read."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler with errors turned into pages."""
        handle: Callable[[Request], Any] = super().get_route_handler()

        async def readable(request: Request) -> Response:
            try:
                answer: Response = await handle(request)
            except SignInNeededError as error:
                return RedirectResponse(f"/login?after={error.after}", SEE_OTHER)
            except DomainError as error:
                return message(error.title, error.message, error.kind.value)
            except RequestValidationError:
                text = "Something in the form is missing or too long. Go back and mend it."
                return message("Invalid form", text, ErrorKind.INVALID.value)
            return answer

        return readable


def message(title: str, text: str, status: int) -> Response:
    """A page that says one thing."""
    return page("message.html", status, title=title, text=text, visitor=None)
