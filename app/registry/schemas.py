"""API bodies of models and their versions."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from app.core.ids import Slug
from app.federations.schemas import Body
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
    note: str | None
    mlflow_version: str | None = Field(description="Null until MLflow's registry has it.")
    registered_by: str
    created_at: datetime
