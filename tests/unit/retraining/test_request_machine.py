"""Whatever people, servers and the clock do in whatever order, a request's rules hold: over HTTP.

A few histories by default; `make machines` plays 10,000 steps.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run
from sqlmodel import select

from app.audit import service as audit
from app.core import clock
from app.core.database import Database
from app.core.outbox import OutboxRow
from app.federations import service as federations
from app.federations.policy import Policy
from app.federations.roles import Role
from app.federations.tables import Federation
from app.retraining import service
from app.retraining.states import NEXT
from tests.unit.retraining.requests import LEASE, OTHER, SERVER, ask

STEPS_EACH = 40
SMALL, ENDURANCE = 12, 250  # histories of so many steps
HOME = "/v1/federations/flights"
PLACE = f"{HOME}/retrain-requests"
HELD, OVER = {"claimed", "running"}, {"completed", "failed", "expired", "cancelled"}
OPEN = {"proposed", "requested", *HELD}
HOLDER = "whoever holds it"
STEPS_OF_TABLE = {(str(one), str(other)) for one, others in NEXT.items() for other in others}
# What one move may do at once: a server that claims and starts, a clock that releases and expires.
AT_ONCE = {("claimed", "expired"), ("running", "expired"), ("requested", "running")}
servers = st.sampled_from([SERVER, OTHER])
callers = st.sampled_from([HOLDER, HOLDER, OTHER])
pick = st.integers(0, 1)


class Requests(RuleBasedStateMachine):
    """Two servers, a person and the policy, under a clock that only moves forward."""

    api: TestClient
    database: Database
    federation: Federation
    keys: dict[Role, dict[str, str]]
    tally: dict[str, Any]

    def __init__(self) -> None:
        super().__init__()
        self.at: datetime = self.tally["at"]  # later than all before, whose requests stay
        self.clock = clock.using(lambda: self.at)
        self.clock.__enter__()
        self.tally["models"] += 1
        self.model = f"model-{self.tally['models']}"  # of its own, in a federation of many
        self.step, self.weights = 0, 0
        self.states: dict[str, str] = {}
        self.versions = 1
        self.call(Role.INGEST, f"{HOME}/models/{self.model}/versions", self.trained("first"))

    def teardown(self) -> None:
        self.clock.__exit__(None, None, None)
        self.tally["at"] = self.at + timedelta(days=1)

    def call(self, role: Role, path: str, body: dict[str, Any] | None = None) -> Any:
        """A call that is done, or refused with a reason: never an error of the service's own."""
        method = "GET" if body is None else "POST"
        answer = self.api.request(method, path, json=body, headers=self.keys[role])
        assert answer.status_code in {200, 201, 204, 404, 409}, answer.text
        if answer.status_code in {404, 409}:
            assert answer.json()["type"].startswith("urn:vigie:problem:")
        self.tally["steps"] += body is not None
        return answer.json() if answer.content else None

    def trained(self, run_: str) -> dict[str, Any]:
        self.weights += 1
        return {"run": run_, "weights_sha256": f"{self.weights:064x}"}

    def requests(self) -> list[dict[str, Any]]:
        found = self.call(Role.INGEST, f"{PLACE}?limit=40")
        return [one for one in found if one["model"] == self.model]

    def any_of(self, which: int) -> dict[str, Any]:
        """One of the newest, the same for the same draws."""
        newest_last = list(self.states)
        wanted = newest_last[-1 - which % len(newest_last)]
        found: dict[str, Any] = self.call(Role.INGEST, f"{PLACE}/{wanted}")
        return found

    def consider(self) -> None:
        with self.database.session_scope() as session:
            here = federations.get(session, self.federation.id)
            service.consider(session, here, ask(self.step, model=self.model))

    def claim(self, server: str) -> Any:
        body = {"model": self.model, "claimer": server, "lease_seconds": LEASE}
        return self.call(Role.INGEST, f"{PLACE}/claim", body)

    @initialize()
    def start(self) -> None:
        """With a request in a server's hands: that is where most can happen."""
        self.consider()
        self.claim(SERVER)

    @rule(steps=st.integers(0, 9), by_hand=st.booleans())
    def ask(self, steps: int, by_hand: bool) -> None:
        self.step += steps
        if by_hand:
            self.call(Role.OWNER, PLACE, {"model": self.model, "reason": "new hospitals"})
        else:
            self.consider()

    @rule(dear=st.booleans())
    def price(self, dear: bool) -> None:
        """The policy wants a person's yes, or it does not."""
        limit = {"client_hours": 0} if dear else {}
        policy = Policy.model_validate({"retraining": {"approval": limit, "cooldown_rounds": 4}})
        with self.database.session_scope() as session:
            here = federations.get(session, self.federation.id)
            federations.set_policy(session, here, policy, "Ada")

    @rule(server=servers)
    def one_claims(self, server: str) -> None:
        self.claim(server)

    @rule()
    def all_claim_at_once(self) -> None:
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(self.claim, [SERVER, OTHER, SERVER, OTHER]))
        assert len({answer["claimed_by"] for answer in answers if answer}) <= 1

    def by(self, request: dict[str, Any], caller: str) -> dict[str, Any]:
        holder = request["claimed_by"] or SERVER
        return {"claimer": holder if caller == HOLDER else caller}

    @precondition(lambda self: self.states)
    @rule(which=pick, caller=callers)
    def progress(self, which: int, caller: str) -> None:
        request = self.any_of(which)
        body = {**self.by(request, caller), "completed_rounds": 1, "total_rounds": 20}
        self.call(Role.INGEST, f"{PLACE}/{request['id']}/progress", body)

    @precondition(lambda self: self.states)
    @rule(which=pick, caller=callers)
    def complete(self, which: int, caller: str) -> None:
        request = self.any_of(which)
        body = {**self.by(request, caller), **self.trained("again"), "rounds": 20}
        path = f"{PLACE}/{request['id']}/complete"
        first = self.call(Role.INGEST, path, body)
        if first.get("state") == "completed":  # the answer was lost
            assert self.call(Role.INGEST, path, body) == first

    @precondition(lambda self: self.states)
    @rule(which=pick, caller=callers)
    def fail(self, which: int, caller: str) -> None:
        request = self.any_of(which)
        body = {**self.by(request, caller), "reason": "disk full"}
        self.call(Role.INGEST, f"{PLACE}/{request['id']}/fail", body)

    @precondition(lambda self: self.states)
    @rule(which=pick)
    def approve(self, which: int) -> None:
        self.decide(which, "approve")

    @precondition(lambda self: self.states)
    @rule(which=pick, sure=st.integers(0, 3))
    def cancel(self, which: int, sure: int) -> None:
        if sure == 0:  # seldom, or little else would be seen
            self.decide(which, "cancel")

    @precondition(lambda self: self.states)
    @rule(which=pick)
    def roll_back(self, which: int) -> None:
        self.decide(which, "roll-back")

    def decide(self, which: int, how: str) -> None:
        path = f"{PLACE}/{self.any_of(which)['id']}/{how}"
        self.call(Role.OWNER, path, {"reason": "seen"})

    @rule(seconds=st.sampled_from([1, LEASE // 2, LEASE, 73 * 3600]))
    def wait(self, seconds: int) -> None:
        self.at += timedelta(seconds=seconds)
        with self.database.session_scope() as session:
            service.release_expired(session)

    @invariant()
    def the_rules_hold(self) -> None:
        found = self.requests()
        assert sum(one["state"] in OPEN for one in found) <= 1
        for one in found:
            self.every_step_is_in_the_table(one)
            held = one["state"] in HELD
            assert (one["lease_until"] is not None) == held
            assert held <= (one["claimed_by"] is not None)
            assert (one["ended_at"] is not None) == (one["state"] in OVER)
            assert (one["state"] == "proposed") <= (one["proposal"] is not None)
        self.a_completed_request_is_a_version_and_nothing_else_is(found)

    def every_step_is_in_the_table(self, request: dict[str, Any]) -> None:
        before, after = self.states.get(request["id"]), request["state"]
        assert before in (None, after) or (before, after) in STEPS_OF_TABLE | AT_ONCE
        self.states[request["id"]] = after
        self.tally["reached"].add(after)

    def a_completed_request_is_a_version_and_nothing_else_is(
        self, found: list[dict[str, Any]]
    ) -> None:
        versions = self.call(Role.INGEST, f"{HOME}/models/{self.model}/versions")
        made = {one["retrain_request_id"]: one["version"] for one in versions[1:]}
        assert made == {
            one["id"]: one["result_version"] for one in found if one["state"] == "completed"
        }


def told_once(database: Database) -> None:
    """Each request was announced once for each thing that there was to tell."""
    with database.read_scope() as session:
        keys = [row.key for row in session.exec(select(OutboxRow))]
        audit.verify(session)
    assert len(keys) == len(set(keys))


@pytest.mark.timeout(1800)
def test_the_rules_hold_in_any_order(
    api: TestClient,
    database: Database,
    federation: Federation,
    key_of: Callable[..., dict[str, str]],
) -> None:
    long = settings.get_current_profile_name() == "endurance"
    calm = settings(
        max_examples=ENDURANCE if long else SMALL,
        stateful_step_count=STEPS_EACH,
        deadline=None,
        derandomize=not long,
        suppress_health_check=[HealthCheck.too_slow],
    )
    start = datetime(2013, 6, 10, tzinfo=UTC)
    tally: dict[str, Any] = {"models": 0, "steps": 0, "reached": set(), "at": start}
    here = {
        "api": api,
        "database": database,
        "federation": federation,
        "keys": {role: key_of(role) for role in (Role.INGEST, Role.OWNER)},
        "tally": tally,
    }
    run(type("Here", (Requests,), here), settings=calm)
    told_once(database)
    # Which histories are tried may change with the code; the invariants are what must hold.
    assert len(tally["reached"]) >= 7
    print(f"{tally['steps']} moves over HTTP reached {sorted(tally['reached'])}")
