"""Hands due outbox rows to the broker; the only place that publishes."""

from collections.abc import Callable

import structlog
from kombu.exceptions import OperationalError

from app.core import outbox
from app.core.database import Database
from app.core.outbox import Delivery
from workers.queues import APART

log = structlog.get_logger(__name__)

Publish = Callable[[Delivery], None]


def relay_due(database: Database, publish: Publish, resend_seconds: float) -> int:
    """Publish every row that is due; return how many.

    Rows are put off before they are published, so that a lost message is sent again later, and a
    broker that is down costs delay only. However much patient work waits, rounds are published.
    """
    with database.session_scope() as session:
        deliveries = outbox.claim_due(session, resend_seconds, APART)
    for sent, delivery in enumerate(deliveries):
        try:
            publish(delivery)
        except (OperationalError, OSError) as error:
            log.warning("relay.broker_unavailable", error=str(error), unsent=len(deliveries) - sent)
            return sent
    return len(deliveries)
