"""What drift forgets of a client that withdrew: its own verdicts, and unmarked references."""

import hashlib
from collections.abc import Mapping
from uuid import UUID

from sqlmodel import Session

from app.drift import concepts, joining, packing, parts_repository, repository, streams
from app.drift.claims import CLAIMS
from app.drift.concepts import CONCEPTS
from app.drift.explaining import service as explaining
from app.drift.linking import JOINED
from app.rounds.records import Pseudonyms, pseudonyms
from app.rounds.withdrawals import Withdrawn

WITHDRAWN = "the client withdrew"


def forget(session: Session, federation_id: UUID, withdrawn: Withdrawn) -> int:
    """Erase the verdicts on these clients, mark the references; return how many verdicts."""
    _mark_references(session, federation_id, withdrawn.clients_by_round)
    for client, mark in withdrawn.marks.items():
        repository.blank(session, federation_id, client, mark, {"missing": WITHDRAWN})
    explaining.forget(session, federation_id, withdrawn.marks.keys())
    clients = pseudonyms(withdrawn.marks)
    _forget_streams(session, federation_id, clients)
    return _forget_findings(session, federation_id, clients)


def _forget_findings(session: Session, federation_id: UUID, clients: Pseudonyms) -> int:
    erased = 0
    for shard in parts_repository.every_shard(session, federation_id):
        assert shard.data is not None
        shard.data, gone = packing.without(shard.data, clients)
        erased += gone
        session.add(shard)
    return erased


def _forget_streams(session: Session, federation_id: UUID, clients: Pseudonyms) -> None:
    for state in repository.every_state(session, federation_id):
        if state.shard == CLAIMS:  # sums over cohorts, which stay as they were shown
            continue
        kept = {JOINED: joining.without, CONCEPTS: concepts.without}
        left = kept.get(state.shard, streams.without)(state.data, clients)
        if left is not None:
            state.data, state.sha256 = left, hashlib.sha256(left).hexdigest()
            session.add(state)


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
