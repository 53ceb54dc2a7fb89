"""Client records straight from JSON into columns: the fast way in for a body that is all good.

msgspec decodes into structs that are derived from the wire format's own schema. This way knows no
particulars: whatever it cannot take (a wrong type, an unknown or repeated key, a null, an escape)
makes it give up, and the careful way (`parsing`, `gate`) reads the body again and names the field.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from operator import attrgetter
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
import numpy as np
import pyarrow as pa
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from app.rounds import json_counts
from app.rounds.columns import (
    TooManyCountsError,
    Values,
    WrongLengthError,
    array_of,
    assemble,
    lists_among,
    require_room,
)
from app.rounds.layout import Column, Kind, Layout
from app.rounds.schemas import ClientRecord, Envelope

Struct = Any  # made at run time


class _UnfitError(ValueError):
    """Columns cannot hold all that was sent."""


# For any of these the careful way has the words.
UNFIT = (
    _UnfitError,
    msgspec.MsgspecError,
    WrongLengthError,
    TooManyCountsError,
    OverflowError,
    pa.ArrowException,
)


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
    told = _Told(layout)
    try:
        told.add(push.clients)
        if _colons(body) != _keys(push) + told.keys:
            return None
        require_room(told.columns, len(push.clients), layout)
        arrays = {name: _array(layout[name], values) for name, values in told.columns.items()}
    except UNFIT:
        return None
    return assemble(arrays, layout)


@dataclass
class _Told:
    """What records say, by column, and how many keys it took to say it."""

    layout: Layout
    columns: dict[str, Values] = field(default_factory=dict)
    keys: int = 0

    def add(self, structs: Sequence[Struct | None], prefix: str = "") -> None:
        """Every field of every struct; the columns are named by its path."""
        known = len(self.columns)
        for name in next(one for one in structs if one is not None).__struct_fields__:
            self._add(prefix + name, _each(structs, name))
        if len(self.columns) == known:
            raise _UnfitError(prefix)  # a block with nothing in it

    def _add(self, name: str, values: Values) -> None:
        told = len(values) - values.count(None)
        self.keys += told
        first = next((value for value in values if value is not None), None) if told else None
        if isinstance(first, msgspec.Struct):
            self.add(values, f"{name}.")
        elif isinstance(first, dict):
            self._add_named(values, f"{name}.")
        elif told and name not in self.layout:
            raise _UnfitError(name)
        elif told:
            self.columns[name] = values

    def _add_named(self, dicts: Sequence[dict[str, Any] | None], prefix: str) -> None:
        """The names that the layout has; by another the count of keys goes wrong."""
        known = len(self.columns)
        for name in self.layout:
            if name.startswith(prefix):
                key = name.removeprefix(prefix)
                self._add(name, [None if one is None else one.get(key) for one in dicts])
        if len(self.columns) == known:
            raise _UnfitError(prefix)


def _each(structs: Sequence[Struct | None], name: str) -> Values:
    """The attribute of every struct, None of those that are None themselves."""
    value_of = attrgetter(name)
    if None in structs:
        return [None if one is None else value_of(one) for one in structs]
    return list(map(value_of, structs))  # no tuples of a record's values: they would wake the GC


def _array(column: Column, values: Values) -> pa.Array:
    if column.kind is not Kind.COUNTS:
        return array_of(column, values)
    there = np.array([value is not None for value in values])
    texts = [value for value in values if value is not None]
    return lists_among(json_counts.read(texts, column), there)


def _colons(body: bytes) -> int:
    return int(np.count_nonzero(np.frombuffer(body, np.uint8) == ord(":")))


def _keys(push: Struct) -> int:
    """How many keys the envelope has, with `clients`.

    Every key is followed by a colon. With those of the records they are all that a body has if it
    says what was decoded, and says it once: a repeated key, a null, or a colon in a text makes one
    more, and nothing makes one less.
    """
    return msgspec.json.encode(envelope_of(push)).count(b":") + 1


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
    fields = [_field(name, info) for name, info in model.model_fields.items()]
    return msgspec.defstruct(
        model.__name__, fields, forbid_unknown_fields=True, kw_only=True, gc=False
    )


def _field(name: str, info: FieldInfo) -> Any:  # noqa: ANN401 - one of msgspec's forms
    kind = _plain(info.annotation)
    if info.is_required():
        return name, kind
    return name, kind if kind is msgspec.Raw else kind | None, None


def _plain(annotation: Any) -> Any:  # noqa: ANN401 - types of types
    """An annotation without its constraints, and without None."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated or NoneType in parts:
        return _plain(next(part for part in parts if part is not NoneType))
    if origin is list:
        return msgspec.Raw  # lists are of counts, which are read in bulk
    if origin is dict:
        return dict[str, _plain(parts[1])]  # type: ignore[misc]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _struct(annotation)
    return str if origin is Literal else annotation
