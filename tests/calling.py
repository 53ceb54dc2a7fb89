"""The application in the process of the tests, and a caller for those that call it often."""

import asyncio
from contextlib import AsyncExitStack
from functools import cache
from typing import Any, Self

import httpx
from fastapi import FastAPI

from app.core.database import Database
from app.core.pressure import Pressure
from app.core.settings import Settings
from app.main import create_app
from app.retraining.waiting import Waiters


@cache
def _made(limit: int) -> FastAPI:
    return create_app(Settings(secret="s" * 32, max_body_bytes=limit))


def application(settings: Settings, database: Database) -> FastAPI:
    """The application with these settings, on this database.

    It is one for the process, put to another use: its first answer takes a third of a second,
    for the routes of each new one are made ready then. No two tests may use it at once.
    """
    app = _made(settings.max_body_bytes)
    app.state.settings, app.state.database = settings, database
    app.state.pressure, app.state.waiters = Pressure(settings), Waiters()
    return app


class Caller:
    """Sends requests to the application; a fault of it is answered as its users see it, by 500.

    Starlette's test client crosses from a thread to the event loop seven times a request; this
    takes half its time, for tests that make thousands of them.
    """

    def __init__(self, app: FastAPI) -> None:
        self._app, self._loop, self._lifespan = app, asyncio.Runner(), AsyncExitStack()
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://testserver")

    def __enter__(self) -> Self:
        context = self._app.router.lifespan_context(self._app)
        self._loop.run(self._lifespan.enter_async_context(context))
        return self

    def __exit__(self, *_raised: object) -> None:
        self._loop.run(self._lifespan.aclose())
        self._loop.run(self._client.aclose())
        self._loop.close()

    def request(self, method: str, url: str, **content: Any) -> httpx.Response:
        """One request and its answer, whole."""
        return self._loop.run(self._client.request(method, url, **content))

    def get(self, url: str, **content: Any) -> httpx.Response:
        return self.request("GET", url, **content)
