"""What a round is in the end depends on which messages came, and not on their order.

A history is a set of messages (chunks, duplicates of them, closes, several attempts, late labels,
runs that restart, gaps) in some order, with the deadline passing and judgements falling anywhere
between them. Each example plays the same messages in two orders and compares what counts.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from sqlmodel import Session, select

from app.core import clock
from app.core.database import Database
from app.core.outbox import OutboxRow
from app.federations import service as federations
from app.federations.schemas import FederationIn
from app.federations.tables import Federation
from app.rounds import admission, bin_specs, service
from app.rounds.chunks import EVALUATE
from app.rounds.errors import StaleAttemptError
from app.rounds.schemas import BinSpecIn, CloseIn, Phase
from app.rounds.tables import Refusal, ReportBlock, Round, RoundAggregate, RoundClose
from tests.rounds import BIN_SPEC, body, record

PARTS_OF_IT, EXAMPLES, ORDERS = 5, 205, 2  # 2,050 histories
START = datetime(2026, 1, 1, tzinfo=UTC)
Key = tuple[str, int, str]  # run, number, phase


@dataclass(frozen=True)
class Chunk:
    """A push; `parts` are (client, what it tells) of each record."""

    key: Key
    attempt: int
    chunk: int | None
    parts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Close:
    key: Key
    attempt: int
    chunks: int


@dataclass(frozen=True)
class Deadline:
    """The time passes by which every chunk so far should have come."""


@dataclass(frozen=True)
class Judge:
    """A worker takes up what the outbox asks for."""


Message = Chunk | Close | Deadline | Judge

RECORDS: dict[str, dict[str, Any]] = {
    "all": {},
    "other": {"n": 100, "late": 30},
    "fewer examples": {"n": 90, "late": 20},
    "labels": {},
    "scores": {},
    "failed": {"status": "error"},
    "hub": {"cohorts": {"hub": "EWR"}},
    "other hub": {"cohorts": {"hub": "JFK"}},
    "bad": {"label_counts": [-1, 3]},
}
ONLY = {"labels": "label_counts", "scores": "score_histogram"}


def told(client: str, what: str) -> dict[str, Any]:
    whole = record(client, **RECORDS[what])
    if what not in ONLY:
        return whole
    return {name: whole[name] for name in ("client", "num_examples", ONLY[what])}


@cache
def bytes_of(message: Chunk, spec: str) -> bytes:
    run, number, phase = message.key
    place = message.chunk or 0
    tree = body(
        *(told(client, what) for client, what in message.parts),
        step=number + (10 if run == "restarted" else 0),
        spec=spec,
        attempt=message.attempt,
        participation={"sampled": 10 + place},
        strategy={"name": f"strategy-{place}"},
        started_at=f"2013-06-{10 + place:02d}T00:00:00Z",
    )
    if phase == "canary":
        tree["model"]["canary_version"] = "2"
    return json.dumps(tree).encode()


KEYS = st.tuples(
    st.sampled_from(["first", "restarted"]),
    st.sampled_from([1, 2, 3, 7]),
    st.sampled_from(["evaluate", "canary", "fit"]),
)
PARTS = st.lists(
    st.tuples(st.sampled_from("ABC"), st.sampled_from(sorted(RECORDS))), min_size=1, max_size=3
).map(tuple)


@st.composite
def attempts(draw: st.DrawFn, key: Key, number: int) -> list[Message]:
    """The messages of one attempt, none of which says the contrary of another."""
    if draw(st.booleans()):  # whole, once more as its only chunk, and with late labels
        parts = draw(PARTS)
        whole: list[Message] = [Chunk(key, number, None, parts)]
        again = [Chunk(key, number, 0, parts), Close(key, number, 1)]
        late = [Chunk(key, number, place, draw(PARTS)) for place in draw(places(1))]
        return whole + [one for one in again if draw(st.booleans())] + late
    pieces: list[Message] = [
        Chunk(key, number, place, draw(PARTS)) for place in draw(places(0)) or [0]
    ]
    closes = draw(st.sampled_from([[], [1], [2], [3], [12]]))
    return pieces + [Close(key, number, chunks) for chunks in closes]


def places(least: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.sampled_from([0, 1, 2, 5][least:]), unique=True, max_size=3)


@st.composite
def histories(draw: st.DrawFn) -> list[list[Message]]:
    """The same messages in several orders."""
    sent: list[Message] = []
    for key in draw(st.lists(KEYS, unique=True, min_size=1, max_size=2)):
        for number in draw(st.sampled_from([[1], [1], [1], [2], [1, 2]])):
            sent += draw(attempts(key, number))
    sent += draw(st.lists(st.sampled_from(sent), max_size=2))
    between = [Deadline(), Judge(), Deadline(), Judge()]
    sent += between[: draw(st.integers(0, 3))]
    return [sent, *(draw(st.permutations(sent)) for _ in range(ORDERS - 1))]


@dataclass
class House:
    """A database with one federation; what an order leaves in it is rolled back."""

    database: Database
    federation: UUID
    spec: str


@pytest.fixture(scope="module")
def house(blank_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    path = tmp_path_factory.mktemp("order") / "vigie.db"
    path.write_bytes(blank_database.read_bytes())
    database = Database(f"sqlite:///{path}")
    hubs = {"hub": ["EWR", "JFK"]}
    found = FederationIn(name="flights", title="Flights", min_cohort_size=1, cohort_tags=hubs)
    with database.session_scope() as session:
        federation = federations.create(session, found, "test")
        spec = bin_specs.define(session, federation, BinSpecIn.model_validate(BIN_SPEC), "test")
    yield House(database, federation.id, spec.id)
    database.dispose()


@dataclass
class Play:
    """One order of messages, played to its end."""

    session: Session
    house: House
    now: datetime = START
    step: int = 0
    changed: dict[UUID, int] = field(default_factory=dict)
    judged: dict[UUID, int] = field(default_factory=dict)

    def through(self, messages: Sequence[Message]) -> dict[str, Any]:
        with clock.using(lambda: self.now):
            for message in messages:
                self.take(message)
            self.take(Deadline())
            self.check_that_changes_are_judged()
            self.take(Judge())
        return self.state()

    def take(self, message: Message) -> None:
        """Take one message in a transaction of its own, as the API would."""
        self.step += 1
        self.now += timedelta(seconds=1)
        self.session.expunge_all()
        with suppress(StaleAttemptError), self.session.begin_nested():
            self.act(message)

    def act(self, message: Message) -> None:
        if isinstance(message, Deadline):
            self.now += timedelta(days=1)
            service.close_overdue(self.session)
        elif isinstance(message, Judge):
            self.judge()
        else:
            federation = self.session.get_one(Federation, self.house.federation)
            run, number, phase = message.key
            if isinstance(message, Close):
                told = CloseIn(attempt=message.attempt, chunks=message.chunks)
                address = service.Address(run, number, Phase(phase))
                service.close(self.session, federation, address, told, "test")
            else:
                self.push(federation, message)

    def push(self, federation: Federation, message: Chunk) -> None:
        run, number, phase = message.key
        raw = bytes_of(message, self.house.spec)
        digest = sha256(raw).hexdigest()
        read = admission.read(raw, "application/json")
        push = service.Push(run, number, Phase(phase), read, digest, message.chunk)
        before = self.blocks()
        checked = service.check(self.session, federation, push)
        service.ingest(self.session, federation, push, checked, "test")
        for round_id, _ in self.blocks() - before:
            self.changed[round_id] = self.step

    def blocks(self) -> set[tuple[UUID, int]]:
        return set(self.session.exec(select(ReportBlock.round_id, ReportBlock.chunk)).all())

    def pending(self) -> Sequence[OutboxRow]:
        return self.session.exec(
            select(OutboxRow).where(OutboxRow.state == "pending", OutboxRow.task == EVALUATE)
        ).all()

    def judge(self) -> None:
        for row in self.pending():
            round_ = service.received(self.session, row.subject)
            service.aggregate(self.session, round_)
            service.mark_evaluated(self.session, round_)
            row.state = "done"
            self.judged[round_.id] = self.step

    def check_that_changes_are_judged(self) -> None:
        """After the last change of a round that ended, a judgement was had or is asked for."""
        asked = {row.subject for row in self.pending()}
        for round_ in self.counting():
            assert round_.state in {"received", "evaluated"}
            since = self.judged.get(round_.id, -1) > self.changed[round_.id]
            assert since or round_.id in asked
            assert round_.state == "evaluated" or round_.id in asked

    def counting(self) -> Sequence[Round]:
        return self.session.exec(select(Round).where(Round.state != "superseded")).all()

    def state(self) -> dict[str, Any]:
        """Everything that counts, without ids and times of arrival."""
        self.session.expunge_all()
        rounds = {round_.id: round_ for round_ in self.counting()}
        keys = {id_: (one.run, one.number, one.phase) for id_, one in rounds.items()}
        assert len(set(keys.values())) == len(keys), "two attempts count"
        return {
            "rounds": {keys[id_]: _without(one, ARRIVAL) for id_, one in rounds.items()},
            "order": self.order(keys),
            "closes": self.closes({(*keys[id_], one.attempt) for id_, one in rounds.items()}),
            "receipts": {
                (keys[one.round_id], one.chunk): _receipt(one)
                for one in self.session.exec(select(ReportBlock))
                if one.round_id in rounds
            },
            "reports": {
                (keys[one.round_id], one.client): replace(one, round_id=NO_ID)
                for one in service.reports_of(self.session, list(rounds))
            },
            "aggregates": {
                (keys[one.round_id], one.measured, one.scope, one.scope_key): _without(
                    one, {"round_id"}
                )
                for one in self.session.exec(select(RoundAggregate))
                if one.round_id in rounds
            },
            "refusals": self.refusals(set(rounds)),
        }

    def closes(self, counting: set[tuple[str, int, str, int]]) -> dict[tuple[Any, ...], int]:
        told = {
            (one.run, one.number, one.phase, one.attempt): one.chunks
            for one in self.session.exec(select(RoundClose))
        }
        return {key: chunks for key, chunks in told.items() if key in counting}

    def order(self, keys: dict[UUID, Key]) -> dict[str, list[Key]]:
        """Rounds as detectors get to see them: one after the other."""
        federation = self.house.federation
        runs = {
            f"{run}/{phase}": service.of_run(self.session, federation, run, Phase(phase))
            for run, _, phase in keys.values()
        }
        measuring = service.measuring(self.session, federation, "late-arrival", "1")
        listed = {**runs, "measuring": measuring}
        return {name: [keys[one.id] for one in listed[name]] for name in listed}

    def refusals(self, rounds: set[UUID]) -> Counter[tuple[Any, ...]]:
        """Of rounds that count; and of pushes that no higher attempt could have made stale."""
        attempted: dict[Key, set[int]] = {}
        for one in self.session.exec(select(Round)):
            attempted.setdefault((one.run, one.number, one.phase), set()).add(one.attempt)
        return Counter(
            (one.run, one.number, one.phase, one.index, one.field, one.code, one.record_sha256)
            for one in self.session.exec(select(Refusal))
            if one.round_id in rounds
            or (one.round_id is None and (one.run, one.number, one.phase) not in attempted)
        )


NO_ID = UUID(int=0)
ARRIVAL = {"id", "received_at", "evaluated_at", "closes_at"}


def _without(row: Any, names: set[str]) -> dict[str, Any]:
    return dict(row.model_dump(exclude=names))


def _receipt(block: ReportBlock) -> tuple[Any, ...]:
    receipt = block.receipt
    told = tuple(receipt[name] for name in ("attempt", "chunk", "body_sha256"))
    refused = tuple((one["index"], one["field"], one["code"]) for one in receipt["refusals"])
    assert (block.accepted, block.quarantined) == (receipt["accepted"], len(refused))
    return (*told, block.accepted, refused)


def play(house: House, messages: Sequence[Message]) -> dict[str, Any]:
    with Session(house.database.engine, expire_on_commit=False) as session:
        try:
            return Play(session, house).through(messages)
        finally:
            session.rollback()


@pytest.mark.parametrize("part", range(PARTS_OF_IT))
def test_every_order_of_arrival_ends_in_the_same_state(house: House, part: int) -> None:
    @seed(part)
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(orders=histories())
    def check(orders: list[list[Message]]) -> None:
        first, *others = (play(house, order) for order in orders)
        for other in others:
            for what in first:
                assert other[what] == first[what], what

    check()
