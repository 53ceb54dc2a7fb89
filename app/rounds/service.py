"""Decisions on rounds: take a push in, once, and answer for what was refused."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import Session

from app.audit import service as audit
from app.core import clock, outbox
from app.core.database import one_at_a_time
from app.core.errors import DomainError, FieldError, NotFoundError
from app.core.ids import new_id
from app.federations.tables import Federation
from app.rounds import gate, repository
from app.rounds.errors import ConflictingPushError, InvalidRoundError, StaleAttemptError
from app.rounds.gate import EnvelopeRefused, GateContext
from app.rounds.parsing import Unusable
from app.rounds.schemas import (
    MAX_CLIENTS,
    BinSpecIn,
    ClientRecord,
    Envelope,
    Phase,
    Receipt,
    RefusalOut,
)
from app.rounds.tables import ClientReport, Refusal, Round

EVALUATE = "incidents.on_round"
MAX_RECORD_BYTES = 64 * 2**10


@dataclass(frozen=True)
class Address:
    """Where a push goes."""

    run: str
    number: int
    phase: Phase


@dataclass(frozen=True)
class Push(Address):
    """One call of an FL server, as it came in."""

    tree: dict[str, Any]
    sha256: str
    size: int  # bytes


@dataclass(frozen=True)
class Sorted:
    """The records of a push: those that may come in, and what is wrong with the others."""

    accepted: list[ClientRecord]
    refused: list[tuple[int, FieldError, str]]  # position, what is wrong, SHA-256 of the record


def ingest(
    session: Session, federation: Federation, push: Push, actor: str
) -> Receipt | InvalidRoundError:
    """Take in what may come in, and count what may not.

    The round, its reports, its refusals and the outbox row that has it judged are written in the
    transaction of the session, so they exist together or not at all. A push of which nothing can be
    used is returned as an error, not raised: its refusals are to be kept too.

    Raises:
        ConflictingPushError: if another body was accepted under the same key.
        StaleAttemptError: if a higher attempt was accepted before.
    """
    try:
        envelope = gate.check_envelope(push.tree, federation, push.phase)
    except EnvelopeRefused as refusal:
        return _refuse_whole(session, federation, push, refusal.errors)
    earlier = _earlier_attempts(session, federation, push)
    receipt = _known_receipt(earlier, push, envelope.attempt)
    if receipt is not None:
        return receipt
    bins, errors = _bins_of(session, federation, envelope)
    errors = errors or _client_list_errors(push.tree)
    if errors:
        return _refuse_whole(session, federation, push, errors)
    context = GateContext(federation, envelope, push.phase, bins)
    records = _sort(push.tree["clients"], context, weigh=push.size > MAX_RECORD_BYTES)
    if not records.accepted:
        return _refuse_records(session, federation, push, records)
    if earlier:
        repository.supersede(session, earlier)
    return _store(session, federation, push, envelope, records, actor)


def refuse_malformed(
    session: Session, federation: Federation, address: Address, body: bytes, error: DomainError
) -> None:
    """Count a body that is not one JSON object."""
    whole = FieldError("body", error.code, error.message)
    refused = [(None, whole, hashlib.sha256(body).hexdigest())]
    _keep_refusals(session, federation, address, refused, None, clock.now())


def get(session: Session, federation_id: UUID, round_id: UUID) -> Round:
    """A round by id."""
    found = repository.round_of(session, federation_id, round_id)
    if found is None:
        raise NotFoundError("round", round_id)
    return found


def received(session: Session, round_id: UUID) -> Round:
    """A round that an outbox row refers to."""
    found = repository.round_with_id(session, round_id)
    if found is None:
        raise NotFoundError("round", round_id)
    return found


def mark_evaluated(session: Session, round_: Round) -> None:
    """Note that the round was judged."""
    round_.evaluated_at = clock.now()
    if round_.state == "received":
        round_.state = "evaluated"
    session.add(round_)


def recent(
    session: Session, federation_id: UUID, *, model: str | None = None, limit: int = 50
) -> list[Round]:
    """The newest rounds that count, newest first."""
    return repository.recent(session, federation_id, model, limit)


def canary_rounds(
    session: Session, federation_id: UUID, model: str, champion: str, candidate: str
) -> list[Round]:
    """The rounds that measured both versions on the same examples, oldest first."""
    return repository.canary_rounds(session, federation_id, model, champion, candidate)


def measuring(session: Session, federation_id: UUID, model: str, version: str) -> list[Round]:
    """The rounds that measured a version, as champion or as candidate, oldest first."""
    return repository.measuring(session, federation_id, model, version)


def of_run(session: Session, federation_id: UUID, run: str, phase: Phase) -> list[Round]:
    """A run's rounds of one phase, in order."""
    return repository.of_run(session, federation_id, run, phase.value)


