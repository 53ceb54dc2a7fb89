"""Taking a push in: once, whole or in chunks, with what is wrong counted and named."""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlmodel import Session

from app.audit import service as audit
from app.core import clock
from app.core.database import insert_plainly
from app.core.errors import DomainError, FieldError
from app.core.ids import new_id
from app.federations.tables import Federation
from app.rounds import bin_specs, chunks, excluding, repository
from app.rounds.admission import Admitted, PushBody, Refused
from app.rounds.chunks import Address
from app.rounds.errors import (
    ConflictingCloseError,
    ConflictingEnvelopeError,
    ConflictingPushError,
    InvalidRoundError,
    StaleAttemptError,
)
from app.rounds.gate import EnvelopeRefused, GateContext
from app.rounds.layout import Layout, layout_on
from app.rounds.schemas import BinSpecIn, Envelope, Receipt, RefusalOut
from app.rounds.tables import Refusal, ReportBlock, Round

WHOLE = 0  # the chunk that a push without chunks is


@dataclass(frozen=True)
class Push(Address):
    """One call of an FL server, as it came in."""

    body: PushBody
    sha256: str
    chunk: int | None = None  # None: the push is the whole round

    @property
    def number_in_round(self) -> int:
        """Which chunk it is."""
        return WHOLE if self.chunk is None else self.chunk


@dataclass(frozen=True)
class Checked:
    """A push's envelope and the records of it that may come in, or why nothing may."""

    envelope: Envelope | None
    admitted: Admitted | None
    errors: tuple[FieldError, ...] = ()


def check(session: Session, federation: Federation, push: Push) -> Checked:
    """Look at all of a push; nothing is written, so that no other writer waits meanwhile."""
    envelope = None
    try:
        envelope = push.body.check_envelope(federation, push.phase)
        bins, layout = _layout(session, federation, envelope)
        context = GateContext(federation, envelope, push.phase, bins)
        admitted = push.body.admit(layout, context)
        _ = admitted.packed  # which takes a while, and here nobody waits for it
        return Checked(envelope, admitted)
    except EnvelopeRefused as refusal:
        return Checked(envelope, None, refusal.errors)


def ingest(
    session: Session, federation: Federation, push: Push, checked: Checked, actor: str
) -> Receipt | InvalidRoundError:
    """Take in what may come in, and count what may not.

    The round, its reports, its refusals and the outbox row that has it judged are written in the
    transaction of the session, so they exist together or not at all. A push of which nothing can be
    used is returned as an error, not raised: its refusals are to be kept too.

    Raises:
        ConflictingPushError: if another body was accepted under the same key.
        ConflictingEnvelopeError: if another chunk says something else of the round.
        StaleAttemptError: if a higher attempt was accepted before.
    """
    envelope = checked.envelope
    if envelope is None:
        return _refuse_whole(session, federation, push, checked.errors)
    attempts = chunks.attempts(session, federation, push)
    same = next((one for one in attempts if one.attempt == envelope.attempt), None)
    known = _known_receipt(session, same, push)
    if same is not None and known is not None:
        _close_whole(session, federation, push, same)
        return known
    _refuse_conflicts(attempts, same, envelope)
    if checked.admitted is None:
        return _refuse_whole(session, federation, push, checked.errors)
    admitted, warnings = excluding.exclude(session, federation, envelope.privacy, checked.admitted)
    if not admitted.batch.num_rows:
        return _refuse_records(session, federation, push, admitted.refused)
    if same is None and attempts:
        repository.supersede(session, attempts)
    return _store(session, federation, push, envelope, admitted, warnings, same, actor)


def refuse_malformed(
    session: Session, federation: Federation, address: Address, body: bytes, error: DomainError
) -> None:
    """Count a body that is not what its media type says."""
    whole = FieldError("body", error.code, error.message)
    refusals = [(None, whole, hashlib.sha256(body).hexdigest())]
    _keep_refusals(session, federation, address, refusals, None, clock.now())


