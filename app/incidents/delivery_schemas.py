"""API bodies of receivers, alert plans, notices and drills."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.core.ids import Slug
from app.federations.schemas import Body
from app.incidents.schemas import Text
from app.incidents.states import (
    Event,
    NoticeState,
    Severity,
    WebhookEvent,
)
from app.incidents.tables import Webhook


class ChannelIn(Body):
    """Where notices go: an Apprise address, which is a secret."""

    name: Slug = Field(examples=["on-call"])
    url: Text = Field(examples=["mailtos://user:password@example.org?to=oncall@example.org"])


class ChannelOut(BaseModel):
    """A channel; its address is never shown, only what kind it is."""

    name: str
    kind: str = Field(examples=["mailtos"])
    created_at: datetime


class WebhookIn(Body):
    """Where signed events go."""

    name: Slug = Field(examples=["fl-server"])
    url: Text = Field(examples=["https://example.org/hooks/vigie"])
    events: list[WebhookEvent] = Field(
        min_length=1,
        max_length=10,
        description="What it is told of.",
        examples=[list(WebhookEvent)],
    )


class RotateIn(Body):
    """How long the former secret stays good."""

    overlap_hours: float = Field(
        default=24.0, ge=0, le=168, description="Meanwhile messages are signed with both."
    )


class DisableIn(Body):
    """Why a webhook gets nothing more."""

    why: Text = Field(examples=["The receiver moves."])


class WebhookOut(BaseModel):
    """A webhook, without its secrets."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    url: str
    events: list[WebhookEvent]
    created_at: datetime
    created_by: str
    previous_until: datetime | None = Field(
        description="Until then the secret before the last rotation is good, too."
    )
    disabled_at: datetime | None
    disabled_why: str | None


class WebhookSecret(WebhookOut):
    """A webhook with its new secret, which no later answer shows."""

    secret: str = Field(examples=["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"])

    @classmethod
    def told(cls, webhook: Webhook, secret: str) -> "WebhookSecret":
        """The one answer with a secret in it."""
        return cls.model_validate({**webhook.model_dump(), "secret": secret})


class NoticeOut(BaseModel):
    """One message, and how far it came."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    event: Event
    channel: str
    state: NoticeState
    at: datetime
    sent_at: datetime | None
    attempts: int
    next_attempt_at: datetime | None
    last_error: str | None


class StepIn(Body):
    """Whom an incident reaches that nobody has acknowledged so long after it opened."""

    contact: Text = Field(examples=["Ada"])
    after_minutes: int = Field(ge=1, le=7 * 24 * 60)
    channels: list[Text] = Field(min_length=1, max_length=10, examples=[["second-line"]])


class AlertPlanIn(Body):
    """Whom unacknowledged incidents reach, and what waits for one message a day."""

    steps: list[StepIn] = Field(
        default_factory=list,
        max_length=10,
        description="The channels of a step hear of an incident only then.",
    )
    digest_severities: list[Severity] = Field(
        default_factory=list, max_length=2, description="What the channels get once a day."
    )
    digest_hour: int = Field(default=8, ge=0, le=23, description="UTC.")

    @model_validator(mode="after")
    def _sensible(self) -> "AlertPlanIn":
        minutes = [step.after_minutes for step in self.steps]
        if minutes != sorted(set(minutes)):
            raise ValueError("each step comes later than the one before it")
        if Severity.CRITICAL in self.digest_severities:
            raise ValueError("what is critical does not wait for a digest")
        return self


class AlertPlanOut(BaseModel):
    """The plan in force."""

    model_config = ConfigDict(from_attributes=True)

    steps: list[StepIn]
    digest_severities: list[Severity]
    digest_hour: int
    changed_at: datetime
    changed_by: str


class DrillIn(Body):
    """A drill: which severity its alert has, for receivers that go by it."""

    severity: Severity = Severity.CRITICAL


class DrillOut(BaseModel):
    """A drill, and what became of it on every channel."""

    id: UUID
    at: datetime
    notices: list[NoticeOut]
