"""What drift forgets of a client that withdrew: its own verdicts, and unmarked references."""

from collections.abc import Mapping
from uuid import UUID

from sqlmodel import Session

from app.drift import repository
from app.rounds.withdrawals import Withdrawn

WITHDRAWN = "the client withdrew"


def forget(session: Session, federation_id: UUID, withdrawn: Withdrawn) -> int:
    """Blank the verdicts on these clients, mark the references; return how many verdicts."""
    _mark_references(session, federation_id, withdrawn.clients_by_round)
    return sum(
        repository.blank(session, federation_id, client, mark, {"missing": WITHDRAWN})
        for client, mark in withdrawn.marks.items()
    )


def _mark_references(
    session: Session, federation_id: UUID, gone: Mapping[UUID, frozenset[str]]
) -> None:
    """Count on each reference the clients that were in any of its rounds."""
    for reference in repository.every_reference(session, federation_id):
        ids = [UUID(text) for text in reference.round_ids]
        clients = frozenset[str]().union(*(gone.get(round_id, frozenset()) for round_id in ids))
        if clients:
            reference.withdrawn += len(clients)
            session.add(reference)
