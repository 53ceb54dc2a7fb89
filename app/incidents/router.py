"""HTTP of incidents, silences and channels."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, status

from app.core.errors import NotFoundError
from app.core.http import ReadSession, WriteSession
from app.core.ids import Slug
from app.drift.schemas import VerdictOut
from app.federations.dependencies import Access, in_federation
from app.federations.roles import Permission
from app.incidents import channels, service, silences
from app.incidents.schemas import (
    ChannelIn,
    ChannelOut,
    IncidentDetail,
    IncidentOut,
    ResolveIn,
    SilenceIn,
    SilenceOut,
)
from app.incidents.states import IncidentState
from app.incidents.tables import Channel, Incident, Silence

router = APIRouter(prefix="/v1/federations/{federation}", tags=["incidents"])

Reader = Annotated[Access, Depends(in_federation(Permission.READ))]
Handler = Annotated[Access, Depends(in_federation(Permission.HANDLE_INCIDENTS))]
Setter = Annotated[Access, Depends(in_federation(Permission.SET_POLICY))]


@router.get("/incidents", response_model=list[IncidentOut])
def list_incidents(
    access: Reader,
    session: ReadSession,
    state: Annotated[IncidentState | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> list[Incident]:
    """The newest incidents, newest first; those about single clients only for who may see them."""
    found = service.list_of(session, access.federation(session).id, state=state, limit=limit)
    return [incident for incident in found if _may_see(access, incident.scope)]


@router.get("/incidents/{incident_id}")
def read_incident(incident_id: UUID, access: Reader, session: ReadSession) -> IncidentDetail:
    """One incident with the verdicts behind it."""
    incident = _visible(access, service.get(session, access.federation(session).id, incident_id))
    verdicts = [
        VerdictOut.model_validate(verdict)
        for verdict in service.verdicts_behind(session, incident)
        if _may_see(access, verdict.scope)
    ]
    return IncidentDetail(**IncidentOut.model_validate(incident).model_dump(), verdicts=verdicts)


@router.post("/incidents/{incident_id}/acknowledge", response_model=IncidentOut)
def acknowledge_incident(incident_id: UUID, access: Handler, session: WriteSession) -> Incident:
    """Take the incident on."""
    return service.acknowledge(session, access.federation(session), incident_id, access.actor)


@router.post("/incidents/{incident_id}/resolve", response_model=IncidentOut)
def resolve_incident(
    incident_id: UUID, body: ResolveIn, access: Handler, session: WriteSession
) -> Incident:
    """Close the incident, saying why."""
    federation = access.federation(session)
    return service.resolve(
        session, federation, incident_id, access.actor, body.resolution, body.why
    )


@router.post("/silences", status_code=status.HTTP_201_CREATED, response_model=SilenceOut)
def create_silence(body: SilenceIn, access: Handler, session: WriteSession) -> Silence:
    """Send no notices for incidents that match, until a time."""
    return silences.silence(session, access.federation(session), body, access.actor)


@router.get("/silences", response_model=list[SilenceOut])
def list_silences(access: Reader, session: ReadSession) -> list[Silence]:
    """The silences, the one that ends last first; those on a client only for who may see it."""
    found = silences.silences_of(session, access.federation(session))
    return [silence for silence in found if _may_see(access, silences.scope_of(silence))]


@router.delete("/silences/{silence_id}", response_model=SilenceOut)
def end_silence(silence_id: UUID, access: Handler, session: WriteSession) -> Silence:
    """End a silence now."""
    return silences.end_silence(session, access.federation(session), silence_id, access.actor)


@router.post("/channels", status_code=status.HTTP_201_CREATED)
def add_channel(body: ChannelIn, access: Setter, session: WriteSession) -> ChannelOut:
    """Send notices to an Apprise address, which no answer ever shows again."""
    return _shown(channels.add(session, access.federation(session), body, access.actor))


@router.get("/channels")
def list_channels(access: Setter, session: ReadSession) -> list[ChannelOut]:
    """The channels, without their addresses."""
    return [_shown(found) for found in channels.of_federation(session, access.federation(session))]


@router.delete("/channels/{name}", status_code=status.HTTP_204_NO_CONTENT)
def remove_channel(name: Annotated[Slug, Path()], access: Setter, session: WriteSession) -> None:
    """Send no more notices there."""
    channels.remove(session, access.federation(session), name, access.actor)


def _shown(channel: Channel) -> ChannelOut:
    return ChannelOut(
        name=channel.name, kind=channels.kind_of(channel), created_at=channel.created_at
    )


def _may_see(access: Access, scope: str) -> bool:
    return scope != "client" or access.principal.may(Permission.READ_CLIENTS)


def _visible(access: Access, incident: Incident) -> Incident:
    if not _may_see(access, incident.scope):
        raise NotFoundError("incident", incident.id)
    return incident
