"""What is changed behind Vigie's back in a real MLflow: noticed, raised, and put right if asked."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlmodel import Session, col, select

from app.audit import service as audit
from app.audit.tables import AuditEntry
from app.core.database import Database
from app.core.outbox import OutboxRow
from app.federations import service as federations
from app.federations.tables import Federation
from app.registry import reconciling, service
from app.registry.mlflow_registry import MlflowRegistry
from app.registry.outages import is_outage
from app.registry.tables import Deviation, ModelVersion
from demo.ports import free_port
from tests.servers import running_mlflow
from tests.unit.registry.lifecycle import MODEL, approved, register, register_two
from workers import schedule
from workers.effects import External
from workers.outages import Gate
from workers.reconciliation import look_at_all

Drain = Callable[[], None]
Look = Callable[[], None]
Shown = tuple[str, str, str, str | None, str | None]


@pytest.fixture
def look(database: Database, registry: MlflowRegistry) -> Look:
    gate = Gate("mlflow", is_outage, reconciling.CHANGES_ALIASES)
    return lambda: look_at_all(database, registry, gate)


@pytest.fixture
def mirrored(database: Database, federation: Federation, drain: Drain) -> None:
    """Version 1 is champion, 2 is canary, here and in MLflow."""
    register_two(database, federation)
    drain()


def open_ones(database: Database) -> list[Shown]:
    with database.read_scope() as session:
        found = session.exec(
            select(Deviation).where(col(Deviation.resolved_at).is_(None)).order_by(Deviation.key)
        )
        return [(d.kind, d.version, d.key, d.expected, d.found) for d in found]


def resolutions(database: Database) -> list[str | None]:
    with database.read_scope() as session:
        return [d.resolution for d in session.exec(select(Deviation))]


def repair(database: Database, federation: Federation) -> int:
    with database.session_scope() as session:
        return len(service.repair(session, federation, MODEL, "Ada", "nobody decided that"))


def announced(session: Session) -> int:
    rows = session.exec(select(OutboxRow))
    return sum(row.task == "incidents.announce_deviation" for row in rows)


def test_three_looks_fit_into_the_minute_in_which_it_is_to_be_noticed() -> None:
    assert 2 * schedule.RECONCILE_SECONDS < 60


@pytest.mark.usefixtures("mirrored")
def test_a_moved_alias_is_raised_once_left_alone_and_put_back_when_asked(
    database: Database,
    federation: Federation,
    registry: MlflowRegistry,
    drain: Drain,
    look: Look,
    name: str,
) -> None:
    look()
    assert open_ones(database) == []
    registry._client.set_registered_model_alias(name, "champion", "2")
    for _ in range(3):
        look()
    assert open_ones(database) == [("alias_moved", "", "champion", "1", "2")]
    assert registry.aliases(name)["champion"] == "2"  # raised, and not silently overwritten
    with database.read_scope() as session:
        assert announced(session) == 1
        actions = [entry.action for entry in session.exec(select(AuditEntry))]
        assert actions.count("registry.detect") == 1
    assert repair(database, federation) == 1
    look()  # work waits on the model: it is looked at later
    assert len(open_ones(database)) == 1
    drain()
    look()
    assert registry.aliases(name) == {"champion": "1", "canary": "2"}
    assert (open_ones(database), resolutions(database)) == ([], ["repaired"])
    with database.read_scope() as session:
        audit.verify(session)


@pytest.mark.usefixtures("mirrored")
def test_what_somebody_undoes_in_mlflow_is_over(
    database: Database, registry: MlflowRegistry, look: Look, name: str
) -> None:
    registry._client.delete_registered_model_alias(name, "canary")
    look()
    assert open_ones(database) == [("alias_moved", "", "canary", "2", None)]
    registry._client.set_registered_model_alias(name, "canary", "2")
    look()
    assert resolutions(database) == ["reverted"]


@pytest.mark.usefixtures("mirrored")
def test_a_deleted_version_and_a_forged_hash_are_raised_and_mended(
    database: Database,
    federation: Federation,
    registry: MlflowRegistry,
    drain: Drain,
    look: Look,
    name: str,
) -> None:
    registry._client.delete_model_version(name, "2")
    registry._client.set_model_version_tag(name, "1", "vigie.weights_sha256", "f" * 64)
    look()
    assert open_ones(database) == [
        ("version_deleted", "2", "2", "2", None),
        ("tag_changed", "1", "vigie.weights_sha256", f"{1:064x}", "f" * 64),
    ]
    assert repair(database, federation) == 2
    drain()
    look()
    assert open_ones(database) == []
    assert registry.aliases(name) == {"champion": "1", "canary": "3"}  # MLflow's next number
    twin = registry._client.get_model_version(name, "1")
    assert twin.tags["vigie.weights_sha256"] == f"{1:064x}"


@pytest.mark.usefixtures("mirrored")
def test_a_model_that_was_deleted_is_made_again_with_all_its_versions(
    database: Database,
    federation: Federation,
    registry: MlflowRegistry,
    drain: Drain,
    look: Look,
    name: str,
) -> None:
    registry._client.delete_registered_model(name)
    look()
    assert open_ones(database) == [("model_deleted", "", "", "a registered model", None)]
    repair(database, federation)
    drain()
    look()
    assert open_ones(database) == []
    assert set(registry.aliases(name)) == {"champion", "canary"}


@pytest.mark.usefixtures("mirrored")
def test_the_policy_may_ask_for_repair_and_people_are_still_told(
    database: Database,
    federation: Federation,
    registry: MlflowRegistry,
    drain: Drain,
    look: Look,
    name: str,
) -> None:
    with database.session_scope() as session:
        here = federations.get(session, federation.id)
        here.policy = {**here.policy, "registry": {"on_deviation": "repair"}}
        session.add(here)
    registry._client.set_registered_model_alias(name, "champion", "2")
    look()
    drain()
    look()
    assert registry.aliases(name)["champion"] == "1"
    assert resolutions(database) == ["repaired"]
    with database.read_scope() as session:
        assert announced(session) == 1


@pytest.mark.usefixtures("mirrored")
def test_what_a_promotion_overwrites_is_raised_all_the_same(
    database: Database,
    federation: Federation,
    registry: MlflowRegistry,
    drain: Drain,
    look: Look,
    name: str,
) -> None:
    with database.session_scope() as session:
        register(session, federation, 3)
    drain()
    registry._client.set_registered_model_alias(name, "champion", "2")
    with database.session_scope() as session:
        approved(session, federation, "3")
    drain()
    look()
    assert registry.aliases(name)["champion"] == "3"
    assert resolutions(database) == ["overwritten"]


@pytest.mark.usefixtures("mirrored")
def test_what_mlflow_should_know_and_does_not_is_told_it_again(
    database: Database, registry: MlflowRegistry, drain: Drain
) -> None:
    with database.read_scope() as session:
        assert reconciling.outdated(session) == []
    with database.session_scope() as session:
        for version in session.exec(select(ModelVersion)):
            version.lineage = {**version.lineage, "strategy": "FedAvg"}
            session.add(version)
    for _ in range(2):
        with database.session_scope() as session:
            reconciling.catch_up(session, reconciling.outdated(session))
    drain()
    with database.read_scope() as session:
        assert reconciling.outdated(session) == []


@pytest.fixture(scope="module")
def server_home(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    return tmp_path_factory.mktemp("server"), free_port()


def test_a_server_that_is_out_keeps_the_work_waiting_and_a_tampered_one_is_noticed(
    database: Database, federation: Federation, name: str, server_home: tuple[Path, int]
) -> None:
    home, port = server_home
    registry = MlflowRegistry(f"http://127.0.0.1:{port}", home)
    gate = Gate("mlflow", is_outage, reconciling.CHANGES_ALIASES, pause_seconds=0.0)
    effect = mirror_effect(registry, gate)
    register_two(database, federation)
    with database.read_scope() as session:
        ids = [row.id for row in session.exec(select(OutboxRow).order_by(OutboxRow.created_at))]
    for _ in range(2):
        effect.run(database, ids[0])
    with database.read_scope() as session:
        assert [(row.state, row.failures) for row in session.exec(select(OutboxRow))] == [
            ("pending", 0)
        ] * 2
    with running_mlflow(home, port):
        for row_id in ids:
            effect.run(database, row_id)
        assert registry.aliases(name) == {"champion": "1", "canary": "2"}
        started = time.monotonic()
        registry._client.set_registered_model_alias(name, "champion", "2")
        gate = Gate("mlflow", is_outage, reconciling.CHANGES_ALIASES)
        look_at_all(database, registry, gate)
        assert open_ones(database) == [("alias_moved", "", "champion", "1", "2")]
        assert time.monotonic() - started + schedule.RECONCILE_SECONDS < 60
    look_at_all(database, registry, gate)  # out again: nothing is raised, nothing breaks
    assert len(open_ones(database)) == 1


def mirror_effect(registry: MlflowRegistry, gate: Gate) -> External[object, object]:
    from app.registry import mirroring

    return External(
        mirroring.prepare,  # type: ignore[arg-type]
        lambda wanted: mirroring.perform(registry, wanted),  # type: ignore[arg-type]
        mirroring.record,  # type: ignore[arg-type]
        held=gate.holds,
    )
