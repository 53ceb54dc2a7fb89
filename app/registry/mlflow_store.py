"""MLflow's client, imported when it is first used: that takes seconds."""

import logging
import os
import warnings
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.exc import SADeprecationWarning

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


class MlflowStore:
    """MLflow at `uri`: a tracking server, or a database such as `sqlite:///...`.

    The first use imports MLflow and, in a database, makes its schema. With a database, files are
    kept below `artifacts_dir`.
    """

    def __init__(self, uri: str, artifacts_dir: Path) -> None:
        self._uri = uri
        self._artifacts_dir = artifacts_dir.absolute()

    @property
    def artifacts_dir(self) -> Path:
        """Where files of versions are kept that are not MLflow's own."""
        return self._artifacts_dir

    @property
    def _is_a_server(self) -> bool:
        return self._uri.startswith(("http://", "https://"))

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
