"""API bodies of lineage."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field


class RoundRef(BaseModel):
    """A fit round of the run that made a version."""

    id: UUID
    number: int
    step: int


class ReferenceOut(BaseModel):
    """A baseline of a version, frozen from named rounds."""

    id: UUID
    number: int
    round_ids: list[str]
    sha256: str
    last_step: int
    frozen_at: datetime
    frozen_by: str
    retired_at: datetime | None


class PrivacyOut(BaseModel):
    """How the run's clients protected what they sent."""

    mechanism: str | None
    epsilon: float | None = Field(
        description="What a client that took part in every fit round spent, at `delta`."
    )
    delta: float | None
    secure_aggregation: bool | None


class LineageOut(BaseModel):
    """From what, by which training and for what reason a version came to be."""

    model: str
    version: str
    parent: str | None
    ancestors: list[str] = Field(description="The parent, its parent and so on.")
    run: str
    mlflow_run: str | None = Field(description="MLflow's id of the run, once it was logged.")
    mlflow_version: str | None
    rounds: int = Field(description="Fit rounds of the run, when the version was registered.")
    rounds_sha256: str | None = Field(description="Of their bodies' hashes, in order.")
    fit_rounds: list[RoundRef]
    first_step: int | None
    last_step: int | None
    participants: int = Field(description="Clients that answered in a fit round.")
    strategy: str | None
    config_sha256: str | None
    privacy: PrivacyOut
    retrain_request: UUID | None
    incident: UUID | None
    references: list[ReferenceOut]
    weights_sha256: str
    artifact_uri: str | None
    registered_by: str
    registered_at: datetime
    note: str | None