def with_ids(session: Session, federation_id: UUID, ids: Sequence[UUID]) -> list[Round]:
    """A federation's rounds by id, oldest first."""
    return repository.with_ids(session, federation_id, ids)


def reports_of(session: Session, round_ids: Sequence[UUID]) -> list[ClientReport]:
    """What clients said in these rounds."""
    return repository.reports_of(session, round_ids)


def refusals_of(session: Session, round_id: UUID) -> list[Refusal]:
    """The records of a round that were refused."""
    return repository.refusals_of_round(session, round_id)


def newest_refusals(session: Session, federation_id: UUID, limit: int = 50) -> list[Refusal]:
    """A federation's newest refusals, newest first."""
    return repository.newest_refusals(session, federation_id, limit)


def refusal_counts(session: Session, federation_id: UUID | None) -> dict[str, int]:
    """How many refusals there are by code, of one federation or (None) of all."""
    return repository.refusal_counts(session, federation_id)


def count_rounds(session: Session) -> int:
    """How many rounds were ever accepted."""
    return repository.count_rounds(session)


def _earlier_attempts(session: Session, federation: Federation, push: Push) -> list[Round]:
    key = f"{federation.id}/{push.run}/{push.number}/{push.phase}"
    one_at_a_time(session, key)
    return repository.attempts_of(session, federation.id, push.run, push.number, push.phase.value)


def _known_receipt(earlier: list[Round], push: Push, attempt: int) -> Receipt | None:
    for known in earlier:
        if known.attempt == attempt:
            if known.body_sha256 != push.sha256:
                raise ConflictingPushError(attempt)
            return Receipt.model_validate(known.receipt)
    if earlier and earlier[-1].attempt > attempt:
        raise StaleAttemptError(attempt, earlier[-1].attempt)
    return None


def _bins_of(
    session: Session, federation: Federation, envelope: Envelope
) -> tuple[BinSpecIn | None, tuple[FieldError, ...]]:
    if envelope.bin_spec is None:
        return None, ()
    spec = repository.bin_spec(session, federation.id, envelope.bin_spec)
    if spec is None:
        message = "The federation has no bin spec of this id; define it with POST .../bin-specs."
        return None, (FieldError("bin_spec", "unknown_bin_spec", message),)
    return BinSpecIn.model_validate(spec.document), ()


def _client_list_errors(tree: dict[str, Any]) -> tuple[FieldError, ...]:
    clients = tree.get("clients")
    if isinstance(clients, Unusable):
        return (FieldError("clients", clients.code, clients.message),)
    if not isinstance(clients, list) or not clients:
        return (FieldError("clients", "missing", "Send a list with one record per client."),)
    if len(clients) > MAX_CLIENTS:
        message = f"A push has at most {MAX_CLIENTS} records; report cohorts instead of clients."
        return (FieldError("clients", "too_many", message),)
    return ()


