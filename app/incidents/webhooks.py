"""Decisions on webhooks: where signed events go, under which secrets, and when that ends."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

from sqlmodel import Session

from app.audit import service as audit
from app.core import clock
from app.core.errors import NotFoundError
from app.core.settings import Settings
from app.federations.tables import Federation
from app.incidents import delivery_repository as repository
from app.incidents.addresses import ForbiddenAddressError, require_public
from app.incidents.delivery_schemas import WebhookIn
from app.incidents.errors import (
    InvalidWebhookError,
    TooManyWebhooksError,
    WebhookDisabledError,
    WebhookNameTakenError,
)
from app.incidents.notices import WEBHOOK, announce_as
from app.incidents.sealing import seal, unseal
from app.incidents.signing import new_secret
from app.incidents.states import Event
from app.incidents.tables import Announcement, Notice, Webhook

RECEIVER = "receiver"
MOST_WEBHOOKS = 20  # each may hold a thread of a worker for as long as an attempt lasts
GONE = "The receiver answered 410: it wants no more."


@dataclass(frozen=True)
class Made:
    """A webhook with a secret that is told this once."""

    webhook: Webhook
    secret: str


def add(
    session: Session, federation: Federation, body: WebhookIn, actor: str, settings: Settings
) -> Made:
    """Add a webhook, with a secret of its own.

    Raises:
        InvalidWebhookError: if its address cannot or may not be called.
        WebhookNameTakenError: if there is one of that name.
        TooManyWebhooksError: if there are `MOST_WEBHOOKS`.
    """
    _require_callable(body.url, settings)
    if len(repository.webhooks_of(session, federation.id)) >= MOST_WEBHOOKS:
        raise TooManyWebhooksError(MOST_WEBHOOKS)
    webhook = Webhook(
        federation_id=federation.id,
        name=body.name,
        url=body.url,
        events=sorted({event.value for event in body.events}),
        secret=b"",
        created_at=clock.now(),
        created_by=actor,
    )
    secret = new_secret()
    webhook.secret = seal(settings.secret_key, secret, str(webhook.id))
    if not repository.insert_webhook(session, webhook):
        raise WebhookNameTakenError(body.name)
    _audit(session, webhook, actor, "add")
    return Made(webhook, secret)


def rotate(
    session: Session,
    federation: Federation,
    name: str,
    overlap_hours: float,
    actor: str,
    settings: Settings,
) -> Made:
    """Give a webhook a new secret; for some hours messages are signed with the old one as well."""
    webhook, secret = _locked(session, federation, name), new_secret()
    webhook.previous_secret = webhook.secret
    webhook.previous_until = clock.now() + timedelta(hours=overlap_hours)
    webhook.secret = seal(settings.secret_key, secret, str(webhook.id))
    _audit(session, webhook, actor, "rotate")
    return Made(webhook, secret)


def disable(session: Session, federation: Federation, name: str, actor: str, why: str) -> Webhook:
    """Send a webhook nothing more, until it is enabled; what is on its way is dropped."""
    webhook = _locked(session, federation, name)
    if webhook.disabled_at is None:
        _disable(session, webhook, actor, why)
    return webhook


def enable(session: Session, federation: Federation, name: str, actor: str) -> Webhook:
    """Send a webhook events again."""
    webhook = _locked(session, federation, name)
    if webhook.disabled_at is not None:
        webhook.disabled_at, webhook.disabled_why = None, None
        _audit(session, webhook, actor, "enable")
    return webhook


def disable_gone(session: Session, federation_id: UUID, channel: str) -> None:
    """Disable the webhook that a channel of this name is, since it answered 410."""
    webhook = repository.locked_webhook(session, federation_id, channel.removeprefix(WEBHOOK))
    if channel.startswith(WEBHOOK) and webhook is not None and webhook.disabled_at is None:
        _disable(session, webhook, RECEIVER, GONE)


def remove(session: Session, federation: Federation, name: str, actor: str) -> None:
    """Remove a webhook; what is on its way is dropped."""
    webhook = _locked(session, federation, name)
    _audit(session, webhook, actor, "remove")
    session.delete(webhook)


def test(session: Session, federation: Federation, name: str, actor: str) -> Announcement:
    """Send a webhook an event that means nothing, as any other: signed, retried, recorded.

    Raises:
        WebhookDisabledError: if it gets none now.
    """
    webhook = _locked(session, federation, name)
    if webhook.disabled_at is not None:
        raise WebhookDisabledError(name)
    announcement = Announcement(
        federation_id=federation.id,
        event=Event.TEST.value,
        severity="info",
        channel=WEBHOOK + name,
        detail={"by": actor},
        at=clock.now(),
    )
    announce_as(session, announcement)
    _audit(session, webhook, actor, "test")
    return announcement


def of_federation(session: Session, federation: Federation) -> list[Webhook]:
    """A federation's webhooks, by name."""
    return repository.webhooks_of(session, federation.id)


