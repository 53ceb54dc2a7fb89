"""API bodies of incidents, silences and channels."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from app.core.ids import Slug
from app.drift.schemas import VerdictOut
from app.federations.names import Naming
from app.federations.schemas import Body
from app.incidents.states import IncidentState, Resolution, Severity
from app.incidents.tables import Incident, Silence
from app.rounds.schemas import Time

Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", min_length=1, max_length=1000)]
MatcherName = Literal["model", "version", "family", "scope", "scope_key", "subject", "severity"]
MatcherValue = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=200)]
ByHand = Literal[
    Resolution.RETRAINED, Resolution.NEW_NORMAL, Resolution.DATA_FAULT, Resolution.FALSE_ALARM
]


class IncidentOut(BaseModel):
    """One cause, with its newest evidence."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    model: str
    version: str
    family: str
    scope: str
    scope_key: str
    subject: str = Field(description="What passes its threshold by the most.")
    title: str
    state: IncidentState
    severity: Severity
    opened_round: UUID
    opened_step: int
    onset_step: int = Field(description="Global step of the first drifting round in a row.")
    last_step: int
    evidence: dict[str, Any]
    opened_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    resolved_at: datetime | None
    resolved_by: str | None
    resolution: str | None
    previous_incident: UUID | None

    @classmethod
    def before(cls, naming: Naming, incident: Incident) -> "IncidentOut":
        """An incident as a reader sees it."""
        out = IncidentOut.model_validate(incident)
        return out.model_copy(update={"scope_key": naming.of(out.scope_key)})


class IncidentDetail(IncidentOut):
    """An incident with the verdicts behind it."""

    verdicts: list[VerdictOut]


class ResolveIn(Body):
    """Why an incident is over."""

    resolution: ByHand
    why: Text = Field(examples=["A carrier changed its schedule; this is the new normal."])


class SilenceIn(Body):
    """No notices for incidents that match, until a time."""

    matchers: dict[MatcherName, MatcherValue] = Field(
        min_length=1,
        description="Fields of an incident and the exact values that they must have.",
        examples=[{"model": "late-arrival", "family": "concept"}],
    )
    starts_at: Time | None = Field(default=None, description="Default: now.")
    ends_at: Time
    comment: Text

    @model_validator(mode="after")
    def _ordered(self) -> "SilenceIn":
        if self.starts_at is not None and self.ends_at <= self.starts_at:
            raise ValueError("a silence ends after it starts")
        return self


class SilenceOut(BaseModel):
    """A silence."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    matchers: dict[str, str]
    starts_at: datetime
    ends_at: datetime
    created_by: str
    comment: str

    @classmethod
    def before(cls, naming: Naming, silence: Silence) -> "SilenceOut":
        """A silence as a reader sees it."""
        out = cls.model_validate(silence)
        named = {name: naming.of(value) for name, value in out.matchers.items()}
        return out.model_copy(update={"matchers": named})


class ChannelIn(Body):
    """Where notices go: an Apprise address, which is a secret."""

    name: Slug = Field(examples=["on-call"])
    url: Text = Field(examples=["mailtos://user:password@example.org?to=oncall@example.org"])


class ChannelOut(BaseModel):
    """A channel; its address is never shown, only what kind it is."""

    name: str
    kind: str = Field(examples=["mailtos"])
    created_at: datetime
