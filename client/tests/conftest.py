"""Stand-ins for the service: scripted answers in memory, and a real HTTP server on loopback."""

import gzip
import hashlib
import json
import threading
from collections import deque
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from vigie_client.wire import ALIVE

KEY = "vk_test_0123456789abcdef"


def receipt_for(
    path: str, body: bytes, refusals: list[dict[str, Any]] | None = None, chunk: int = 0
) -> dict[str, Any]:
    """The receipt that the service gives for a push to ``path``."""
    _, _, _, federation, _, run, _, number, phase = path.split("/")
    content = json.loads(body)
    return {
        "receipt_id": "7b1c6ed4-0b0f-4a1e-9d5c-3f0a4f7f4a11",
        "round_id": "0b7f2f2e-7d0b-4b60-8a77-0f4dfc2f0c55",
        "federation": federation,
        "run": run,
        "round": int(number),
        "phase": phase,
        "attempt": content.get("attempt", 1),
        "chunk": chunk,
        "body_sha256": hashlib.sha256(body).hexdigest(),
        "received_at": "2026-11-21T10:00:00.123456Z",
        "accepted": 2,
        "quarantined": len(refusals or []),
        "refusals": refusals or [],
    }


def problem(status: int, code: str, **headers: str) -> httpx.Response:
    """A problem-details answer."""
    content = {
        "type": f"urn:vigie:problem:{code}",
        "title": code,
        "status": status,
        "detail": f"It is {code}.",
        "errors": [{"field": "clients.0", "code": code, "message": "so it is"}],
    }
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json=content, headers=named)


class ScriptedService:
    """Plays its script, one answer a request; when that is over, lives and takes every round."""

    problem = staticmethod(problem)
    receipt_for = staticmethod(receipt_for)

    def __init__(self) -> None:
        self.script: deque[httpx.Response | Exception] = deque()
        self.requests: list[httpx.Request] = []
        self.transport = httpx.MockTransport(self._answer)

    @property
    def paths(self) -> list[str]:
        """The last parts of the paths asked for: round and phase of a push."""
        return ["/".join(request.url.path.split("/")[-2:]) for request in self.requests]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if not self.script:
            if request.url.path == ALIVE:
                return httpx.Response(200)
            return httpx.Response(202, json=_taken(request))
        answer = self.script.popleft()
        if isinstance(answer, Exception):
            raise answer
        return answer


def _taken(request: httpx.Request) -> dict[str, Any]:
    path, body = request.url.path, request.content
    if path.endswith("/close"):
        chunks = json.loads(body)["chunks"]
        whole = {"state": "received", "missing": [], "missing_count": 0}
        return {"round_id": "r", "chunks": chunks, **whole}
    return receipt_for(path, body, chunk=int(request.url.params.get("chunk", 0)))


class LoopbackService:
    """A real HTTP server that keeps rounds as the service does: the same body once, another 409."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}
        self.first_seen: list[str] = []
        self.conflicts = 0
        self.hold = threading.Event()
        self.hold.set()
        handler = type("Handler", (_Handler,), {"service": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._mutex = threading.Lock()
        self._thread.start()

    def take(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """Store a round once; ``hold`` keeps answers back, after the round was stored."""
        with self._mutex:
            if path not in self.stored:
                self.stored[path] = body
                self.first_seen.append(path)
            if self.stored[path] != body:
                self.conflicts += 1
                return 409, {"type": "urn:vigie:problem:conflict", "status": 409}
        self.hold.wait(5)
        return 202, receipt_for(path, body)

    def stop(self) -> None:
        """Let go of everything."""
        self.hold.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Requests:
    """The service's side of retraining: one request, and answers to be given first, by step."""

    def __init__(self) -> None:
        self.waiting = True
        self.script: dict[str, list[httpx.Response | Exception]] = {}
        self.posts: list[tuple[str, dict[str, Any]]] = []
        self.posted = threading.Condition()
        self.transport = httpx.MockTransport(self._answer)

    def bodies(self, step: str) -> list[dict[str, Any]]:
        """What was posted to this step."""
        return [body for name, body in self.posts if name == step]

    def wait_for(self, count: int, step: str = "progress") -> None:
        """Wait until so many posts to the step were answered."""
        with self.posted:
            assert self.posted.wait_for(lambda: len(self.bodies(step)) >= count, 10)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        step = request.url.path.rpartition("/")[2]
        with self.posted:
            self.posts.append((step, json.loads(request.content)))
            self.posted.notify_all()
            if self.script.get(step):
                answer = self.script[step].pop(0)
                if isinstance(answer, Exception):
                    raise answer
                return answer
            return self._usual(step)

    def _usual(self, step: str) -> httpx.Response:
        if step == "claim" and not self.waiting:
            return httpx.Response(204)
        self.waiting = False
        states = {"claim": "claimed", "progress": "running", "complete": "completed"}
        return httpx.Response(200, json=_wire(states.get(step, "failed")))


def _wire(state: str) -> dict[str, Any]:
    return {
        "id": "3c1f",
        "model": "late-arrival",
        "base_version": "1",
        "incident_id": None,
        "state": state,
        "reason": "drift in arrival delay",
        "plan": {"rounds": 10},
        "claimed_by": "worker-1",
        "lease_until": "2026-11-21T10:01:00Z",
        "progress": None,
        "result_version": "2" if state == "completed" else None,
        "created_at": "2026-11-21T10:00:00Z",
    }


class _Handler(BaseHTTPRequestHandler):
    service: LoopbackService
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        status, answer = self.service.take(self.path, body)
        content = json.dumps(answer).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except OSError:  # the client was killed
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay silent."""


@pytest.fixture
def service() -> ScriptedService:
    return ScriptedService()


@pytest.fixture
def loopback(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackService]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = LoopbackService()
    yield server
    server.stop()


@pytest.fixture
def requests() -> Requests:
    return Requests()


@pytest.fixture
def key() -> str:
    return KEY
