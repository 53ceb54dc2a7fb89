"""Decisions on drift: judge a round, keep its verdicts, answer for them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlmodel import Session

from app.core import clock
from app.core.errors import NotFoundError
from app.drift import measurements, repository
from app.drift.findings import Case, Finding
from app.drift.judging import error_budget, judge
from app.drift.measurements import RoundMeasure
from app.drift.references import freeze_named, freeze_newest, hold, in_force
from app.drift.tables import Reference, Verdict
from app.federations import service as federations
from app.federations.tables import Federation
from app.rounds import bin_specs
from app.rounds import service as rounds
from app.rounds.schemas import BinSpecIn, Phase
from app.rounds.tables import Round

__all__ = [
    "evaluate",
    "freeze_named",
    "freeze_newest",
    "hold",
    "recent_rounds_with_verdicts",
    "reference_of",
    "references_of",
    "series",
    "verdicts_of",
]

# Sequential detectors look back this many rounds at most, so that a round's cost has a bound.
MOST_ROUNDS = 260


def evaluate(session: Session, round_: Round) -> list[Verdict]:
    """Judge a round against its version's reference and store the verdicts.

    A round of phase `fit`, one that was superseded, and one of a version without a reference get no
    verdict. Judged again, since more of it arrived, its earlier verdicts are superseded. The same
    rounds in the same order give the same verdicts, bit for bit. The caller has taken `hold`, so
    that a model's rounds are judged one after the other.
    """
    federation = federations.get(session, round_.federation_id)
    rounds.aggregate(session, round_)
    repository.supersede(session, round_.id, clock.now())
    rounds.mark_evaluated(session, round_)
    if round_.phase == Phase.FIT or round_.state == "superseded":
        return []
    reference = in_force(session, federation, round_)
    if reference is None:
        return []
    policy = federations.policy_of(federation).drift
    bins = _bins(session, federation, round_)
    case = Case(
        reference=measure(
            session,
            federation,
            reference_rounds(session, reference),
            round_.version,
            until=reference.frozen_at,
        ),
        since=measure(
            session, federation, _rounds_since(session, reference, round_), round_.version
        ),
        policy=policy,
        min_cohort_size=federation.min_cohort_size,
        units=measurements.units(bins),
    )
    verdicts = [
        _verdict(finding, federation, round_, reference, error_budget(policy, finding.scope.kind))
        for finding in judge(case)
    ]
    session.add_all(verdicts)
    session.flush()
    return verdicts


def measure(
    session: Session,
    federation: Federation,
    measured: Sequence[Round],
    version: str,
    *,
    until: datetime | None = None,
) -> list[RoundMeasure]:
    """What these rounds say of a version, by round and client, as far as it came until then."""
    specs = {round_.bin_spec for round_ in measured if round_.bin_spec}
    bins = {
        spec: BinSpecIn.model_validate(bin_specs.get(session, federation, spec).document)
        for spec in specs
    }
    reports = rounds.reports_of(session, [round_.id for round_ in measured], until=until)
    return measurements.measure_rounds(measured, reports, bins, version)


def reference_rounds(session: Session, reference: Reference) -> list[Round]:
    """The rounds that a reference was frozen from."""
    ids = [UUID(text) for text in reference.round_ids]
    return rounds.with_ids(session, reference.federation_id, ids)


def verdicts_of(session: Session, round_id: UUID) -> list[Verdict]:
    """The verdicts on a round, by scope and subject."""
    return repository.verdicts_of(session, [round_id])


def recent_rounds_with_verdicts(
    session: Session, federation_id: UUID, model: str, version: str, last_step: int, count: int
) -> list[tuple[Round, list[Verdict]]]:
    """The `count` newest rounds judged against the reference in force, oldest first."""
    reference = repository.reference_in_force(session, federation_id, model, version)
    if reference is None:
        return []
    ids = repository.judged_round_ids(session, reference.id, last_step, count)
    by_round: dict[UUID, list[Verdict]] = {round_id: [] for round_id in ids}
    for verdict in repository.verdicts_of(session, ids):
        by_round[verdict.round_id].append(verdict)
    judged = rounds.with_ids(session, federation_id, ids)
    return [(round_, by_round[round_.id]) for round_ in judged]


def references_of(session: Session, federation_id: UUID, model: str) -> list[Reference]:
    """A model's references, newest first."""
    return repository.references_of(session, federation_id, model)


def reference_of(session: Session, federation_id: UUID, reference_id: UUID) -> Reference:
    """A federation's reference by id."""
    found = repository.reference_of(session, federation_id, reference_id)
    if found is None:
        raise NotFoundError("reference", reference_id)
    return found


def series(
    session: Session, federation_id: UUID, model: str, subject: str, scope: str, limit: int
) -> list[Verdict]:
    """One subject's verdicts over rounds, oldest first."""
    return repository.series(session, federation_id, model, subject, scope, limit)


def _rounds_since(session: Session, reference: Reference, round_: Round) -> list[Round]:
    """The version's rounds from after the reference up to this one, one a step."""
    measured = rounds.measuring(session, round_.federation_id, round_.model, round_.version)
    since = {
        other.global_step: other
        for other in measured
        if other.version == round_.version
        and reference.last_step < other.global_step < round_.global_step
    }
    return [*(since[step] for step in sorted(since)[-(MOST_ROUNDS - 1) :]), round_]


def _bins(session: Session, federation: Federation, round_: Round) -> BinSpecIn | None:
    if round_.bin_spec is None:
        return None
    spec = bin_specs.get(session, federation, round_.bin_spec)
    return BinSpecIn.model_validate(spec.document)


def _verdict(
    finding: Finding, federation: Federation, round_: Round, reference: Reference, level: float
) -> Verdict:
    return Verdict(
        federation_id=federation.id,
        round_id=round_.id,
        reference_id=reference.id,
        model=round_.model,
        version=round_.version,
        global_step=round_.global_step,
        subject=finding.subject,
        family=finding.family,
        scope=finding.scope.kind,
        scope_key=finding.scope.key,
        detector=finding.detector,
        outcome=finding.outcome.value,
        statistic=finding.statistic,
        effect=finding.effect,
        effect_unit=finding.effect_unit,
        p_value=finding.p_value,
        q_value=finding.q_value,
        error_budget=level,
        minimum_detectable_effect=finding.minimum_detectable_effect,
        threshold=finding.threshold,
        policy_version=federation.policy_version,
        explanation=dict(finding.explanation),
        at=clock.now(),
    )
