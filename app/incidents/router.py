"""HTTP of incidents, silences and channels."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, status

from app.core.errors import NotFoundError
from app.core.http import ReadSession, WriteSession
from app.core.ids import Slug
from app.drift.schemas import VerdictOut
from app.federations.dependencies import Access, in_federation
from app.federations.names import Naming
from app.federations.roles import Permission
from app.incidents import channels, service, silences, withdrawing
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
from app.incidents.tables import Channel, Incident
from app.rounds.privacy_schemas import WithdrawalIn, WithdrawalOut

router = APIRouter(prefix="/v1/federations/{federation}", tags=["incidents"])

Reader = Annotated[Access, Depends(in_federation(Permission.READ))]
Handler = Annotated[Access, Depends(in_federation(Permission.HANDLE_INCIDENTS))]
Withdrawer = Annotated[Access, Depends(in_federation(Permission.WITHDRAW_CLIENTS))]
Setter = Annotated[Access, Depends(in_federation(Permission.SET_POLICY))]


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
    return IncidentDetail(**IncidentOut.before(naming, incident).model_dump(), verdicts=verdicts)


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
