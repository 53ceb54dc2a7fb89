"""Withdrawal: a client leaves, and what it said is erased; who never took part opts out the same.

What stays of it is a keyed hash that recognises its pseudonym, so that later records of it are
refused. Aggregates and verdicts of groups that contained it stay as they were shown; their rounds
are marked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import pyarrow.compute as pc
from sqlmodel import Session

from app.core import clock
from app.core.database import one_at_a_time
from app.federations import names
from app.federations.tables import Federation
from app.rounds import ledger, repository
from app.rounds.blocks import pack, unpack, without
from app.rounds.tables import ReportBlock, Withdrawal


@dataclass(frozen=True)
class Withdrawn:
    """What a withdrawal did: the marks by pseudonym, how many are new, whom it erased where."""

    marks: dict[str, str]
    new: int
    records: int
    clients_by_round: dict[UUID, frozenset[str]]


def withdraw(session: Session, federation: Federation, clients: Sequence[str]) -> Withdrawn:
    """Erase these clients' records, and have later ones refused; once more changes nothing."""
    one_at_a_time(session, f"{federation.id}/withdrawals")
    key = names.withdrawal_key(federation)
    marks = {client: names.withdrawal_mark(key, client) for client in sorted(set(clients))}
    known = repository.withdrawal_marks(session, federation.id)
    new = [mark for mark in marks.values() if mark not in known]
    session.add_all(
        Withdrawal(federation_id=federation.id, mark=mark, at=clock.now()) for mark in new
    )
    records, by_round = _erase(session, federation.id, set(marks))
    repository.mark_withdrawn(session, {at: len(who) for at, who in by_round.items()})
    ledger.forget(session, federation.id, list(marks))
    return Withdrawn(marks, len(new), records, by_round)


def _erase(
    session: Session, federation_id: UUID, clients: set[str]
) -> tuple[int, dict[UUID, frozenset[str]]]:
    """Take the clients out of every chunk; how many records went, and whose by round."""
    records, by_round = 0, dict[UUID, frozenset[str]]()
    for block in repository.blocks_with_records(session, federation_id):
        gone = _take_out(block, clients)
        if gone:
            records += len(gone)
            by_round[block.round_id] = by_round.get(block.round_id, frozenset()) | gone
    return records, by_round


def _take_out(block: ReportBlock, clients: set[str]) -> frozenset[str]:
    assert block.data is not None
    batch = unpack(block.data)
    gone = frozenset(clients & set(pc.unique(batch.column("client")).to_pylist()))
    if gone:
        block.data = pack(without(batch, set(gone)))
    return gone