def _known_receipt(session: Session, same: Round | None, push: Push) -> Receipt | None:
    if same is None:
        return None
    block = repository.block(session, same.id, push.number_in_round)
    if block is None:
        return None
    if block.body_sha256 != push.sha256:
        raise ConflictingPushError(same.attempt, push.number_in_round)
    return Receipt.model_validate(block.receipt)


def _close_whole(session: Session, federation: Federation, push: Push, same: Round) -> None:
    """What came as chunk 0 is the whole round, now that it comes without a chunk's number."""
    if push.chunk is None:
        with suppress(ConflictingCloseError):  # whoever told another number will send the rest
            chunks.declare(session, federation, push, same.attempt, 1)
        here = repository.chunk_hashes(session, same.id).keys()
        chunks.settle(session, same, None, here, chunks.told_of(session, same))


def _refuse_conflicts(attempts: list[Round], same: Round | None, envelope: Envelope) -> None:
    newest = attempts[-1].attempt if attempts else 0
    if newest > envelope.attempt:
        raise StaleAttemptError(envelope.attempt, newest)
    if same is not None:
        _refuse_another_round(same, envelope)


def _refuse_another_round(known: Round, envelope: Envelope) -> None:
    """A chunk has to speak of the same round as the others; who took part may be told anew."""
    told = envelope.model_dump(mode="json", include={"model", "privacy"})
    same = {
        "global_step": known.global_step == envelope.global_step,
        "bin_spec": known.bin_spec == envelope.bin_spec,
        "retrain_request": known.retrain_request == envelope.retrain_request,
        "model": known.envelope["model"] == told["model"],
        "privacy": known.envelope["privacy"] == told["privacy"],
    }
    differing = tuple(name for name, holds in same.items() if not holds)
    if differing:
        raise ConflictingEnvelopeError(differing)


def _layout(
    session: Session, federation: Federation, envelope: Envelope
) -> tuple[BinSpecIn | None, Layout]:
    tags = tuple(sorted(federation.cohort_tags))
    if envelope.bin_spec is None:
        return layout_on(None, tags)
    spec = bin_specs.known(session, federation, envelope.bin_spec)
    if spec is None:
        message = "The federation has no bin spec of this id; define it with POST .../bin-specs."
        raise EnvelopeRefused((FieldError("bin_spec", "unknown_bin_spec", message),))
    return layout_on(spec, tags)


def _refuse_whole(
    session: Session, federation: Federation, push: Push, errors: tuple[FieldError, ...]
) -> InvalidRoundError:
    refusals = [(None, errors[0], push.sha256)]
    _keep_refusals(session, federation, push, refusals, None, clock.now())
    return InvalidRoundError(errors)


def _refuse_records(
    session: Session, federation: Federation, push: Push, refused: list[Refused]
) -> InvalidRoundError:
    _keep_refusals(session, federation, push, _as_rows(refused), None, clock.now())
    return InvalidRoundError(tuple(one.error for one in refused))


_Row = tuple[int | None, FieldError, str]


def _as_rows(refused: Sequence[Refused]) -> list[_Row]:
    return [(one.index, one.error, one.sha256) for one in refused]


def _keep_refusals(
    session: Session,
    federation: Federation,
    push: Address,
    refused: Sequence[_Row],
    round_id: UUID | None,
    at: datetime,
) -> None:
    session.add_all(
        Refusal(
            federation_id=federation.id,
            round_id=round_id,
            run=push.run,
            number=push.number,
            phase=push.phase.value,
            index=index,
            field=error.field,
            code=error.code,
            message=error.message,
            record_sha256=sha256,
            at=at,
        )
        for index, error, sha256 in refused
    )


