"""Reports in a real MLflow: artifacts of the run that the version came from."""

from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlmodel import Session

from app.core import clock
from app.core.database import Database
from app.federations.tables import Federation
from app.registry.mlflow_registry import MlflowRegistry
from app.registry.mlflow_runs import MlflowRuns
from app.reports import artifacts, building
from app.reports.building import Built
from app.reports.tables import Report
from tests.unit.registry.lifecycle import MODEL, register
from workers.tasks import MLFLOW


@pytest.fixture
def runs(registry: MlflowRegistry) -> MlflowRuns:
    return MlflowRuns(registry._uri, Path(registry._artifacts_dir))


def _report(session: Session, federation: Federation, **more: object) -> Report:
    told = {"model": MODEL, "version": "1", "evidence_sha256": "e" * 64, "kind": "incident"}
    report = Report(
        federation_id=federation.id,
        subject_id=uuid4(),
        asked_at=clock.now(),
        **(told | more),
    )
    session.add(report)
    session.flush()
    return report


def _logged(database: Database, report_id: UUID, runs: MlflowRuns, folder: Path) -> list[Path]:
    """What MLflow has of the version's reports once the work was done, twice."""
    with database.read_scope() as session:
        found = artifacts.prepare(session, report_id, folder)
    assert found is not None
    for _ in range(2):
        artifacts.perform(runs, found)
    run = runs.ensure_run(found.experiment, found.key, found.run, found.started)
    kept = runs._client.list_artifacts(run, "versions/1/reports")
    return [Path(one.path) for one in kept]


def test_a_report_is_logged_with_the_run_of_its_version(
    database: Database, federation: Federation, runs: MlflowRuns, tmp_path: Path
) -> None:
    with database.session_scope() as session:
        register(session, federation, 1)
        report_id = _report(session, federation).id
    for form in ("html", "json"):
        (tmp_path / f"{report_id}.{form}").write_text(f"the {form}")
    with database.session_scope() as session:
        building.record(session, report_id, Built(path=f"{report_id}.html"))
    names = {path.name for path in _logged(database, report_id, runs, tmp_path)}
    assert names == {f"incident-{report_id}.html", f"incident-{report_id}.json"}


def test_what_has_no_file_or_no_registered_version_is_not_logged(
    database: Database, federation: Federation, tmp_path: Path
) -> None:
    with database.session_scope() as session:
        register(session, federation, 1)
        waiting = _report(session, federation).id
        unknown = _report(session, federation, version="7", state="ready", path="a.html").id
    with database.read_scope() as session:
        assert artifacts.prepare(session, waiting, tmp_path) is None
        assert artifacts.prepare(session, unknown, tmp_path) is None


def test_while_mlflow_is_out_reports_wait_with_all_other_work_on_it() -> None:
    assert artifacts.LOG in MLFLOW.tasks
