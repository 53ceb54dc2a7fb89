"""An outage of another service, however long, loses no work and holds up no other."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from threading import Event
from uuid import UUID

import pytest
from sqlmodel import Session, col, select

from app.core import clock, outbox
from app.core.database import Database
from app.core.ids import new_id
from app.core.outbox import OutboxRow
from app.registry.outages import is_outage
from workers.effects import External
from workers.lanes import Lanes
from workers.outages import Behind, Gate

START = datetime(2026, 1, 1, tzinfo=UTC)
TASK, OTHER = "registry.test", "incidents.test"


class Service:
    """A service that is out until it is told to be up."""

    def __init__(self) -> None:
        self.up, self.asked, self.done = False, 0, list[UUID]()

    def perform(self, work: UUID) -> UUID:
        self.asked += 1
        if not self.up:
            raise ConnectionError("nobody listens")
        return work

    def record(self, _session: Session, subject: UUID, _result: UUID) -> None:
        self.done.append(subject)


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def gate() -> Gate:
    return Gate("test", is_outage, (TASK,), pause_seconds=0.0)


@pytest.fixture
def moved() -> Iterator[list[datetime]]:
    at = [START]
    with clock.using(lambda: at[0]):
        yield at


def effect_of(service: Service, gate: Gate) -> External[UUID, UUID]:
    return External(
        lambda _session, subject: subject, service.perform, service.record, held=gate.holds
    )


def ask(database: Database, task: str, count: int) -> None:
    with database.session_scope() as session:
        for _ in range(count):
            outbox.enqueue(session, task, new_id())


def claimed(database: Database) -> list[outbox.Delivery]:
    with database.session_scope() as session:
        return outbox.claim_due(session, 30.0)


def rows(database: Database) -> list[OutboxRow]:
    with database.read_scope() as session:
        return list(session.exec(select(OutboxRow).order_by(col(OutboxRow.created_at))))


def test_work_outlasts_an_outage_of_many_more_tries_than_failures_are_allowed(
    database: Database, service: Service, gate: Gate, moved: list[datetime]
) -> None:
    ask(database, TASK, 1)
    effect = effect_of(service, gate)
    for _ in range(5 * outbox.MAX_FAILURES):
        for delivery in claimed(database):
            effect.run(database, delivery.row_id)
        moved[0] += timedelta(minutes=1)
    (row,) = rows(database)
    assert service.asked == 5 * outbox.MAX_FAILURES
    assert (row.state, row.failures) == ("pending", 0)
    assert row.last_error == "ConnectionError: nobody listens"
    service.up = True
    (delivery,) = claimed(database)
    effect.run(database, delivery.row_id)
    assert service.done == [row.subject]
    assert rows(database)[0].state == "done"


def test_what_waits_for_a_service_leaves_the_room_to_others(
    database: Database,
    service: Service,
    gate: Gate,
    moved: list[datetime],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outbox, "MAX_IN_FLIGHT", 4)
    gate.pause_seconds = 15.0
    ask(database, TASK, 4)
    first, *_ = claimed(database)
    ask(database, OTHER, 4)
    assert claimed(database) == []  # four are with the broker
    effect_of(service, gate).run(database, first.row_id)
    assert {delivery.task for delivery in claimed(database)} == {OTHER}


def test_the_row_that_met_the_outage_comes_after_the_others(
    database: Database, service: Service, gate: Gate, moved: list[datetime]
) -> None:
    """Should it be the one that its service cannot answer, it must not stop the others."""
    gate.pause_seconds = 15.0
    ask(database, TASK, 3)
    first, *others = claimed(database)
    effect_of(service, gate).run(database, first.row_id)
    moved[0] += timedelta(seconds=15)
    assert {d.row_id for d in claimed(database)} == {d.row_id for d in others}
    moved[0] += timedelta(seconds=15)
    assert [d.row_id for d in claimed(database)] == [first.row_id]


def test_behind_a_closed_gate_nothing_is_asked(
    database: Database, service: Service, gate: Gate
) -> None:
    gate.pause_seconds = 60.0
    ask(database, TASK, 2)
    first, second = claimed(database)
    effect_of(service, gate).run(database, first.row_id)
    Behind(gate, effect_of(service, gate), Lanes())._attempt(database, second.row_id)
    assert gate.closed
    assert service.asked == 1


def test_the_lane_does_the_work_while_the_worker_goes_on(
    database: Database, service: Service, gate: Gate
) -> None:
    answered, recorded = Event(), Event()

    def slow(work: UUID) -> UUID:
        assert answered.wait(5)
        return work

    def record(session: Session, subject: UUID, result: UUID) -> None:
        service.record(session, subject, result)
        recorded.set()

    ask(database, TASK, 1)
    (delivery,) = claimed(database)
    effect = External(lambda _session, subject: subject, slow, record, held=gate.holds)
    Behind(gate, effect, Lanes()).run(database, delivery.row_id)  # returns at once
    assert service.done == []
    answered.set()
    assert recorded.wait(5)
    assert len(service.done) == 1


def test_an_error_of_the_work_itself_is_no_outage(database: Database, gate: Gate) -> None:
    class RefusedError(Exception):
        error_code = "INVALID_PARAMETER_VALUE"

    assert not gate.holds(database, new_id(), RefusedError())
    assert not is_outage(FileExistsError("a file where a folder should be"))
    RefusedError.error_code = "INTERNAL_ERROR"
    assert is_outage(RefusedError())
