"""Reports in MLflow: artifacts of the run that the version came from.

The effect of the outbox task `reports.log`, in the registry's lane: while MLflow is out it waits.
A report about a single client is not logged: who may read MLflow is not for Vigie to say.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from sqlmodel import Session

from app.core.errors import NotFoundError
from app.federations import service as federations
from app.registry import service as registry
from app.registry.mlflow_runs import MlflowRuns
from app.registry.training_runs import run_key
from app.registry.twins import registered_name
from app.reports import repository
from app.reports.states import ReportState
from app.reports.tables import Report

LOG = "reports.log"


@dataclass(frozen=True)
class Artifacts:
    """A report's files by the path that they get, and the run that they belong to."""

    experiment: str
    key: str
    run: str
    started: datetime
    files: dict[str, Path]


def prepare(session: Session, report_id: UUID, reports_dir: Path) -> Artifacts | None:
    """What is to be logged; None without files, and for a version that is not registered."""
    report = repository.report_with_id(session, report_id)
    if report is None or report.state != ReportState.READY or report.path is None:
        return None
    federation = federations.get(session, report.federation_id)
    try:
        version = registry.version_named(session, federation.id, report.model, report.version)
    except NotFoundError:
        return None
    page = reports_dir / report.path
    files = [file for file in (page, page.with_suffix(".json")) if file.is_file()]
    return Artifacts(
        experiment=registered_name(federation.name, report.model),
        key=run_key(federation, report.model, version.run),
        run=version.run,
        started=version.created_at,
        files={_path(report, file.suffix): file for file in files},
    )


def perform(store: MlflowRuns, artifacts: Artifacts) -> None:
    """Put the files in the place of those that were there."""
    run = store.ensure_run(artifacts.experiment, artifacts.key, artifacts.run, artifacts.started)
    for path, file in artifacts.files.items():
        store.log_text(run, path, file.read_text(encoding="utf-8"))


def record(_session: Session, _report_id: UUID, _logged: None) -> None:
    """Nothing: MLflow holds the report."""


def _path(report: Report, suffix: str) -> str:
    return f"versions/{report.version}/reports/{report.kind}-{report.id}{suffix}"
