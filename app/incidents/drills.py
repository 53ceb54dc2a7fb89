"""Drills: an alert that travels as a real one would, and says of itself that it is none."""

from uuid import UUID

from sqlmodel import Session

from app.audit import service as audit
from app.core import clock
from app.core.errors import NotFoundError
from app.federations.tables import Federation
from app.incidents import delivery_repository as repository
from app.incidents.notices import announce_as
from app.incidents.states import Event, Severity
from app.incidents.tables import Announcement, Notice


def start(session: Session, federation: Federation, severity: Severity, actor: str) -> Announcement:
    """Send a drill to every channel that the federation and the installation have."""
    drill = Announcement(
        federation_id=federation.id,
        event=Event.DRILL.value,
        severity=severity.value,
        detail={"by": actor},
        at=clock.now(),
    )
    announce_as(session, drill)
    audit.record(
        session,
        actor=actor,
        action="drill.start",
        entity=f"drill:{drill.id}",
        federation_id=federation.id,
        after={"severity": severity.value},
    )
    return drill


def notices_of(
    session: Session, federation: Federation, drill_id: UUID
) -> tuple[Announcement, list[Notice]]:
    """A drill with its notices; none until a worker has taken it up."""
    drill = repository.announcement_of(session, federation.id, drill_id)
    if drill is None or drill.event != Event.DRILL:
        raise NotFoundError("drill", drill_id)
    return drill, repository.notices_of_announcement(session, drill.id)
