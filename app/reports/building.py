"""A report's way from the question to its files: the effect of the outbox task `reports.build`.

`prepare` gathers what it shows, `perform` draws it, `record` keeps its fate.
"""

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import structlog
from sqlmodel import Session

from app.core import clock, outbox
from app.federations import service as federations
from app.reports import repository
from app.reports.artifacts import LOG
from app.reports.content import Content
from app.reports.drawing import draw
from app.reports.errors import NothingToReportError
from app.reports.kinds import GATHER, evidence_now
from app.reports.service import move, note
from app.reports.states import Kind, ReportState
from app.reports.tables import Report

WORKER = "worker"
PART = ".part"  # the end of a file's name until it is whole

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Work:
    """What is to be drawn, from which evidence, and under which name; or why it cannot be."""

    stem: str
    evidence_sha256: str
    content: Content | None = None
    missing: str | None = None


@dataclass(frozen=True)
class Built:
    """What became of a report: its path relative to the reports folder, or why there is none."""

    path: str | None = None
    error: str | None = None
    evidence_sha256: str | None = None  # that it was made from, if that is not what was asked for


def prepare(session: Session, report_id: UUID) -> Work | None:
    """Gather what the report shows; None when it is not wanted any more.

    Raises:
        RoundNotJudgedError: if the verdicts are not there yet; the outbox tries again.
    """
    report = repository.report_with_id(session, report_id)
    if report is None or report.state != ReportState.BUILDING:
        return None
    federation = federations.get(session, report.federation_id)
    evidence, stem = evidence_now(session, federation, report), str(report.id)
    try:
        content = GATHER[Kind(report.kind)](session, federation, report)
    except NothingToReportError as error:
        return Work(stem, evidence, missing=error.message)
    return Work(stem, evidence, content)


def perform(work: Work, reports_dir: Path) -> Built:
    """Draw the report and put its files in place, whole or not at all.

    What cannot be drawn is an answer; a folder that cannot be written to raises OSError, and the
    outbox tries again.
    """
    if work.content is None:
        return Built(error=work.missing, evidence_sha256=work.evidence_sha256)
    try:
        drawn = draw(work.content)
        document = json.dumps({**drawn.document, "evidence_sha256": work.evidence_sha256})
    except Exception as error:
        log.exception("report.build_failed", report=work.stem)
        return Built(error=f"{type(error).__name__} while drawing it; the worker's log says more.")
    page = reports_dir / f"{work.stem}.html"
    _write_whole(json_beside(page), document)
    _write_whole(page, drawn.html)
    return Built(path=page.name, evidence_sha256=work.evidence_sha256)


def json_beside(page: Path) -> Path:
    """The file of the same report as JSON."""
    return page.with_suffix(".json")


def record(session: Session, report_id: UUID, built: Built) -> None:
    """Note that the report is ready, or why it is not; a report that is not awaited stays."""
    report = repository.locked(session, report_id)
    if report is None or report.state != ReportState.BUILDING:
        return
    move(report, ReportState.READY if built.path else ReportState.FAILED)
    report.path, report.error, report.built_at = built.path, built.error, clock.now()
    if built.evidence_sha256 is not None:
        _name_evidence(session, report, built.evidence_sha256)
    session.add(report)
    note(session, report, WORKER, f"report.{report.state}")
    if built.path and not report.of_client:
        outbox.enqueue(session, LOG, report.id, step=report.asked_at.isoformat())


def _name_evidence(session: Session, report: Report, sha256: str) -> None:
    """Evidence that came between the question and the answer names the report, unless one has it.

    Then there are two on the same evidence, which does no harm.
    """
    same = Report(**{**report.model_dump(exclude={"id"}), "evidence_sha256": sha256})
    if repository.report_on(session, same) is None:
        report.evidence_sha256 = sha256


def _write_whole(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, suffix=PART, delete=False
    ) as part:
        try:
            part.write(text)
            part.flush()
            os.fsync(part.fileno())
            Path(part.name).replace(path)
        except BaseException:
            Path(part.name).unlink(missing_ok=True)
            raise
