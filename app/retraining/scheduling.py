"""Retraining by calendar: every so many rounds or days, whether anything drifts or not."""

from datetime import datetime, timedelta

from sqlmodel import Session

from app.core import clock
from app.drift import service as drift
from app.federations import service as federations
from app.federations.tables import Federation
from app.registry import service as registry
from app.retraining import repository
from app.retraining.asking import consider
from app.retraining.deciding import BY_SCHEDULE, RetrainAsk
from app.retraining.tables import RetrainRequest
from app.rounds import service as rounds


def consider_schedule(
    session: Session, federation: Federation, model: str, step: int
) -> RetrainRequest | None:
    """Ask for retraining of a model's champion if the policy's calendar says so at this step."""
    schedule = federations.policy_of(federation).retraining.schedule
    if schedule.every_rounds is None and schedule.every_days is None:
        return None
    since = _since(session, federation, model)
    champion = _champion(session, federation, model)
    if since is None or champion is None:
        return None
    rounds_on, on = step - since[0], clock.now() - since[1]
    if schedule.every_rounds is not None and rounds_on >= schedule.every_rounds:
        why = f"{rounds_on} rounds since it was last trained; the policy's calendar says"
        why += f" {schedule.every_rounds}"
    elif schedule.every_days is not None and on >= timedelta(days=schedule.every_days):
        why = f"{on / timedelta(days=1):.1f} days since it was last trained; the policy's calendar"
        why += f" says {schedule.every_days:g}"
    else:
        return None
    ask = RetrainAsk(model, champion, "info", "calendar", step, f"{why}.", occasion=BY_SCHEDULE)
    return consider(session, federation, ask)


def consider_all_schedules(session: Session) -> None:
    """Look at every federation's calendar: days go by without rounds, too.

    A round that is judged meanwhile may look as well; the database lets one of them ask.
    """
    for federation in federations.everyone(session):
        if federations.policy_of(federation).retraining.schedule.every_days is None:
            continue
        for model in registry.models_of(session, federation.id):
            newest = rounds.recent(session, federation.id, model=model.name, limit=1)
            if newest:
                consider_schedule(session, federation, model.name, newest[0].global_step)


def _since(session: Session, federation: Federation, model: str) -> tuple[int, datetime] | None:
    """The step and time of the newest request, or of the model's first reference."""
    newest = repository.newest_of(session, federation.id, model)
    if newest is not None:
        return newest.requested_step, newest.created_at
    references = drift.references_of(session, federation.id, model)
    return (references[-1].last_step, references[-1].frozen_at) if references else None


def _champion(session: Session, federation: Federation, model: str) -> str | None:
    known = registry.models_of(session, federation.id)
    return next((one.champion for one in known if one.name == model), None)
