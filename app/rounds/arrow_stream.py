"""An Arrow IPC stream from outside: read without trusting it.

Its types are checked before its values, its buffers before they are used. Compressed buffers are
refused unseen: a few bytes could unpack to gigabytes, and a request can be packed as a whole.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from struct import error as OutOfBounds  # noqa: N812 - it is one
from struct import unpack_from
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from app.rounds.errors import MalformedBodyError
from app.rounds.schemas import MAX_CLIENTS

MEDIA_TYPE = "application/vnd.apache.arrow.stream"
ENVELOPE = b"vigie"
MAX_TEXT_BYTES = 256
KEPT = 256  # how many kinds of schemas are remembered: a federation sends the same ones for ever
_DICTIONARY, _RECORDS = 2, 3  # what a message's header is


@dataclass(frozen=True)
class Stream:
    """A stream's envelope, as JSON, and its records; their values are not checked yet."""

    envelope: bytes
    batch: pa.RecordBatch


def read(body: bytes) -> Stream:
    """The stream in `body`.

    Raises:
        MalformedBodyError: if it is no Arrow IPC stream, is compressed, has other types than texts,
            numbers and lists of numbers, too many records, or no envelope.
    """
    try:
        schema, messages = _opened(body)
        texts = _texts_among(types_of(schema))
        batch = _one(list(_valid(_batches(body, schema, messages))), schema)
        _refuse_long(batch.column(position) for position in texts)
    except (pa.ArrowException, OutOfBounds, OverflowError, ValueError, OSError, EOFError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        message = f"The body is no Arrow IPC stream of records: {reason}."
        raise MalformedBodyError(message) from error
    envelope = (schema.metadata or {}).get(ENVELOPE)
    if envelope is None:
        message = "The stream's schema needs metadata `vigie`: the round's envelope as JSON."
        raise MalformedBodyError(message)
    return Stream(envelope, batch)


def types_of(schema: pa.Schema) -> bytes:
    """What a schema says of its columns, without its metadata; `pa.ipc.read_schema` reads it."""
    packed: bytes = schema.remove_metadata().serialize().to_pybytes()
    return packed


def is_counts(kind: pa.DataType) -> bool:
    """Whether a column of this type holds lists of numbers."""
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    return (lists or pa.types.is_fixed_size_list(kind)) and is_number(kind.value_type)


def is_number(kind: pa.DataType) -> bool:
    """Whether a column of this type holds numbers."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type holds texts, or picks them from a dictionary."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _opened(body: bytes) -> tuple[pa.Schema, list[Any]]:
    """The schema, and the messages after it."""
    messages = list(_messages(body))
    if not messages:
        raise ValueError("it is empty")
    return pa.ipc.read_schema(messages[0]), messages[1:]


def _messages(body: bytes) -> Iterator[Any]:
    """The messages of a stream, none of them unpacked.

    What the reader itself would unpack or put together before it could be checked is refused.
    """
    for message in pa.ipc.MessageReader.open_stream(body):
        header = _Table.root(message.metadata.to_pybytes())
        kind, table = header.byte(1), header.table(2)
        if kind == _DICTIONARY and table is not None:
            if table.byte(2):
                raise ValueError("a dictionary comes in parts; send it whole")
            table = table.table(1)
        if kind in {_DICTIONARY, _RECORDS} and table is not None and table.has(3):
            raise ValueError("its buffers are compressed; gzip the request instead")
        yield message


def _batches(body: bytes, schema: pa.Schema, messages: list[Any]) -> Iterator[pa.RecordBatch]:
    if all(message.type == "record batch" for message in messages):
        yield from (pa.ipc.read_record_batch(message, schema) for message in messages)
    else:
        yield from pa.ipc.open_stream(body)  # which knows what to do with dictionaries


@lru_cache(maxsize=KEPT)
def _texts_among(types: bytes) -> list[int]:
    """Which columns are texts; the others have to be numbers, or lists of them."""
    schema = pa.ipc.read_schema(pa.py_buffer(types))
    if len(set(schema.names)) < len(schema.names):
        raise ValueError("two columns have the same name")
    texts = []
    for position, kind in enumerate(schema.types):
        if is_text(kind):
            texts.append(position)
        elif not (is_number(kind) or is_counts(kind)):
            raise ValueError(f"column {position} is neither text, nor numbers, nor lists of them")
    return texts


def _valid(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The batches, each checked before anything reads its buffers."""
    records = 0
    for batch in batches:
        records += batch.num_rows
        if records > MAX_CLIENTS:
            raise ValueError(f"a push has at most {MAX_CLIENTS} records; send chunks")
        batch.validate(full=True)
        yield batch


def _one(batches: list[pa.RecordBatch], schema: pa.Schema) -> pa.RecordBatch:
    if len(batches) == 1:
        return batches[0]
    table = pa.Table.from_batches(batches, schema).combine_chunks()
    return next(iter(table.to_batches()), pa.RecordBatch.from_pylist([], schema))


def _refuse_long(columns: Iterable[pa.Array]) -> None:
    """A dictionary could repeat one long text for every record."""
    for array in columns:
        texts = array.dictionary if pa.types.is_dictionary(array.type) else array
        lengths = pc.binary_length(texts)
        whole = lengths.fill_null(0) if lengths.null_count else lengths
        if whole.to_numpy().max(initial=0) > MAX_TEXT_BYTES:
            raise ValueError(f"a text has more than {MAX_TEXT_BYTES} bytes")


@dataclass(frozen=True)
class _Table:
    """A table of a flatbuffer, as far as it takes to see whether a field is there.

    Its first four bytes say how far back its vtable is; that has two bytes a field, after four of
    its own: the field's offset in the table, or 0 (flatbuffers.dev, "Internals").
    """

    buffer: bytes
    at: int

    @classmethod
    def root(cls, buffer: bytes) -> "_Table":
        return cls(buffer, *unpack_from("<I", buffer, 0))

    def has(self, field: int) -> bool:
        return self._offset(field) > 0

    def byte(self, field: int) -> int:
        offset = self._offset(field)
        return int(unpack_from("<B", self.buffer, self.at + offset)[0]) if offset else 0

    def table(self, field: int) -> "_Table | None":
        offset = self._offset(field)
        if not offset:
            return None
        place = self.at + offset
        return _Table(self.buffer, place + unpack_from("<I", self.buffer, place)[0])

    def _offset(self, field: int) -> int:
        vtable = self.at - unpack_from("<i", self.buffer, self.at)[0]
        (size,) = unpack_from("<H", self.buffer, vtable)
        place = 4 + 2 * field
        return int(unpack_from("<H", self.buffer, vtable + place)[0]) if place < size else 0
