"""Whatever people do in whatever order, a promotion's rules hold."""

from collections.abc import Callable
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
)
from hypothesis.stateful import run_state_machine_as_test as run
from sqlmodel import Session, select

from app.audit import service as audit
from app.core.database import Database
from app.core.errors import DomainError
from app.federations.tables import Federation
from app.registry import promoting, service
from app.registry.tables import ModelVersion, Promotion
from tests.mirrored import mirrored
from tests.unit.registry.lifecycle import MODEL, approve, register

PEOPLE = ("Ada", "Grace", "Joan")
OPEN = {"draft", "awaiting_review", "approved"}
people = st.sampled_from(PEOPLE)
STEPS = {
    ("draft", "awaiting_review"),
    ("draft", "rejected"),
    ("awaiting_review", "approved"),
    ("awaiting_review", "rejected"),
    ("approved", "applied"),
    ("approved", "rolled_back"),
    ("applied", "rolled_back"),
}


class Promotions(RuleBasedStateMachine):
    """Three people, four versions: one registered by a machine, the others by each of them."""

    database: Database
    federation: Federation
    reached: set[str]

    drafted = Bundle("drafted")

    def __init__(self) -> None:
        super().__init__()
        self.session = Session(self.database.engine, expire_on_commit=False)
        self.session.begin()
        for number, registrar in enumerate(("fl-server", *PEOPLE), start=1):
            register(self.session, self.federation, number, registrar)
        self.states: dict[UUID, str] = {}

    def teardown(self) -> None:
        self.session.rollback()
        self.session.close()

    def attempt(self, step: Callable[..., Promotion], *args: object) -> Promotion | None:
        """One request: it is done, or refused and leaves nothing."""
        try:
            with self.session.begin_nested():
                return step(self.session, self.federation, *args)
        except DomainError:
            self.session.expire_all()
            return None

    @rule(target=drafted, actor=people, candidate=st.sampled_from("1234"))
    def draft(self, actor: str, candidate: str) -> UUID | MultipleResults[UUID]:
        made = self.attempt(service.draft_promotion, MODEL, candidate, actor, "why")
        return multiple() if made is None else made.id

    @rule(promotion=drafted, actor=people)
    def submit(self, promotion: UUID, actor: str) -> None:
        self.attempt(service.submit, promotion, actor)

    @rule(promotion=drafted)
    def submit_as_its_author(self, promotion: UUID) -> None:
        author = service.get_promotion(self.session, self.federation.id, promotion).submitted_by
        self.attempt(service.submit, promotion, author)

    @rule(promotion=drafted, actor=people)
    def approve(self, promotion: UUID, actor: str) -> None:
        self.attempt(approve, promotion, actor, "agreed")

    @rule(promotion=drafted, actor=people)
    def reject(self, promotion: UUID, actor: str) -> None:
        self.attempt(service.reject, promotion, actor, "refused")

    @rule(promotion=drafted, actor=people)
    def roll_back(self, promotion: UUID, actor: str) -> None:
        self.attempt(service.roll_back, promotion, actor, "worse")

    @rule(promotion=drafted)
    def apply(self, promotion: UUID) -> None:
        wanted = promoting.prepare(self.session, promotion)
        if wanted is not None:
            promoting.record(self.session, promotion, mirrored(wanted))
            promoting.record(self.session, promotion, mirrored(wanted))

    @invariant()
    def every_step_is_in_the_table(self) -> None:
        for promotion in self.promotions():
            before = self.states.get(promotion.id, "draft")
            assert before == promotion.state or (before, promotion.state) in STEPS
            self.states[promotion.id] = promotion.state
            self.reached.add(promotion.state)

    @invariant()
    def one_is_open_at_most(self) -> None:
        assert sum(promotion.state in OPEN for promotion in self.promotions()) <= 1

    @invariant()
    def two_people_answer_for_each(self) -> None:
        registrars = {
            version.version: version.registered_by
            for version in self.session.exec(select(ModelVersion))
        }
        for promotion in self.promotions():
            if promotion.decided_by is not None:
                assert promotion.decided_by != promotion.submitted_by
                assert promotion.decided_by != registrars[promotion.candidate]

    @invariant()
    def the_champion_is_whom_the_last_promotion_in_force_says(self) -> None:
        champion = service.model_named(self.session, self.federation.id, MODEL).champion
        applied = [p for p in self.promotions() if p.state == "applied"]
        newest = max(applied, key=lambda p: (p.applied_at, p.created_at), default=None)
        assert champion == ("1" if newest is None else newest.candidate)

    @invariant()
    def the_audit_chain_holds(self) -> None:
        audit.verify(self.session)

    def promotions(self) -> list[Promotion]:
        self.session.flush()
        return list(self.session.exec(select(Promotion)))


@pytest.mark.timeout(300)
def test_the_rules_hold_in_any_order(database: Database, federation: Federation) -> None:
    calm = settings(
        max_examples=20,
        stateful_step_count=30,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    reached: set[str] = set()
    here = {"database": database, "federation": federation, "reached": reached}
    run(type("Here", (Promotions,), here), settings=calm)
    # Which histories are tried may change with the code; the invariants are what must hold.
    assert len(reached) >= 4
