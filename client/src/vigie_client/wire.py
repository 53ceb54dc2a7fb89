"""How a call becomes a request and an answer becomes a result, the same for both kinds of I/O."""

import json
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import httpx

from vigie_client._version import __version__
from vigie_client.calls import Call
from vigie_client.clock import ServerClock
from vigie_client.errors import VigieUnreachable
from vigie_client.models import LONGEST_NAME
from vigie_client.problems import error_from

ALIVE = "/healthz"  # answered without a key or a database

_NO_CONTENT = 204
T = TypeVar("T")


class Wire:
    """One federation's corner of the API, under one key; ``clock`` learns from every answer."""

    def __init__(self, url: str, api_key: str, federation: str, clock: ServerClock) -> None:
        """``ValueError`` for a URL, key or name that cannot work."""
        self.url = _checked_url(url)
        self.federation = _checked_federation(federation)
        self.clock = clock
        self.headers = {
            "Authorization": f"Bearer {_checked_key(api_key)}",
            "User-Agent": f"vigie-client/{__version__}",
            "Accept": "application/json, application/problem+json",
        }

    def request(self, call: Call[Any], usual: httpx.Timeout) -> dict[str, Any]:
        """Return the arguments of ``httpx``'s ``request``; ``usual`` is how long calls may take."""
        content, headers = call.body.packed() if call.body else (None, {})
        return {
            "method": call.method,
            "url": f"/v1/federations/{quote(self.federation, safe='')}/{call.path}",
            "params": call.params,
            "content": content,
            "headers": headers,
            "timeout": _longer(usual, call.held),
        }

    def result(self, call: Call[T], response: httpx.Response, sent: float) -> T:
        """Return what the answer to a call that was sent at ``sent`` says, or raise it."""
        self.opened(response, sent)
        try:
            return call.read(None if response.status_code == _NO_CONTENT else response.json())
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise VigieUnreachable(
                f"{self.url} answered {response.status_code} with something that is not Vigie's "
                f"({type(error).__name__}: {error}). Is a proxy in the way, or the URL another's?"
            ) from error

    def opened(self, response: httpx.Response, sent: float) -> None:
        """Learn the time from an answer to a call that was sent at ``sent``; raise a refusal."""
        self.clock.observe(response.headers.get("Date"), sent, self.clock.local())
        if not response.is_success:
            raise error_from(response)

    def unreachable(self, error: httpx.RequestError) -> VigieUnreachable:
        """Return the error to raise when no answer came."""
        reason = str(error) or type(error).__name__
        return VigieUnreachable(f"{self.url} gives no answer: {reason}")


def event_data(line: str) -> dict[str, Any] | None:
    """Return the JSON object on a line of server-sent events, if it holds an event's data."""
    field, _, value = line.partition(":")
    return dict(json.loads(value)) if field == "data" else None


def _longer(usual: httpx.Timeout, held: float) -> httpx.Timeout:
    read = None if usual.read is None else usual.read + held
    return httpx.Timeout(connect=usual.connect, read=read, write=usual.write, pool=usual.pool)


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("The URL needs a scheme and a host, as in https://vigie.example.org.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("The URL must hold no user, query or fragment; the key goes in api_key.")
    return url.rstrip("/")


def _checked_key(api_key: str) -> str:
    # Checked here, since httpx quotes a key that fits no header in its error, and so in a log.
    if not api_key or not api_key.isascii() or not api_key.isprintable() or " " in api_key:
        raise ValueError("The API key is empty or has characters that no key has; copy it anew.")
    return api_key


def _checked_federation(name: str) -> str:
    if not 1 <= len(name) <= LONGEST_NAME:
        raise ValueError(
            f"A federation's name has 1 to {LONGEST_NAME} characters, not {len(name)}."
        )
    return name
