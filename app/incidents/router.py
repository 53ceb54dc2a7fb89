"""HTTP of incidents, silences, channels, webhooks and drills."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, status

from app.core.errors import NotFoundError
from app.core.http import ReadSession, SettingsDep, WriteSession
from app.core.ids import Slug
from app.drift.schemas import ReferenceOut, VerdictOut
from app.federations.dependencies import Access, in_federation
from app.federations.names import Naming
from app.federations.roles import Permission
from app.incidents import (
    accepting,
    channels,
    drills,
    feedback,
    figures,
    plans,
    proposals,
    service,
    silences,
    webhooks,
    withdrawing,
)
from app.incidents.delivery_schemas import (
    AlertPlanIn,
    AlertPlanOut,
    ChannelIn,
    ChannelOut,
    DisableIn,
    DrillIn,
    DrillOut,
    NoticeOut,
    RotateIn,
    WebhookIn,
    WebhookOut,
    WebhookSecret,
)
from app.incidents.schemas import (
    AcceptedOut,
    AcceptIn,
    DecideIn,
    FeedbackOut,
    FiguresOut,
    IncidentDetail,
    IncidentOut,
    LastTimeOut,
    PolicyProposalOut,
    ResolveIn,
    SeriesOut,
    SilenceIn,
    SilenceOut,
)
from app.incidents.states import IncidentState, ProposalState
from app.incidents.tables import Announcement, Channel, Incident, Notice
from app.rounds.privacy_schemas import WithdrawalIn, WithdrawalOut

router = APIRouter(prefix="/v1/federations/{federation}", tags=["incidents"])

Reader = Annotated[Access, Depends(in_federation(Permission.READ))]
Handler = Annotated[Access, Depends(in_federation(Permission.HANDLE_INCIDENTS))]
Freezer = Annotated[Access, Depends(in_federation(Permission.FREEZE_REFERENCES))]
Withdrawer = Annotated[Access, Depends(in_federation(Permission.WITHDRAW_CLIENTS))]
Setter = Annotated[Access, Depends(in_federation(Permission.SET_POLICY))]
Name = Annotated[Slug, Path()]


@router.get("/incidents")
def list_incidents(
    access: Reader,
    session: ReadSession,
    state: Annotated[IncidentState | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> list[IncidentOut]:
    """The newest incidents, newest first; those about single clients only for who may see them."""
    federation = access.federation(session)
    naming = Naming.for_reader(federation, access.principal)
    found = service.list_of(session, federation.id, state=state, limit=limit)
    return [IncidentOut.before(naming, one) for one in found if _may_see(access, one.scope)]


@router.get("/incidents/{incident_id}")
def read_incident(incident_id: UUID, access: Reader, session: ReadSession) -> IncidentDetail:
    """One incident with the verdicts behind it."""
    federation = access.federation(session)
    incident = _visible(access, service.get(session, federation.id, incident_id))
    naming = Naming.for_reader(federation, access.principal)
    verdicts = [
        VerdictOut.before(naming, verdict)
        for verdict in service.verdicts_behind(session, incident)
        if _may_see(access, verdict.scope)
    ]
    last_time = service.last_time(session, incident)
    series = [
        SeriesOut.model_validate(one).model_copy(update={"scope_key": naming.of(one.scope_key)})
        for one in service.series_of(session, incident)
    ]
    return IncidentDetail(
        **IncidentOut.before(naming, incident).model_dump(),
        last_time=LastTimeOut.model_validate(last_time) if last_time else None,
        series=series,
        verdicts=verdicts,
    )


@router.post("/incidents/{incident_id}/acknowledge")
def acknowledge_incident(incident_id: UUID, access: Handler, session: WriteSession) -> IncidentOut:
    """Take the incident on."""
    federation = access.federation(session)
    incident = service.acknowledge(session, federation, incident_id, access.actor)
    return IncidentOut.before(Naming.for_reader(federation, access.principal), incident)


@router.post("/incidents/{incident_id}/resolve")
def resolve_incident(
    incident_id: UUID, body: ResolveIn, access: Handler, session: WriteSession
) -> IncidentOut:
    """Close the incident, saying why."""
    federation = access.federation(session)
    incident = service.resolve(
        session, federation, incident_id, access.actor, body.resolution, body.why
    )
    return IncidentOut.before(Naming.for_reader(federation, access.principal), incident)


@router.post("/incidents/{incident_id}/accept")
def accept_incident(
    incident_id: UUID, body: AcceptIn, access: Freezer, session: WriteSession
) -> AcceptedOut:
    """Take what the incident is about for the new normal: the version gets a new reference."""
    federation = access.federation(session)
    incident, reference = accepting.accept(session, federation, incident_id, body, access.actor)
    naming = Naming.for_reader(federation, access.principal)
    return AcceptedOut(
        incident=IncidentOut.before(naming, incident),
        reference=ReferenceOut.model_validate(reference),
    )


@router.get("/feedback")
def read_feedback(access: Reader, session: ReadSession) -> list[FeedbackOut]:
    """False alarms by detector and subject, and what change of policy they speak for."""
    found = feedback.of_federation(session, access.federation(session))
    return [FeedbackOut.model_validate(one) for one in found]


@router.get("/incident-figures")
def read_figures(
    access: Reader, session: ReadSession, weeks: Annotated[int, Query(ge=1, le=520)] = 4
) -> FiguresOut:
    """Of the newest weeks: time to acknowledge and resolve, alerts a week, false alarms."""
    found = figures.of_weeks(session, access.federation(session), weeks)
    return FiguresOut.model_validate(found)


@router.get("/policy/proposals")
def list_proposals(
    access: Reader, session: ReadSession, state: Annotated[ProposalState | None, Query()] = None
) -> list[PolicyProposalOut]:
    """Changes of policy that false alarms speak for, each with its backtest; newest first."""
    found = proposals.proposals_of(session, access.federation(session), state)
    return [PolicyProposalOut.model_validate(one) for one in found]


@router.post("/policy/proposals")
def look_for_proposals(access: Setter, session: WriteSession) -> list[PolicyProposalOut]:
    """Look again, under the policy in force; the proposals that wait for a decision."""
    found = proposals.look(session, access.federation(session), access.actor)
    return [PolicyProposalOut.model_validate(one) for one in found]


@router.post("/policy/proposals/{proposal_id}/accept")
def accept_proposal(
    proposal_id: UUID, body: DecideIn, access: Setter, session: WriteSession
) -> PolicyProposalOut:
    """Put the change in force as the next version of the policy, under the caller's name."""
    federation = access.federation(session)
    done = proposals.accept(session, federation, proposal_id, body.why, access.actor)
    return PolicyProposalOut.model_validate(done)


