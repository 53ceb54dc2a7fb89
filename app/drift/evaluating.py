"""Judging a round: begun, done shard by shard, and concluded.

A round of few clients is judged at once. The clients of a large one are judged in shards, each a
task of its own that may fail and be tried again alone; the last one has the round concluded. A
model's rounds are judged one after the other, since each goes on where the streams of the one
before stand.
"""

import hashlib
import json
from collections.abc import Sequence
from uuid import UUID

from sqlmodel import Session

from app.core import clock, outbox
from app.drift import cases, linking, parts_repository, repository, shards, wide
from app.drift.client_findings import ClientFindings
from app.drift.explaining import service as explaining
from app.drift.explaining.making import Judged
from app.drift.findings import Finding, error_budget
from app.drift.judging import with_breadth
from app.drift.references import in_force
from app.drift.shards import EVALUATE_SHARD
from app.drift.streams import WIDE
from app.drift.subject_rows import rows_of, worst_of
from app.drift.tables import Evaluation, EvaluationShard, Reference, Verdict
from app.drift.verdicts import of_clients, of_finding
from app.drift.wide import EVALUATE_WIDE, Wide
from app.federations import service as federations
from app.federations.policy import DriftPolicy
from app.federations.tables import Federation
from app.rounds import service as rounds
from app.rounds.schemas import Phase
from app.rounds.tables import Round
from detectors import Outcome


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
        _hand_out(session, evaluation, parts)
    return evaluation


def _hand_out(session: Session, evaluation: Evaluation, parts: Sequence[EvaluationShard]) -> None:
    """Have every part judged by a task of its own; that of the federation, the longest, first."""
    federation = EvaluationShard(evaluation_id=evaluation.id, number=WIDE)
    session.add(federation)
    session.flush()
    outbox.enqueue(session, EVALUATE_WIDE, federation.id)
    for part in parts:
        outbox.enqueue(session, EVALUATE_SHARD, part.id)


def conclude(session: Session, evaluation: Evaluation) -> list[Verdict]:
    """Put the shards of a round together, and store the verdicts on it.

    The same rounds in the same order give the same verdicts, bit for bit. The caller has taken
    `hold`.
    """
    federation = federations.get(session, evaluation.federation_id)
    round_ = rounds.get(session, federation.id, evaluation.round_id)
    found = _wide_findings(session, federation, evaluation, round_)
    parts = parts_repository.shards_of(session, evaluation.id)
    policy = federations.policy_of(federation)
    clients = shards.outcomes(parts, error_budget(policy.drift, "client"))
    whole = all(part.state == "judged" for part in parts)
    evaluation.state, evaluation.ended_at = "evaluated" if whole else "partial", clock.now()
    evaluation.levels = found.levels.packed()
    session.add(evaluation)
    repository.supersede(session, round_.id, clock.now())
    rounds.mark_evaluated(session, round_)
    of_their_own = "client" in policy.incidents.scopes
    verdicts = _verdicts(found.findings, clients, evaluation, policy.drift, of_their_own)
    session.add_all(verdicts)
    told = list(rows_of(round_, verdicts, rounds.shown_scopes(session, round_.id)))
    evaluation.worst = worst_of(told)
    repository.replace_subject_rows(session, round_.id, told)
    if any(verdict.outcome == Outcome.DRIFT.value for verdict in verdicts):
        _explain(session, federation, evaluation, round_, found, clients, of_their_own)
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
    federation, round_, reference = shards.subject_of(session, following)
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


def _wide_findings(
    session: Session, federation: Federation, evaluation: Evaluation, round_: Round
) -> Wide:
    """What a round says of the federation, found by now or here; here a round of few clients, too.

    A part that was given up is tried once more here, since nothing can be concluded without it.
    """
    part = parts_repository.wide_part(session, evaluation.id)
    if part is not None and part.data is not None:
        return wide.unpack(part.data)
    reference = repository.reference_with_id(session, evaluation.reference_id)
    case = cases.build(session, federation, round_, reference)
    if evaluation.shards == 1:
        (only,) = parts_repository.shards_of(session, evaluation.id)
        judged = shards.perform(shards.gather(session, case, round_, reference, only.number))
        shards.keep(session, only, evaluation, round_, judged)
    found = wide.perform(wide.gather(session, federation, case, round_, reference))
    wide.keep(session, found, reference.id, round_)
    return found


def _explain(
    session: Session,
    federation: Federation,
    evaluation: Evaluation,
    round_: Round,
    found: Wide,
    clients: Sequence[ClientFindings],
    of_their_own: bool,
) -> None:
    """Keep why that drifts which does, from the cases that it was judged by."""
    reference = repository.reference_with_id(session, evaluation.reference_id)
    if not found.cases:
        case = cases.build(session, federation, round_, reference)
        own = linking.resume(session, federation, case, round_, reference)
        found = wide.located(found, wide.cases_of(session, federation, own, round_))
    explaining.keep(
        session,
        Judged(
            federation=federation,
            round_=round_,
            reference=reference,
            evaluation=evaluation,
            cases=found.cases,
            findings=found.findings,
            levels=found.levels,
            clients=clients,
            of_their_own=of_their_own,
        ),
    )


def _verdicts(
    found: Sequence[Finding],
    clients: Sequence[ClientFindings],
    evaluation: Evaluation,
    policy: DriftPolicy,
    of_their_own: bool,
) -> list[Verdict]:
    """The verdicts to store one by one; clients' only where they may open incidents of their own.

    All of the clients' are kept together in the shards, whoever asks for them.
    """
    wide = [
        of_finding(
            with_breadth(finding, clients),
            evaluation,
            error_budget(policy, finding.scope.kind, finding.subject),
        )
        for finding in found
    ]
    if not of_their_own:
        return wide
    level = error_budget(policy, "client")
    return [*wide, *of_clients(clients, evaluation, level, drifting=True)]
