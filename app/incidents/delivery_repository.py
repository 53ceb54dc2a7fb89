"""All queries on receivers, plans, announcements and notices."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import func
from sqlmodel import Session, col, select

from app.core.database import insert_unless_there
from app.incidents.tables import (
    AlertPlan,
    Announcement,
    Channel,
    Incident,
    Notice,
    Webhook,
)
from app.retraining.tables import RetrainRequest


def channels_of(session: Session, federation_id: UUID) -> list[Channel]:
    """A federation's channels, by name."""
    query = select(Channel).where(Channel.federation_id == federation_id)
    return list(session.exec(query.order_by(col(Channel.name))))


def insert_channel(session: Session, channel: Channel) -> bool:
    """Insert a channel; False, and nothing done, where the federation has one of that name."""
    return insert_unless_there(session, channel)


def channel_named(session: Session, federation_id: UUID, name: str) -> Channel | None:
    """A federation's channel by name."""
    query = select(Channel).where(Channel.federation_id == federation_id, Channel.name == name)
    return session.exec(query).first()


def notice(session: Session, notice_id: UUID) -> Notice | None:
    """A notice by id, for work that a committed row asked for."""
    return session.get(Notice, notice_id)


def notices_of(session: Session, incident_id: UUID) -> list[Notice]:
    """What was sent about an incident, oldest first."""
    query = select(Notice).where(Notice.incident_id == incident_id)
    return list(session.exec(query.order_by(col(Notice.at), col(Notice.channel))))


def locked_notice(session: Session, notice_id: UUID) -> Notice | None:
    """A notice by id, locked."""
    return session.exec(select(Notice).where(Notice.id == notice_id).with_for_update()).first()


def announcement(session: Session, announcement_id: UUID) -> Announcement:
    """An announcement by id, for work that a committed row asked for."""
    return session.get_one(Announcement, announcement_id)


def incident_of_announcement(session: Session, announcement: Announcement) -> Incident | None:
    """The incident that an announcement is about; None for one of something else."""
    found = announcement.incident_id
    return None if found is None else session.get_one(Incident, found)


def request_of_announcement(session: Session, announcement: Announcement) -> RetrainRequest:
    """The retrain request that an announcement is about."""
    return session.get_one(RetrainRequest, announcement.request_id)


def announced_severities(session: Session, incident_id: UUID) -> set[str]:
    """The severities under which people were told of an incident."""
    query = select(Announcement.severity).where(Announcement.incident_id == incident_id)
    return set(session.exec(query.distinct()))


def overdue_notices(session: Session, at: datetime, limit: int) -> list[Notice]:
    """Notices whose next attempt is due, locked, the one that waits longest first."""
    query = select(Notice).where(Notice.state == "pending", col(Notice.next_attempt_at) <= at)
    longest_first = query.order_by(col(Notice.next_attempt_at)).limit(limit)
    return list(session.exec(longest_first.with_for_update(skip_locked=True)))


def notices_to(session: Session, federation_id: UUID, channel: str, limit: int) -> list[Notice]:
    """The newest notices to a channel, newest first."""
    query = select(Notice).where(Notice.federation_id == federation_id, Notice.channel == channel)
    return list(session.exec(query.order_by(col(Notice.at).desc()).limit(limit)))


def notices_of_announcement(session: Session, announcement_id: UUID) -> list[Notice]:
    """The notices of an announcement, by channel."""
    query = select(Notice).where(Notice.announcement_id == announcement_id)
    return list(session.exec(query.order_by(col(Notice.channel))))


def silenced_of_open(session: Session) -> list[tuple[Notice, Incident]]:
    """Notices that a silence held back, of incidents that nobody has taken on since."""
    query = (
        select(Notice, Incident)
        .join(Incident, col(Incident.id) == col(Notice.incident_id))
        .where(Notice.state == "silenced", Incident.state == "open")
    )
    return list(session.exec(query.order_by(col(Notice.at)).with_for_update()))


def times_reopened(session: Session, incident_id: UUID) -> int:
    """How often retraining closed an incident and turned out not to have helped."""
    query = select(func.count()).where(
        Announcement.incident_id == incident_id, Announcement.event == "retraining_did_not_help"
    )
    return session.exec(query).one()


def was_reminded(session: Session, incident_id: UUID, step: int) -> bool:
    """Whether a step of the alert plan was taken for an incident."""
    query = select(Announcement.id).where(
        Announcement.incident_id == incident_id,
        Announcement.event == "unacknowledged",
        Announcement.step == step,
    )
    return session.exec(query).first() is not None


def held_notices(session: Session, federation_id: UUID) -> list[Notice]:
    """What waits for a federation's digest, locked, oldest first."""
    query = select(Notice).where(Notice.federation_id == federation_id, Notice.state == "held")
    return list(session.exec(query.order_by(col(Notice.at)).with_for_update()))


def channels_told(session: Session, incident_id: UUID) -> set[str]:
    """The channels that there are notices to about an incident."""
    query = select(Notice.channel).where(Notice.incident_id == incident_id)
    return set(session.exec(query.distinct()))


def webhooks_of(session: Session, federation_id: UUID) -> list[Webhook]:
    """A federation's webhooks, by name."""
    query = select(Webhook).where(Webhook.federation_id == federation_id)
    return list(session.exec(query.order_by(col(Webhook.name))))


def insert_webhook(session: Session, webhook: Webhook) -> bool:
    """Insert a webhook; False, and nothing done, where the federation has one of that name."""
    return insert_unless_there(session, webhook)


def webhook_named(session: Session, federation_id: UUID, name: str) -> Webhook | None:
    """A federation's webhook by name."""
    query = select(Webhook).where(Webhook.federation_id == federation_id, Webhook.name == name)
    return session.exec(query).first()


def locked_webhook(session: Session, federation_id: UUID, name: str) -> Webhook | None:
    """A federation's webhook by name, locked."""
    query = select(Webhook).where(Webhook.federation_id == federation_id, Webhook.name == name)
    return session.exec(query.with_for_update()).first()


def alert_plan(session: Session, federation_id: UUID) -> AlertPlan | None:
    """A federation's alert plan."""
    return session.get(AlertPlan, federation_id)


def alert_plans(session: Session) -> list[AlertPlan]:
    """Every federation's, locked."""
    return list(session.exec(select(AlertPlan).with_for_update(skip_locked=True)))


def insert_announcement(session: Session, announcement: Announcement) -> bool:
    """Insert an announcement; False, and nothing done, where that step was announced before."""
    return insert_unless_there(session, announcement)


def announcement_of(
    session: Session, federation_id: UUID, announcement_id: UUID
) -> Announcement | None:
    """A federation's announcement by id."""
    query = select(Announcement).where(
        Announcement.id == announcement_id, Announcement.federation_id == federation_id
    )
    return session.exec(query).first()
