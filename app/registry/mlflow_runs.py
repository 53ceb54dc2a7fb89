"""A thin port over MLflow's tracking: everything here can be done twice without harm."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from app.registry.mlflow_store import MlflowStore

RUN_KEY = "vigie.run_key"
MOST_METRICS = 1000  # that MLflow takes in one call

Measurement = tuple[str, float, datetime, int]  # name, value, time, step


class MlflowRuns(MlflowStore):
    """MLflow's experiments and runs."""

    def ensure_run(self, experiment: str, key: str, name: str, started: datetime) -> str:
        """The id of the run with this key, which is made if there is none."""
        home = self._ensure_experiment(experiment)
        known = self._first_run(home, key)
        if known is not None:
            return known
        tags = {RUN_KEY: key}
        made = self._client.create_run(home, _milliseconds(started), tags, run_name=name)
        first = self._first_run(home, key)
        assert first is not None  # it was made
        if first != made.info.run_id:  # somebody made it at the same time
            self._client.delete_run(made.info.run_id)
        return first

    def log(
        self,
        run: str,
        metrics: Sequence[Measurement],
        params: Mapping[str, str],
        tags: Mapping[str, str],
    ) -> None:
        """Log measurements, in as few calls as MLflow allows, and what the run was made with.

        The same measurement again is kept once; a parameter that the run has stays as it is.
        """
        from mlflow.entities import Metric, Param, RunTag  # noqa: PLC0415 - the import takes seconds

        known = self._client.get_run(run).data.params
        new = [Param(key, value) for key, value in params.items() if key not in known]
        self._client.log_batch(run, params=new, tags=[RunTag(*tag) for tag in tags.items()])
        for start in range(0, len(metrics), MOST_METRICS):
            some = metrics[start : start + MOST_METRICS]
            told = [Metric(name, value, _milliseconds(at), step) for name, value, at, step in some]
            self._client.log_batch(run, metrics=told)
        last = max((at for _, _, at, _ in metrics), default=None)
        if last is not None:  # it goes on if more rounds come; nobody says when it is over
            self._client.set_terminated(run, "FINISHED", _milliseconds(last))

    def log_text(self, run: str, path: str, text: str) -> None:
        """Keep a text as an artifact of a run, in the place of one that was there."""
        self._client.log_text(run, text, path)

    def _ensure_experiment(self, name: str) -> str:
        from mlflow.exceptions import MlflowException  # noqa: PLC0415 - the import takes seconds

        found = self._client.get_experiment_by_name(name)
        if found is None:
            files = (self._artifacts_dir / name / "runs").as_uri()
            try:
                made: str = self._client.create_experiment(
                    name, artifact_location=None if self._is_a_server else files
                )
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
                found = self._client.get_experiment_by_name(name)
            else:
                return made
        if found.lifecycle_stage == "deleted":
            self._client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)

    def _first_run(self, experiment: str, key: str) -> str | None:
        found = self._client.search_runs([experiment], f"tags.`{RUN_KEY}` = '{key}'")
        first = min(found, key=lambda run: (run.info.start_time, run.info.run_id), default=None)
        return None if first is None else str(first.info.run_id)


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
