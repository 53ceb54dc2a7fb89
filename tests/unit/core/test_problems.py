"""What the database refuses is answered as the caller's problem, and told without its values."""

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.exc import (
    DataError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.core import problems
from app.core.database import Database
from app.federations import service as federations
from app.federations.schemas import FederationIn
from app.federations.tables import Federation

CAUSE = Exception("from the driver")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (IntegrityError("INSERT", {}, CAUSE), 409, "conflict"),
        (DataError("SELECT", {}, CAUSE), 422, "unstorable_value"),
        (OperationalError("SELECT", {}, CAUSE), 503, "unavailable"),
        (InterfaceError("SELECT", {}, CAUSE), 503, "unavailable"),
        (PoolTimeoutError("no connection is free"), 503, "unavailable"),
    ],
)
def test_an_error_of_the_database_is_a_problem(
    error: SQLAlchemyError, status: int, code: str
) -> None:
    app = FastAPI()
    problems.install(app)

    @app.get("/")
    def fail() -> None:
        raise error

    answer = TestClient(app).get("/")
    assert answer.status_code == status
    assert answer.json()["type"] == f"urn:vigie:problem:{code}"
    assert "from the driver" not in answer.text


def test_an_error_of_the_database_does_not_quote_what_was_to_be_stored(
    database: Database, federation: Federation
) -> None:
    again = Federation(name=federation.name, title="hush", created_at=federation.created_at)
    with pytest.raises(IntegrityError) as caught, database.session_scope() as session:
        session.add(again)
    assert "hush" not in str(caught.value)


def test_a_name_that_is_taken_leaves_the_transaction_usable(
    database: Database, federation: Federation
) -> None:
    with database.session_scope() as session:
        with pytest.raises(federations.NameTakenError):
            federations.create(session, FederationIn(name=federation.name, title="x"), "test")
        federations.create(session, FederationIn(name="trains", title="Trains"), "test")
