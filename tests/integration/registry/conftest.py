"""A real MLflow registry, and the registry's work done on it until there is none."""

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from sqlmodel import select

from app.core import outbox
from app.core.database import Database
from app.core.outbox import OutboxRow
from app.federations import service as federations
from app.federations.schemas import FederationIn
from app.federations.tables import Federation
from app.registry import mirroring, promoting, rolling_back
from app.registry.mlflow_registry import MlflowRegistry
from tests.unit.registry.lifecycle import MODEL
from workers.effects import External

Effect = External[Any, Any]
Drain = Callable[[], None]


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> MlflowRegistry:
    """One SQLite store for all: making its schema takes seconds."""
    home = tmp_path_factory.mktemp("mlflow")
    return MlflowRegistry(f"sqlite:///{home / 'mlflow.db'}", home / "artifacts")


@pytest.fixture
def federation(database: Database) -> Federation:
    """A federation of a name that the shared store has not seen."""
    with database.session_scope() as session:
        body = FederationIn(name=f"flights-{uuid4().hex[:8]}", title="Flights")
        return federations.create(session, body, "test")


@pytest.fixture
def effects(registry: MlflowRegistry) -> dict[str, Effect]:
    return {
        f"registry.{name}": External(
            module.prepare, partial(mirroring.perform, registry), module.record
        )
        for name, module in [
            ("mirror_version", mirroring),
            ("apply_promotion", promoting),
            ("apply_rollback", rolling_back),
        ]
    }


@pytest.fixture
def drain(database: Database, effects: dict[str, Effect]) -> Drain:
    """Run the registry's due tasks until there are none."""

    def run() -> None:
        for _ in range(10):
            with database.session_scope() as session:
                due = [d for d in outbox.claim_due(session, 1e-6) if d.task in effects]
            if not due:
                break
            for delivery in due:
                effects[delivery.task].run(database, delivery.row_id)
        with database.read_scope() as session:
            rows = session.exec(select(OutboxRow).where(OutboxRow.failures > 0)).all()
            assert [row.last_error for row in rows] == []

    return run


@pytest.fixture
def name(federation: Federation) -> str:
    return f"{federation.name}.{MODEL}"
