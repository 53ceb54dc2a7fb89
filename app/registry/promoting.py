"""Putting an approved promotion in force: the effect of the task `registry.apply_promotion`.

MLflow's alias moves first, then the champion here, with the reference, the audit and what follows
from it in one transaction. A crash in between repeats the first step, which changes nothing.
"""

from uuid import UUID

from sqlmodel import Session

from app.core import clock, outbox
from app.core.states import advance
from app.drift import service as drift
from app.federations import service as federations
from app.registry import mirroring, repository
from app.registry.cohort_champions import crown
from app.registry.errors import NotAsRegisteredError
from app.registry.integrity import faults_of_candidate
from app.registry.mirroring import Mirrored, Wanted
from app.registry.promotions import (
    NEXT,
    PromotionState,
    audit_step,
    champion_now,
    locked,
    move,
    say,
)
from app.registry.tables import Model, Promotion

ON_APPLIED = "incidents.on_promotion_applied"

perform = mirroring.perform


def prepare(session: Session, promotion_id: UUID) -> Wanted | None:
    """MLflow with the candidate as champion; None unless the promotion is approved.

    As it is, where the candidate is no longer what was registered: `record` takes that back.
    """
    promotion = repository.promotion_with_id(session, promotion_id)
    if promotion is None or promotion.state != PromotionState.APPROVED:
        return None
    model = repository.model_with_id(session, promotion.model_id)
    if faults_of_candidate(session, model, promotion):
        return mirroring.wanted_with(session, model, model.champion, model.canary)
    canary = _canary_after(model, promotion)
    if promotion.cohort:
        crowned = {promotion.cohort: promotion.candidate}
        return mirroring.wanted_with(session, model, model.champion, canary, crowned=crowned)
    return mirroring.wanted_with(session, model, promotion.candidate, canary)


def record(session: Session, promotion_id: UUID, mirrored: Mirrored) -> None:
    """Make the candidate champion, freeze its reference, and tell who waits for it.

    If the promotion was taken back meanwhile, MLflow's aliases are put right again instead; and
    it is taken back here if the candidate is no longer what was registered.
    """
    found = repository.promotion_with_id(session, promotion_id)
    assert found is not None  # promotions are never deleted, and `prepare` found it
    model, promotion = locked(session, found.federation_id, promotion_id)
    drift.hold(session, model.federation_id, model.name)
    mirroring.keep_numbers(session, model, mirrored)
    if promotion.state == PromotionState.APPROVED:
        if faults := faults_of_candidate(session, model, promotion):
            _refuse(session, promotion, faults)
        else:
            _apply(session, model, promotion)
    # A mirroring that ran at the same time may have put the old aliases back.
    mirroring.mirror_again(session, model)


def _refuse(session: Session, promotion: Promotion, faults: list[str]) -> None:
    """Take a promotion back that was never in force, and say under it why."""
    why = str(NotAsRegisteredError(promotion.candidate, faults))
    before = {"state": promotion.state}
    move(promotion, PromotionState.ROLLED_BACK)
    session.add(promotion)
    after = {"state": promotion.state}
    audit_step(session, promotion, mirroring.MIRRORED_BY, "refuse", after, why, before)
    say(session, promotion, mirroring.MIRRORED_BY, f"Not put in force. {why}")


def _apply(session: Session, model: Model, promotion: Promotion) -> None:
    assert promotion.decided_by is not None  # the state says that it was approved
    before = _standing(session, model, promotion)
    current = PromotionState(promotion.state)
    promotion.state = advance("promotion", NEXT, current, PromotionState.APPLIED)
    promotion.applied_at = clock.now()
    model.canary = _canary_after(model, promotion)
    if promotion.cohort:
        crown(session, model, promotion.cohort, promotion.candidate)
    else:
        model.champion = promotion.candidate
    session.add_all([model, promotion])
    federation = federations.get(session, promotion.federation_id)
    drift.freeze_newest(session, federation, model.name, promotion.candidate, promotion.decided_by)
    after = _standing(session, model, promotion)
    audit_step(session, promotion, mirroring.MIRRORED_BY, "apply", after, promotion.reason, before)
    outbox.enqueue(session, ON_APPLIED, promotion.id)


def _standing(session: Session, model: Model, promotion: Promotion) -> dict[str, str | None]:
    """Who is champion of whom the promotion is about, and who is canary."""
    whose = {"cohort": promotion.cohort} if promotion.cohort else {}
    champion = champion_now(session, model, promotion)
    return {"champion": champion, "canary": model.canary, **whose}


def _canary_after(model: Model, promotion: Promotion) -> str | None:
    """The candidate is canary no more; a newer version that is stays so."""
    return None if model.canary == promotion.candidate else model.canary
