"""Deviations over HTTP and on the command line: who sees them, and who has them mended."""

import json
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from sqlmodel import select

from app.audit.tables import AuditEntry
from app.core.database import Database
from app.federations.roles import Role
from app.federations.tables import Federation
from tests.unit.registry.lifecycle import MODEL, register, tasks
from tests.unit.registry.mlflow_told import deviating

KeyOf = Callable[..., dict[str, str]]
HOME = "/v1/federations/flights"


def test_a_deviation_is_listed_and_repaired_once_with_a_reason(
    api: TestClient, key_of: KeyOf, database: Database, federation: Federation
) -> None:
    deviating(database, federation)
    viewer, on_call = key_of(Role.VIEWER), key_of(Role.ON_CALL, "Ada")
    (shown,) = api.get(f"{HOME}/registry/deviations", headers=viewer).json()
    assert (shown["model"], shown["kind"], shown["key"]) == (MODEL, "alias_moved", "champion")
    assert (shown["expected"], shown["found"], shown["severity"]) == ("1", "2", "critical")
    path, body = f"{HOME}/models/{MODEL}/repair", {"reason": "nobody decided that"}
    assert api.post(path, headers=viewer, json=body).status_code == 403
    assert api.post(path, headers=on_call, json={}).status_code == 422
    answer = api.post(path, headers=on_call, json=body)
    assert answer.status_code == 202
    assert [one["repair_asked_by"] for one in answer.json()] == ["Ada"]
    with database.read_scope() as session:
        entry = session.exec(select(AuditEntry).where(AuditEntry.action == "registry.repair")).one()
        assert (entry.actor, entry.why) == ("Ada", "nobody decided that")
        assert tasks(session).count("registry.mirror_version") == 3


def test_without_a_deviation_there_is_nothing_to_repair(
    api: TestClient, key_of: KeyOf, database: Database, federation: Federation
) -> None:
    with database.session_scope() as session:
        register(session, federation, 1)
    path, body = f"{HOME}/models/{MODEL}/repair", {"reason": "to be sure"}
    assert api.post(path, headers=key_of(Role.OWNER), json=body).json() == []
    missing = api.post(f"{HOME}/models/none/repair", headers=key_of(Role.OWNER), json=body)
    assert missing.status_code == 404


def test_the_answer_tells_nothing_of_other_federations(
    api: TestClient, key_of: KeyOf, database: Database, federation: Federation
) -> None:
    from app.federations import service as federations
    from app.federations.schemas import FederationIn

    with database.session_scope() as session:
        other = federations.create(session, FederationIn(name="trains", title="Trains"), "test")
    deviating(database, other)
    listed = api.get(f"{HOME}/registry/deviations", headers=key_of(Role.VIEWER))
    assert listed.json() == []


@pytest.mark.usefixtures("federation")
def test_the_query_is_bounded(api: TestClient, key_of: KeyOf) -> None:
    path = f"{HOME}/registry/deviations?limit=0"
    assert json.loads(api.get(path, headers=key_of(Role.VIEWER)).text)["status"] == 422
