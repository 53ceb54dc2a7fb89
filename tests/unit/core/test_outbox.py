"""The outbox: once asked for, sent until done, done once."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kombu.exceptions import OperationalError
from sqlmodel import Session, select

from app.audit import service as audit
from app.audit.tables import AuditEntry
from app.core import clock, outbox
from app.core.database import Database
from app.core.ids import new_id
from app.core.outbox import Delivery, OutboxRow, OutboxState
from workers.effects import External, Local
from workers.relay import relay_due

START = datetime(2026, 1, 1, tzinfo=UTC)
RESEND = 30.0


class Hands:
    """A clock that tests move by hand."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        return self.at

    def move(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def hands() -> Iterator[Hands]:
    hands = Hands()
    with clock.using(hands):
        yield hands


def ask(database: Database, task: str = "test.task", subject: UUID | None = None) -> None:
    with database.session_scope() as session:
        outbox.enqueue(session, task, subject or new_id())


def claim(database: Database) -> list[Delivery]:
    with database.session_scope() as session:
        return outbox.claim_due(session, RESEND)


def tally(session: Session, subject: UUID) -> None:
    """An effect that would show if it happened twice."""
    audit.record(session, actor="test", action="test.tally", entity=f"subject:{subject}")


def tallies(database: Database) -> int:
    with database.read_scope() as session:
        return len(session.exec(select(AuditEntry).where(AuditEntry.action == "test.tally")).all())


def test_asking_twice_for_the_same_is_asking_once(database: Database, hands: Hands) -> None:
    subject = new_id()
    ask(database, subject=subject)
    ask(database, subject=subject)
    assert len(claim(database)) == 1


def test_a_rolled_back_transaction_asks_for_nothing(database: Database, hands: Hands) -> None:
    with pytest.raises(RuntimeError), database.session_scope() as session:
        outbox.enqueue(session, "test.task", new_id())
        raise RuntimeError
    assert claim(database) == []


def test_a_lost_message_is_sent_again_later_and_later(database: Database, hands: Hands) -> None:
    ask(database)
    assert len(claim(database)) == 1
    for wait in (30, 60, 120, 240, 480, 600, 600):
        hands.move(wait - 1)
        assert claim(database) == []
        hands.move(1)
        assert len(claim(database)) == 1


def test_a_done_row_is_not_sent_and_its_effect_not_repeated(
    database: Database, hands: Hands
) -> None:
    ask(database)
    (delivery,) = claim(database)
    for _ in range(3):
        Local(tally).run(database, delivery.row_id)
    hands.move(10_000)
    assert claim(database) == []
    assert tallies(database) == 1


def test_a_failing_effect_leaves_nothing_and_is_tried_until_given_up(
    database: Database, hands: Hands
) -> None:
    def fail(session: Session, subject: UUID) -> None:
        tally(session, subject)
        raise RuntimeError("no luck")

    ask(database)
    (delivery,) = claim(database)
    states = [outbox.settle(database, delivery.row_id, fail) for _ in range(outbox.MAX_FAILURES)]
    assert states[-1] is OutboxState.FAILED
    assert set(states[:-1]) == {OutboxState.PENDING}
    assert tallies(database) == 0
    with database.read_scope() as session:
        row = session.exec(select(OutboxRow)).one()
        assert row.last_error == "RuntimeError: no luck"
        assert outbox.depth(session) == {"pending": 0, "done": 0, "failed": 1}


def test_no_more_are_sent_than_the_broker_should_hold(
    database: Database, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MAX_IN_FLIGHT", 3)
    for _ in range(5):
        ask(database)
    first = claim(database)
    assert len(first) == 3
    assert claim(database) == []
    Local(tally).run(database, first[0].row_id)
    assert len(claim(database)) == 1


def test_a_flood_of_one_kind_leaves_the_others_their_room(
    database: Database, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MAX_IN_FLIGHT", 3)
    for task in ["reports.build"] * 5 + ["registry.log_card"] * 5:
        ask(database, task)
    sent: list[str] = []

    def publish(delivery: Delivery) -> None:
        sent.append(delivery.task)

    relay_due(database, publish, RESEND)
    assert sent == ["reports.build"] * 3 + ["registry.log_card"] * 3
    relay_due(database, publish, RESEND)
    for _ in range(4):
        ask(database, "incidents.on_round")
    relay_due(database, publish, RESEND)
    assert sent[6:] == ["incidents.on_round"] * 3


def test_rounds_are_published_before_what_waited_for_longer(
    database: Database, hands: Hands
) -> None:
    ask(database, "reports.build")
    hands.move(1)
    ask(database, "incidents.on_round")
    sent: list[Delivery] = []
    relay_due(database, sent.append, RESEND)
    assert [one.task for one in sent] == ["incidents.on_round", "reports.build"]


def test_a_broker_that_is_down_costs_delay_only(database: Database, hands: Hands) -> None:
    def down(_delivery: Delivery) -> None:
        raise OperationalError("connection refused")

    ask(database)
    assert relay_due(database, down, RESEND) == 0
    hands.move(RESEND)
    published: list[Delivery] = []
    assert relay_due(database, published.append, RESEND) == 1
    assert published[0].task == "test.task"


def test_what_was_done_is_forgotten_after_a_month_in_small_batches(
    database: Database, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forget() -> bool:
        with database.session_scope() as session:
            return outbox.forget_done(session)

    monkeypatch.setattr(outbox, "FORGOTTEN_AT_ONCE", 2)
    for _ in range(6):
        ask(database)
    failing, *done = claim(database)[:4]  # two are still to be done
    for delivery in done:
        Local(tally).run(database, delivery.row_id)
    for _ in range(outbox.MAX_FAILURES):
        outbox.fail(database, failing.row_id, OSError("gone"))
    hands.move(outbox.KEPT.total_seconds())
    assert not forget()
    hands.move(RESEND + 1)
    assert [forget(), forget()] == [True, False]
    with database.read_scope() as session:
        assert outbox.depth(session) == {"pending": 2, "done": 0, "failed": 1}
    assert tallies(database) == 3


def test_an_external_effect_that_fails_is_counted_and_records_nothing(
    database: Database, hands: Hands
) -> None:
    def refuse(_work: UUID) -> None:
        raise ConnectionError("unreachable")

    task = External(
        lambda _session, subject: subject, refuse, lambda s, subject, _: tally(s, subject)
    )
    ask(database)
    (delivery,) = claim(database)
    task.run(database, delivery.row_id)
    assert tallies(database) == 0
    with database.read_scope() as session:
        assert session.exec(select(OutboxRow.failures)).one() == 1


def test_an_external_effect_with_nothing_to_do_is_done(database: Database, hands: Hands) -> None:
    def unexpected(_work: object) -> None:
        raise AssertionError

    task = External(lambda _session, _subject: None, unexpected, lambda *_: unexpected(None))
    ask(database)
    (delivery,) = claim(database)
    task.run(database, delivery.row_id)
    with database.read_scope() as session:
        assert outbox.depth(session)["done"] == 1


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(st.sampled_from(["ask", "relay", "lose", "work", "wait"]), max_size=25))
def test_whatever_is_lost_every_effect_happens_exactly_once(
    database: Database, hands: Hands, steps: list[str]
) -> None:
    """Play any history of asking, relaying, losing, working; then let it settle."""
    before, asked = tallies(database), 0
    broker: list[Delivery] = []
    for step in steps:
        match step:
            case "ask":
                ask(database)
                asked += 1
            case "relay":
                relay_due(database, broker.append, RESEND)
            case "lose":
                broker = broker[1:]
            case "work" if broker:
                Local(tally).run(database, broker[0].row_id)
            case _:
                hands.move(RESEND)
    for _ in range(2):
        hands.move(outbox.MAX_RESEND_SECONDS)
        relay_due(database, broker.append, RESEND)
        for delivery in broker:
            Local(tally).run(database, delivery.row_id)
    assert tallies(database) - before == asked
