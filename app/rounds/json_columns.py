"""Client records straight from JSON into columns: the fast way in for a body that is all good.

msgspec decodes into structs that are derived from the wire format's own schema. This way knows no
particulars: whatever it cannot take (a wrong type, an unknown or repeated key, a null, an escape)
makes it give up, and the careful way (`parsing`, `gate`) reads the body again and names the field.
"""

from functools import cache
from operator import attrgetter
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
import pyarrow as pa
from pydantic import BaseModel

from app.rounds.columns import TooManyCountsError, Values, WrongLengthError, batch_of
from app.rounds.layout import Layout
from app.rounds.schemas import ClientRecord, Envelope

Struct = Any  # made at run time
DICTS = ("cohorts", "features")
BLOCKS = (*DICTS, "metrics", "canary", "update", "resources")


def decode(body: bytes) -> Struct | None:
    """The push with its records as structs; None where it has to be read with care."""
    if b"\\" in body:  # an escape could hide a colon from the count of keys
        return None
    try:
        return _decoder().decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def envelope_of(push: Struct) -> dict[str, Any]:
    """The push without its records, as a tree."""
    told = ((name, getattr(push, name)) for name in Envelope.model_fields)
    return {name: value for name, value in told if value is not msgspec.UNSET}


def batch_from(push: Struct, body: bytes, layout: Layout) -> pa.RecordBatch | None:
    """The push's records as columns; None where they have to be read with care."""
    fields = {name: _each(push.clients, name) for name in ClientRecord.model_fields}
    values = {name: _values(fields, column.path) for name, column in layout.items()}
    if body.count(b":") != _colons(push, fields, values) or _has_empty_block(fields, values):
        return None
    try:
        return batch_of(values, layout)
    except (WrongLengthError, TooManyCountsError, OverflowError, pa.ArrowException):
        return None


def _values(fields: dict[str, Values], path: tuple[str, ...]) -> Values:
    """One column of every record."""
    head, *rest = path
    values = fields[head]
    for name in rest:
        if head in DICTS:
            values = [None if block is None else block.get(name) for block in values]
        else:
            values = _each(values, name)
    return values


def _each(values: Values, name: str) -> Values:
    """The attribute of every value, None of those that are None themselves."""
    missing = values.count(None)
    if missing == len(values):
        return values
    if missing == 0:
        return list(map(attrgetter(name), values))
    return [None if value is None else getattr(value, name) for value in values]


def _colons(push: Struct, fields: dict[str, Values], values: dict[str, Values]) -> int:
    """How many colons a body has that says what was decoded, and says it once.

    Every key is followed by one. A repeated key, a null, or a colon in a text makes one more, and
    nothing makes one less.
    """
    head = msgspec.json.encode(envelope_of(push)).count(b":") + 1  # and the one after `clients`
    canaries = [block.metrics for block in fields["canary"] if block is not None]
    blocks = [fields[name] for name in BLOCKS]
    return head + sum(map(_told, (*values.values(), *blocks, canaries)))


def _has_empty_block(fields: dict[str, Values], values: dict[str, Values]) -> bool:
    """Whether some block is there with nothing in it, which columns cannot tell."""
    full = {name.partition(".")[0] for name, column in values.items() if _told(column)}
    return any(_told(fields[name]) and name not in full for name in BLOCKS)


def _told(values: Values) -> int:
    return len(values) - values.count(None)


@cache
def _decoder() -> msgspec.json.Decoder[Any]:
    envelope = [(name, Any, msgspec.UNSET) for name in Envelope.model_fields]
    push = msgspec.defstruct(
        "Push",
        [("clients", list[_struct(ClientRecord)]), *envelope],  # type: ignore[misc]
        forbid_unknown_fields=True,
        kw_only=True,
    )
    return msgspec.json.Decoder(push)


@cache
def _struct(model: type[BaseModel]) -> type[Any]:
    """A struct with the fields of a model: their types; what values may be is checked in bulk."""
    fields = [
        (name, _plain(field.annotation))
        if field.is_required()
        else (name, _plain(field.annotation) | None, None)
        for name, field in model.model_fields.items()
    ]
    return msgspec.defstruct(
        model.__name__, fields, forbid_unknown_fields=True, kw_only=True, gc=False
    )


def _plain(annotation: Any) -> Any:  # noqa: ANN401 - types of types
    """An annotation without its constraints, and without None."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated or NoneType in parts:
        return _plain(next(part for part in parts if part is not NoneType))
    if origin is list:
        return list[_plain(parts[0])]  # type: ignore[misc]
    if origin is dict:
        return dict[str, _plain(parts[1])]  # type: ignore[misc]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _struct(annotation)
    return str if origin is Literal else annotation
