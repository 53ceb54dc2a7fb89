"""Judging a round: begun, done shard by shard, and concluded.

A round of few clients is judged at once. The clients of a large one are judged in shards, each a
task of its own that may fail and be tried again alone; the last one has the round concluded. A
model's rounds are judged one after the other, since each goes on where the streams of the one
before stand.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from sqlmodel import Session

from app.core import clock, outbox
from app.drift import (
    cases,
    claims,
    linking,
    measuring,
    perspectives,
    repository,
    shards,
    streams,
    watched,
)
from app.drift.client_findings import ClientFindings
from app.drift.explaining import service as explaining
from app.drift.explaining.making import Judged
from app.drift.findings import Case, Finding
from app.drift.judging import error_budget, judge, with_breadth
from app.drift.references import in_force
from app.drift.shards import EVALUATE_SHARD
from app.drift.streams import WIDE
from app.drift.subject_rows import rows_of, worst_of
from app.drift.tables import Evaluation, EvaluationShard, Reference, Verdict
from app.drift.verdicts import of_clients, of_finding
from app.federations import service as federations
from app.federations.tables import Federation
from app.rounds import service as rounds
from app.rounds.schemas import Phase
from app.rounds.tables import Round


def begin(session: Session, round_: Round) -> Evaluation | None:
    """Begin to judge a round against its version's reference.

    A round of phase `fit`, one that was superseded, and one of a version without a reference are
    not judged. The caller has taken `hold`.
    """
    federation = federations.get(session, round_.federation_id)
    rounds.aggregate(session, round_)
    _supersede(session, round_)
    reference = _reference(session, federation, round_)
    if reference is None:
        repository.supersede(session, round_.id, clock.now())
        repository.replace_subject_rows(session, round_.id, ())
        rounds.mark_evaluated(session, round_)
        return None
    evaluation = Evaluation(
        federation_id=federation.id,
        round_id=round_.id,
        reference_id=reference.id,
        model=round_.model,
        version=round_.version,
        global_step=round_.global_step,
        policy_version=federation.policy_version,
        inputs_sha256=inputs_of(session, federation, round_, reference, federation.policy_version),
        shards=reference.shards,
        began_at=clock.now(),
    )
    session.add(evaluation)
    session.flush()
    parts = [
        EvaluationShard(evaluation_id=evaluation.id, number=number)
        for number in range(reference.shards)
    ]
    session.add_all(parts)
    session.flush()
    if reference.shards > 1:
        for part in parts:
            outbox.enqueue(session, EVALUATE_SHARD, part.id)
    return evaluation


def conclude(session: Session, evaluation: Evaluation) -> list[Verdict]:
    """Put the shards of a round together, and store the verdicts on it.

    The same rounds in the same order give the same verdicts, bit for bit. The caller has taken
    `hold`.
    """
    federation = federations.get(session, evaluation.federation_id)
    round_ = rounds.get(session, federation.id, evaluation.round_id)
    reference = repository.reference_with_id(session, evaluation.reference_id)
    case = cases.build(session, federation, round_, reference)
    parts = repository.shards_of(session, evaluation.id)
    if len(parts) == 1:
        _judge_at_once(session, evaluation, parts[0], case, round_, reference)
    clients = shards.decided(parts, error_budget(case.policy, "client"))
    own = linking.resume(session, federation, case, round_, reference)
    linking.keep(session, own, round_, reference)
    standing = perspectives.standing(session, federation, round_, own)
    others = [*perspectives.others(session, federation, round_, standing)]
    alarms = _alarms(session, federation, own, round_, reference)
    found = judge(standing, [replace(alarm, scope=standing.scopes[0]) for alarm in alarms], others)
    seen = claims.resume(session, federation, own, round_, reference)
    found += [] if seen is None else claims.judge_claims(own, seen)
    whole = all(part.state == "judged" for part in parts)
    evaluation.state, evaluation.ended_at = "evaluated" if whole else "partial", clock.now()
    session.add(evaluation)
    repository.supersede(session, round_.id, clock.now())
    rounds.mark_evaluated(session, round_)
    opening = federations.policy_of(federation).incidents.scopes
    of_their_own = "client" in opening
    verdicts = _verdicts(found, clients, evaluation, case, of_their_own=of_their_own)
    session.add_all(verdicts)
    told = list(rows_of(round_, verdicts, rounds.shown_scopes(session, round_.id)))
    evaluation.worst = worst_of(told)
    repository.replace_subject_rows(session, round_.id, told)
    judged = Judged(
        federation=federation,
        round_=round_,
        reference=reference,
        evaluation=evaluation,
        cases=(standing, *others),
        findings=found,
        clients=clients,
        of_their_own=of_their_own,
    )
    explaining.keep(session, judged)
    return verdicts


def inputs_of(
    session: Session,
    federation: Federation,
    round_: Round,
    reference: Reference,
    policy_version: int,
) -> str:
    """SHA-256 of all that the verdicts on a round follow from."""
    policy = federations.policy_at(session, federation, policy_version)
    latest = cases.before(session, round_, reference, policy.drift.latest_rounds - 1)
    moving = cases.moving(session, federation, round_, policy.reference) or []
    told = {
        "policy": policy_version,
        "reference": [str(reference.id), reference.withdrawn],
        "rounds": [
            [str(one.id), one.body_sha256, one.withdrawn] for one in (*latest, round_, *moving)
        ],
        "streams": repository.state_hashes(session, reference.id, round_.global_step),
    }
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def stale(session: Session, evaluation: Evaluation) -> UUID | None:
    """The next round against the same reference, if what it was judged from has changed."""
    following = repository.next_evaluation(session, evaluation.reference_id, evaluation.global_step)
    if following is None:
        return None
    federation = federations.get(session, following.federation_id)
    round_ = rounds.get(session, federation.id, following.round_id)
    reference = repository.reference_with_id(session, following.reference_id)
    now = inputs_of(session, federation, round_, reference, following.policy_version)
    return round_.id if now != following.inputs_sha256 else None


def _supersede(session: Session, round_: Round) -> None:
    known = repository.evaluation_of(session, round_.id)
    if known is not None:
        known.superseded_at = clock.now()
        session.add(known)
        session.flush()


def _reference(session: Session, federation: Federation, round_: Round) -> Reference | None:
    if round_.phase == Phase.FIT or round_.state == "superseded":
        return None
    return in_force(session, federation, round_)


def _judge_at_once(
    session: Session,
    evaluation: Evaluation,
    only: EvaluationShard,
    case: Case,
    round_: Round,
    reference: Reference,
) -> None:
    judged = shards.perform(shards.gather(session, case, round_, reference, only.number))
    shards.keep(session, only, evaluation, round_, judged)


def _alarms(
    session: Session,
    federation: Federation,
    case: Case,
    round_: Round,
    reference: Reference,
) -> list[Finding]:
    """The sequential detectors' answers on the federation's own streams."""
    wide = watched.wide_streams(case)
    watch, missed = streams.resume(session, reference, WIDE, round_, wide)
    measures = measuring.measure(session, federation, missed, round_.version)
    moved = streams.move(watch, wide, watched.wide_values(case, [*measures, case.current]))
    data = streams.packed(wide, moved.watch)
    streams.keep(session, reference.id, WIDE, round_, data)
    return list(watched.wide_alarms(case, moved))


def _verdicts(
    found: Sequence[Finding],
    clients: Sequence[ClientFindings],
    evaluation: Evaluation,
    case: Case,
    *,
    of_their_own: bool,
) -> list[Verdict]:
    """The verdicts to store one by one; clients' only where they may open incidents of their own.

    All of the clients' are kept together in the shards, whoever asks for them.
    """
    wide = [
        of_finding(
            with_breadth(finding, clients),
            evaluation,
            error_budget(case.policy, finding.scope.kind, finding.subject),
        )
        for finding in found
    ]
    if not of_their_own:
        return wide
    level = error_budget(case.policy, "client")
    return [*wide, *of_clients(clients, evaluation, level, drifting=True)]
