# mypy: disable-error-code="import-not-found"
from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from nvflare.fuel.flare_api.api_spec import NoConnection, SubmitTokenConflict

from vigie_client import LeaseLost, RetrainRequest
from vigie_client.nvflare import FlareJobFailed, FlareTraining

REQUEST = RetrainRequest(
    id="3f3c1e50-0000-4000-8000-000000000001",
    model="stroke",
    base_version="1",
    incident_id=None,
    state="claimed",
    reason="",
    plan={"rounds": 3},
    claimed_by="flare-1",
    lease_until=None,
    progress=None,
    result_version=None,
    created_at=datetime(2026, 11, 21, tzinfo=timezone.utc),
)
OUTCOME = {"weights_sha256": "a" * 64, "rounds": 3}


@dataclass
class Session:
    """Plays a FLARE session: ``statuses`` are told one after another, an exception is raised."""

    statuses: deque[Any] = field(default_factory=deque)
    outcome: dict[str, Any] | None = field(default_factory=lambda: OUTCOME)
    conflict: str | None = None
    submitted: list[str] = field(default_factory=list)
    aborted: list[str] = field(default_factory=list)

    def submit_job(self, path: str, submit_token: str) -> str:
        if self.conflict:
            raise SubmitTokenConflict("used", self.conflict)
        self.submitted.append(submit_token)
        return "job-1"

    def get_job_meta(self, job: str) -> dict[str, Any]:
        status = self.statuses.popleft()
        if isinstance(status, Exception):
            raise status
        return {"status": status, "job": job}

    def show_stats(self, job: str, target: str) -> dict[str, Any]:
        return {"server": {"vigie": {"rounds": 2}}}

    def download_job_result(self, job: str, destination: str) -> str:
        folder = Path(destination) / job
        (folder / "workspace").mkdir(parents=True)
        if self.outcome is not None:
            (folder / "workspace" / "vigie.json").write_text(json.dumps(self.outcome))
        return str(folder)

    def abort_job(self, job: str) -> None:
        self.aborted.append(job)

    def close(self) -> None:
        pass


def training(session: Session, **arguments: Any) -> FlareTraining:
    def make_job(request: RetrainRequest, folder: Path) -> Path:
        return folder / "job"

    return FlareTraining(lambda: session, make_job, poll_seconds=0.001, **arguments)


def nothing(completed: int, total: int, message: str | None = None) -> None:
    pass


def test_a_job_is_submitted_under_the_requests_id_and_followed_to_its_version() -> None:
    session = Session(deque(["SUBMITTED", "RUNNING", "FINISHED:COMPLETED"]))
    told: list[tuple[int, int, str | None]] = []
    kept: list[str] = []

    def keep(result: Path, request: RetrainRequest) -> str:
        kept.append(request.id)
        return f"s3://models/{result.name}"

    def progress(completed: int, total: int, message: str | None = None) -> None:
        told.append((completed, total, message))

    version = training(session, keep=keep)(REQUEST, progress)
    assert (version.run, version.rounds, version.weights_sha256) == ("job-1", 3, "a" * 64)
    assert version.artifact_uri == "s3://models/job-1"
    assert (session.submitted, kept) == ([REQUEST.id], [REQUEST.id])
    assert told[-1] == (2, 3, "FINISHED:COMPLETED")


def test_a_job_that_is_there_already_is_followed() -> None:
    session = Session(deque(["FINISHED:COMPLETED"]), conflict="job-0")
    assert training(session)(REQUEST, nothing).run == "job-0"


@pytest.mark.parametrize(
    ("status", "outcome", "says"),
    [
        ("FINISHED:EXECUTION_EXCEPTION", OUTCOME, "EXECUTION_EXCEPTION"),
        ("FINISHED:COMPLETED", None, "vigie.json"),
    ],
)
def test_a_job_that_made_no_model_is_a_failure(
    status: str, outcome: dict[str, Any] | None, says: str
) -> None:
    with pytest.raises(FlareJobFailed, match=says):
        training(Session(deque([status]), outcome))(REQUEST, nothing)


@pytest.mark.parametrize(("state", "aborted"), [("cancelled", ["job-1"]), ("claimed", [])])
def test_the_job_of_a_cancelled_request_is_aborted_and_another_claimers_is_not(
    state: str, aborted: list[str]
) -> None:
    def lost(completed: int, total: int, message: str | None = None) -> None:
        raise LeaseLost(f"flare-1 does not hold this request, which is {state}.")

    session = Session(deque(["RUNNING"]))
    with pytest.raises(LeaseLost):
        training(session)(REQUEST, lost)
    assert session.aborted == aborted


def test_a_lost_connection_is_made_anew_and_given_up_in_the_end() -> None:
    gone = NoConnection("gone")
    session = Session(deque([gone, gone, "FINISHED:COMPLETED"]))
    assert training(session)(REQUEST, nothing).run == "job-1"
    with pytest.raises(FlareJobFailed, match="3 times"):
        training(Session(deque([gone] * 3)), most_failures=3)(REQUEST, nothing)
