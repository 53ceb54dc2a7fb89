"""Versions and aliases in a real MLflow registry, through the outbox, with crashes in between."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import pytest
from sqlmodel import select

from app.audit import service as audit
from app.core.database import Database
from app.core.outbox import OutboxRow
from app.drift.tables import Reference
from app.federations import service as federations
from app.federations.tables import Federation
from app.registry import mirroring, promoting, service
from app.registry.mlflow_registry import MlflowRegistry
from app.registry.twins import VERSION_ID, Held, Twin, alias_of
from tests.unit.registry.lifecycle import (
    MODEL,
    OWNER,
    VALIDATOR,
    approve,
    approved,
    model_now,
    register,
    register_two,
    stored_round,
)
from workers.effects import External

Effect = External[Any, Any]
Drain = Callable[[], None]


def numbers(database: Database, federation: Federation) -> list[str | None]:
    with database.read_scope() as session:
        found = service.versions_of(session, federation.id, MODEL)
    return [version.mlflow_version for version in found]


def in_mlflow(registry: MlflowRegistry, name: str) -> int:
    return len(registry._client.search_model_versions(f"name = '{name}'"))


def test_versions_are_mirrored_with_lineage_and_aliases(
    database: Database, federation: Federation, registry: MlflowRegistry, drain: Drain, name: str
) -> None:
    with database.session_scope() as session:
        register(session, federation, 1, note="the first")
        second = register(session, federation, 2, parent_version="1")
    drain()
    assert numbers(database, federation) == ["1", "2"]
    assert registry.aliases(name) == {"champion": "1", "canary": "2"}
    twin = registry._client.get_model_version(name, "2")
    assert twin.tags[VERSION_ID] == str(second.id)
    assert twin.tags["vigie.parent_version"] == "1"
    assert twin.tags["vigie.weights_sha256"] == f"{2:064x}"
    assert twin.tags["vigie.registered_by"] == "fl-server"
    lineage = Path(unquote(urlparse(twin.source).path)) / "lineage.json"
    assert json.loads(lineage.read_text())["vigie.run"] == "run-2"
    assert registry._client.get_model_version(name, "1").description == "the first"


def test_a_crash_after_mlflow_was_told_makes_no_second_version(
    database: Database, federation: Federation, registry: MlflowRegistry, drain: Drain, name: str
) -> None:
    with database.session_scope() as session:
        version = register(session, federation, 1)
    for _ in range(2):  # performed, and the worker died before it could record
        with database.read_scope() as session:
            wanted = mirroring.prepare(session, version.id)
        assert wanted is not None
        mirroring.perform(registry, wanted)
    assert numbers(database, federation) == [None]
    drain()
    assert numbers(database, federation) == ["1"]
    assert in_mlflow(registry, name) == 1


def test_an_approved_promotion_is_applied_though_nothing_was_mirrored(
    database: Database,
    federation: Federation,
    registry: MlflowRegistry,
    effects: dict[str, Effect],
    name: str,
) -> None:
    register_two(database, federation)
    with database.session_scope() as session:
        for step in range(8):
            more = {"version": "2", "body_sha256": f"{step:064x}"}
            session.add(stored_round(federation, step, "evaluate", **more))
        promotion = approved(session, federation)
        row = session.exec(select(OutboxRow).where(OutboxRow.task == "registry.apply_promotion"))
        row_id = row.one().id
    with database.read_scope() as session:
        wanted = promoting.prepare(session, promotion.id)
    assert wanted is not None
    promoting.perform(registry, wanted)  # the worker died here
    assert model_now(database, federation).champion == "1"
    for _ in range(2):
        effects["registry.apply_promotion"].run(database, row_id)
    model = model_now(database, federation)
    assert (model.champion, model.canary) == ("2", None)
    assert registry.aliases(name) == {"champion": numbers(database, federation)[1]}
    assert in_mlflow(registry, name) == 1
    with database.read_scope() as session:
        assert service.get_promotion(session, federation.id, promotion.id).state == "applied"
        assert [r.version for r in session.exec(select(Reference))] == ["2"]
        asked = [row.task for row in session.exec(select(OutboxRow))]
        assert asked.count("incidents.on_promotion_applied") == 1
        audit.verify(session)


def test_a_rollback_moves_the_alias_back(
    database: Database, federation: Federation, registry: MlflowRegistry, drain: Drain, name: str
) -> None:
    register_two(database, federation)
    with database.session_scope() as session:
        promotion = approved(session, federation)
    drain()
    assert registry.aliases(name) == {"champion": "2"}
    with database.session_scope() as session:
        service.roll_back(session, federation, promotion.id, VALIDATOR, "worse")
    assert model_now(database, federation).champion == "1"
    drain()
    assert registry.aliases(name) == {"champion": "1"}


def test_an_approval_taken_back_while_mlflow_was_told_ends_as_decided(
    database: Database, federation: Federation, registry: MlflowRegistry, drain: Drain, name: str
) -> None:
    register_two(database, federation)
    with database.session_scope() as session:
        promotion = approved(session, federation)
    with database.read_scope() as session:
        wanted = promoting.prepare(session, promotion.id)
    assert wanted is not None
    mirrored = promoting.perform(registry, wanted)
    with database.session_scope() as session:
        service.roll_back(session, federation, promotion.id, VALIDATOR, "second thoughts")
    with database.session_scope() as session:
        promoting.record(session, promotion.id, mirrored)
    drain()
    model = model_now(database, federation)
    assert (model.champion, model.canary) == ("1", "2")
    one, two = numbers(database, federation)
    assert registry.aliases(name) == {"champion": one, "canary": two}


def test_a_late_mirroring_does_not_leave_an_old_canary(
    database: Database, federation: Federation, registry: MlflowRegistry, drain: Drain, name: str
) -> None:
    register_two(database, federation)
    drain()
    with database.session_scope() as session:
        second = service.version_named(session, federation.id, MODEL, "2")
        late = mirroring.prepare(session, second.id)
        register(session, federation, 3)
    drain()
    assert registry.aliases(name)["canary"] == "3"
    assert late is not None
    mirrored = mirroring.perform(registry, late)  # prepared before version 3 was there
    # What it was to have is no longer there, and not its to put back; as if it was slower still:
    registry._client.set_registered_model_alias(name, "canary", "2")
    with database.session_scope() as session:
        mirroring.record(session, second.id, mirrored)
    drain()
    assert registry.aliases(name) == {"champion": "1", "canary": "3"}


def test_aliases_of_others_are_let_alone(
    database: Database, federation: Federation, registry: MlflowRegistry, drain: Drain, name: str
) -> None:
    register_two(database, federation)
    drain()
    registry._client.set_registered_model_alias(name, "staging", "1")
    with database.session_scope() as session:
        register(session, federation, 3)
    drain()
    assert registry.aliases(name) == {"champion": "1", "canary": "3", "staging": "1"}


def test_weights_in_an_object_store_are_the_source(registry: MlflowRegistry) -> None:
    uri = "s3://models/late-arrival/1"
    twin = Twin("stored.elsewhere", "id-1", "0" * 64, uri, None, {VERSION_ID: "id-1"})
    number = registry.ensure_version(twin).number
    assert registry._client.get_model_version("stored.elsewhere", number).source == uri


def test_of_two_that_make_a_twin_at_once_one_stays(
    registry: MlflowRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    twin = Twin("made.twice", "id-1", "0" * 64, None, None, {VERSION_ID: "id-1"})
    first = registry.ensure_version(twin)
    search = registry._oldest
    looks: list[Twin] = []

    def blind_at_first(twin: Twin) -> Held | None:
        """As if the first look came before the other had made it."""
        looks.append(twin)
        return None if len(looks) == 1 else search(twin)

    monkeypatch.setattr(registry, "_oldest", blind_at_first)
    assert registry.ensure_version(twin) == first
    assert (len(looks), in_mlflow(registry, "made.twice")) == (2, 1)


def test_a_failing_registry_leaves_the_work_in_the_outbox(
    database: Database, federation: Federation, tmp_path: Path
) -> None:
    blocked = tmp_path / "no-folder"
    blocked.write_text("a file where the artifacts should go")
    broken = MlflowRegistry(f"sqlite:///{tmp_path / 'mlflow.db'}", blocked)
    effect = External(mirroring.prepare, partial(mirroring.perform, broken), mirroring.record)
    with database.session_scope() as session:
        register(session, federation, 1)
        row = session.exec(select(OutboxRow)).one()
    effect.run(database, row.id)
    with database.read_scope() as session:
        stored = session.get(OutboxRow, row.id)
        assert stored is not None
        assert (stored.state, stored.failures) == ("pending", 1)
    assert numbers(database, federation) == [None]


def test_a_champion_of_a_cohort_has_an_alias_of_its_own_until_it_is_merged(
    database: Database, federation: Federation, registry: MlflowRegistry, drain: Drain, name: str
) -> None:
    with database.session_scope() as session:
        federation.cohort_tags = {"hub": ["EWR"]}
        session.merge(federation)
    register_two(database, federation)
    for candidate, expected in (("2", "2"), ("1", None)):
        with database.session_scope() as session:
            here = federations.get(session, federation.id)
            drafted = service.draft_promotion(
                session, here, MODEL, candidate, OWNER, "better at Newark", "hub=EWR"
            )
            service.submit(session, here, drafted.id, OWNER)
            approve(session, here, drafted.id, VALIDATOR, "agreed")
        drain()
        aliases = registry.aliases(name)
        assert aliases.get(alias_of("hub=EWR")) == expected
        assert aliases["champion"] == "1"
