"""A round's content as the bytes of a request: the one place that knows how bodies are encoded."""

import asyncio
import gzip
import math
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, BinaryIO, Literal, get_args

from vigie_client.canonical import canonical

JSON = "application/json"
Bulk = Literal["auto", "json", "arrow"]

MOST_RECORDS = 20_000  # in one body; the wire format's bound
MOST_BYTES = 8 * 2**20  # unpacked; what a service takes unless it was set otherwise

# Clients from which a round goes as columns, where that is left open: from here on they are made no
# slower than JSON (1.1 ms for 100 clients on a 50-bin histogram), and are a quarter smaller.
ARROW_FROM = 100
_LARGE = 8192  # bytes, from which packing costs less than sending
_PIECE = 2**20
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


@dataclass(frozen=True)
class FileBody:
    """A file that is sent as it is, piece by piece."""

    file: BinaryIO

    def packed(self) -> tuple[BinaryIO, dict[str, str]]:
        """Return the file and its headers."""
        return self.file, {"Content-Type": "application/octet-stream"}

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the file's pieces, read beside the event loop."""
        while piece := await asyncio.to_thread(self.file.read, _PIECE):
            yield piece


@dataclass(frozen=True)
class Encoder:
    """How contents become bodies; ``ValueError`` for a choice that cannot be kept.

    ``bulk`` is ``"json"``, ``"arrow"`` (wherever the records can be columns) or ``"auto"``: Arrow
    for rounds of 100 clients and more, where pyarrow is installed. ``most_bytes`` bounds a body
    before it is packed.
    """

    bulk: Bulk = "auto"
    most_bytes: int = MOST_BYTES

    def __post_init__(self) -> None:
        if self.bulk not in get_args(Bulk):
            raise ValueError(f"bulk is {self.bulk!r}; expected one of {', '.join(get_args(Bulk))}.")
        if self.bulk == "arrow" and not _has_arrow():
            raise ValueError("bulk is 'arrow'; it needs pyarrow: pip install vigie-client[arrow]")
        if self.most_bytes < 1:
            raise ValueError("The most bytes of a body must be at least 1.")

    def encode(self, content: Mapping[str, Any]) -> Body:
        """Encode the content of a push; equal contents give equal bytes.

        That is what the service tells a repeated push by. Raises ``ValueError`` for what cannot be
        sent, naming the field, as ``canonical`` does.
        """
        records = content.get("clients")
        if not isinstance(records, (list, tuple)):
            return Body(canonical(content))
        try:
            return self._body(_envelope(content), records)
        except ValueError:
            canonical(content)  # raises anew, with the whole path
            raise

    def encode_in_chunks(self, content: Mapping[str, Any]) -> list[Body]:
        """Encode the content of a round: as one body, or in as many as the bounds ask for.

        Each of several has the envelope and its share of the records, in their order. A record that
        is too large by itself has a body of its own, and the service says what is wrong with it.
        """
        records = content.get("clients")
        if not isinstance(records, (list, tuple)) or not records:
            return [self.encode(content)]
        try:
            return self._in_chunks(_envelope(content), records)
        except ValueError:
            canonical(content)  # as above
            raise

    def _in_chunks(self, envelope: Mapping[str, Any], records: Sequence[Any]) -> list[Body]:
        pieces = math.ceil(len(records) / MOST_RECORDS)
        if pieces == 1:
            body = self._body(envelope, records)
            pieces = min(math.ceil(len(body.data) / self.most_bytes), len(records))
            if pieces == 1:
                return [body]
        size = math.ceil(len(records) / pieces)
        shares = (records[start : start + size] for start in range(0, len(records), size))
        return [body for share in shares for body in self._in_chunks(envelope, share)]

    def _body(self, envelope: Mapping[str, Any], records: Sequence[Any]) -> Body:
        columns = self._as_columns(envelope, records) if self._wants_columns(records) else None
        return columns or Body(_with_clients(canonical(envelope), _encoded(records)))

    def _wants_columns(self, records: Sequence[Any]) -> bool:
        if self.bulk == "auto":
            return len(records) >= ARROW_FROM and _has_arrow()
        return self.bulk == "arrow"

    def _as_columns(self, envelope: Mapping[str, Any], records: Sequence[Any]) -> Body | None:
        from vigie_client import arrow_bodies  # noqa: PLC0415 - pyarrow, only where it is used

        try:
            return Body(arrow_bodies.stream(envelope, records), arrow_bodies.MEDIA_TYPE)
        except arrow_bodies.NotColumnsError:
            return None


def _has_arrow() -> bool:
    return find_spec("pyarrow") is not None


def _envelope(content: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in content.items() if key != "clients"}


def _with_clients(envelope: bytes, records: list[bytes]) -> bytes:
    opened = envelope[:-1] + (b"," if len(envelope) > len(b"{}") else b"")
    return opened + b'"clients":[' + b",".join(records) + b"]}"


def _encoded(records: Sequence[Any]) -> list[bytes]:
    encoded = []
    for number, record in enumerate(records):
        if number % _AT_A_TIME == 0:
            time.sleep(0)  # lets go of the interpreter
        encoded.append(canonical(record))
    return encoded
