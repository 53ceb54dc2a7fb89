"""Ready messages, one class for each kind of channel; sending one touches no database."""

from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog

from app.core import clock
from app.incidents.alertmanager import AlertsRefusedError, post_alerts
from app.incidents.attempts import SENT, Outcome
from app.incidents.sending import Limits, SendingError, post
from app.incidents.signing import signed_headers
from app.incidents.time_limit import OutOfTimeError, within

log = structlog.get_logger(__name__)


class Carrier(Protocol):
    """A message that knows its way."""

    def send(self, limits: Limits) -> Outcome:
        """Try once, within the limits; whatever goes wrong at the receiver is an outcome."""


@dataclass(frozen=True)
class ToLog:
    """A line in the service's own log."""

    title: str
    text: str

    def send(self, limits: Limits) -> Outcome:  # noqa: ARG002 - nothing here takes time
        """Write it."""
        log.warning("incident", title=self.title, text=self.text)
        return SENT


@dataclass(frozen=True)
class Needless:
    """A message to a channel that was removed or disabled since."""

    def send(self, limits: Limits) -> Outcome:  # noqa: ARG002 - nothing is sent
        """Say so."""
        return Outcome(needless=True)


@dataclass(frozen=True)
class Unsendable:
    """A message that cannot be made ready now, which counts as an attempt."""

    why: str

    def send(self, limits: Limits) -> Outcome:  # noqa: ARG002 - nothing is sent
        """Say why."""
        return Outcome(error=self.why)


@dataclass(frozen=True)
class ToAlertmanager:
    """Alerts for the installation's Alertmanager."""

    url: str = field(repr=False)
    alerts: list[dict[str, Any]]

    def send(self, limits: Limits) -> Outcome:
        """Post them."""
        try:
            post_alerts(self.url, self.alerts, limits)
        except (AlertsRefusedError, SendingError) as error:
            return Outcome(error=str(error))
        return SENT


@dataclass(frozen=True)
class ToApprise:
    """A message for one of the services that Apprise speaks to; the address is a secret."""

    channel_id: str
    url: str = field(repr=False)
    title: str
    text: str
    tone: str  # apprise.NotifyType: info, success, warning or failure

    def send(self, limits: Limits) -> Outcome:
        """Notify; Apprise itself has no limit on the whole, and says yes or no alone."""
        try:
            taken = within(limits.seconds, self.channel_id, self._notify)
        except OutOfTimeError as error:
            return Outcome(error=str(error))
        return SENT if taken else Outcome(error="Apprise could not deliver it; see the log.")

    def _notify(self) -> bool:
        import apprise  # noqa: PLC0415 - its hundred services take a while to import

        sender = apprise.Apprise()
        kind = apprise.NotifyType(self.tone)
        added = sender.add(self.url)
        return bool(added and sender.notify(title=self.title, body=self.text, notify_type=kind))


@dataclass(frozen=True)
class ToWebhook:
    """A signed event; the id is the same for every attempt, so that a receiver knows repeats."""

    url: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    message_id: str
    body: bytes

    def send(self, limits: Limits) -> Outcome:
        """Sign and post it."""
        headers = signed_headers(self.secrets, self.message_id, clock.now(), self.body)
        try:
            answer = post(self.url, self.body, headers, limits)
        except SendingError as error:
            return Outcome(error=str(error))
        if answer.taken:
            return SENT
        return Outcome(f"The receiver answered {answer.status}.", answer.retry_after, answer.gone)
