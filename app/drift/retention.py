"""Retention: client records go after their federation's time; aggregates and verdicts stay.

The rounds of a reference in force are kept for as long as it is: later rounds are judged by them.
"""

from uuid import UUID

from sqlmodel import Session

from app.drift import repository
from app.federations import service as federations
from app.rounds import service as rounds


def forget_expired(session: Session) -> int:
    """Drop the records that are older than their federation keeps them; return how many chunks."""
    return sum(
        rounds.forget(session, federation, keep=_in_use(session, federation.id))
        for federation in federations.everyone(session)
    )


def _in_use(session: Session, federation_id: UUID) -> set[UUID]:
    references = repository.references_in_force(session, federation_id)
    return {UUID(text) for reference in references for text in reference.round_ids}