@router.post("/policy/proposals/{proposal_id}/dismiss")
def dismiss_proposal(
    proposal_id: UUID, body: DecideIn, access: Setter, session: WriteSession
) -> PolicyProposalOut:
    """Let it be; the same is not proposed again."""
    federation = access.federation(session)
    done = proposals.dismiss(session, federation, proposal_id, body.why, access.actor)
    return PolicyProposalOut.model_validate(done)


@router.post("/silences", status_code=status.HTTP_201_CREATED)
def create_silence(body: SilenceIn, access: Handler, session: WriteSession) -> SilenceOut:
    """Send no notices for incidents that match, until a time.

    A client's `scope_key` is the name that incidents on it are shown under, to this caller and now.
    """
    federation = access.federation(session)
    naming = Naming.for_reader(federation, access.principal)
    made = silences.silence(session, federation, body, access.actor, naming)
    return SilenceOut.before(naming, made)


@router.get("/silences")
def list_silences(access: Reader, session: ReadSession) -> list[SilenceOut]:
    """The silences, the one that ends last first; those on a client only for who may see it."""
    federation = access.federation(session)
    naming = Naming.for_reader(federation, access.principal)
    return [
        SilenceOut.before(naming, silence)
        for silence in silences.silences_of(session, federation)
        if _may_see(access, silences.scope_of(silence))
    ]


@router.delete("/silences/{silence_id}")
def end_silence(silence_id: UUID, access: Handler, session: WriteSession) -> SilenceOut:
    """End a silence now."""
    federation = access.federation(session)
    ended = silences.end_silence(session, federation, silence_id, access.actor)
    return SilenceOut.before(Naming.for_reader(federation, access.principal), ended)


@router.post("/withdrawals")
def withdraw_clients(
    body: WithdrawalIn, access: Withdrawer, session: WriteSession
) -> WithdrawalOut:
    """Erase what clients said, under the pseudonyms that the FL server has, and refuse them.

    A client that has sent nothing yet opts out the same way. Once more changes nothing.
    """
    federation = access.federation(session)
    return withdrawing.withdraw(session, federation, body.clients, access.actor)


@router.post("/channels", status_code=status.HTTP_201_CREATED)
def add_channel(
    body: ChannelIn, access: Setter, session: WriteSession, settings: SettingsDep
) -> ChannelOut:
    """Send notices to an Apprise address, which no answer ever shows again."""
    federation = access.federation(session)
    return _shown(channels.add(session, federation, body, access.actor, settings.secret_key))


@router.get("/channels")
def list_channels(access: Setter, session: ReadSession) -> list[ChannelOut]:
    """The channels, without their addresses."""
    return [_shown(found) for found in channels.of_federation(session, access.federation(session))]


@router.delete("/channels/{name}", status_code=status.HTTP_204_NO_CONTENT)
def remove_channel(name: Name, access: Setter, session: WriteSession) -> None:
    """Send no more notices there."""
    channels.remove(session, access.federation(session), name, access.actor)