def _sort(raws: list[Any], context: GateContext, *, weigh: bool) -> Sorted:
    accepted: dict[str, ClientRecord] = {}
    refused: list[tuple[int, FieldError, str]] = []
    for index, raw in enumerate(raws):
        checked = (_too_large(raw, index) if weigh else None) or gate.check_record(
            raw, index, context
        )
        if isinstance(checked, ClientRecord) and checked.client in accepted:
            message = "This client has a record in this push already; send one."
            checked = FieldError(f"clients.{index}.client", "duplicate_client", message)
        if isinstance(checked, ClientRecord):
            accepted[checked.client] = checked
        else:
            refused.append((index, checked, _record_sha256(raw)))
    return Sorted(list(accepted.values()), refused)


def _too_large(raw: object, index: int) -> FieldError | None:
    if len(_canonical(raw)) <= MAX_RECORD_BYTES:
        return None
    message = f"A record is at most {MAX_RECORD_BYTES} bytes; send fewer features or bins."
    return FieldError(f"clients.{index}", "record_too_large", message)


def _record_sha256(raw: object) -> str:
    return hashlib.sha256(_canonical(raw)).hexdigest()


def _canonical(raw: object) -> bytes:
    text = json.dumps(
        raw, sort_keys=True, separators=(",", ":"), default=lambda unusable: unusable.code
    )
    return text.encode()


def _refuse_whole(
    session: Session, federation: Federation, push: Push, errors: tuple[FieldError, ...]
) -> InvalidRoundError:
    first = errors[0]
    _keep_refusals(session, federation, push, [(None, first, push.sha256)], None, clock.now())
    return InvalidRoundError(errors)


def _refuse_records(
    session: Session, federation: Federation, push: Push, records: Sorted
) -> InvalidRoundError:
    _keep_refusals(session, federation, push, records.refused, None, clock.now())
    return InvalidRoundError(tuple(error for _, error, _ in records.refused))


def _keep_refusals(
    session: Session,
    federation: Federation,
    push: Address,
    refused: Sequence[tuple[int | None, FieldError, str]],
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
    records: Sorted,
    actor: str,
) -> Receipt:
    receipt = _receipt(federation, push, envelope, records)
    session.add(_round(federation, push, envelope, receipt))
    session.flush()
    session.add_all(_report(receipt.round_id, record) for record in records.accepted)
    _keep_refusals(
        session, federation, push, records.refused, receipt.round_id, receipt.received_at
    )
    outbox.enqueue(session, EVALUATE, receipt.round_id)
    audit.record(
        session,
        actor=actor,
        action="round.ingest",
        entity=f"round:{receipt.round_id}",
        federation_id=federation.id,
        after=receipt.model_dump(mode="json", exclude={"refusals"}),
    )
    return receipt


def _receipt(federation: Federation, push: Push, envelope: Envelope, records: Sorted) -> Receipt:
    return Receipt(
        receipt_id=new_id(),
        round_id=new_id(),
        federation=federation.name,
        run=push.run,
        round=push.number,
        phase=push.phase,
        attempt=envelope.attempt,
        body_sha256=push.sha256,
        received_at=clock.now(),
        accepted=len(records.accepted),
        quarantined=len(records.refused),
        refusals=[
            RefusalOut(index=index, field=error.field, code=error.code, message=error.message)
            for index, error, _ in records.refused
        ],
    )


def _round(federation: Federation, push: Push, envelope: Envelope, receipt: Receipt) -> Round:
    model = envelope.model
    return Round(
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
        envelope=envelope.model_dump(
            mode="json", include={"model", "strategy", "participation", "privacy"}
        ),
        body_sha256=push.sha256,
        receipt=receipt.model_dump(mode="json"),
        accepted=receipt.accepted,
        quarantined=receipt.quarantined,
        received_at=receipt.received_at,
    )


def _report(round_id: UUID, record: ClientRecord) -> ClientReport:
    return ClientReport(
        round_id=round_id,
        client=record.client,
        status=record.status,
        num_examples=record.num_examples,
        cohorts=dict(record.cohorts),
        record=record.model_dump(
            mode="json",
            exclude={"client", "status", "num_examples", "cohorts"},
            exclude_none=True,
            exclude_defaults=True,
        ),
    )
