"""Whatever rounds say and people do in whatever order, the rules of incidents hold."""

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run
from sqlmodel import Session, select

from app.audit import service as audit
from app.core.database import Database
from app.core.errors import IllegalTransitionError
from app.core.outbox import OutboxRow
from app.drift.tables import Verdict
from app.federations import service as federations
from app.federations.tables import Federation
from app.incidents import service
from app.incidents.notices import DELIVER
from app.incidents.states import IncidentState, Resolution, Severity
from app.incidents.tables import Announcement, Incident, Notice
from tests.unit.incidents.stories import Story, at_clients, stable, verdict

STEPS = {("open", "acknowledged"), ("open", "resolved"), ("acknowledged", "resolved")}
ROUNDS: dict[str, Callable[[], list[Verdict]]] = {
    "calm": lambda: [stable(), stable(scope="cohort", key="hub=EWR")],
    "small": lambda: [verdict(), *at_clients(1, 2)],
    "large": lambda: [verdict(effect=0.3)],
    "cohort": lambda: [stable(), verdict("cohort", "hub=EWR")],
    "inputs": lambda: [stable(), verdict(subject="score", family="data")],
    "unknown": lambda: [verdict(outcome="insufficient_evidence")],
    "not judged": list[Verdict],
}
pick = st.integers(0, 5)


class Incidents(RuleBasedStateMachine):
    """One model's rounds, and people who handle what they open."""

    database: Database
    federation: Federation
    reached: set[str]

    def __init__(self) -> None:
        super().__init__()
        self.session = Session(self.database.engine, expire_on_commit=False)
        self.session.begin()
        self.patch = pytest.MonkeyPatch()
        here = federations.get(self.session, self.federation.id)
        self.story = Story(self.session, here, self.patch)
        self.step = 0
        self.seen: dict[object, tuple[str, Severity]] = {}

    def teardown(self) -> None:
        self.patch.undo()
        self.session.rollback()
        self.session.close()

    def any_of(self, which: int) -> Incident:
        return self.session.get_one(Incident, list(self.seen)[which % len(self.seen)])

    @rule(kind=st.sampled_from(sorted(ROUNDS)), later=st.integers(-1, 1))
    def judge(self, kind: str, later: int) -> None:
        self.step = max(1, self.step + later)
        self.story.push(self.step, *ROUNDS[kind]())

    @precondition(lambda self: self.seen)
    @rule(which=pick)
    def acknowledge(self, which: int) -> None:
        incident = self.any_of(which)
        was = incident.state
        self.told(
            was == "open",
            lambda: service.acknowledge(self.session, self.story.federation, incident.id, "Ada"),
        )

    @precondition(lambda self: self.seen)
    @rule(which=pick, resolution=st.sampled_from([Resolution.NEW_NORMAL, Resolution.DATA_FAULT]))
    def resolve(self, which: int, resolution: Resolution) -> None:
        incident = self.any_of(which)
        was = incident.state
        here = self.story.federation
        self.told(
            was != "resolved",
            lambda: service.resolve(self.session, here, incident.id, "Ada", resolution, "seen"),
        )

    def told(self, allowed: bool, step: Callable[[], object]) -> None:
        """The step is done, or refused with both states named."""
        if allowed:
            step()
            return
        with pytest.raises(IllegalTransitionError, match=r"is \w+: it cannot become"):
            step()

    @invariant()
    def every_step_is_in_the_table(self) -> None:
        for incident in self.story.incidents():
            severity = Severity(incident.severity)
            state, worst = self.seen.get(incident.id, (incident.state, severity))
            assert state == incident.state or (state, incident.state) in STEPS
            assert severity.rank >= worst.rank
            self.seen[incident.id] = (incident.state, severity)
            self.reached.add(incident.state)

    @invariant()
    def a_cause_has_one_unresolved_incident(self) -> None:
        causes = [i.cause for i in self.story.incidents() if i.state != IncidentState.RESOLVED]
        assert len(causes) == len(set(causes))

    @invariant()
    def its_rounds_are_in_order(self) -> None:
        for incident in self.story.incidents():
            assert incident.onset_step <= incident.opened_step <= incident.last_step

    @invariant()
    def each_step_was_announced_once(self) -> None:
        self.story.spread()
        for incident in self.story.incidents():
            of_this = select(Announcement).where(Announcement.incident_id == incident.id)
            told = Counter((one.event, one.step) for one in self.session.exec(of_this))
            assert set(told.values()) == {1}  # even what comes again does so at a step of its own
            events = Counter(event for event, _ in told)
            assert events["opened"] == 1
            assert events["escalated"] <= 1
            assert events["resolved"] == (incident.state == "resolved")
            assert set(events) <= {"opened", "escalated", "worsened", "resolved"}

    @invariant()
    def each_notice_is_on_its_way(self) -> None:
        asked = select(OutboxRow.subject).where(OutboxRow.task == DELIVER)
        notices = self.session.exec(select(Notice.id)).all()
        assert sorted(self.session.exec(asked), key=str) == sorted(notices, key=str)

    @invariant()
    def an_open_incident_has_evidence(self) -> None:
        for incident in self.session.exec(select(Incident)):
            assert service.verdicts_behind(self.session, incident)

    @invariant()
    def the_audit_chain_holds(self) -> None:
        audit.verify(self.session)


@pytest.mark.timeout(300)
def test_the_rules_hold_in_any_order(database: Database, federation: Federation) -> None:
    calm = settings(
        max_examples=50,
        stateful_step_count=15,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    reached: set[str] = set()
    here = {"database": database, "federation": federation, "reached": reached}
    run(type("Here", (Incidents,), here), settings=calm)
    # Which histories are tried may change with the code; the invariants are what must hold.
    assert len(reached) >= 2
