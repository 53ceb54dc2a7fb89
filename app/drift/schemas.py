"""API bodies of references and verdicts."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.core.ids import Slug
from app.drift.explaining.schemas import ClientShare, Explained
from app.drift.progress import Stage
from app.drift.tables import Explanation, Verdict
from app.federations.names import Naming
from app.federations.schemas import Body

Outcome = Literal["stable", "warning", "drift", "insufficient_evidence"]
ScopeKind = Literal["federation", "cohort", "client"]


class ReferenceIn(Body):
    """A reference to freeze from named rounds."""

    model: Slug
    version: Slug
    rounds: list[UUID] = Field(min_length=1, max_length=1000, description="Ids of rounds.")


class ReferenceOut(BaseModel):
    """A frozen baseline."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    model: str
    version: str
    number: int
    round_ids: list[UUID]
    last_step: int
    sha256: str
    frozen_at: datetime
    frozen_by: str
    parent: UUID | None = Field(description="The reference that it took the place of.")
    incident_id: UUID | None = Field(description="The incident that was accepted with it.")
    why: str | None
    retired_at: datetime | None
    withdrawn: int = Field(description="How many of its clients withdrew since.")


class EvaluationOut(BaseModel):
    """How a round is judged, and how far that has come."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    round_id: UUID
    reference_id: UUID
    policy_version: int
    state: Literal["evaluating", "evaluated", "partial"] = Field(
        description="`partial`: some of its clients could not be judged."
    )
    inputs_sha256: str = Field(description="Of all that the verdicts follow from.")
    shards: int
    shards_done: int = 0
    errors: list[str] = Field(default_factory=list, description="Why shards were left out.")
    began_at: datetime
    ended_at: datetime | None


class ProgressOut(BaseModel):
    """Where a round stands on its way to its verdicts."""

    model_config = ConfigDict(from_attributes=True)

    round_id: UUID
    stage: Stage = Field(description="`partial`: some of its clients could not be judged.")
    text: str = Field(description="The stage in words.", examples=["evaluating 7/16"])
    chunks_here: int
    chunks: int | None = Field(description="How many it has, once that was said.")
    shards_done: int
    shards: int = Field(description="Shards of clients to be judged; 0: not judged, or not yet.")
    errors: list[str] = Field(description="Why shards were left out.")
    ended: bool = Field(description="Nothing more happens to it by itself.")


class VerdictOut(BaseModel):
    """One detector's answer on one subject in one scope of one round."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    round_id: UUID
    reference_id: UUID
    model: str
    version: str
    global_step: int
    subject: str
    family: str
    scope: ScopeKind
    scope_key: str
    detector: str
    outcome: Outcome
    statistic: float | None
    effect: float | None = Field(description="In `effect_unit`.")
    effect_unit: str
    p_value: float | None
    q_value: float | None = Field(
        description="p-value adjusted for the round's whole set of tests."
    )
    error_budget: float
    minimum_detectable_effect: float | None = Field(description="In `effect_unit`.")
    threshold: float = Field(description="Smallest practical effect, in `effect_unit`.")
    policy_version: int
    explanation: dict[str, Any]
    at: datetime

    @classmethod
    def before(cls, naming: Naming, verdict: Verdict) -> "VerdictOut":
        """A verdict as a reader sees it."""
        out = cls.model_validate(verdict)
        return out.model_copy(update={"scope_key": naming.of(out.scope_key)})


class ExplanationOut(Explained):
    """Why one subject drifts in one scope of a round."""

    round_id: UUID
    subject: str
    family: str
    scope: ScopeKind
    scope_key: str
    sentence: str = Field(description="The same for people; it names no client.")
    clients: list[ClientShare] = Field(
        description="The clients that carry most of it; empty for who may not read clients."
    )

    @classmethod
    def before(
        cls, naming: Naming, explanation: Explanation, *, sees_clients: bool
    ) -> "ExplanationOut":
        """An explanation as a reader sees it."""
        shares = [ClientShare.model_validate(one) for one in explanation.clients]
        named = [
            one if one.client is None else one.model_copy(update={"client": naming.of(one.client)})
            for one in shares
        ]
        return cls(
            **explanation.explained,
            round_id=explanation.round_id,
            subject=explanation.subject,
            family=explanation.family,
            scope=explanation.scope,
            scope_key=naming.of(explanation.scope_key),
            sentence=explanation.sentence,
            clients=named if sees_clients else [],
        )
