"""The clients of one shard of a round: judged by a task of its own, or with the round at once.

Gathered from the database, worked out without it, and recorded: so that judging many clients keeps
nobody else from writing.
"""

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from uuid import UUID

import msgspec
from sqlmodel import Session

from app.core import clock, outbox
from app.drift import (
    cases,
    concepts,
    measuring,
    parts_repository,
    perspectives,
    repository,
    streams,
    watched,
)
from app.drift.client_findings import ClientFindings, decide, decide_outcomes
from app.drift.clients import judge_clients
from app.drift.concepts import CONCEPTS, Concepts, judge_concepts
from app.drift.findings import Case
from app.drift.measurements import Floats
from app.drift.packing import pack, unpack
from app.drift.streams import Streams
from app.drift.tables import Evaluation, EvaluationShard, Reference
from app.drift.watching import Watch
from app.federations import service as federations
from app.federations.tables import Federation
from app.rounds import service as rounds
from app.rounds.tables import Round

EVALUATE_SHARD, CONCLUDE = "drift.evaluate_shard", "incidents.conclude_round"
LONGEST_ERROR = 500


@dataclass(frozen=True, eq=False)
class Work:
    """What judging a shard takes: its cases, its streams with what they have missed, concepts."""

    case: Case
    judged: Sequence[Case]
    streams: Streams
    watch: Watch | None
    values: Floats
    concepts: Concepts | None


@dataclass(frozen=True)
class Judged:
    """A shard's findings, streams and concepts, packed."""

    findings: bytes
    streams: bytes
    concepts: bytes | None


def prepare(session: Session, shard_id: UUID) -> Work | None:
    """What a shard that waits is judged from; None when it does not wait any more."""
    found = waiting(session, shard_id)
    if found is None:
        return None
    shard, evaluation = found
    federation, round_, reference = subject_of(session, evaluation)
    case = cases.build(session, federation, round_, reference, shard.number)
    return gather(session, case, round_, reference, shard.number)


def gather(session: Session, case: Case, round_: Round, reference: Reference, shard: int) -> Work:
    """What a shard is judged from, given its case."""
    own = watched.client_streams(case)
    watch, missed = streams.resume(session, reference, shard, round_, own)
    federation = federations.get(session, reference.federation_id)
    measures = measuring.measure(session, federation, missed, round_.version, mine=case.mine)
    standing = perspectives.standing(session, federation, round_, case)
    judged = [standing, *perspectives.seasonal(session, federation, round_, standing)]
    values = watched.client_values(case, [*measures, case.current])
    followed = concepts.resume(session, federation, case, round_, reference)
    return Work(case, judged, own, watch, values, followed)


def perform(work: Work) -> Judged:
    """Judge the shard's clients, and move their streams on."""
    moved = streams.move(work.watch, work.streams, work.values)
    tested = (finding for case in work.judged for finding in judge_clients(case))
    findings = [*tested, *watched.client_alarms(work.case, moved)]
    followed = None
    if work.concepts is not None:
        after = copy(work.concepts)
        findings.append(judge_concepts(work.case, after))
        followed = msgspec.msgpack.encode(after)
    return Judged(pack(findings), streams.packed(work.streams, moved.watch), followed)


def record(session: Session, shard_id: UUID, judged: Judged) -> None:
    """Keep what was found, and have the round concluded once no shard of it waits."""
    found = waiting(session, shard_id)
    if found is not None:
        shard, evaluation = found
        round_ = rounds.get(session, evaluation.federation_id, evaluation.round_id)
        keep(session, shard, evaluation, round_, judged)
        conclude_after_the_last(session, evaluation)


def at_once(session: Session, shard_id: UUID) -> None:
    """Judge a shard in one transaction, where nobody else waits to write."""
    work = prepare(session, shard_id)
    if work is not None:
        record(session, shard_id, perform(work))


def keep(
    session: Session,
    shard: EvaluationShard,
    evaluation: Evaluation,
    round_: Round,
    judged: Judged,
) -> None:
    """Keep a shard's findings, and where its streams stand."""
    shard.state, shard.data, shard.ended_at = "judged", judged.findings, clock.now()
    session.add(shard)
    streams.keep(session, evaluation.reference_id, shard.number, round_, judged.streams)
    if judged.concepts is not None:
        streams.keep(session, evaluation.reference_id, CONCEPTS, round_, judged.concepts)


def quarantine(session: Session, shard_id: UUID, error: str) -> None:
    """Leave out a shard that cannot be judged; the round is concluded without it."""
    found = waiting(session, shard_id)
    if found is not None:
        shard, evaluation = found
        shard.state, shard.error, shard.ended_at = "quarantined", error[:LONGEST_ERROR], clock.now()
        session.add(shard)
        conclude_after_the_last(session, evaluation)


def decided(shards: Sequence[EvaluationShard], level: float) -> list[ClientFindings]:
    """The answers on all clients of a round, with the error budget spent."""
    return decide(_findings(shards), level)


def outcomes(shards: Sequence[EvaluationShard], level: float) -> list[ClientFindings]:
    """The same outcomes in less time, with q-values of what drifts alone."""
    return decide_outcomes(_findings(shards), level)


def _findings(shards: Sequence[EvaluationShard]) -> Iterator[ClientFindings]:
    return (one for shard in shards if shard.data for one in unpack(shard.data))


def waiting(session: Session, shard_id: UUID) -> tuple[EvaluationShard, Evaluation] | None:
    """A part of a round, and its evaluation; None where it does not wait to be judged any more."""
    shard = parts_repository.shard_with_id(session, shard_id)
    if shard is None or shard.state != "waiting":
        return None
    evaluation = repository.evaluation_with_id(session, shard.evaluation_id)
    if evaluation is None or evaluation.superseded_at is not None:
        return None
    return shard, evaluation


def subject_of(session: Session, evaluation: Evaluation) -> tuple[Federation, Round, Reference]:
    """Whose round an evaluation is of, and the reference that it is judged against."""
    federation = federations.get(session, evaluation.federation_id)
    round_ = rounds.get(session, federation.id, evaluation.round_id)
    return federation, round_, repository.reference_with_id(session, evaluation.reference_id)


def conclude_after_the_last(session: Session, evaluation: Evaluation) -> None:
    """Have a round concluded once no part of it waits."""
    session.flush()
    if not parts_repository.has_waiting_parts(session, evaluation.id):
        outbox.enqueue(session, CONCLUDE, evaluation.id)