def _store(
    session: Session,
    federation: Federation,
    push: Push,
    envelope: Envelope,
    admitted: Admitted,
    warnings: list[str],
    same: Round | None,
    actor: str,
) -> Receipt:
    receipt = _receipt(federation, push, envelope, admitted, warnings, same)
    earlier = {} if same is None else repository.chunk_hashes(session, same.id)
    hashes = {**earlier, push.number_in_round: push.sha256}
    round_ = same or _round(federation, push, envelope, receipt)
    if earlier:
        _add_to(round_, receipt, envelope, first=min(hashes) == push.number_in_round)
    round_.body_sha256 = _digest(hashes)
    # Settled before it is written: a round that is whole at once is written once.
    told = _chunks_told(session, federation, push, round_)
    chunks.settle(session, round_, push.number_in_round, hashes.keys(), told)
    if same is None:
        insert_plainly(session, round_)
    insert_plainly(session, _block(round_, push, admitted, receipt))
    rows = _as_rows(admitted.refused)
    _keep_refusals(session, federation, push, rows, round_.id, receipt.received_at)
    audit.record(
        session,
        actor=actor,
        action="round.ingest",
        entity=f"round:{round_.id}",
        federation_id=federation.id,
        after=receipt.model_dump(mode="json", exclude={"refusals"}),
    )
    return receipt


def _chunks_told(session: Session, federation: Federation, push: Push, round_: Round) -> int | None:
    if push.chunk is not None:
        return chunks.told_of(session, round_)
    chunks.declare(session, federation, push, round_.attempt, 1)
    return 1


def _add_to(round_: Round, receipt: Receipt, envelope: Envelope, *, first: bool) -> None:
    """Count another chunk's records with the round's."""
    round_.accepted += receipt.accepted
    round_.quarantined += receipt.quarantined
    if first:
        _tell_anew(round_, envelope)


def _block(round_: Round, push: Push, admitted: Admitted, receipt: Receipt) -> ReportBlock:
    return ReportBlock(
        round_id=round_.id,
        chunk=push.number_in_round,
        body_sha256=push.sha256,
        receipt=receipt.model_dump(mode="json"),
        accepted=receipt.accepted,
        quarantined=receipt.quarantined,
        received_at=receipt.received_at,
        data=admitted.packed,
    )


def _digest(hashes: dict[int, str]) -> str:
    """A single chunk's hash, or one over all of theirs in the order of their numbers."""
    if len(hashes) == 1:
        return next(iter(hashes.values()))
    lines = "\n".join(f"{chunk} {hashes[chunk]}" for chunk in sorted(hashes))
    return hashlib.sha256(lines.encode()).hexdigest()


def _receipt(
    federation: Federation,
    push: Push,
    envelope: Envelope,
    admitted: Admitted,
    warnings: list[str],
    same: Round | None,
) -> Receipt:
    return Receipt(
        receipt_id=new_id(),
        round_id=new_id() if same is None else same.id,
        federation=federation.name,
        run=push.run,
        round=push.number,
        phase=push.phase,
        attempt=envelope.attempt,
        chunk=push.number_in_round,
        body_sha256=push.sha256,
        received_at=clock.now(),
        accepted=admitted.batch.num_rows,
        quarantined=len(admitted.refused),
        warnings=warnings,
        refusals=[
            RefusalOut(
                index=one.index,
                field=one.error.field,
                code=one.error.code,
                message=one.error.message,
            )
            for one in admitted.refused
        ],
    )


def _round(federation: Federation, push: Push, envelope: Envelope, receipt: Receipt) -> Round:
    model = envelope.model
    round_ = Round(
        id=receipt.round_id,
        federation_id=federation.id,
        run=push.run,
        number=push.number,
        phase=push.phase.value,
        attempt=envelope.attempt,
        global_step=envelope.global_step,
        model=model.name,
        version=model.version,
        canary_version=model.canary_version,
        retrain_request=envelope.retrain_request,
        bin_spec=envelope.bin_spec,
        started_at=envelope.started_at,
        ended_at=envelope.ended_at,
        envelope={},
        body_sha256=push.sha256,
        accepted=receipt.accepted,
        quarantined=receipt.quarantined,
        state="receiving",
        received_at=receipt.received_at,
        closes_at=None if push.chunk is None else chunks.deadline(federation),
    )
    _tell_anew(round_, envelope)
    return round_


def _tell_anew(round_: Round, envelope: Envelope) -> None:
    """What may differ between chunks: the lowest of them tells it, whenever it came."""
    round_.started_at, round_.ended_at = envelope.started_at, envelope.ended_at
    round_.envelope = envelope.model_dump(
        mode="json", include={"model", "strategy", "participation", "privacy"}
    )
