"""API bodies of models and their versions."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from app.core.ids import Slug
from app.federations.schemas import Body
from app.registry.promotion_schemas import Reason
from app.registry.tables import Deviation
from app.rounds.schemas import Sha256


def _no_climbing(value: str) -> str:
    if ".." in value:
        raise ValueError("an artifact's address has no '..' in it")
    return value


# What MLflow takes as a version's source without a run: object stores, and no path of a server.
ArtifactUri = Annotated[
    str,
    StringConstraints(
        pattern=r"^(s3|gs|abfss|wasbs|hdfs)://[A-Za-z0-9][A-Za-z0-9._~/@:+=-]*$", max_length=500
    ),
    AfterValidator(_no_climbing),
]
Note = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=2000)]


class ModelIn(Body):
    """A model, which is made if the federation does not have it."""

    name: Slug = Field(examples=["late-arrival"])


class ModelOut(BaseModel):
    """A model, and which of its versions are champion and canary."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    champion: str | None
    canary: str | None
    created_at: datetime


class VersionIn(Body):
    """A new version: the run that made it, and the hash of its weights."""

    run: Slug = Field(examples=["spring-2013"])
    weights_sha256: Sha256 = Field(examples=["0" * 64])
    parent_version: Slug | None = Field(default=None, examples=["1"])
    artifact_uri: ArtifactUri | None = Field(default=None, examples=["s3://models/late-arrival/2"])
    note: Note | None = None


class VersionOut(BaseModel):
    """A version with its lineage."""

    model_config = ConfigDict(from_attributes=True)

    version: str
    run: str
    weights_sha256: str
    parent_version: str | None
    retrain_request_id: UUID | None
    incident_id: UUID | None
    lineage: dict[str, Any]
    artifact_uri: str | None
    artifact_state: Literal["none", "unverified", "verified", "mismatch"] = Field(
        description="Whether the weights' file has the registered hash; unverified: unreadable."
    )
    note: str | None
    mlflow_version: str | None = Field(description="Null until MLflow's registry has it.")
    registered_by: str
    created_at: datetime


class WeightsOut(BaseModel):
    """How it stands with the file of a version's weights."""

    model_config = ConfigDict(from_attributes=True)

    version: str
    weights_sha256: str
    artifact_state: Literal["none", "unverified", "verified", "mismatch"]
    artifact_sha256: str | None = Field(description="Of the file's bytes.")
    artifact_bytes: int | None
    artifact_checked_at: datetime | None


class DeviationOut(BaseModel):
    """A difference between MLflow's registry and what Vigie told it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    model: str
    kind: str = Field(examples=["alias_moved"])
    version: str = Field(description="Vigie's version; empty for what is not of one.")
    key: str = Field(description="The alias or tag.", examples=["champion"])
    expected: str | None = Field(description="As MLflow was told; a version is MLflow's number.")
    found: str | None = Field(description="As MLflow has it; null for nothing.")
    severity: Literal["warning", "critical"]
    detected_at: datetime
    repair_asked_at: datetime | None
    repair_asked_by: str | None
    resolved_at: datetime | None
    resolution: Literal["repaired", "overwritten", "reverted"] | None

    @classmethod
    def of(cls, deviation: Deviation, model: str) -> "DeviationOut":
        """A stored deviation of the model of that name."""
        return cls.model_validate({**deviation.model_dump(), "model": model})


class RepairIn(Body):
    """Why MLflow is put right."""

    reason: Reason = Field(examples=["Moved by hand in MLflow's UI; nobody had decided that."])
