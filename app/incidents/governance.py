"""What people are told of models themselves, beside incidents: of the registry and of reviews.

The announcement holds the whole message, as it was when it happened.
"""

from uuid import UUID

from sqlmodel import Session

from app.core import clock
from app.core.settings import Settings
from app.incidents.messages import Telling, home_of, runbook
from app.incidents.notices import announce_as
from app.incidents.states import Event
from app.incidents.tables import Announcement
from app.registry import service as registry
from app.registry.tables import Deviation

HAPPENED = {
    "model_deleted": "the registered model was deleted",
    "version_deleted": "version {version} was deleted",
    "alias_moved": "the alias {key} was moved",
    "tag_changed": "the tag {key} of version {version} was changed",
    "source_changed": "the source of version {version} was changed",
    "weights_changed": "the weights' file of version {version} is another",
    "weights_gone": "the weights' file of version {version} is gone",
}


def announce_deviation(session: Session, deviation_id: UUID) -> None:
    """Have people told that MLflow's registry is not as Vigie told it to be."""
    deviation, model = registry.deviation_with_id(session, deviation_id)
    announce_as(
        session,
        Announcement(
            federation_id=deviation.federation_id,
            event=Event.REGISTRY_DEVIATED.value,
            severity=deviation.severity,
            detail={
                "runbook": "registry",
                "title": f"MLflow was changed behind Vigie's back, {model}: {_happened(deviation)}",
                "points": _points(deviation, model),
            },
            at=clock.now(),
        ),
    )


def announce_review(session: Session, model_id: UUID) -> None:
    """Have people told that a model's review is overdue; nothing if it was done meanwhile."""
    entry, model = registry.overdue_entry(session, model_id)
    if entry.next_review_at > clock.now():
        return
    announce_as(
        session,
        Announcement(
            federation_id=entry.federation_id,
            event=Event.REVIEW_OVERDUE.value,
            severity="critical" if entry.criticality == "critical" else "warning",
            detail={
                "runbook": "review",
                "title": f"The review of {model} is overdue",
                "points": {
                    "What": f"{model}, whose criticality is {entry.criticality}, was due for review"
                    f" on {entry.next_review_at:%Y-%m-%d}",
                    "Who": f"validator {entry.validator}; owner {entry.owner}",
                    "Next": f"review it, then `vigie inventory review {model}`",
                },
            },
            at=clock.now(),
        ),
    )


def told_of_governance(announcement: Announcement, federation: str, settings: Settings) -> Telling:
    """The message that an announcement holds."""
    detail = announcement.detail
    return Telling(
        title=f"[{announcement.severity}] {detail['title']}",
        points=detail["points"],
        links={
            "Console": home_of(federation, settings),
            "Runbook": runbook(detail["runbook"], settings),
        },
    )


def _happened(deviation: Deviation) -> str:
    return HAPPENED[deviation.kind].format(version=deviation.version, key=deviation.key)


def _points(deviation: Deviation, model: str) -> dict[str, str]:
    repair = f"vigie registry reconcile {model} --why ..."
    return {
        "What": f"{deviation.kind}: expected {deviation.expected or 'nothing'}, found"
        f" {deviation.found or 'nothing'} (numbers are MLflow's)",
        "Since": f"noticed {deviation.detected_at:%Y-%m-%d %H:%M} UTC, at most a minute after",
        "Next": f"find out who changed it; `{repair}` puts it back",
    }
