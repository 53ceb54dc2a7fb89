"""Settings: read from `VIGIE_*` variables; every default gives the embedded profile."""

from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict
from sqlalchemy import make_url

from app.core.database import Pool
from app.core.secret import load_or_make_secret
from app.core.sign_in_settings import SignInSettings


class Settings(SignInSettings):
    """Where things are and how they are tuned. Nothing here has a default secret."""

    model_config = SettingsConfigDict(
        env_prefix="VIGIE_", env_ignore_empty=True, secrets_dir=None, extra="ignore", frozen=True
    )

    data_dir: Path = Field(
        default=Path("vigie-data"),
        description="Folder of everything embedded: database, messages, artifacts, reports.",
    )
    database_url: str | None = Field(
        default=None, description="SQLAlchemy address; default: SQLite in the data folder."
    )
    database_password_file: Path | None = Field(
        default=None, description="File with the password that goes into the database's address."
    )
    database_connections: int = Field(
        default=45, ge=2, le=1000, description="Most connections of one process to its database."
    )
    database_prepared: bool = Field(
        default=True,
        description="Prepare frequent statements; false behind pgbouncer in transaction mode.",
    )
    broker_url: str | None = Field(
        default=None, description="Celery broker; default: files in the data folder."
    )
    broker_password_file: Path | None = Field(
        default=None, description="File with the password that goes into the broker's address."
    )
    mlflow_uri: str | None = Field(
        default=None,
        description="MLflow tracking and registry; default: SQLite in the data folder.",
    )
    secret: SecretStr | None = Field(
        default=None,
        min_length=32,
        description="Key of API-key digests and sessions; default: made on first start, mode 0600.",
    )
    secret_file: Path | None = Field(default=None, description="File that holds the secret.")
    audit_key_file: Path | None = Field(
        default=None,
        description="Ed25519 key (PEM) of audit checkpoints; default: made on first use.",
    )
    alertmanager_url: str | None = Field(
        default=None, description="Base address of Alertmanager; alerts go to its v2 API."
    )
    dashboard_url: str | None = Field(
        default=None, description="Address of the federation's dashboard, for links in alerts."
    )
    runbook_url: str = Field(
        default="https://github.com/vigie-monitoring/vigie/blob/main/docs/runbooks",
        description="Folder of the runbooks, for links in alerts.",
    )
    delivery_seconds: float = Field(
        default=10.0, gt=0, le=60, description="Most seconds that one attempt to tell takes."
    )
    webhook_private_addresses: bool = Field(
        default=False,
        description="Let webhooks go to private, loopback and link-local addresses, and over http.",
    )
    host: str = Field(default="127.0.0.1", description="Address the API listens on.")
    port: int = Field(default=8000, ge=1, le=65535, description="Port the API listens on.")
    max_body_bytes: int = Field(default=8 * 2**20, description="Largest push, in bytes.")
    max_weights_mb: int = Field(
        default=1024, ge=1, description="Largest file of a version's weights, in MiB."
    )
    push_rate: str = Field(
        default="6000/minute",
        pattern=r"^[1-9]\d{0,8}/(second|minute|hour|day)$",
        description="Most pushes of one key, such as 100/second.",
    )
    max_backlog: int = Field(
        default=10_000, ge=1, description="Pieces of waiting work from which pushes are put off."
    )
    min_free_mb: int = Field(
        default=200, ge=0, description="MiB of the data folder's disk that pushes leave free."
    )
    sweep_seconds: float = Field(
        default=0.25, gt=0, description="Seconds between two looks for due outbox rows."
    )
    resend_seconds: float = Field(
        default=30.0, gt=0, description="Seconds until an unfinished outbox row is sent again."
    )
    worker_concurrency: int = Field(default=2, ge=1, description="Tasks a worker runs at once.")
    log_format: Literal["console", "json"] = Field(default="console", description="Log lines.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Least severe log lines that are written."
    )

    otlp_endpoint: str | None = Field(
        default=None,
        description="Base address of an OpenTelemetry collector (OTLP over HTTP); default: off.",
    )

    @property
    def database(self) -> str:
        """The SQLAlchemy address in force."""
        url = self.database_url or f"sqlite:///{self.data_dir.absolute() / 'vigie.db'}"
        return _with_password(url, self.database_password_file)

    @property
    def pool(self) -> Pool:
        """How API and worker use the database's connections."""
        return Pool(self.database_connections, self.database_prepared)

    @property
    def broker(self) -> str:
        """The Celery broker in force."""
        return _with_password(self.broker_url or "filesystem://", self.broker_password_file)

    @property
    def broker_dir(self) -> Path:
        """Where the filesystem broker keeps its messages."""
        return self.data_dir.absolute() / "broker"

    @property
    def mlflow(self) -> str:
        """The MLflow tracking and registry address in force."""
        return self.mlflow_uri or f"sqlite:///{self.data_dir.absolute() / 'mlflow.db'}"

    @property
    def artifacts_dir(self) -> Path:
        """Where embedded MLflow keeps artifacts."""
        return self.data_dir.absolute() / "artifacts"

    @property
    def reports_dir(self) -> Path:
        """Where built reports are kept."""
        return self.data_dir.absolute() / "reports"

    @property
    def audit_key(self) -> Path:
        """The file of the key that signs checkpoints of the audit log."""
        return self.audit_key_file or self.data_dir / "audit-key.pem"

    @cached_property
    def secret_key(self) -> bytes:
        """The key of digests and sessions, from the setting, its file, or the data folder."""
        if self.secret is not None:
            return self.secret.get_secret_value().encode()
        return load_or_make_secret(self.secret_file or self.data_dir / "secret")


def _with_password(url: str, file: Path | None) -> str:
    """The address with the password from the file in it."""
    if file is None:
        return url
    told, password = make_url(url), file.read_text().strip()
    # Redis's address has no user, and a password without even an empty one would be left out.
    whole = told.set(username=told.username or "", password=password)
    return whole.render_as_string(hide_password=False)


@lru_cache
def settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()
