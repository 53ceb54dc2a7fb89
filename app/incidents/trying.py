"""A policy tried on the stored rounds, before anybody puts it in force.

It is asked for here, played by a worker, and read when it is there. A federation has one under way
at a time.
"""

from typing import Any
from uuid import UUID

from sqlmodel import Session

from app.audit import service as audit
from app.core import clock, outbox
from app.core.database import insert_unless_there
from app.core.errors import NotFoundError
from app.federations import service as federations
from app.federations.policy import Policy, document_of
from app.federations.tables import Federation
from app.incidents import proposals, repository
from app.incidents.errors import TrialUnderWayError
from app.incidents.proposals import Trial
from app.incidents.tables import PolicyTrial

TRY = "incidents.try_policy"
KEPT = 20  # of a federation; older ones go when another is asked for

perform = proposals.perform


def ask(
    session: Session, federation: Federation, policy: Policy, text: str, actor: str
) -> PolicyTrial:
    """Have a worker say which incidents a policy would have opened and which it would have spared.

    `text` is how somebody wrote it.

    Raises:
        TrialUnderWayError: if another trial of the federation is not over.
    """
    for old in repository.trials_of(session, federation.id)[KEPT - 1 :]:
        session.delete(old)
    trial = PolicyTrial(
        federation_id=federation.id,
        policy=document_of(policy),
        text=text,
        asked_by=actor,
        asked_at=clock.now(),
    )
    if not insert_unless_there(session, trial):
        raise TrialUnderWayError
    outbox.enqueue(session, TRY, trial.id)
    audit.record(
        session,
        actor=actor,
        action="policy.try",
        entity=f"trial:{trial.id}",
        federation_id=federation.id,
        after={"policy": trial.policy},
    )
    return trial


def get(session: Session, federation_id: UUID, trial_id: UUID) -> PolicyTrial:
    """A federation's trial.

    Raises:
        NotFoundError: if it has none of this id.
    """
    found = repository.trial(session, trial_id)
    if found is None or found.federation_id != federation_id:
        raise NotFoundError("trial", trial_id)
    return found


def newest(session: Session, federation_id: UUID) -> PolicyTrial | None:
    """The federation's newest trial, over or not."""
    return next(iter(repository.trials_of(session, federation_id)), None)


def prepare(session: Session, trial_id: UUID) -> Trial | None:
    """What to try; None where it is over."""
    trial = repository.trial(session, trial_id)
    if trial is None or trial.ended_at is not None:
        return None
    federation = federations.get(session, trial.federation_id)
    return Trial(federation.name, Policy.model_validate(trial.policy))


def record(session: Session, trial_id: UUID, found: dict[str, Any]) -> None:
    """Keep what it found."""
    _end(session, trial_id, result=found)


def give_up(session: Session, trial_id: UUID, error: str) -> None:
    """Note that it failed, and why."""
    _end(session, trial_id, error=error)


def _end(session: Session, trial_id: UUID, **outcome: Any) -> None:  # noqa: ANN401 - columns
    trial = repository.trial(session, trial_id)
    assert trial is not None, "one that is not over is not removed"
    trial.sqlmodel_update({**outcome, "ended_at": clock.now()})
    session.add(trial)
