"""``FlowerTraining``: a retrain request becomes a run of a Flower federation."""

import json
import logging
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from vigie_client.errors import LeaseLost, VigieClientError
from vigie_client.flower.outcome import Outcome
from vigie_client.models import RetrainRequest, TrainedVersion
from vigie_client.retrain import Progress

log = logging.getLogger("vigie_client")

RunConfig = Mapping[str, bool | int | float | str]

COMPLETED, FINISHED = "finished:completed", "finished"
CANCELLED = "cancelled"  # the request's state, which the service's answer names
_COMMAND_SECONDS = 120.0


class FlowerRunFailed(VigieClientError):
    """``flwr`` refused, the run did not complete, or it left no model."""


class FlowerTraining:
    """Trains a retrain request by a Flower run that it starts and follows; a ``Train``.

    ::

        training = FlowerTraining("my-app", "prod", folder="/var/lib/vigie-flower")
        RetrainWorker(url, key, "stroke", "stroke", training).run_forever(30, stop)

    ``app`` and ``superlink`` are the arguments of ``flwr run``: the app's folder and the name of a
    connection. ``folder`` is one that this process and the ServerApp share; the run's ``Outcome``
    goes there. ``configure`` returns further run configuration for a request, such as where the
    base version's weights are, for the warm start. Flower wants every key to be in the app's own
    ``pyproject.toml``; ``num-server-rounds``, ``vigie-request``, ``vigie-base-version`` and
    ``vigie-outcome`` are always given. The plan's hyperparameters are given under their own names;
    ``vigie-warm-start`` where it is another version than the base; ``vigie-cohort`` where a cohort
    is to train alone, and ``vigie-cohort-weight`` with it where it is to weigh more among all;
    ``vigie-trainees`` where a cluster of clients is meant: the file from which ``trainees_from``
    reads whom. ``flwr`` is the command.

    Flower starts a run anew each time it is asked to, so it is the request's lease that prevents
    two. A worker that claims the request after another died or lost its lease finds the number of
    its run in ``folder``, and follows that. The run of a cancelled request is stopped.
    """

    def __init__(
        self,
        app: str | Path,
        superlink: str,
        folder: str | Path,
        *,
        configure: Callable[[RetrainRequest], RunConfig] = lambda _: {},
        flwr: Sequence[str] = ("flwr",),
        poll_seconds: float = 2.0,
        most_failures: int = 10,
    ) -> None:
        """Start nothing yet."""
        self._app, self._superlink, self._folder = str(app), superlink, Path(folder)
        self._configure, self._flwr = configure, tuple(flwr)
        self._poll_seconds, self._most_failures = poll_seconds, most_failures
        self._pause = threading.Event()

    def __call__(self, request: RetrainRequest, progress: Progress, /) -> TrainedVersion:
        """Start, follow, read; ``FlowerRunFailed`` says how the run ended when not well."""
        self._folder.mkdir(parents=True, exist_ok=True)
        outcome = Outcome(self._folder / f"{request.id}.json")
        run = self._started(request, outcome)
        try:
            self._follow(run, request, outcome, progress)
        except LeaseLost as lost:
            if CANCELLED in str(lost):
                self._stop(run)
            raise
        return _version(run, outcome)

    def _started(self, request: RetrainRequest, outcome: Outcome) -> str:
        """The request's run: the one that an earlier worker started, or a new one."""
        kept = self._folder / f"{request.id}.run"
        if kept.exists():
            log.warning("Retrain request %s has a run already; following it", request.id)
            return kept.read_text()
        config = _toml(self._run_config(request, outcome))
        answer = self._flower("run", self._app, self._superlink, "--run-config", config)
        run = str(answer["run-id"])
        kept.write_text(run)
        return run

    def _run_config(self, request: RetrainRequest, outcome: Outcome) -> RunConfig:
        return {
            **request.hyperparameters,
            "num-server-rounds": request.rounds,
            "vigie-request": request.id,
            "vigie-base-version": request.base_version,
            "vigie-outcome": str(outcome.path.resolve()),
            **self._planned(request),
            **self._configure(request),
        }

    def _planned(self, request: RetrainRequest) -> RunConfig:
        """What of the plan is not as usual: an app that never meets it need not declare it."""
        config: dict[str, bool | int | float | str] = {}
        if request.warm_start != request.base_version:
            config["vigie-warm-start"] = request.warm_start
        if request.clients.pseudonyms:
            path = self._folder / f"{request.id}.trainees.json"
            path.write_text(json.dumps(request.clients.to_json()))
            config["vigie-trainees"] = str(path.resolve())
        elif request.clients.cohort is not None:
            config["vigie-cohort"] = request.clients.cohort
            if request.clients.which == "weighted":
                config["vigie-cohort-weight"] = request.clients.weight
        return config

    def _follow(
        self, run: str, request: RetrainRequest, outcome: Outcome, progress: Progress
    ) -> None:
        total, failures, status = request.rounds, 0, "pending"
        while not status.startswith(FINISHED):
            try:
                status, failures = self._status(run), 0
            except FlowerRunFailed:
                failures += 1
                if failures >= self._most_failures:
                    raise
            progress(min(outcome.rounds, total), total, status)
            if not status.startswith(FINISHED):
                self._pause.wait(self._poll_seconds)
        if status != COMPLETED:
            raise FlowerRunFailed(f"Flower run {run} ended as {status}; `flwr log {run}` has more.")

    def _status(self, run: str) -> str:
        answer = self._flower("ls", self._superlink, "--run-id", run)
        return str(answer["runs"][0]["status"])

    def _stop(self, run: str) -> None:
        with suppress(FlowerRunFailed):  # it may just have ended
            self._flower("stop", run, self._superlink)

    def _flower(self, *arguments: str) -> dict[str, Any]:
        """Run a command of ``flwr`` and return what it answers."""
        command = [*self._flwr, *arguments, "--format", "json"]
        try:
            ran = subprocess.run(  # noqa: S603 - the command is the operator's, without a shell
                command, capture_output=True, text=True, timeout=_COMMAND_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise FlowerRunFailed(f"flwr {arguments[0]} gave no answer: {error}") from error
        answer = _json(ran.stdout)
        if not answer.get("success"):
            said = answer.get("error-message") or ran.stderr.strip() or ran.stdout.strip()
            raise FlowerRunFailed(f"flwr {arguments[0]} failed: {said}")
        return answer


def _version(run: str, outcome: Outcome) -> TrainedVersion:
    made = outcome.read()
    if "weights_sha256" not in made:
        raise FlowerRunFailed(
            f"Flower run {run} left no model in {outcome.path}; its ServerApp has to call "
            "Outcome.finish at the end."
        )
    return TrainedVersion(
        run=f"flower-{run}",
        weights_sha256=made["weights_sha256"],
        rounds=made["rounds"],
        artifact_uri=made.get("artifact_uri"),
    )


def _toml(config: RunConfig) -> str:
    """Run configuration as ``flwr run`` reads it: JSON's strings, numbers and booleans are TOML."""
    return " ".join(f"{key}={json.dumps(value)}" for key, value in config.items())


def _json(text: str) -> dict[str, Any]:
    """What ``flwr`` prints, past whatever it says before; empty when that is no JSON object."""
    try:
        found = json.loads(text[text.index("{") :])
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
