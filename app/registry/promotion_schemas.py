"""API bodies of promotions, what is said of them, and which version serves whom."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.core.ids import Slug
from app.federations.schemas import Body
from app.registry.tables import Promotion, PromotionApproval
from app.rounds.schemas import Sha256

Reason = Annotated[
    str,
    StringConstraints(pattern=r"^[^\x00]*$", min_length=1, max_length=2000, strip_whitespace=True),
]
# A tag and its value, both from the federation's allow-list.
Cohort = Annotated[
    str,
    StringConstraints(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*=[A-Za-z0-9][A-Za-z0-9._ -]*$", max_length=130
    ),
]


class PromotionIn(Body):
    """A promotion to draft."""

    model: Slug = Field(examples=["late-arrival"])
    candidate: Slug = Field(examples=["2"])
    why: Reason = Field(examples=["Retrained on the summer; better at all hubs."])
    cohort: Cohort | None = Field(
        default=None,
        description="Whose champion it asks to become; left out, all clients'.",
        examples=["hub=EWR"],
    )


class DecisionIn(Body):
    """A decision, with the reason that goes on record with the name."""

    reason: Reason = Field(examples=["Better at every hub over two canary rounds."])


class ApprovalIn(DecisionIn):
    """An approval of the evidence that the approver saw."""

    evidence_sha256: Sha256 = Field(
        description="Of the promotion as it was read: another evidence is not approved.",
        examples=["0" * 64],
    )


class CommentIn(Body):
    """Something to say of a promotion."""

    text: Reason = Field(examples=["What of the small stations in the north?"])


class CommentOut(BaseModel):
    """What somebody said of a promotion."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    author: str
    text: str
    at: datetime


class ApprovalOut(BaseModel):
    """One person's approval."""

    model_config = ConfigDict(from_attributes=True)

    actor: str
    role: str
    reason: str
    evidence_sha256: str
    at: datetime


class ServingOut(BaseModel):
    """Which version a client of these cohorts is to be served."""

    version: str
    alias: str = Field(examples=["champion", "champion.hub=EWR"])
    cohort: str = Field(description="Whose champion it is; empty for the model's.")
    champions: dict[str, str] = Field(
        description="Every alias with its version: all that a server has to know at once."
    )


class PromotionOut(BaseModel):
    """A promotion: what was asked, on which evidence, and who decided."""

    id: UUID
    model: str
    kind: Literal["promotion", "split", "merge", "rollback"]
    cohort: str = Field(description="Whose champion it is about; empty for all clients'.")
    candidate: str
    champion: str
    why: str | None
    criticality: str | None = Field(description="Of the model when it was submitted.")
    required: list[str] = Field(description="A role for each approval that is asked for.")
    missing: list[str] = Field(description="The roles whose approvals have not been given.")
    approvals: list[ApprovalOut]
    state: Literal["draft", "awaiting_review", "approved", "rejected", "applied", "rolled_back"]
    evidence: dict[str, Any]
    evidence_sha256: str | None
    submitted_by: str
    submitted_at: datetime | None
    expires_at: datetime | None
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None
    applied_at: datetime | None
    created_at: datetime

    @classmethod
    def of(
        cls,
        promotion: Promotion,
        model: str,
        approvals: Sequence[PromotionApproval],
        missing: Sequence[str],
    ) -> "PromotionOut":
        """A stored promotion of the model of that name."""
        given = [ApprovalOut.model_validate(one) for one in approvals]
        more = {"model": model, "approvals": given, "missing": list(missing)}
        return cls.model_validate({**promotion.model_dump(), **more})
