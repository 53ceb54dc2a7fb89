"""Decisions on channels: where a federation's notices go."""

from sqlmodel import Session

from app.audit import service as audit
from app.core import clock
from app.core.errors import NotFoundError
from app.federations.tables import Federation
from app.incidents import delivery_repository as repository
from app.incidents.delivery_schemas import ChannelIn
from app.incidents.errors import ChannelNameTakenError, InvalidChannelError
from app.incidents.notices import ALERTMANAGER, LOG
from app.incidents.sealing import seal, unseal
from app.incidents.tables import Channel


def add(
    session: Session,
    federation: Federation,
    body: ChannelIn,
    actor: str,
    service_secret: bytes,
) -> Channel:
    """Add a channel; its address, which holds passwords and tokens, is kept sealed.

    Raises:
        InvalidChannelError: if Apprise does not know what to do with the address.
        ChannelNameTakenError: if there is one of that name.
    """
    if not _is_apprise_address(body.url):
        raise InvalidChannelError
    channel = Channel(
        federation_id=federation.id,
        name=body.name,
        kind=body.url.partition(":")[0],
        address=b"",
        created_at=clock.now(),
    )
    channel.address = seal(service_secret, body.url, str(channel.id))
    if body.name in {LOG, ALERTMANAGER} or not repository.insert_channel(session, channel):
        raise ChannelNameTakenError(body.name)
    _audit(session, channel, actor, "add")
    return channel


def remove(session: Session, federation: Federation, name: str, actor: str) -> None:
    """Remove a channel; notices on their way to it are dropped."""
    channel = repository.channel_named(session, federation.id, name)
    if channel is None:
        raise NotFoundError("channel", name)
    _audit(session, channel, actor, "remove")
    session.delete(channel)


def of_federation(session: Session, federation: Federation) -> list[Channel]:
    """A federation's channels, by name."""
    return repository.channels_of(session, federation.id)


def address_of(channel: Channel, service_secret: bytes) -> str:
    """The channel's Apprise address, which is a secret.

    Raises:
        UnreadableSecretError: if the service's own secret was changed since.
    """
    return unseal(service_secret, channel.address, str(channel.id))


def _is_apprise_address(url: str) -> bool:
    import apprise  # noqa: PLC0415 - its hundred services take a while to import

    return bool(apprise.Apprise().add(url))


def _audit(session: Session, channel: Channel, actor: str, verb: str) -> None:
    audit.record(
        session,
        actor=actor,
        action=f"channel.{verb}",
        entity=f"channel:{channel.name}",
        federation_id=channel.federation_id,
        after={"kind": channel.kind},
    )
