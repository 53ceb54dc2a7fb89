"""The champion before goes on being measured, and regret proposes to go back to it."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pytest
from sqlmodel import Session

from app.core import clock
from app.core.database import Database
from app.federations.tables import Federation
from app.registry import promoting, service, shadow
from app.registry.errors import NoShadowError
from app.registry.tables import Promotion
from app.rounds.tables import Round
from tests.mirrored import mirrored
from tests.rounds import blocks
from tests.unit.registry.lifecycle import (
    MODEL,
    VALIDATOR,
    approve,
    approved,
    canary_report,
    model_now,
    register_two,
    stored_round,
    tasks,
)

CLIENTS = 10


@pytest.fixture
def session(database: Database, federation: Federation) -> Iterator[Session]:
    register_two(database, federation)
    with database.session_scope() as session:
        yield session


def in_force(session: Session, promotion: Promotion) -> Promotion:
    wanted = promoting.prepare(session, promotion.id)
    assert wanted is not None
    promoting.record(session, promotion.id, mirrored(wanted))
    return promotion


def shadow_round(session: Session, federation: Federation, step: int, worse: float) -> Round:
    """The champion, version 2, is worse than version 1 by about so many nats."""
    round_ = stored_round(
        federation, step, "canary", version="2", canary_version="1", received_at=clock.now()
    )
    session.add(round_)
    session.flush()
    rng = np.random.default_rng(step)
    reports = [
        canary_report(round_, client, 0.5, 0.5 - worse + 0.01 * rng.normal())
        for client in range(CLIENTS)
    ]
    session.add_all(blocks(reports))
    session.flush()
    return round_


def play(session: Session, federation: Federation, steps: range, worse: float) -> None:
    for step in steps:
        round_ = shadow_round(session, federation, step, worse)
        service.ask_for_watch(session, round_)
        shadow.watch(session, round_.id)


def proposals(session: Session, federation: Federation) -> list[Promotion]:
    found = service.promotions_of(session, federation.id)
    return [one for one in found if one.kind == "rollback"]


def test_regret_proposes_to_go_back_and_one_approval_does_it(
    session: Session, federation: Federation
) -> None:
    in_force(session, approved(session, federation))
    play(session, federation, range(1), worse=0.05)
    assert proposals(session, federation) == []
    play(session, federation, range(1, 4), worse=0.05)
    (proposal,) = proposals(session, federation)
    assert (proposal.state, proposal.candidate, proposal.champion, proposal.submitted_by) == (
        "awaiting_review",
        "1",
        "2",
        "vigie",
    )
    assert (proposal.required, proposal.evidence["candidate"]) == (["validator"], "1")
    assert "nats per example higher than that of version 1" in (proposal.why or "")
    in_force(session, approve(session, federation, proposal.id, VALIDATOR, "it is worse"))
    assert service.model_named(session, federation.id, MODEL).champion == "1"
    assert shadow.WATCH in tasks(session)


def test_a_champion_that_does_well_is_left_alone(session: Session, federation: Federation) -> None:
    in_force(session, approved(session, federation))
    play(session, federation, range(6), worse=-0.02)
    assert proposals(session, federation) == []
    seen = service.shadow(session, federation, MODEL)
    assert (seen.before, seen.rounds, seen.rounds_left, seen.regretted) == ("1", 6, 2, False)
    assert seen.regret is not None
    assert seen.regret.upper < 0


def test_after_its_rounds_the_shadow_ends(session: Session, federation: Federation) -> None:
    federation.policy = {"promotion": {"shadow_rounds": 2}}
    session.add(federation)
    in_force(session, approved(session, federation))
    play(session, federation, range(2), worse=0.0)
    play(session, federation, range(2, 6), worse=0.3)
    assert service.shadow(session, federation, MODEL).rounds == 2
    assert proposals(session, federation) == []


def test_what_was_refused_once_is_not_proposed_again(
    session: Session, federation: Federation
) -> None:
    in_force(session, approved(session, federation))
    play(session, federation, range(3), worse=0.05)
    (proposal,) = proposals(session, federation)
    service.reject(session, federation, proposal.id, VALIDATOR, "a holiday")
    play(session, federation, range(3, 6), worse=0.05)
    assert len(proposals(session, federation)) == 1


def test_rounds_from_before_the_promotion_are_no_shadow(
    session: Session, federation: Federation
) -> None:
    with clock.using(lambda: clock.datetime.now(clock.UTC) - timedelta(days=1)):
        shadow_round(session, federation, 0, worse=0.5)
    in_force(session, approved(session, federation))
    assert service.shadow(session, federation, MODEL).rounds == 0


def test_a_first_champion_has_none_before_it(
    session: Session, database: Database, federation: Federation
) -> None:
    assert model_now(database, federation).champion == "1"
    with pytest.raises(NoShadowError):
        service.shadow(session, federation, MODEL)