@router.post("/webhooks", status_code=status.HTTP_201_CREATED)
def add_webhook(
    body: WebhookIn, access: Setter, session: WriteSession, settings: SettingsDep
) -> WebhookSecret:
    """Send signed events to an address (Standard Webhooks); the secret is shown this once."""
    made = webhooks.add(session, access.federation(session), body, access.actor, settings)
    return WebhookSecret.told(made.webhook, made.secret)


@router.get("/webhooks")
def list_webhooks(access: Setter, session: ReadSession) -> list[WebhookOut]:
    """The webhooks, without their secrets."""
    found = webhooks.of_federation(session, access.federation(session))
    return [WebhookOut.model_validate(webhook) for webhook in found]


@router.post("/webhooks/{name}/rotate")
def rotate_webhook(
    name: Name, body: RotateIn, access: Setter, session: WriteSession, settings: SettingsDep
) -> WebhookSecret:
    """Make a new secret; for some hours messages are signed with the old one as well."""
    federation, hours = access.federation(session), body.overlap_hours
    made = webhooks.rotate(session, federation, name, hours, access.actor, settings)
    return WebhookSecret.told(made.webhook, made.secret)


@router.post("/webhooks/{name}/disable")
def disable_webhook(
    name: Name, body: DisableIn, access: Setter, session: WriteSession
) -> WebhookOut:
    """Send nothing more there, until it is enabled."""
    federation = access.federation(session)
    return WebhookOut.model_validate(
        webhooks.disable(session, federation, name, access.actor, body.why)
    )


@router.post("/webhooks/{name}/enable")
def enable_webhook(name: Name, access: Setter, session: WriteSession) -> WebhookOut:
    """Send events there again."""
    federation = access.federation(session)
    return WebhookOut.model_validate(webhooks.enable(session, federation, name, access.actor))


@router.post("/webhooks/{name}/test", status_code=status.HTTP_202_ACCEPTED)
def test_webhook(name: Name, access: Setter, session: WriteSession) -> None:
    """Send an event of type `test`; what becomes of it is among the deliveries."""
    webhooks.test(session, access.federation(session), name, access.actor)


@router.get("/webhooks/{name}/deliveries")
def list_deliveries(
    name: Name,
    access: Setter,
    session: ReadSession,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> list[NoticeOut]:
    """The newest messages to a webhook and how far each came, newest first."""
    found = webhooks.deliveries(session, access.federation(session), name, limit)
    return [NoticeOut.model_validate(notice) for notice in found]


@router.delete("/webhooks/{name}", status_code=status.HTTP_204_NO_CONTENT)
def remove_webhook(name: Name, access: Setter, session: WriteSession) -> None:
    """Remove it; what is on its way there is dropped."""
    webhooks.remove(session, access.federation(session), name, access.actor)


@router.get("/alert-plan")
def read_alert_plan(access: Setter, session: ReadSession) -> AlertPlanOut:
    """Whom unacknowledged incidents reach, and what waits for a digest."""
    federation = access.federation(session)
    plan = plans.plan_of(session, federation)
    if plan is None:
        raise NotFoundError("alert plan", federation.name)
    return AlertPlanOut.model_validate(plan)


@router.put("/alert-plan")
def set_alert_plan(body: AlertPlanIn, access: Setter, session: WriteSession) -> AlertPlanOut:
    """Put a plan in force."""
    plan = plans.set_plan(session, access.federation(session), body, access.actor)
    return AlertPlanOut.model_validate(plan)


@router.post("/drills", status_code=status.HTTP_202_ACCEPTED)
def start_drill(body: DrillIn, access: Handler, session: WriteSession) -> DrillOut:
    """Send an alert to every channel that says of itself that it is a drill."""
    drill = drills.start(session, access.federation(session), body.severity, access.actor)
    return _drill(drill, [])


@router.get("/drills/{drill_id}")
def read_drill(drill_id: UUID, access: Handler, session: ReadSession) -> DrillOut:
    """What became of a drill, channel by channel."""
    return _drill(*drills.notices_of(session, access.federation(session), drill_id))


def _drill(drill: Announcement, notices: list[Notice]) -> DrillOut:
    shown = [NoticeOut.model_validate(notice) for notice in notices]
    return DrillOut(id=drill.id, at=drill.at, notices=shown)


def _shown(channel: Channel) -> ChannelOut:
    return ChannelOut(name=channel.name, kind=channel.kind, created_at=channel.created_at)


def _may_see(access: Access, scope: str) -> bool:
    return scope != "client" or access.principal.may(Permission.READ_CLIENTS)


def _visible(access: Access, incident: Incident) -> Incident:
    if not _may_see(access, incident.scope):
        raise NotFoundError("incident", incident.id)
    return incident
