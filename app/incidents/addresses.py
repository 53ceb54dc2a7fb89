"""Where a webhook may go: an address is resolved, checked, and connected to as it was checked.

A name is resolved once for each connection, so that it cannot point elsewhere between the check
and the use (DNS rebinding).
"""

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

_TRANSLATED = IPv6Network("64:ff9b::/96")  # NAT64, RFC 6052: the last 32 bits are an IPv4 address

Address = IPv4Address | IPv6Address


class ForbiddenAddressError(Exception):
    """A name stands for an address of a network that webhooks may not reach."""

    def __init__(self) -> None:
        super().__init__("The address is private, loopback or link-local: not allowed here.")


class UnknownHostError(Exception):
    """A name stands for no address."""

    def __init__(self) -> None:
        super().__init__("The host's name has no address.")


def resolve(host: str, port: int, *, allow_private: bool) -> list[str]:
    """The addresses of a host, each of which may be connected to.

    Raises:
        UnknownHostError: if it has none.
        ForbiddenAddressError: if one of them is not public, unless private ones are allowed.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # UnicodeError: a label of more than 63 characters
        raise UnknownHostError from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not allow_private:
        require_public(addresses)
    return addresses


def require_public(addresses: Sequence[str]) -> None:
    """Refuse addresses of which one is not public.

    Raises:
        ForbiddenAddressError: if one is private, loopback, link-local, multicast or the like.
    """
    if not all(is_public(ip_address(address)) for address in addresses):
        raise ForbiddenAddressError


def is_public(address: Address) -> bool:
    """Whether an address is of the public internet, and so is an IPv4 address within it.

    >>> [is_public(ip_address(text)) for text in ("9.9.9.9", "10.0.0.1", "::ffff:127.0.0.1")]
    [True, False, False]
    """
    inner = _embedded(address) if isinstance(address, IPv6Address) else None
    if inner is not None:
        return is_public(inner)
    if address.is_multicast or address.is_reserved or getattr(address, "is_site_local", False):
        return False
    return address.is_global


def _embedded(address: IPv6Address) -> IPv4Address | None:
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)
