"""API bodies of incidents, silences, channels and webhooks."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from app.drift.schemas import ReferenceOut, VerdictOut
from app.federations.names import Naming
from app.federations.schemas import Body
from app.incidents.states import (
    IncidentState,
    ProposalState,
    Resolution,
    Severity,
)
from app.incidents.tables import Incident, Silence
from app.rounds.schemas import Time

Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", min_length=1, max_length=1000)]
MatcherName = Literal["model", "version", "family", "scope", "scope_key", "subject", "severity"]
MatcherValue = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=200)]
Expression = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=200)]
# As the new normal it is accepted, with a reference that says so.
ByHand = Literal[Resolution.RETRAINED, Resolution.DATA_FAULT, Resolution.FALSE_ALARM]


class IncidentOut(BaseModel):
    """One cause, with its newest evidence."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    model: str
    version: str
    family: str
    scope: str
    scope_key: str
    subject: str = Field(
        description="What it is named by: the one feature it traces to, or what moved most."
    )
    title: str
    state: IncidentState
    severity: Severity
    opened_round: UUID
    opened_step: int
    onset_step: int = Field(
        description="Global step of the first of the rounds in a row that were out of stable."
    )
    last_step: int
    evidence: dict[str, Any]
    opened_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    resolved_at: datetime | None
    resolved_by: str | None
    resolution: str | None
    recurs_of: UUID | None = Field(
        description="The last one of the same, which was resolved before."
    )

    @classmethod
    def before(cls, naming: Naming, incident: Incident) -> "IncidentOut":
        """An incident as a reader sees it."""
        out = IncidentOut.model_validate(incident)
        return out.model_copy(update={"scope_key": naming.of(out.scope_key)})


class IncidentEvent(BaseModel):
    """An incident as its webhooks tell of it: no client has a name there."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    model: str
    version: str
    family: str
    scope: str
    cohort: str | None
    subject: str
    state: IncidentState
    severity: Severity
    opened_step: int
    onset_step: int
    last_step: int
    opened_at: datetime
    acknowledged_at: datetime | None
    resolved_at: datetime | None
    resolution: str | None

    @classmethod
    def of(cls, incident: Incident) -> "IncidentEvent":
        """An incident as anybody may see it."""
        cohort = incident.scope_key if incident.scope == "cohort" else None
        return cls.model_validate({**incident.model_dump(), "cohort": cohort})


class LastTimeOut(BaseModel):
    """How it ended when the same was there before."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    resolution: str | None
    resolved_at: datetime | None
    resolved_by: str | None


class SeriesOut(BaseModel):
    """A subject in a scope that belongs to an incident."""

    model_config = ConfigDict(from_attributes=True)

    scope: str
    scope_key: str
    subject: str
    family: str
    onset_step: int = Field(description="Global step since which it is out of stable.")
    last_step: int = Field(description="Of the newest round in which it drifted.")


class IncidentDetail(IncidentOut):
    """An incident with its series, the verdicts behind it, and the last time."""

    last_time: LastTimeOut | None
    series: list[SeriesOut]
    verdicts: list[VerdictOut]


class ResolveIn(Body):
    """Why an incident is over."""

    resolution: ByHand
    why: Text = Field(examples=["The carrier sent local times; it was mended."])


class AcceptIn(Body):
    """Why what an incident is about is the new normal, and from which rounds that is known."""

    why: Text = Field(examples=["A carrier changed its schedule for good."])
    rounds: list[UUID] | None = Field(
        default=None,
        min_length=1,
        max_length=1000,
        description="Ids of rounds since the onset. Default: the newest.",
    )
    also: list[UUID] = Field(
        default_factory=list,
        max_length=1000,
        description="Other open incidents of the version, which are accepted with it.",
    )


class AcceptedOut(BaseModel):
    """The incident, resolved, and the reference that rounds are judged against from now on."""

    incident: IncidentOut
    reference: ReferenceOut


class SilenceIn(Body):
    """No notices for incidents that match, until a time; all matchers and expressions must hold."""

    kind: Literal["silence", "maintenance"] = Field(
        default="silence", description="A maintenance window is planned: it says when it starts."
    )
    matchers: dict[MatcherName, MatcherValue] = Field(
        default_factory=dict,
        description="Fields of an incident and the exact values that they must have.",
        examples=[{"model": "late-arrival", "family": "concept"}],
    )
    expressions: list[Expression] = Field(
        default_factory=list,
        max_length=10,
        description="Matchers as in Alertmanager, with =, !=, =~ and !~.",
        examples=[['subject=~"label:.+"', 'severity!="critical"']],
    )
    starts_at: Time | None = Field(default=None, description="Default: now.")
    ends_at: Time
    comment: Text

    @model_validator(mode="after")
    def _ordered(self) -> "SilenceIn":
        if self.starts_at is not None and self.ends_at <= self.starts_at:
            raise ValueError("a silence ends after it starts")
        if self.kind == "maintenance" and self.starts_at is None:
            raise ValueError("a maintenance window says when it starts")
        return self


class SilenceOut(BaseModel):
    """A silence."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    kind: str
    matchers: dict[str, str]
    expressions: list[str]
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


class ProposalOut(BaseModel):
    """A change of policy that nothing applies by itself."""

    model_config = ConfigDict(from_attributes=True)

    field: str
    before: float
    after: float
    false_alarms_spared: int = Field(description="Of those so far.")
    incidents_missed: int = Field(description="That were none, and would not have opened by this.")


class PolicyProposalOut(BaseModel):
    """A change of policy that false alarms speak for, with what it would have done so far."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    model: str
    detector: str
    subject: str
    field: str
    before: float
    after: float
    false_alarms_spared: int = Field(description="Of those so far.")
    incidents_missed: int = Field(description="That a person confirmed; none, by intention.")
    state: ProposalState
    policy_version: int = Field(description="That it would change.")
    backtest: dict[str, Any] | None = Field(
        description="Incidents under it beside those there were: opened, spared, same; null until"
        " it was played."
    )
    backtest_error: str | None
    proposed_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    why: str | None


class DecideIn(Body):
    """Why a proposal is accepted or dismissed."""

    why: Text = Field(examples=["Nobody acts on less."])


class FiguresOut(BaseModel):
    """How incidents were handled over some weeks."""

    model_config = ConfigDict(from_attributes=True)

    weeks: int
    opened: int
    alerts_per_week: float
    mean_minutes_to_acknowledge: float | None = Field(description="Null where none was.")
    mean_minutes_to_resolve: float | None = Field(description="Null where none was.")
    false_alarm_share: float | None = Field(
        description="Of the incidents that people resolved; null where they resolved none."
    )


class FeedbackOut(BaseModel):
    """How often one detector's word on one subject was a false alarm."""

    model_config = ConfigDict(from_attributes=True)

    model: str
    detector: str
    subject: str
    incidents: int = Field(description="That people resolved.")
    false_alarms: int
    share: float
    proposal: ProposalOut | None