def deliveries(session: Session, federation: Federation, name: str, limit: int) -> list[Notice]:
    """The newest messages to a webhook and how far each came, newest first."""
    _locked(session, federation, name)
    return repository.notices_to(session, federation.id, WEBHOOK + name, limit)


def secrets_in_force(webhook: Webhook, service_secret: bytes, at: datetime) -> tuple[str, ...]:
    """The secrets that a message is signed with, the newest first.

    Raises:
        UnreadableSecretError: if the service's own secret was changed since.
    """
    sealed = [webhook.secret]
    if webhook.previous_secret and webhook.previous_until and at < webhook.previous_until:
        sealed.append(webhook.previous_secret)
    return tuple(unseal(service_secret, one, str(webhook.id)) for one in sealed)


def _require_callable(url: str, settings: Settings) -> None:
    parts = _parts(url)
    private = settings.webhook_private_addresses
    if parts.scheme not in ({"https", "http"} if private else {"https"}):
        raise InvalidWebhookError("it begins with https://")
    if not parts.hostname:
        raise InvalidWebhookError("it names a host")
    if "@" in parts.netloc or parts.fragment:
        raise InvalidWebhookError("it holds no user, no password and no fragment")
    if not private:
        _require_public_literal(parts.hostname)


def _parts(url: str) -> SplitResult:
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise InvalidWebhookError("it has ASCII characters alone, and no spaces")
    try:
        parts = urlsplit(url)
        _ = parts.port  # parsed when it is asked for
    except ValueError as error:
        raise InvalidWebhookError("its host and port are well-formed") from error
    return parts


def _require_public_literal(host: str) -> None:
    """Refuse an address at once; a name is checked whenever it is connected to."""
    try:
        address = str(ip_address(host))
    except ValueError:
        return
    try:
        require_public([address])
    except ForbiddenAddressError as error:
        raise InvalidWebhookError("it is of the public internet") from error


def _disable(session: Session, webhook: Webhook, actor: str, why: str) -> None:
    webhook.disabled_at, webhook.disabled_why = clock.now(), why
    _audit(session, webhook, actor, "disable", why)


def _locked(session: Session, federation: Federation, name: str) -> Webhook:
    found = repository.locked_webhook(session, federation.id, name)
    if found is None:
        raise NotFoundError("webhook", name)
    return found


def _audit(
    session: Session, webhook: Webhook, actor: str, verb: str, why: str | None = None
) -> None:
    """A path may hold what is secret; the host does not."""
    session.add(webhook)
    until = webhook.previous_until
    audit.record(
        session,
        actor=actor,
        action=f"webhook.{verb}",
        entity=f"webhook:{webhook.name}",
        federation_id=webhook.federation_id,
        after={
            "host": urlsplit(webhook.url).hostname,
            "events": webhook.events,
            "previous_until": until.isoformat() if until else None,
        },
        why=why,
    )
