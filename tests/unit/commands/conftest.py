"""The commands against the real service, called in-process through vigie-client's own transport."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from click.testing import Result
from fastapi.testclient import TestClient
from typer.testing import CliRunner
from vigie_client import VigieApi

from app.cli import cli
from app.commands import connection
from app.federations.roles import Role

Vigie = Callable[..., Result]
FEDERATION = "flights"


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Callable[[httpx.MockTransport], None]:
    """Put a transport in the network's place."""

    def put(transport: httpx.MockTransport) -> None:
        monkeypatch.setattr(
            connection,
            "open_api",
            lambda url, key, federation: VigieApi(url, key, federation, transport=transport),
        )

    return put


@pytest.fixture
def service(api: TestClient, network: Callable[[httpx.MockTransport], None]) -> TestClient:
    """The real API, as the network."""

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        given = api.request(
            request.method, path, content=request.content, headers=dict(request.headers)
        )
        return httpx.Response(given.status_code, content=given.content, headers=given.headers)

    network(httpx.MockTransport(answer))
    return api


@pytest.fixture
def vigie(monkeypatch: pytest.MonkeyPatch, key_of: Callable[..., dict[str, str]]) -> Vigie:
    """`vigie(*arguments)`: run the command with an FL server's key in its environment."""
    key = key_of(Role.INGEST)["Authorization"].removeprefix("Bearer ")
    monkeypatch.setenv("VIGIE_KEY", key)
    monkeypatch.setenv("VIGIE_FEDERATION", FEDERATION)
    monkeypatch.setenv("VIGIE_URL", "http://vigie.test")
    monkeypatch.setenv("COLUMNS", "200")
    runner = CliRunner()

    def run(*arguments: str, **options: Any) -> Result:
        return runner.invoke(cli, list(arguments), **options)

    return run
