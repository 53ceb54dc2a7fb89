"""A round's content as the bytes of a request: the one place that knows how bodies are encoded."""

import gzip
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vigie_client.canonical import canonical

JSON = "application/json"

_LARGE = 8192  # bytes, from which packing costs less than sending
_FAST = 1  # counts pack nearly as well as at the highest level
# Records between two moments in which other threads, training above all, may go on: under 1 ms.
_AT_A_TIME = 32


@dataclass(frozen=True)
class Body:
    """What is sent, and its media type; ``data`` is what the service hashes."""

    data: bytes
    media_type: str = JSON

    def packed(self) -> tuple[bytes, dict[str, str]]:
        """Return the bytes to send and their headers: gzipped where that pays."""
        headers = {"Content-Type": self.media_type}
        if len(self.data) <= _LARGE:
            return self.data, headers
        # mtime: the same body packs to the same bytes
        packed = gzip.compress(self.data, compresslevel=_FAST, mtime=0)
        return packed, {**headers, "Content-Encoding": "gzip"}


def encode(content: Mapping[str, Any]) -> Body:
    """Encode the content of a push; equal contents give equal bytes.

    That is what the service tells a repeated push by. Raises ``ValueError`` for what cannot be
    sent, naming the field, as ``canonical`` does. A body for bulk is to be encoded here, too.
    """
    records = content.get("clients")
    if not isinstance(records, (list, tuple)):
        return Body(canonical(content))
    envelope = {key: value for key, value in content.items() if key != "clients"}
    try:
        return Body(_with_clients(canonical(envelope), _encoded(records)))
    except ValueError:
        canonical(content)  # raises anew, with the whole path
        raise


def _with_clients(envelope: bytes, records: list[bytes]) -> bytes:
    opened = envelope[:-1] + (b"," if len(envelope) > len(b"{}") else b"")
    return opened + b'"clients":[' + b",".join(records) + b"]}"


def _encoded(records: list[Any] | tuple[Any, ...]) -> list[bytes]:
    encoded = []
    for number, record in enumerate(records):
        if number % _AT_A_TIME == 0:
            time.sleep(0)  # lets go of the interpreter
        encoded.append(canonical(record))
    return encoded
