"""API bodies of retrain requests."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.core.ids import Slug
from app.federations.schemas import Body
from app.registry.schemas import ArtifactUri, Note
from app.retraining.deciding import Answer
from app.retraining.tables import RetrainingOutcome
from app.rounds.schemas import MAX_INT, Sha256

Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", min_length=1, max_length=1000)]

LONGEST_WAIT = 50  # seconds; proxies give up after 60


class RequestState(StrEnum):
    """Where a retrain request is."""

    PROPOSED = "proposed"  # a person has to say yes first
    REQUESTED = "requested"
    CLAIMED = "claimed"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class RetrainIn(Body):
    """A person's request for retraining."""

    model: Slug
    reason: Text = Field(examples=["New hospitals joined."])


class ClaimIn(Body):
    """An FL server that looks for work."""

    model: Slug
    claimer: Slug = Field(description="Who claims; no host name, please.", examples=["fl-1"])
    lease_seconds: int = Field(default=60, ge=1, le=86_400)
    wait: float = Field(
        default=0,
        ge=0,
        le=LONGEST_WAIT,
        allow_inf_nan=False,
        description="Seconds until the answer that none waits; one that comes is answered at once.",
    )


class ProgressIn(Body):
    """How far the training is; it renews the lease."""

    claimer: Slug
    completed_rounds: int = Field(ge=0, le=MAX_INT)
    total_rounds: int = Field(ge=1, le=MAX_INT)
    message: Note | None = None


class CompleteIn(Body):
    """The version that the training made."""

    claimer: Slug
    run: Slug
    weights_sha256: Sha256
    rounds: int = Field(ge=1, le=MAX_INT)
    artifact_uri: ArtifactUri | None = None
    note: Note | None = None


class FailIn(Body):
    """Why the training failed."""

    claimer: Slug
    reason: Text


class CancelIn(Body):
    """Why the request is withdrawn."""

    reason: Text


class ApproveIn(Body):
    """Why a person lets it go on."""

    reason: Text = Field(examples=["Worth it before the winter."])


class RetrainRequestOut(BaseModel):
    """A retrain request, and how far it has come."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    model: str
    base_version: str
    incident_id: UUID | None
    state: RequestState
    reason: str
    evidence: dict[str, Any] = Field(description="What drifted, where and since when.")
    plan: dict[str, Any] = Field(
        description="`rounds`, `window_rounds`, `warm_start`, `clients` (who trains), "
        "`hyperparameters`, `success`."
    )
    benefit: dict[str, Any] | None = Field(
        description="What it is expected to save and cost; `sentence` says it in words."
    )
    proposal: dict[str, Any] | None = Field(
        description="Why a person has to say yes, and the version to `roll_back_to` instead."
    )
    requested_by: str
    approved_by: str | None
    requested_step: int
    claimed_by: str | None
    lease_until: datetime | None
    progress: dict[str, Any] | None
    result_version: str | None
    failure: str | None
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None


class ClaimedOut(RetrainRequestOut):
    """A retrain request, as the FL server that claims it needs it."""

    trainees: list[str] | None = Field(
        description="Where the plan's `clients` name a `cluster`: the pseudonyms of its clients."
    )


class DecisionOut(BaseModel):
    """Whether retraining was asked for on an occasion, and why or why not."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    model: str
    incident_id: UUID | None
    request_id: UUID | None
    step: int
    answer: Answer
    why: str
    benefit: dict[str, Any] | None
    at: datetime


class OutcomeOut(BaseModel):
    """Whether a retraining helped, and the figures behind that."""

    model_config = ConfigDict(from_attributes=True)

    request_id: UUID
    model: str
    incident_id: UUID | None
    base_version: str
    result_version: str
    answer: Literal["helped", "did_not_help", "not_measured"]
    why: str
    measured: dict[str, Any] = Field(
        description="`error_before`, `error_after` and `error_if_not` (what the old version errs on"
        " the same examples) and the `gain` in log loss with its interval; by cohort, too."
    )
    at: datetime
    allowed_by: str | None
    allowed_at: datetime | None
    forgetting: list[dict[str, Any]] = Field(
        description="What it lost on what its parent knew, in nats per example, as it is now."
    )

    @classmethod
    def of(cls, outcome: RetrainingOutcome, forgetting: list[dict[str, Any]]) -> "OutcomeOut":
        """An outcome with the newest of what was forgotten."""
        return cls.model_validate({**outcome.model_dump(), "forgetting": forgetting})
