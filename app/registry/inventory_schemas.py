"""API bodies of the model inventory."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from app.core.ids import Slug
from app.federations.schemas import Body, Holder
from app.registry.criticality import Axis, Criticality
from app.registry.promotion_schemas import Reason
from app.registry.tables import InventoryEntry

Words = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=4000)]
Title = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", min_length=1, max_length=200)]
WebAddress = Annotated[
    str, StringConstraints(pattern=r"^https?://[A-Za-z0-9][^\s\x00<>\"'`]*$", max_length=1000)
]
Outcome = Literal["fit", "fit_with_conditions", "unfit"]


class Document(Body):
    """Where something is written about a model."""

    title: Title = Field(examples=["Validation report 2026"])
    url: WebAddress = Field(examples=["https://docs.example.org/late-arrival"])


class InventoryIn(Body):
    """What is known of a model: for what, by whom, for whom, from which data, and how critical."""

    purpose: Words = Field(examples=["Tells ground crews which flights will be late."])
    data_used: Words = Field(examples=["Departures and weather of the last 90 days."])
    used_by: Words = ""
    owner: Holder = Field(examples=["Ada"])
    developer: Holder = Field(examples=["Lin"])
    validator: Holder = Field(examples=["Grace"])
    family: Slug | None = Field(default=None, description="Models that are reviewed alike.")
    feeds: list[Slug] = Field(
        default_factory=list, max_length=100, description="Models that take its answers as input."
    )
    documentation: list[Document] = Field(default_factory=list, max_length=50)
    answers: dict[Slug, Slug] = Field(
        max_length=50,
        description="An answer to each question of `GET .../inventory/questions`.",
        examples=[{"reach": "many", "harm": "loss"}],
    )


class QuestionOut(BaseModel):
    """A question of the criticality matrix, with its answers from no points to two."""

    name: str
    axis: Axis
    text: str
    answers: dict[str, str]


class ReviewIn(Body):
    """What a validator found when looking at a model."""

    outcome: Outcome
    note: Reason = Field(examples=["Errors and calibration as at the last review."])


class InventoryOut(BaseModel):
    """A model in the inventory; of one that nobody described, only the name is known."""

    model: str
    described: bool
    purpose: str | None = None
    data_used: str | None = None
    used_by: str | None = None
    owner: str | None = None
    developer: str | None = None
    validator: str | None = None
    family: str | None = None
    feeds: list[str] = []
    fed_by: list[str] = Field(default=[], description="Models whose answers it takes as input.")
    documentation: list[Document] = []
    answers: dict[str, str] = {}
    materiality: float | None = Field(default=None, description="Per cent of the points.")
    risk: float | None = Field(default=None, description="Per cent of the points.")
    criticality: Criticality | None = None
    review_every_days: int | None = None
    last_review_at: datetime | None = None
    last_review_by: str | None = None
    last_review_outcome: Outcome | None = None
    last_review_note: str | None = None
    next_review_at: datetime | None = None
    overdue: bool = False
    changed_at: datetime | None = None
    changed_by: str | None = None

    @classmethod
    def of(
        cls, model: str, entry: InventoryEntry | None, at: datetime, fed_by: list[str]
    ) -> "InventoryOut":
        """A model as it stands at a time, with what was written of it, if anything was."""
        if entry is None:
            return cls(model=model, described=False, fed_by=fed_by)
        return cls(
            **entry.model_dump(exclude={"model_id", "federation_id", "reminded_at"}),
            model=model,
            described=True,
            fed_by=fed_by,
            overdue=entry.next_review_at <= at,
        )
