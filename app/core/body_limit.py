"""A cap on request bodies that holds before they are buffered."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.errors import ErrorKind
from app.core.problems import problem


class BodyTooLargeError(Exception):
    """The body went over the cap while it was being read."""


class BodyLimit:
    """ASGI middleware: 413 for a body over `limit` bytes, declared or counted while it streams.

    A path that ends in one of `streamed` takes its body piece by piece, and caps it itself.
    """

    def __init__(self, app: ASGIApp, limit: int, streamed: tuple[str, ...] = ()) -> None:
        self.app, self.limit, self.streamed = app, limit, streamed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 413."""
        if scope["type"] != "http" or self._is_streamed(scope):
            await self.app(scope, receive, send)
            return
        if _declared_length(scope) > self.limit:
            await self._refuse(scope, receive, send)
            return
        try:
            await self.app(scope, self._counted(receive), send)
        except BodyTooLargeError:
            await self._refuse(scope, receive, send)

    def _is_streamed(self, scope: Scope) -> bool:
        return bool(scope["method"] == "PUT" and scope["path"].endswith(self.streamed or ("\0",)))

    def _counted(self, receive: Receive) -> Receive:
        seen = 0

        async def count() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.limit:
                raise BodyTooLargeError
            return message

        return count

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        detail = f"A body is at most {self.limit} bytes; send fewer features or bins a client."
        answer = problem(ErrorKind.TOO_LARGE.value, "body_too_large", "Body too large", detail)
        await answer(scope, receive, send)


def _declared_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:20])
    return 0
