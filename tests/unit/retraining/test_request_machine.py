"""Whatever people, servers and the clock do in whatever order, a request's rules hold."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run
from sqlmodel import Session

from app.audit import service as audit
from app.core import clock
from app.core.database import Database
from app.core.errors import DomainError
from app.federations import service as federations
from app.federations.tables import Federation
from app.registry import service as registry
from app.retraining import service
from app.retraining.tables import RetrainRequest
from tests.unit.retraining.requests import (
    LEASE,
    MODEL,
    OTHER,
    PERSON,
    SERVER,
    ask,
    champion,
    claim,
    going,
    trained,
)

HELD, OVER = {"claimed", "running"}, {"completed", "failed", "expired", "cancelled"}
OPEN = {"requested", *HELD}
STEPS = {
    ("requested", "claimed"),
    ("requested", "expired"),
    ("requested", "cancelled"),
    ("claimed", "running"),
    *((held, after) for held in HELD for after in ("completed", "failed", "requested")),
    *((held, after) for held in HELD for after in ("cancelled", "expired")),
}
HOLDER = "whoever holds it"
servers = st.sampled_from([SERVER, OTHER])
callers = st.sampled_from([HOLDER, HOLDER, OTHER])
pick = st.integers(0, 1)


class Requests(RuleBasedStateMachine):
    """Two servers and a person, under a clock that only moves forward."""

    database: Database
    federation: Federation
    reached: set[str]

    def __init__(self) -> None:
        super().__init__()
        self.at = datetime(2013, 6, 10, tzinfo=UTC)
        self.clock = clock.using(lambda: self.at)
        self.clock.__enter__()
        self.session = Session(self.database.engine, expire_on_commit=False)
        self.session.begin()
        self.here = federations.get(self.session, self.federation.id)
        champion(self.session, self.here)
        self.step = 0
        self.states: dict[object, str] = {}

    def teardown(self) -> None:
        self.session.rollback()
        self.session.close()
        self.clock.__exit__(None, None, None)

    def attempt(self, step: Callable[..., object], *args: object) -> None:
        """One call: it is done, or refused and leaves nothing."""
        try:
            with self.session.begin_nested():
                step(self.session, self.here, *args)
        except DomainError:
            self.session.expire_all()

    def any_of(self, which: int) -> RetrainRequest:
        """One of the newest, the same for the same draws."""
        newest_last = list(self.states)
        return self.session.get_one(RetrainRequest, newest_last[-1 - which % len(newest_last)])

    def requests(self) -> list[RetrainRequest]:
        return service.list_of(self.session, self.here.id)

    @initialize()
    def start(self) -> None:
        """With a request in a server's hands: that is where most can happen."""
        self.attempt(service.consider, ask(self.step))
        self.attempt(claim, SERVER)

    @rule(steps=st.integers(0, 9), by_hand=st.booleans())
    def ask(self, steps: int, by_hand: bool) -> None:
        self.step += steps
        if by_hand:
            self.attempt(service.request, ask(self.step), PERSON)
        else:
            self.attempt(service.consider, ask(self.step))

    @rule(server=servers)
    def claim(self, server: str) -> None:
        self.attempt(claim, server)

    @precondition(lambda self: self.states)
    @rule(call=st.sampled_from(["progress", "complete", "fail"]), which=pick, caller=callers)
    def train(self, call: str, which: int, caller: str) -> None:
        request = self.any_of(which)
        name = (request.claimed_by or SERVER) if caller == HOLDER else caller
        if call == "progress":
            self.attempt(service.progress, request.id, going(1, name))
        elif call == "complete":
            self.attempt(service.complete, request.id, trained(name))
        else:
            self.attempt(service.fail, request.id, name, "disk full")

    @precondition(lambda self: self.states)
    @rule(which=pick, sure=st.integers(0, 3))
    def cancel(self, which: int, sure: int) -> None:
        if sure == 0:  # seldom, or little else would be seen
            self.attempt(service.cancel, self.any_of(which).id, PERSON, "not now")

    @rule(seconds=st.sampled_from([1, LEASE // 2, LEASE, 73 * 3600]))
    def wait(self, seconds: int) -> None:
        self.at += timedelta(seconds=seconds)
        service.release_expired(self.session)

    @invariant()
    def every_step_is_in_the_table(self) -> None:
        for request in self.requests():
            before = self.states.get(request.id)
            assert before in (None, request.state) or (before, request.state) in STEPS
            self.states[request.id] = request.state
            self.reached.add(request.state)

    @invariant()
    def one_is_open_at_most(self) -> None:
        assert sum(request.state in OPEN for request in self.requests()) <= 1

    @invariant()
    def who_holds_it_has_a_lease(self) -> None:
        for request in self.requests():
            held = request.state in HELD
            assert (request.lease_until is not None) == held
            assert held <= (request.claimed_by is not None)
            assert (request.ended_at is not None) == (request.state in OVER)

    @invariant()
    def a_completed_request_is_a_version(self) -> None:
        made = {
            version.retrain_request_id: version.version
            for version in registry.versions_of(self.session, self.here.id, MODEL)
            if version.retrain_request_id is not None
        }
        done = {r.id: r.result_version for r in self.requests() if r.state == "completed"}
        assert made == done

    @invariant()
    def the_audit_chain_holds(self) -> None:
        audit.verify(self.session)


@pytest.mark.timeout(120)
def test_the_rules_hold_in_any_order(database: Database, federation: Federation) -> None:
    calm = settings(
        max_examples=50,
        stateful_step_count=25,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    reached: set[str] = set()
    here = {"database": database, "federation": federation, "reached": reached}
    run(type("Here", (Requests,), here), settings=calm)
    # Which histories are tried may change with the code; the invariants are what must hold.
    assert len(reached) >= 5
