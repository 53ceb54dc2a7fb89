"""Shadow: the champion before goes on being measured, in case the change is regretted.

After a promotion, canary rounds whose candidate is the old champion measure both on the same
examples. If the old one is better beyond chance, whenever one looks, going back to it is proposed:
a promotion of kind `rollback` with frozen evidence, which one approval applies.
"""

from uuid import UUID

from sqlmodel import Session

from app.core import outbox
from app.federations import service as federations
from app.federations.tables import Federation
from app.registry import evidence, repository
from app.registry.approving import ROLLBACK
from app.registry.canary import paired_since
from app.registry.errors import NoShadowError
from app.registry.evidence_schemas import Regret, ShadowOut
from app.registry.promotions import draft_promotion, submit
from app.registry.tables import Model, Promotion
from app.registry.versions import model_named
from app.rounds import service as rounds
from app.rounds.schemas import Phase
from app.rounds.tables import Round

WATCH = "registry.watch_shadow"
PROPOSER = "vigie"


def ask_for_watch(session: Session, round_: Round) -> None:
    """Have a canary round looked at for regret, in a transaction of its own."""
    if round_.phase == Phase.CANARY:
        outbox.enqueue(session, WATCH, round_.id)


def watch(session: Session, round_id: UUID) -> None:
    """Propose to go back, if this round of a shadow proves regret and nobody has decided on it."""
    round_ = rounds.received(session, round_id)
    found = repository.model_named(session, round_.federation_id, round_.model)
    if found is None:
        return
    model = repository.locked_model(session, found.id)
    promotion = _promotion(session, model)
    concerned = (round_.version, round_.canary_version)
    if promotion is None or concerned != (promotion.candidate, promotion.champion):
        return
    federation = federations.get(session, model.federation_id)
    seen = _shadow(session, federation, model, promotion)
    if seen.regretted and not _busy(session, model, promotion):
        _propose(session, federation, model, promotion, seen)


def shadow(session: Session, federation: Federation, model_name: str) -> ShadowOut:
    """How the champion does beside the one before it.

    Raises:
        NotFoundError: if the federation has no such model.
        NoShadowError: if no promotion made the champion.
    """
    model = model_named(session, federation.id, model_name)
    promotion = _promotion(session, model)
    if promotion is None:
        raise NoShadowError(model_name)
    return _shadow(session, federation, model, promotion)


def _promotion(session: Session, model: Model) -> Promotion | None:
    """The promotion that made the champion."""
    if model.champion is None:
        return None
    return repository.applied_last(session, model, model.champion)


def _shadow(
    session: Session, federation: Federation, model: Model, promotion: Promotion
) -> ShadowOut:
    policy = federations.policy_of(federation)
    asked = policy.promotion.shadow_rounds
    found = paired_since(session, federation, model.name, promotion, asked)
    result = evidence.judged(found, policy.canary)
    seen = evidence.difference(result)
    enough = len(found.rounds) >= policy.canary.min_rounds
    return ShadowOut(
        model=model.name,
        promotion_id=promotion.id,
        champion=promotion.candidate,
        before=promotion.champion,
        rounds=len(found.rounds),
        rounds_left=max(asked - len(found.rounds), 0),
        regret=None
        if seen is None
        else Regret(
            log_loss=-seen.log_loss + 0.0,
            lower=-seen.upper + 0.0,
            upper=-seen.lower + 0.0,
            confidence=seen.confidence,
            e_value=seen.e_superior,
        ),
        history=evidence.history(result, found),
        # The whole interval on the old one's side; the margin is for candidates, not for regret.
        regretted=enough and seen is not None and seen.upper < 0,
    )


def _busy(session: Session, model: Model, promotion: Promotion) -> bool:
    """Whether something is open, or going back was proposed before and decided on."""
    assert promotion.applied_at is not None  # the state says that it is in force
    return (
        repository.open_promotion(session, model) is not None
        or repository.rollback_since(session, model, promotion.champion, promotion.applied_at)
        is not None
    )


def _propose(
    session: Session,
    federation: Federation,
    model: Model,
    promotion: Promotion,
    seen: ShadowOut,
) -> None:
    assert seen.regret is not None  # it was judged
    why = (
        f"Since version {promotion.candidate} is champion, its log loss is"
        f" {seen.regret.log_loss:.4f} nats per example higher than that of version"
        f" {promotion.champion} on the same examples ({seen.regret.confidence:.0%} interval,"
        f" whenever one looks: {seen.regret.lower:.4f} to {seen.regret.upper:.4f})."
    )
    drafted = draft_promotion(
        session, federation, model.name, promotion.champion, PROPOSER, why, kind=ROLLBACK
    )
    submit(session, federation, drafted.id, PROPOSER)
