"""A federation that is pushed to, judged and read over HTTP."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi.testclient import TestClient
from httpx import Response

from app.core.database import Database
from app.federations.roles import Role
from tests.rounds import BIN_SPEC, body
from tests.working import judge

HOME = "/v1/federations/flights"


@dataclass
class Place:
    """The API of the federation `flights`, as callers of each role see it."""

    api: TestClient
    database: Database
    key_of: Callable[..., dict[str, str]]
    spec: str = ""

    def push(
        self, *records: dict[str, Any], step: int = 1, chunk: int | None = None, **envelope: Any
    ) -> Response:
        self.spec = self.spec or self.post("/bin-specs", Role.INGEST, BIN_SPEC).json()["id"]
        path = f"/runs/run-1/rounds/{step}/evaluate" + ("" if chunk is None else f"?chunk={chunk}")
        return self.post(path, Role.INGEST, body(*records, step=step, spec=self.spec, **envelope))

    def judge(self) -> None:
        """What a worker does with the rounds that wait."""
        judge(self.database)

    def get(self, path: str, role: Role = Role.OWNER) -> Any:
        answer = self.api.get(f"{HOME}{path}", headers=self.key_of(role))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, role: Role, content: Any) -> Response:
        return self.api.post(f"{HOME}{path}", json=content, headers=self.key_of(role))

    def policy(self, **parts: Any) -> None:
        answer = self.api.put(f"{HOME}/policy", json=parts, headers=self.key_of(Role.OWNER))
        assert answer.status_code == 200, answer.text
