"""Decisions on reports: one for each subject as its evidence is, built when somebody asks."""

from uuid import UUID

from sqlmodel import Session

from app.audit import service as audit
from app.core import clock, outbox
from app.core.database import insert_unless_there
from app.core.errors import NotFoundError
from app.core.states import advance
from app.federations.tables import Federation
from app.reports import repository
from app.reports.states import NEXT, PATIENCE, Kind, ReportState
from app.reports.tables import Report

BUILD = "reports.build"


def ask(session: Session, asked: Report, actor: str) -> Report:
    """The stored report on the evidence of `asked`, which an `asked` of a kind's file gives.

    The first ask has it built, as does one after `PATIENCE` with no result.
    """
    report = repository.report_on(session, asked)
    if report is None:
        return _begin(session, asked, actor)
    patience = PATIENCE.get(ReportState(report.state))
    if patience is not None and clock.now() - report.asked_at >= patience:
        rebuild(session, report, actor)
    return report


def get(session: Session, federation: Federation, report_id: UUID, *, of_clients: bool) -> Report:
    """A federation's report; what is about a single client only for who may read clients.

    Raises:
        NotFoundError: if there is none that the caller may see.
    """
    report = repository.report_of(session, federation.id, report_id)
    if report is None or (report.of_client and not of_clients):
        raise NotFoundError("report", report_id)
    return report


def list_of(
    session: Session,
    federation: Federation,
    *,
    kind: Kind | None = None,
    model: str | None = None,
    limit: int = 50,
    of_clients: bool = False,
) -> list[Report]:
    """A federation's newest reports, newest first."""
    return repository.newest(session, federation.id, kind, model, limit, of_clients=of_clients)


def rebuild(session: Session, report: Report, actor: str) -> None:
    """Have a report built again: its file is gone, or it did not come about."""
    move(report, ReportState.BUILDING)
    report.asked_at, report.built_at, report.path, report.error = clock.now(), None, None, None
    session.add(report)
    _enqueue(session, report, actor)


def move(report: Report, target: ReportState) -> None:
    """Take a step that the table of states allows."""
    report.state = advance("report", NEXT, ReportState(report.state), target)


def note(session: Session, report: Report, actor: str, action: str) -> None:
    """Put a step of a report on record."""
    told = {"kind": report.kind, "subject": str(report.subject_id), "state": report.state}
    audit.record(
        session,
        actor=actor,
        action=action,
        entity=f"report:{report.id}",
        federation_id=report.federation_id,
        after=told | {"evidence_sha256": report.evidence_sha256, "error": report.error},
    )


def _begin(session: Session, asked: Report, actor: str) -> Report:
    if insert_unless_there(session, asked):
        _enqueue(session, asked, actor)
        return asked
    theirs = repository.report_on(session, asked)
    assert theirs is not None  # somebody else asked at the same moment
    return theirs


def _enqueue(session: Session, report: Report, actor: str) -> None:
    outbox.enqueue(session, BUILD, report.id, step=report.asked_at.isoformat())
    note(session, report, actor, "report.ask")
