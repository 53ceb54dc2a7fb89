"""Packed bodies are unpacked under the cap, and what is no gzip is refused."""

import gzip
import os

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from app.core import problems
from app.core.body_limit import BodyLimit
from app.core.compression import Gunzip

LIMIT = 200_000
GZIP = {"Content-Encoding": "gzip"}


@pytest.fixture
def client() -> TestClient:
    app = FastAPI()
    problems.install(app)
    app.add_middleware(Gunzip, limit=LIMIT)
    app.add_middleware(BodyLimit, limit=LIMIT)

    @app.post("/")
    async def measure(request: Request) -> dict[str, object]:
        body = await request.body()
        return {"size": len(body), "head": body[:3].decode(), "encoded": sorted(request.headers)}

    return TestClient(app)


@pytest.mark.parametrize("size", [0, 3, 65_535, 65_536, 65_537, 131_072, LIMIT])
def test_a_packed_body_arrives_as_it_was(client: TestClient, size: int) -> None:
    answer = client.post(
        "/", content=gzip.compress(b"abc"[:3] * (size // 3) + b"x" * (size % 3)), headers=GZIP
    )
    assert answer.json()["size"] == size
    assert "content-encoding" not in answer.json()["encoded"]


def test_a_plain_body_passes_untouched(client: TestClient) -> None:
    assert client.post("/", content=b"abc").json()["size"] == 3
    assert (
        client.post("/", content=b"abc", headers={"Content-Encoding": "identity"}).json()["size"]
        == 3
    )


def test_a_bomb_is_refused_before_it_is_unpacked(client: TestClient) -> None:
    bomb = gzip.compress(b"\0" * 100_000_000)
    assert len(bomb) < LIMIT
    answer = client.post("/", content=bomb, headers=GZIP)
    assert answer.status_code == 413
    assert answer.json()["type"] == "urn:vigie:problem:body_too_large"


def test_a_packed_body_over_the_cap_is_refused_by_its_length(client: TestClient) -> None:
    answer = client.post("/", content=gzip.compress(os.urandom(LIMIT + 1)), headers=GZIP)
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"abc", id="plain"),
        # A gzip header carries the time of packing, which a generated name would show.
        pytest.param(gzip.compress(b"abc")[:-1], id="cut-short"),
        pytest.param(gzip.compress(b"abc") + b"more", id="trailing-bytes"),
        pytest.param(b"\x1f\x8b" + b"\0" * 40, id="header-only"),
    ],
)
def test_what_is_no_gzip_is_refused(client: TestClient, body: bytes) -> None:
    answer = client.post("/", content=body, headers=GZIP)
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:vigie:problem:bad_compression"


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "deflate"])
def test_another_encoding_is_named_as_unsupported(client: TestClient, encoding: str) -> None:
    answer = client.post("/", content=b"abc", headers={"Content-Encoding": encoding})
    assert answer.status_code == 415
    assert answer.json()["type"] == "urn:vigie:problem:unsupported_encoding"
