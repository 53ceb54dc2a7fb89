"""Compressed request bodies, unpacked under the same cap as any other."""

import zlib
from collections.abc import AsyncIterator

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.body_limit import BodyTooLargeError
from app.core.errors import ErrorKind
from app.core.problems import problem

GZIP = 16 + zlib.MAX_WBITS
CHUNK = 2**16


class BadCompressionError(Exception):
    """The body is not what its Content-Encoding says."""


class Gunzip:
    """ASGI middleware: unpack `Content-Encoding: gzip`, at most `limit` bytes of it.

    A bomb is refused while it unpacks, a chunk at a time. What the application sees, hashes and
    caps is the unpacked body. 415 for another encoding, 400 for what is no gzip.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app, self.limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, unpacked where it was packed."""
        encoding = _encoding(scope)
        if encoding in {"", "identity"}:
            await self.app(scope, receive, send)
        elif encoding == "gzip":
            await self._unpacked(scope, receive, send)
        else:
            await _unsupported()(scope, receive, send)

    async def _unpacked(self, scope: Scope, receive: Receive, send: Send) -> None:
        packed = {b"content-encoding", b"content-length"}
        # In place: the router leaves the route that it chose in this scope, for those outside.
        scope["headers"] = [pair for pair in scope["headers"] if pair[0] not in packed]
        pieces = _pieces(receive, self.limit)

        async def next_piece() -> Message:
            return await anext(pieces)

        try:
            await self.app(scope, next_piece, send)
        except BadCompressionError:
            await _malformed()(scope, receive, send)


async def _pieces(receive: Receive, limit: int) -> AsyncIterator[Message]:
    """Yield the unpacked body in pieces, then whatever else the server has to say."""
    unpacker, room, more = zlib.decompressobj(GZIP), limit, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            yield message
            continue
        more = message.get("more_body", False)
        packed, full = message.get("body", b""), False
        while packed or full:  # a full piece may have left output behind without input
            piece = _unpack(unpacker, packed)
            packed, full = unpacker.unconsumed_tail, len(piece) == CHUNK
            room -= len(piece)
            if room < 0:
                raise BodyTooLargeError
            yield {"type": "http.request", "body": piece, "more_body": True}
    if not unpacker.eof or unpacker.unused_data:
        raise BadCompressionError
    yield {"type": "http.request", "body": b"", "more_body": False}
    while True:
        yield await receive()


def _unpack(unpacker: "zlib._Decompress", packed: bytes) -> bytes:
    try:
        return unpacker.decompress(packed, CHUNK)
    except zlib.error as error:
        raise BadCompressionError from error


def _encoding(scope: Scope) -> str:
    if scope["type"] != "http":
        return ""
    values = [value for name, value in scope["headers"] if name == b"content-encoding"]
    return b",".join(values).decode("latin-1").strip().lower()


def _unsupported() -> ASGIApp:
    detail = "Send the body plain, or with Content-Encoding: gzip."
    return problem(415, "unsupported_encoding", "Unsupported encoding", detail)


def _malformed() -> ASGIApp:
    detail = "The body is not the gzip that its Content-Encoding says, or it is cut short."
    return problem(ErrorKind.MALFORMED.value, "bad_compression", "Bad compression", detail)
