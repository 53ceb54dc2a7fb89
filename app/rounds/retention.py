"""Retention: client records are dropped after their federation's time."""

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from sqlmodel import Session

from app.audit import service as audit
from app.core import clock
from app.federations import service as federations
from app.federations.tables import Federation
from app.rounds import repository

BY_ITSELF = "policy"


def forget(session: Session, federation: Federation, keep: Collection[UUID]) -> int:
    """Drop the records that are older than the federation keeps them; return how many chunks.

    Those of the rounds in `keep` stay; so do receipts, hashes and aggregates of all rounds.
    """
    days = federations.policy_of(federation).ingest.retention_days
    if days is None:
        return 0
    before = clock.now() - timedelta(days=days)
    dropped = repository.drop_records(session, federation.id, before, keep)
    if dropped:
        audit.record(
            session,
            actor=BY_ITSELF,
            action="round.forget",
            entity=f"federation:{federation.name}",
            federation_id=federation.id,
            after={"chunks": dropped, "received_before": before.isoformat()},
        )
    return dropped
