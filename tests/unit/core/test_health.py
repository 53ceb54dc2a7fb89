"""Alive is not ready: without its schema the service says so, with 503."""

from fastapi.testclient import TestClient
from sqlalchemy import text

from app.core.database import Database


def test_a_migrated_database_is_ready(api: TestClient) -> None:
    assert api.get("/healthz").json() == {"status": "ok"}
    assert api.get("/readyz").json() == {"status": "ok"}


def test_without_its_schema_it_is_alive_but_not_ready(api: TestClient, database: Database) -> None:
    with database.session_scope() as session:
        session.connection().execute(text("DROP TABLE audit_head"))
    assert api.get("/healthz").status_code == 200
    answer = api.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:vigie:problem:not_ready"
