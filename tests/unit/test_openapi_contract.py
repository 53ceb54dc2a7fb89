"""Schemathesis on the OpenAPI document: no request gets a 5xx, or a status that is not documented.

Every operation is called in-process with generated requests, right ones and wrong ones, mostly in
a federation that exists and with a key that may.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st
from schemathesis import GenerationMode

from app.core.database import Database
from app.core.problems import MEDIA_TYPE
from app.core.settings import Settings
from app.federations import service as federations
from app.federations.roles import Role
from app.federations.schemas import FederationIn, KeyIn
from app.main import create_app
from app.retraining.waiting import Key, Waiters

EXAMPLES = 60
OURS = "flights"
UNSENDABLE = ("\r", "\n", "\0")


def document() -> dict[str, Any]:
    return create_app(Settings(secret="s" * 32)).openapi()


DOCUMENT = document()
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
OPERATIONS = {one.label: one for one in (found.ok() for found in SCHEMA.get_all_operations())}


@dataclass(frozen=True)
class House:
    """The API on a database with one federation, and its keys by role."""

    client: TestClient
    keys: dict[Role, str]

    def send(self, case: schemathesis.Case, role: Role | None, federation: str | None) -> Response:
        """Send a generated request as this caller, to this federation unless it is None."""
        if federation and "federation" in case.path_parameters:
            case.path_parameters["federation"] = federation
        told = case.as_transport_kwargs(base_url="http://testserver")
        headers = {name: str(value) for name, value in dict(told.get("headers") or {}).items()}
        headers = {name: value for name, value in headers.items() if name != "Authorization"}
        if role is not None:
            headers["Authorization"] = f"Bearer {self.keys[role]}"
        content = {"json": told["json"]} if "json" in told else {"content": told.get("data")}
        return self.client.request(
            told["method"],
            told["url"],
            params=told.get("params"),
            headers={name: value.encode("utf-8") for name, value in headers.items()},
            **content,
        )


class Impatient(Waiters):
    """Nobody waits for a retrain request, however long they ask to."""

    async def wait(self, database: Database, key: Key, seconds: float) -> bool:
        return False


@pytest.fixture(scope="module")
def house(blank_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("contract")
    (folder / "vigie.db").write_bytes(blank_database.read_bytes())
    settings = Settings(data_dir=folder, secret="s" * 32, push_rate="1000000/second")
    app: FastAPI = create_app(settings)
    app.state.database = database = Database(settings.database)
    app.state.waiters = Impatient()
    with TestClient(app, raise_server_exceptions=False) as client:
        yield House(client, _keys(database, settings))
    database.dispose()


def _keys(database: Database, settings: Settings) -> dict[Role, str]:
    body = FederationIn(name=OURS, title="Flights", cohort_tags={"hub": ["EWR"]})
    with database.session_scope() as session:
        ours = federations.create(session, body, "test")
        return {
            role: federations.issue_key(
                session, ours, KeyIn(holder=role.value, role=role), "test", settings.secret_key
            )[1]
            for role in Role
        }


def requests(operation: Any) -> st.SearchStrategy[schemathesis.Case]:
    """Right requests and wrong ones; an operation that takes nothing has no wrong ones."""
    right = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    takes = operation.body or any(True for _ in operation.iter_parameters())
    if not takes:
        return right
    return right | operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)


@pytest.mark.parametrize("label", sorted(OPERATIONS))
def test_no_request_gets_a_5xx_or_an_undocumented_status(house: House, label: str) -> None:
    operation = OPERATIONS[label]
    roles = st.sampled_from([*Role, *Role, None])

    @hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=requests(operation), role=roles, ours=st.sampled_from([OURS, OURS, OURS, None]))
    def check(case: schemathesis.Case, role: Role | None, ours: str | None) -> None:
        answer = house.send(case, role, ours)
        assert answer.status_code < 500, (answer.status_code, answer.text, case)
        documented = DOCUMENT["paths"][operation.path][operation.method]["responses"]
        assert str(answer.status_code) in documented, (answer.text, case)
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == MEDIA_TYPE
            assert answer.json()["type"].startswith("urn:vigie:problem:")

    check()
