"""Retention: a report's files are deleted after its federation's time; the report itself stays.

What it was asked on stays known, and so does its address, which messages and bookmarks have: who
asks for it after that has it built again. What was logged in MLflow stays there.
"""

from datetime import timedelta
from pathlib import Path

from sqlmodel import Session

from app.audit import service as audit
from app.core import clock
from app.federations import service as federations
from app.federations.tables import Federation
from app.reports import repository
from app.reports.building import PART, json_beside
from app.reports.tables import Report

BY_ITSELF = "policy"
MOST = 500  # files' reports at a time, so that no transaction takes long
UNFINISHED = timedelta(days=1)


def forget_files(session: Session, reports_dir: Path) -> int:
    """Delete the files of reports older than their federation keeps them; return whose many.

    Of every federation the oldest `MOST`; the next call goes on. A file goes before its row says
    so: should that not be committed, the report is built again, and no file is left behind.
    """
    return sum(
        _forget(session, federation, reports_dir) for federation in federations.everyone(session)
    )


def drop_unfinished(reports_dir: Path) -> None:
    """Delete what a killed worker left half written."""
    before = (clock.now() - UNFINISHED).timestamp()
    for part in reports_dir.glob(f"*{PART}"):
        if part.stat().st_mtime < before:
            part.unlink(missing_ok=True)


def _forget(session: Session, federation: Federation, reports_dir: Path) -> int:
    days = federations.policy_of(federation).reports.keep_days
    if days is None:
        return 0
    before = clock.now() - timedelta(days=days)
    found = repository.with_files_before(session, federation.id, before, MOST)
    for report in found:
        _delete(report, reports_dir)
        session.add(report)
    if found:
        audit.record(
            session,
            actor=BY_ITSELF,
            action="report.forget",
            entity=f"federation:{federation.name}",
            federation_id=federation.id,
            after={"reports": len(found), "built_before": before.isoformat()},
        )
    return len(found)


def _delete(report: Report, reports_dir: Path) -> None:
    assert report.path is not None  # these were asked for
    page = reports_dir / report.path
    for file in (page, json_beside(page)):
        file.unlink(missing_ok=True)
    report.path = None
