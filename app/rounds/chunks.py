"""Chunks: a round may come in any number of them, in any order; a close or a deadline ends it.

What a round is in the end depends on which chunks came, and not on when: a chunk that comes after
the end is taken in too, and has the round judged again.
"""

from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlmodel import Session

from app.audit import service as audit
from app.core import clock, context, outbox
from app.core.database import insert_once, one_at_a_time
from app.federations import service as federations
from app.federations.tables import Federation
from app.rounds import repository
from app.rounds.errors import ConflictingCloseError
from app.rounds.schemas import CloseIn, CloseOut, Phase
from app.rounds.tables import Round, RoundClose

EVALUATE = "incidents.on_round"
MOST_NAMED = 100


@dataclass(frozen=True)
class Address:
    """Where a push goes."""

    run: str
    number: int
    phase: Phase


def attempts(session: Session, federation: Federation, address: Address) -> list[Round]:
    """Every attempt of a round and phase, oldest first; nobody else changes them from here on."""
    return _attempts(session, federation.id, address.run, address.number, address.phase.value)


def close(
    session: Session, federation: Federation, address: Address, body: CloseIn, actor: str
) -> CloseOut:
    """Say how many chunks a round has; it is judged once they are all here.

    Raises:
        ConflictingCloseError: if another number was told before.
    """
    known = attempts(session, federation, address)
    round_ = next((one for one in known if one.attempt == body.attempt), None)
    if declare(session, federation, address, body.attempt, body.chunks):
        audit.record(
            session,
            actor=actor,
            action="round.close",
            entity=f"run:{address.run}/{address.number}/{address.phase.value}",
            federation_id=federation.id,
            after=body.model_dump(mode="json"),
        )
    here = repository.chunk_hashes(session, round_.id).keys() if round_ else set()
    if round_ is not None:
        settle(session, round_, None, here, body.chunks)
    missing = sorted(set(range(body.chunks)) - here)
    return CloseOut(
        round_id=round_.id if round_ else None,
        state=round_.state if round_ else "receiving",
        chunks=body.chunks,
        missing=missing[:MOST_NAMED],
        missing_count=len(missing),
    )


def close_overdue(session: Session) -> int:
    """End the rounds whose deadline has passed, with the chunks that came; return how many."""
    ended = 0
    for round_id in repository.overdue(session, clock.now()):
        # Asked again once no push can change it: it may have ended, or been replaced, meanwhile.
        attempts = _attempts(session, *repository.address(session, round_id))
        round_ = next(one for one in attempts if one.id == round_id)
        if round_.state == "receiving":
            _end(session, round_)
            ended += 1
    return ended


def deadline(federation: Federation) -> datetime:
    """When a round whose first chunk comes now ends by itself."""
    minutes = federations.policy_of(federation).ingest.chunk_minutes
    return clock.now() + timedelta(minutes=minutes)


def declare(
    session: Session, federation: Federation, address: Address, attempt: int, chunks: int
) -> bool:
    """Keep how many chunks a round has; False where it is known.

    Raises:
        ConflictingCloseError: if another number was told before.
    """
    told = RoundClose(
        federation_id=federation.id,
        run=address.run,
        number=address.number,
        phase=address.phase.value,
        attempt=attempt,
        chunks=chunks,
        at=clock.now(),
    )
    if insert_once(session, told):
        return True
    known = repository.chunks_told(session, told)
    if known is not None and known != chunks:
        raise ConflictingCloseError(known)
    return False


def told_of(session: Session, round_: Round) -> int | None:
    """How many chunks a round has, as far as that was said."""
    return repository.chunks_told(session, round_)


def settle(
    session: Session, round_: Round, chunk: int | None, here: Set[int], told: int | None
) -> None:
    """See whether the round is whole with the chunks that are `here`, if it has as many as `told`.

    A chunk that came after the round's end has it judged again.
    """
    context.note("round_id", round_.id)
    if round_.state != "receiving":
        if chunk is not None and round_.state != "superseded":
            round_.state = "received"
            outbox.enqueue(session, EVALUATE, round_.id, step=f"chunk-{chunk}")
        return
    if told is not None and here >= set(range(told)):
        _end(session, round_)


def _attempts(
    session: Session, federation_id: UUID, run: str, number: int, phase: str
) -> list[Round]:
    one_at_a_time(session, f"{federation_id}/{run}/{number}/{phase}")
    return repository.attempts_of(session, federation_id, run, number, phase)


def _end(session: Session, round_: Round) -> None:
    round_.state, round_.closes_at = "received", None
    outbox.enqueue(session, EVALUATE, round_.id)
