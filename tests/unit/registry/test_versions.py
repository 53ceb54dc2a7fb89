"""Versions: numbers, champion and canary, lineage, and repetition."""

import hashlib

import pytest
from pydantic import ValidationError
from sqlmodel import select

from app.audit.tables import AuditEntry
from app.core.database import Database
from app.core.errors import NotFoundError
from app.federations.tables import Federation
from app.registry import service
from app.registry.errors import UnknownParentError
from app.registry.schemas import VersionIn
from app.registry.tables import ModelVersion
from app.rounds.reports import ClientReport
from tests.rounds import blocks, pseudonym
from tests.unit.registry.lifecycle import (
    MODEL,
    model_now,
    register,
    register_two,
    stored_round,
    tasks,
)


def test_the_first_version_is_champion_and_later_ones_are_canary(
    database: Database, federation: Federation
) -> None:
    register_two(database, federation)
    assert (model_now(database, federation).champion, model_now(database, federation).canary) == (
        "1",
        "2",
    )
    with database.session_scope() as session:
        register(session, federation, 3)
    model = model_now(database, federation)
    assert (model.champion, model.canary) == ("1", "3")


def test_numbers_grow_past_nine_in_order(database: Database, federation: Federation) -> None:
    with database.session_scope() as session:
        for number in range(1, 12):
            register(session, federation, number)
        found = service.versions_of(session, federation.id, MODEL)
    assert [version.version for version in found] == [str(number) for number in range(1, 12)]


def test_the_same_run_and_weights_again_are_the_same_version(
    database: Database, federation: Federation
) -> None:
    with database.session_scope() as session:
        first = register(session, federation, 1)
    with database.session_scope() as session:
        again = register(session, federation, 1)
        assert again.id == first.id
        assert len(session.exec(select(ModelVersion)).all()) == 1
        assert tasks(session) == ["registry.mirror_version"]


def test_a_parent_has_to_exist(database: Database, federation: Federation) -> None:
    with database.session_scope() as session:
        register(session, federation, 1)
        with pytest.raises(UnknownParentError) as refusal:
            register(session, federation, 2, parent_version="7")
        assert refusal.value.errors[0].field == "parent_version"
        assert register(session, federation, 2, parent_version="1").parent_version == "1"


def test_lineage_tells_of_the_runs_own_fit_rounds(
    database: Database, federation: Federation
) -> None:
    envelope = {"strategy": {"name": "fedavg", "config_sha256": "c" * 64}, "privacy": {}}
    with database.session_scope() as session:
        for step, phase, model in [(1, "fit", MODEL), (2, "fit", MODEL), (3, "evaluate", MODEL)]:
            round_ = stored_round(
                federation, step, phase, run="run-1", model=model, envelope=envelope
            )
            session.add(round_)
            session.flush()
            reports = [
                ClientReport(
                    round_id=round_.id,
                    client=pseudonym(client),
                    status="timeout" if client == 2 else "ok",
                    num_examples=5,
                )
                for client in range(step + 1)
            ]
            session.add_all(blocks(reports))
        session.add(stored_round(federation, 9, "fit", run="run-1", model="another"))
        lineage = register(session, federation, 1).lineage
    assert lineage == {
        "rounds": 2,
        "participants": 2,
        "first_step": 1,
        "last_step": 2,
        "strategy": "fedavg",
        "config_sha256": "c" * 64,
        "privacy": None,
        "secure_aggregation": None,
        "rounds_sha256": hashlib.sha256(b"0" * 128).hexdigest(),
        "epsilon": None,
        "delta": None,
    }


def test_a_model_is_made_on_first_sight_and_once(
    database: Database, federation: Federation
) -> None:
    with database.session_scope() as session:
        with pytest.raises(NotFoundError):
            service.model_named(session, federation.id, MODEL)
        made = service.ensure_model(session, federation.id, MODEL)
        assert service.ensure_model(session, federation.id, MODEL).id == made.id
        actions = session.exec(
            select(AuditEntry.action).where(AuditEntry.action == "model.create")
        ).all()
        assert len(actions) == 1


@pytest.mark.parametrize(
    "uri", ["file:///etc/passwd", "/etc/passwd", "s3://models/../secret", "https://host/x", "s3://"]
)
def test_an_artifact_lies_in_an_object_store(uri: str) -> None:
    with pytest.raises(ValidationError, match="artifact_uri"):
        VersionIn(run="r", weights_sha256="0" * 64, artifact_uri=uri)
