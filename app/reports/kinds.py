"""The kinds of reports: how each is asked for anew, and what it is gathered by."""

from collections.abc import Callable

from sqlmodel import Session

from app.federations.tables import Federation
from app.reports import of_candidate, of_incident, of_period, of_round
from app.reports.content import Content
from app.reports.states import Kind
from app.reports.tables import Report


def _period_again(session: Session, federation: Federation, report: Report) -> Report | None:
    steps = of_period.steps_of(report)
    return of_period.asked(session, federation, report.subject_id, report.period, steps)


AGAIN: dict[Kind, Callable[[Session, Federation, Report], Report | None]] = {
    Kind.ROUND: lambda session, of, one: of_round.asked(session, of, one.subject_id),
    Kind.INCIDENT: lambda session, of, one: of_incident.asked(session, of, one.subject_id),
    Kind.CANDIDATE: lambda session, of, one: of_candidate.asked_of_version(
        session, of, one.subject_id
    ),
    Kind.PROMOTION: lambda session, of, one: of_candidate.asked_of_promotion(
        session, of, one.subject_id
    ),
    Kind.PERIOD: _period_again,
}
GATHER: dict[Kind, Callable[[Session, Federation, Report], Content]] = {
    Kind.ROUND: of_round.gather,
    Kind.INCIDENT: of_incident.gather,
    Kind.CANDIDATE: of_candidate.gather,
    Kind.PROMOTION: of_candidate.gather,
    Kind.PERIOD: of_period.gather,
}


def evidence_now(session: Session, federation: Federation, report: Report) -> str:
    """The hash of the evidence that the report's subject has by now."""
    now = AGAIN[Kind(report.kind)](session, federation, report)
    return report.evidence_sha256 if now is None else now.evidence_sha256
