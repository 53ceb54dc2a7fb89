"""Looks: what each canary round made known of a version beside the champion, kept for its curve."""

from sqlmodel import Session

from app.federations import service as federations
from app.registry import repository
from app.registry.canary import comparison
from app.registry.evidence_schemas import Comparison
from app.registry.tables import CanaryLook, Model
from app.rounds import disclosure
from app.rounds.schemas import Phase
from app.rounds.tables import Round


def keep_look(session: Session, round_: Round) -> None:
    """Keep what is known with this round; nothing unless it measured a version with the champion.

    Judged anew, a round gets the look of now.
    """
    model = repository.model_named(session, round_.federation_id, round_.model)
    if round_.phase != Phase.CANARY or model is None or not _of_the_champion(round_, model):
        return
    assert round_.canary_version is not None  # the push was checked
    if repository.version_named(session, model, round_.canary_version) is None:
        return
    federation = federations.get(session, round_.federation_id)
    found = comparison(session, federation, model.name, round_.canary_version)
    shadow = repository.was_champion(session, model, round_.canary_version)
    look = _look(round_, found, federation.min_cohort_size, shadow=shadow)
    repository.replace_look(session, look)


def _of_the_champion(round_: Round, model: Model) -> bool:
    return round_.version == model.champion != round_.canary_version


def _look(round_: Round, found: Comparison, k: int, *, shadow: bool) -> CanaryLook:
    told = found.difference
    return CanaryLook(
        round_id=round_.id,
        federation_id=round_.federation_id,
        model=found.model,
        champion=found.champion,
        candidate=found.candidate,
        shadow=shadow,
        received_at=round_.received_at,
        rounds=found.rounds,
        clients=found.clients,
        examples=disclosure.coarse_total(found.examples, found.clients, k),
        difference=told.log_loss if told else None,
        lower=told.lower if told else None,
        upper=told.upper if told else None,
        margin=told.margin if told else None,
        confidence=told.confidence if told else None,
        action=found.recommendation.action,
    )
