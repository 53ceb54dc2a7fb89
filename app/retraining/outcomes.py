"""Did it help? A retrained version beside its base, by the rounds that measured both.

The base goes on as a shadow: what it errs on the same examples is what there would have been
without the retraining. Before the new version is promoted it is the candidate of canary rounds;
afterwards the base is.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from math import hypot
from typing import Any

from sqlmodel import Session

from app.audit import service as audit
from app.core import clock
from app.drift import service as drift
from app.federations import service as federations
from app.federations.policy import Policy
from app.federations.tables import Federation
from app.registry import service as registry
from app.registry.evidence_schemas import CohortComparison, Comparison, Difference
from app.registry.evidence_schemas import Measured as MeasuredError
from app.retraining import measuring, repository
from app.retraining.measuring import ErrorLevel
from app.retraining.tables import RetrainingOutcome, RetrainRequest
from app.rounds import service as rounds
from app.rounds.tables import Round

BY_EVIDENCE = "evidence"
HELPED, DID_NOT_HELP, NOT_MEASURED = "helped", "did_not_help", "not_measured"
FORGETTING = "forgetting"
CLEAR = 2.0  # standard errors from which a difference of errors is one


@dataclass(frozen=True)
class Gain:
    """How much lower the new version's log loss is than the base's, in nats per example."""

    estimate: float
    lower: float
    upper: float

    @classmethod
    def of(cls, difference: Difference | None, *, new_is_candidate: bool) -> "Gain | None":
        """From a difference of candidate minus champion; its interval holds whenever one looks."""
        if difference is None:
            return None
        log_loss, lower, upper = difference.log_loss, difference.lower, difference.upper
        return cls(-log_loss, -upper, -lower) if new_is_candidate else cls(log_loss, lower, upper)


@dataclass(frozen=True)
class CohortGain:
    """A cohort's error with and without the retraining, on the same examples, and before it."""

    cohort: str
    error_before: float | None
    error_after: float
    error_if_not: float
    gain: Gain | None


@dataclass(frozen=True)
class Beside:
    """The rounds that measured both versions, and which of them was the candidate."""

    measured: list[Round]
    comparison: Comparison
    new_is_candidate: bool

    @property
    def gain(self) -> Gain | None:
        """Over everybody."""
        return Gain.of(self.comparison.difference, new_is_candidate=self.new_is_candidate)

    def errors(self, one: Comparison | CohortComparison) -> tuple[MeasuredError, MeasuredError]:
        """The new version's and the base's."""
        assert one.champion_measured is not None
        assert one.candidate_measured is not None
        found = (one.candidate_measured, one.champion_measured)
        return found if self.new_is_candidate else (found[1], found[0])


def to_be_assessed(session: Session, federation: Federation, model: str) -> RetrainRequest | None:
    """The model's newest retraining, if it is over and it is open whether it helped."""
    newest = repository.newest_completed(session, federation.id, model)
    if newest is None or repository.outcome_of(session, federation.id, newest.id) is not None:
        return None
    return newest


def assess(
    session: Session, federation: Federation, request: RetrainRequest
) -> RetrainingOutcome | None:
    """Decide whether a retraining helped; None while the rounds do not say, or it is decided."""
    assert request.result_version is not None, "only what completed is assessed"
    if repository.outcome_of(session, federation.id, request.id) is not None:
        return None
    policy = federations.policy_of(federation)
    beside = _beside(session, federation, request)
    found = _answer(session, federation, request, beside, policy)
    if found is None:
        return None
    outcome = RetrainingOutcome(
        request_id=request.id,
        federation_id=federation.id,
        model=request.model,
        incident_id=request.incident_id,
        base_version=request.base_version,
        result_version=request.result_version,
        answer=found[0],
        why=found[1],
        measured=_document(session, federation, request, beside),
        at=clock.now(),
    )
    session.add(outcome)
    _audit(session, outcome, BY_EVIDENCE, "assess", outcome.why)
    return outcome


def allow_again(
    session: Session, outcome: RetrainingOutcome, actor: str, why: str
) -> RetrainingOutcome:
    """Let the policy try again after a retraining that did not help."""
    if outcome.allowed_at is None:
        outcome.allowed_by, outcome.allowed_at = actor, clock.now()
        _audit(session, outcome, actor, "allow_again", why)
    return outcome


def forgetting(session: Session, outcome: RetrainingOutcome) -> list[dict[str, Any]]:
    """What the new version lost on what its parent knew, by the newest verdicts on it."""
    federation_id, model = outcome.federation_id, outcome.model
    newest = rounds.recent(session, federation_id, model=model, limit=1)
    judged = drift.recent_rounds_with_verdicts(
        session,
        federation_id,
        model,
        outcome.result_version,
        newest[0].global_step if newest else 0,
        1,
    )
    return [
        {
            "scope": verdict.scope,
            "scope_key": verdict.scope_key,
            "lost": verdict.effect,
            "matters_from": verdict.threshold,
            "outcome": verdict.outcome,
        }
        for _, verdicts in judged
        for verdict in verdicts
        if verdict.subject == FORGETTING and verdict.scope != "client"
    ]


