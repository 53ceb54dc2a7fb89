"""A thin port over MLflow's model registry: everything here can be done twice without harm."""

import json
import logging
import os
import warnings
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import SADeprecationWarning

from app.registry.twins import VERSION_ID, Twin

if TYPE_CHECKING:
    from mlflow import MlflowClient

QUIET_LOGGERS = ("mlflow", "alembic")
# Read by MLflow when it is imported. It would report its use to its makers, and hold a worker for
# minutes when its server is down; the outbox tries again anyway.
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


class MlflowRegistry:
    """MLflow's model registry at `uri`: a tracking server, or a database such as `sqlite:///...`.

    The first use imports MLflow and, in a database, makes its schema, which takes seconds. With a
    database, a version without weights of its own has its lineage under `artifacts_dir` as source.
    """

    def __init__(self, uri: str, artifacts_dir: Path) -> None:
        self._uri = uri
        self._artifacts_dir = artifacts_dir

    def ensure_version(self, twin: Twin) -> str:
        """MLflow's number of the twin, which is made if there is none.

        It is looked for by its id, so a repetition after a crash makes no second one.
        """
        self._ensure_model(twin.name)
        known = self._numbers(twin)
        if known:
            return str(min(known))
        made = self._client.create_model_version(
            twin.name, self._source(twin), tags=twin.tags, description=twin.note
        )
        first = min(self._numbers(twin))
        if int(made.version) != first:  # somebody made it at the same time, and was first
            self._client.delete_model_version(twin.name, str(made.version))
        return str(first)

    def aliases(self, name: str) -> dict[str, str]:
        """MLflow's number under each alias of a registered model."""
        model = self._client.get_registered_model(name)
        return {alias: str(number) for alias, number in model.aliases.items()}

    def align(self, name: str, wanted: Mapping[str, str | None]) -> None:
        """Set each alias to its number, and delete those wanted as None; others are let alone."""
        current = self.aliases(name)
        for alias, number in wanted.items():
            if number == current.get(alias):
                continue
            if number is None:
                self._client.delete_registered_model_alias(name, alias)
            else:
                self._client.set_registered_model_alias(name, alias, number)

    @cached_property
    def _client(self) -> "MlflowClient":
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient  # noqa: PLC0415 - the import takes seconds

        for logger in QUIET_LOGGERS:
            logging.getLogger(logger).setLevel(logging.WARNING)
        with warnings.catch_warnings():
            # MLflow 3.17 maps its tables with a loader that SQLAlchemy 2.1 calls deprecated.
            warnings.simplefilter("ignore", SADeprecationWarning)
            return MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)

    def _numbers(self, twin: Twin) -> list[int]:
        """MLflow's numbers of the versions that have the twin's id."""
        found = self._client.search_model_versions(
            f"name = '{twin.name}' AND tags.`{VERSION_ID}` = '{twin.version_id}'"
        )
        return [int(version.version) for version in found]

    def _ensure_model(self, name: str) -> None:
        from mlflow.exceptions import MlflowException  # noqa: PLC0415 - the import takes seconds

        try:
            self._client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _source(self, twin: Twin) -> str:
        """Where the weights are; else a written lineage, or on a server the weights' hash."""
        if twin.artifact_uri is not None:
            return twin.artifact_uri
        if self._uri.startswith(("http://", "https://")):
            return f"vigie://weights/{twin.weights_sha256}"
        return self._write_lineage(twin).as_uri()

    def _write_lineage(self, twin: Twin) -> Path:
        folder = self._artifacts_dir.absolute() / twin.name / twin.version_id
        folder.mkdir(parents=True, exist_ok=True)
        lineage: dict[str, Any] = {**twin.tags, "note": twin.note}
        (folder / "lineage.json").write_text(json.dumps(lineage, indent=2, sort_keys=True))
        return folder
