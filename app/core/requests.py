"""Every request has an id, which its answer, its problems, its log lines and its trace carry."""

import re
import time
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core import context, tracing
from app.core.problems import problem
from app.core.tracing import Kind, Span

HEADER = "X-Request-ID"
# Letters, digits and a few signs; not what begins like a key or a pseudonym, sent by mistake.
SANE = re.compile(r"(?!vg_|c_)[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
READS = frozenset({"GET", "HEAD", "OPTIONS"})
METHODS = READS | {"POST", "PUT", "PATCH", "DELETE"}
UNMATCHED, OTHER_METHOD = "unmatched", "_OTHER"  # the latter is OpenTelemetry's word
UNANSWERED = 500

log = structlog.get_logger(__name__)


class Requests:
    """ASGI middleware, the outermost: names the request, and tells of it when it was answered.

    A line for each request that changes something or that the service failed; reads are told of at
    level DEBUG.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, under the caller's id for it or one of its own."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        above = {name: headers[name] for name in ("traceparent", "tracestate") if name in headers}
        method = scope["method"] if scope["method"] in METHODS else OTHER_METHOD
        with (
            context.begun({"request_id": accepted(headers.get(HEADER))}),
            tracing.span(method, {"http.request.method": method}, Kind.SERVER, above) as span,
        ):
            await _Answering(self.app, scope, method, span).run(receive, send)


class _Answering:
    """One request on its way to its answer."""

    def __init__(self, app: ASGIApp, scope: Scope, method: str, span: Span) -> None:
        self.app, self.scope, self.method, self.span = app, scope, method, span
        self.request_id = context.known()["request_id"]
        self.status: int | None = None

    async def run(self, receive: Receive, send: Send) -> None:
        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                MutableHeaders(scope=message)[HEADER] = self.request_id
            await send(message)

        started = time.perf_counter()
        try:
            await self.app(self.scope, receive, named)
        except Exception:
            log.exception("request.failed")
            if self.status is None:
                await _unforeseen()(self.scope, receive, named)
            raise  # the server is to know of it too
        finally:
            self._tell(time.perf_counter() - started)

    def _tell(self, seconds: float) -> None:
        # The router leaves the route that it chose in the scope.
        route = getattr(self.scope.get("route"), "path", UNMATCHED)
        status = self.status or UNANSWERED
        failed = status >= UNANSWERED
        quiet = self.method in READS and not failed
        write = log.debug if quiet else log.warning if failed else log.info
        write(
            "request.answered",
            method=self.method,
            route=route,
            status=status,
            seconds=round(seconds, 6),
        )
        known = {"http.route": route, "http.response.status_code": status}
        self.span.tell(f"{self.method} {route}", known | tracing.of_work())
        if failed:
            self.span.fail(str(status))


def accepted(given: str | None) -> str:
    """The caller's id for a request, if it is a sane one, else a fresh one."""
    return given if given is not None and SANE.fullmatch(given) else str(uuid4())


def _unforeseen() -> ASGIApp:
    detail = "The service failed at this; the fault is not yours. Its log has `request_id`."
    return problem(UNANSWERED, "internal_error", "Internal error", detail)
