"""Calling an application in its own process, for tests that make thousands of requests."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any, Self

import httpx
from fastapi import FastAPI


class Caller:
    """Sends requests to the application; a fault of it is answered as its users see it, by 500.

    Starlette's test client crosses from a thread to the event loop seven times a request; this
    takes half its time.
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
