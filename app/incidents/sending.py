"""One HTTP POST to somebody else's server, which may be slow, wrong or malicious.

No redirects, no proxies of the environment, one time limit over all (a limit on each read would let
a server that drips bytes hold on for ever), and of the answer only status and headers are read.
"""

import base64
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import cache
from urllib.parse import unquote, urlsplit, urlunsplit

import httpcore

from app.core import clock
from app.incidents.addresses import ForbiddenAddressError, UnknownHostError, resolve

USER_AGENT = "vigie"
MOST_RETRY_AFTER_SECONDS = 24 * 3600.0
GONE = 410


class SendingError(Exception):
    """Nobody answered in time; unlike the library's errors this quotes no address."""


@dataclass(frozen=True)
class Limits:
    """How long an attempt may take in all, and whether it may reach private networks."""

    seconds: float
    allow_private: bool = False


@dataclass(frozen=True)
class Answer:
    """What a receiver said: its status, and how long it wants to be left alone, in seconds."""

    status: int
    retry_after: float | None = None

    @property
    def taken(self) -> bool:
        """Whether it took the message: any 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP's own

    @property
    def gone(self) -> bool:
        """Whether it asks never to be called again."""
        return self.status == GONE


def post(url: str, body: bytes, headers: Mapping[str, str], limits: Limits) -> Answer:
    """Send a body; whatever status comes back is the answer.

    A user and password in the address become a header.

    Raises:
        SendingError: if the address may not be reached, nobody listens, or time ran out.
    """
    backend = _Checked(limits, time.monotonic() + limits.seconds)
    address, authorisation = _without_password(url)
    told = {"content-type": "application/json", "user-agent": USER_AGENT, **headers}
    try:
        with (
            httpcore.ConnectionPool(_tls(), network_backend=backend, retries=0) as pool,
            pool.stream(
                "POST", address, headers=[*(told | authorisation).items()], content=body
            ) as response,
        ):
            return Answer(response.status, _retry_after(response.headers))
    except (ForbiddenAddressError, UnknownHostError) as error:
        raise SendingError(str(error)) from error
    except httpcore.TimeoutException as error:
        raise SendingError(f"No answer within {limits.seconds:g} seconds.") from error
    except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
        raise SendingError(f"The connection failed: {type(error).__name__}.") from error


class _Checked(httpcore.NetworkBackend):
    """Connects to addresses that were checked, until a deadline."""

    def __init__(self, limits: Limits, deadline: float) -> None:
        self._limits, self._deadline = limits, deadline
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the deadline is the limit
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Resolve, check, and connect to the first address that answers."""
        failure: Exception = UnknownHostError()
        for address in resolve(host, port, allow_private=self._limits.allow_private):
            try:
                stream = self._inner.connect_tcp(
                    address, port, _left(self._deadline), local_address, socket_options
                )
            except httpcore.ConnectError as error:
                failure = error
            else:
                return _Timed(stream, self._deadline)
        raise failure


class _Timed(httpcore.NetworkStream):
    """A stream whose every step ends by one deadline."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream, self._deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        """Read what is there by the deadline."""
        return self._stream.read(max_bytes, _left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        """Write by the deadline."""
        self._stream.write(buffer, _left(self._deadline))

    def close(self) -> None:
        """Close it."""
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        """Encrypt it; the certificate is checked for the name, not for the address."""
        left = _left(self._deadline)
        return _Timed(self._stream.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> object:
        """What the socket says of itself."""
        return self._stream.get_extra_info(info)


def _left(deadline: float) -> float:
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise httpcore.ReadTimeout
    return seconds


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _without_password(url: str) -> tuple[str, dict[str, str]]:
    parts = urlsplit(url)
    if parts.username is None:
        return url, {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2])
    return urlunsplit(bare), {"authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def _retry_after(headers: Iterable[tuple[bytes, bytes]]) -> float | None:
    """Seconds from a `Retry-After` of either form (RFC 9110); None if there is no sensible one."""
    found = [value.decode("latin-1").strip() for name, value in headers if _is_retry_after(name)]
    if not found:
        return None
    seconds = float(found[0]) if found[0].isdecimal() else _seconds_until(found[0])
    return None if seconds is None else min(max(seconds, 0.0), MOST_RETRY_AFTER_SECONDS)


def _is_retry_after(name: bytes) -> bool:
    return name.lower() == b"retry-after"


def _seconds_until(date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - clock.now()).total_seconds()
