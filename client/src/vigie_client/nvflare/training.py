# mypy: disable-error-code="import-not-found,misc"
# FLARE is in an environment of its own, where types are not checked.
"""``FlareTraining``: a retrain request becomes a job of a running FLARE system."""

import json
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from nvflare.fuel.flare_api.api_spec import (
    NoConnection,
    NoReply,
    SessionClosed,
    SubmitTokenConflict,
)
from nvflare.fuel.flare_api.flare_api import Session

from vigie_client.errors import LeaseLost, VigieClientError
from vigie_client.models import RetrainRequest, TrainedVersion
from vigie_client.nvflare.reporter import OUTCOME, STATS
from vigie_client.retrain import Progress

log = logging.getLogger("vigie_client")

COMPLETED, FINISHED = "FINISHED:COMPLETED", "FINISHED"
CANCELLED = "cancelled"  # the request's state, which the service's answer names
_LOST = (NoConnection, NoReply, SessionClosed)


class FlareJobFailed(VigieClientError):
    """The FLARE job did not complete, or left no model."""


class FlareTraining:
    """Trains a retrain request by a job that it submits and follows; a ``Train``.

    ::

        training = FlareTraining(
            lambda: new_secure_session("admin@example.org", "startup/admin@example.org"), make_job
        )
        RetrainWorker(url, key, "stroke", model="stroke", train=training).run_forever(30, stop)

    ``connect`` opens a session. ``make_job(request, folder)`` writes a job definition below
    ``folder`` and returns its path: with the request's ``rounds``, ``hyperparameters`` and
    ``clients``, started from its ``warm_start``, and with a ``VigieReporter`` that has
    ``retrain_request=request.id``. ``keep(result, request)`` may put the downloaded result where
    the weights are to lie, and returns their URI, if they have one.

    The request's id is FLARE's submit token: should this process die or lose its lease, whoever
    claims the request next follows the job that is already there. A cancelled request's job is
    aborted. A lost connection is made anew, ``most_failures`` times in a row at most.
    """

    def __init__(
        self,
        connect: Callable[[], Session],
        make_job: Callable[[RetrainRequest, Path], Path],
        *,
        keep: Callable[[Path, RetrainRequest], str | None] | None = None,
        poll_seconds: float = 2.0,
        most_failures: int = 10,
    ) -> None:
        self._connect, self._make_job, self._keep = connect, make_job, keep
        self._poll_seconds, self._most_failures = poll_seconds, most_failures
        self._pause = threading.Event()

    def __call__(self, request: RetrainRequest, progress: Progress, /) -> TrainedVersion:
        """Submit, follow, fetch; ``FlareJobFailed`` says how the job ended when not well."""
        with TemporaryDirectory(prefix="vigie-flare-") as folder:
            definition = self._make_job(request, Path(folder))
            session = self._connect()
            try:
                job = _submitted(session, definition, request)
                session = self._follow(session, job, request, progress)
                result = Path(session.download_job_result(job, folder))
                return self._version(job, result, request)
            finally:
                with suppress(Exception):  # the job is settled; a logout that fails changes nothing
                    session.close()

    def _follow(
        self, session: Session, job: str, request: RetrainRequest, progress: Progress
    ) -> Session:
        """Wait for the end of the job, telling how far it is; return the session then in use."""
        total, done, failures = request.rounds, 0, 0
        status = "SUBMITTED"
        while not status.startswith(FINISHED):
            try:
                status = str(session.get_job_meta(job).get("status"))
                done = max(done, _rounds(session, job))
                failures = 0
            except _LOST as error:
                failures += 1
                session = self._reconnected(session, failures, error)
            self._tell(session, job, progress, (min(done, total), total, status))
            if not status.startswith(FINISHED):
                self._pause.wait(self._poll_seconds)
        if status != COMPLETED:
            raise FlareJobFailed(f"FLARE job {job} ended as {status}; see its logs on the server.")
        return session

    def _tell(
        self, session: Session, job: str, progress: Progress, done: tuple[int, int, str]
    ) -> None:
        try:
            progress(*done)
        except LeaseLost as lost:
            if CANCELLED in str(lost):
                with suppress(Exception):  # it may just have ended
                    session.abort_job(job)
            raise

    def _reconnected(self, session: Session, failures: int, error: Exception) -> Session:
        if failures >= self._most_failures:
            raise FlareJobFailed(f"The FLARE server gave no answer {failures} times.") from error
        log.warning("The FLARE server gave no answer (%s); connecting anew", error)
        try:
            anew = self._connect()
        except _LOST:
            return session
        with suppress(Exception):
            session.close()
        return anew

    def _version(self, job: str, result: Path, request: RetrainRequest) -> TrainedVersion:
        outcome = next(result.rglob(OUTCOME), None)
        if outcome is None:
            raise FlareJobFailed(
                f"The result of FLARE job {job} has no {OUTCOME}; its server app needs a "
                "VigieReporter, beside a workflow that updates the global model."
            )
        made = json.loads(outcome.read_text())
        return TrainedVersion(
            run=job,
            weights_sha256=made["weights_sha256"],
            rounds=made["rounds"],
            artifact_uri=self._keep(result, request) if self._keep else None,
        )


def _submitted(session: Session, definition: Path, request: RetrainRequest) -> str:
    try:
        return str(session.submit_job(str(definition), submit_token=request.id))
    except SubmitTokenConflict as conflict:
        if conflict.existing_job_id is None:
            raise
        log.warning("Retrain request %s has a job already; following it", request.id)
        return str(conflict.existing_job_id)


def _rounds(session: Session, job: str) -> int:
    try:
        stats = session.show_stats(job, "server")
    except Exception:  # noqa: BLE001 - a job that starts or ends has none; it is only progress
        return 0
    told = stats.get("server") if isinstance(stats, dict) else None
    reporter = told.get(STATS) if isinstance(told, dict) else None
    return int(reporter.get("rounds", 0)) if isinstance(reporter, dict) else 0
