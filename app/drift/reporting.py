"""Decisions on reports: ask for one once, gather what it shows, build it as a file, keep its fate.

`prepare`, `perform` and `record` are the three steps of the outbox task `drift.build_report`.
"""

import os
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from uuid import UUID

import structlog
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from app.audit import service as audit
from app.core import clock, outbox
from app.core.states import advance
from app.drift import report_repository
from app.drift.report import build_html
from app.drift.report_errors import RoundNotJudgedError
from app.drift.report_work import ReportWork, gather
from app.drift.tables import Report
from app.federations.tables import Federation
from app.rounds import service as rounds
from app.rounds.tables import Round

BUILD = "drift.build_report"
WORKER = "worker"
NO_REFERENCE = "There is no reference to compare the round with."

log = structlog.get_logger(__name__)


class ReportState(StrEnum):
    """Where a report is."""

    BUILDING = "building"
    READY = "ready"
    FAILED = "failed"


S = ReportState
NEXT: dict[ReportState, frozenset[ReportState]] = {
    S.BUILDING: frozenset({S.BUILDING, S.READY, S.FAILED}),
    S.READY: frozenset({S.BUILDING}),
    S.FAILED: frozenset({S.BUILDING}),
}
# How long a report that is not ready stands before an ask has it built again: a failure may have
# passed, and work that the outbox gave up on would otherwise be waited for for ever.
PATIENCE = {S.FAILED: timedelta(minutes=10), S.BUILDING: timedelta(hours=2)}


@dataclass(frozen=True)
class Built:
    """What became of a report: its path relative to the reports folder, or why there is none."""

    path: str | None = None
    error: str | None = None


def ask(session: Session, federation: Federation, round_id: UUID, actor: str) -> Report:
    """The round's report; the first ask has it built, as does one after `PATIENCE` with no result.

    Raises:
        NotFoundError: if the federation has no such round.
    """
    round_ = rounds.get(session, federation.id, round_id)
    report = report_repository.report_of_round(session, federation.id, round_.id)
    if report is None:
        return _begin(session, federation, round_, actor)
    patience = PATIENCE.get(ReportState(report.state))
    if patience is not None and clock.now() - report.asked_at >= patience:
        rebuild(session, report, actor)
    return report


def rebuild(session: Session, report: Report, actor: str) -> None:
    """Have a report built again: its file is gone, or it did not come about."""
    _move(report, ReportState.BUILDING)
    report.asked_at, report.built_at, report.path, report.error = clock.now(), None, None, None
    session.add(report)
    _enqueue(session, report, actor)


def prepare(session: Session, report_id: UUID) -> ReportWork | None:
    """Gather what the report shows; None when it is not wanted any more.

    Raises:
        RoundNotJudgedError: if the verdicts are not there yet; the outbox tries again.
    """
    report = report_repository.report_with_id(session, report_id)
    if report is None or report.state != ReportState.BUILDING:
        return None
    round_ = rounds.get(session, report.federation_id, report.round_id)
    if round_.evaluated_at is None:
        raise RoundNotJudgedError
    return gather(session, report, round_)


def perform(work: ReportWork, reports_dir: Path) -> Built:
    """Build the page and put its file in place, whole or not at all.

    What cannot be built is an answer; a folder that cannot be written to raises OSError, and the
    outbox tries again.
    """
    if work.reference is None:
        return Built(error=NO_REFERENCE)
    try:
        html = build_html(work.reference, work.current, work.title, work.verdicts)
    except Exception as error:
        log.exception("report.build_failed", file=work.file_name)
        return Built(error=f"{type(error).__name__} while drawing it; the worker's log says more.")
    _write_whole(reports_dir / work.file_name, html)
    return Built(path=work.file_name)


def record(session: Session, report_id: UUID, built: Built) -> None:
    """Note that the report is ready, or why it is not; a report that is not awaited stays."""
    report = report_repository.locked(session, report_id)
    if report is None or report.state != ReportState.BUILDING:
        return
    _move(report, ReportState.READY if built.path else ReportState.FAILED)
    report.path, report.error, report.built_at = built.path, built.error, clock.now()
    session.add(report)
    _audit(session, report, WORKER, f"report.{report.state}")


def _begin(session: Session, federation: Federation, round_: Round, actor: str) -> Report:
    report = Report(federation_id=federation.id, round_id=round_.id, asked_at=clock.now())
    try:
        with session.begin_nested():
            session.add(report)
    except IntegrityError:  # somebody else asked at the same moment
        theirs = report_repository.report_of_round(session, federation.id, round_.id)
        if theirs is None:
            raise
        return theirs
    _enqueue(session, report, actor)
    return report


def _enqueue(session: Session, report: Report, actor: str) -> None:
    outbox.enqueue(session, BUILD, report.id, step=report.asked_at.isoformat())
    _audit(session, report, actor, "report.ask")


def _move(report: Report, target: ReportState) -> None:
    report.state = advance("report", NEXT, ReportState(report.state), target)


def _audit(session: Session, report: Report, actor: str, action: str) -> None:
    audit.record(
        session,
        actor=actor,
        action=action,
        entity=f"report:{report.id}",
        federation_id=report.federation_id,
        after={"round": str(report.round_id), "state": report.state, "error": report.error},
    )


def _write_whole(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, suffix=".part", delete=False
    ) as part:
        try:
            part.write(text)
            part.flush()
            os.fsync(part.fileno())
            Path(part.name).replace(path)
        except BaseException:
            Path(part.name).unlink(missing_ok=True)
            raise