def _beside(session: Session, federation: Federation, request: RetrainRequest) -> Beside:
    """The shadow rounds once there are some, or else the canary rounds."""
    base, new = request.base_version, request.result_version
    assert new is not None
    found = rounds.canary_rounds(session, federation.id, request.model, new, base)
    champion, candidate, is_candidate = new, base, False
    if not found:
        found = rounds.canary_rounds(session, federation.id, request.model, base, new)
        champion, candidate, is_candidate = base, new, True
    compared = registry.comparison_of(session, federation, request.model, champion, candidate)
    return Beside(found, compared, is_candidate)


def _answer(
    session: Session,
    federation: Federation,
    request: RetrainRequest,
    beside: Beside,
    policy: Policy,
) -> tuple[str, str] | None:
    count, most = len(beside.measured), policy.retraining.outcome_rounds
    if count < policy.canary.min_rounds or beside.gain is None:
        enough = _rounds_alone(session, federation, request, most) or count >= most
        return (
            (NOT_MEASURED, "Too few rounds or clients measured both versions.") if enough else None
        )
    told = f"gain in log loss {_interval(beside.gain)} nats per example over {count} rounds"
    harmed = list(_harmed(beside, policy.canary.non_inferiority_margin))
    if harmed:
        return DID_NOT_HELP, f"It is worse for {', '.join(harmed)}; for all: {told}."
    if beside.gain.lower > 0:
        return HELPED, f"It helped: {told}."
    if beside.gain.upper < 0 or count >= most:
        return DID_NOT_HELP, f"Retraining did not help: {told}."
    return None


def _rounds_alone(
    session: Session, federation: Federation, request: RetrainRequest, most: int
) -> bool:
    """Whether the new version has run alone for long: no comparison is to be expected."""
    assert request.result_version is not None
    found = rounds.between(
        session,
        federation.id,
        request.model,
        request.result_version,
        after=request.requested_step,
        before=2**31,
        limit=most,
    )
    return len(found) >= most


def _harmed(beside: Beside, margin: float) -> Iterator[str]:
    """The cohorts that are worse off by more than the margin, for certain."""
    for cohort in beside.comparison.cohorts:
        gain = Gain.of(cohort.difference, new_is_candidate=beside.new_is_candidate)
        if gain is not None and gain.upper < -margin:
            yield cohort.cohort


def _document(
    session: Session, federation: Federation, request: RetrainRequest, beside: Beside
) -> dict[str, Any]:
    """The figures behind the answer; nothing of fewer clients than the minimum cohort size."""
    assert request.result_version is not None
    policy = federations.policy_of(federation)
    before = measuring.newest_rounds(
        session,
        federation.id,
        request.model,
        request.base_version,
        request.requested_step,
        policy.drift.latest_rounds,
    )
    sides = ("canary", "model") if beside.new_is_candidate else ("model", "canary")
    after, if_not = (
        measuring.error_in(session, federation, beside.measured, side) for side in sides
    )
    was = measuring.reference_error(session, federation, request.model, request.base_version)
    level = measuring.error_in(session, federation, before)
    return {
        "rounds": len(beside.measured),
        "clients": beside.comparison.clients if beside.gain else None,
        "both_ran": "as a candidate" if beside.new_is_candidate else "with the old one as a shadow",
        "measure": after.measure if after else None,
        "error_before": level.value if level else None,
        "error_after": after.value if after else None,
        "error_if_not": if_not.value if if_not else None,
        "gain": asdict(beside.gain) if beside.gain else None,
        "share": _share(after, if_not, was),
        "cohorts": [asdict(one) for one in _cohorts(session, beside, before)],
    }


def _share(
    after: ErrorLevel | None, if_not: ErrorLevel | None, was: ErrorLevel | None
) -> dict[str, float] | None:
    """Which share of the base's excess error went away; None where there is no clear excess."""
    if after is None or if_not is None or was is None:
        return None
    excess = if_not.value - was.value
    if excess <= CLEAR * hypot(if_not.sd, was.sd) or len({after.measure, was.measure}) > 1:
        return None
    sd = hypot(after.sd, if_not.sd) / excess
    return {"mean": (if_not.value - after.value) / excess, "sd": sd}


def _cohorts(session: Session, beside: Beside, before: list[Round]) -> Iterator[CohortGain]:
    for cohort in beside.comparison.cohorts:
        new, base = beside.errors(cohort)
        level = measuring.error_of_cohort(session, before, cohort.cohort)
        yield CohortGain(
            cohort=cohort.cohort,
            error_before=level.value if level else None,
            error_after=new.error_rate,
            error_if_not=base.error_rate,
            gain=Gain.of(cohort.difference, new_is_candidate=beside.new_is_candidate),
        )


def _interval(gain: Gain) -> str:
    return f"{gain.estimate:+.4f} ({gain.lower:+.4f} to {gain.upper:+.4f})"


def _audit(session: Session, outcome: RetrainingOutcome, actor: str, verb: str, why: str) -> None:
    session.add(outcome)
    audit.record(
        session,
        actor=actor,
        action=f"retraining.{verb}",
        entity=f"retrain_request:{outcome.request_id}",
        federation_id=outcome.federation_id,
        after={
            "answer": outcome.answer,
            "model": outcome.model,
            "result_version": outcome.result_version,
            "allowed_by": outcome.allowed_by,
        },
        why=why,
    )
