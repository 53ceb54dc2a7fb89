"""Admission: of the records of a push, those that may come in, and what is wrong with the others.

Two bodies carry the same contract: JSON, and columns in an Arrow stream. Both go the fast way where
a sweep over their columns leaves no doubt, and else past the gate, record by record.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from app.core.errors import FieldError
from app.federations.tables import Federation
from app.rounds import arrow_columns, arrow_stream, blocks, gate, json_columns, parsing, screening
from app.rounds.columns import TooManyCountsError, Tree, batch_of_trees, trees_of
from app.rounds.errors import MalformedBodyError
from app.rounds.gate import EnvelopeRefused, GateContext
from app.rounds.layout import Layout
from app.rounds.parsing import Unusable
from app.rounds.schemas import MAX_CLIENTS, MAX_RECORD_BYTES, ClientRecord, Envelope, Phase


@dataclass(frozen=True)
class Refused:
    """A record that may not come in: its position, what is wrong, and SHA-256 of it."""

    index: int
    error: FieldError
    sha256: str


@dataclass(frozen=True)
class Admitted:
    """The records that may come in, as columns, and the others."""

    batch: pa.RecordBatch
    refused: list[Refused]

    @cached_property
    def packed(self) -> bytes:
        """The records as they are stored."""
        return blocks.pack(self.batch)


class PushBody(Protocol):
    """A push as it came in, in one of the forms of the wire format."""

    def check_envelope(self, federation: Federation, phase: Phase) -> Envelope:
        """The push without its records.

        Raises:
            EnvelopeRefused: naming every wrong field.
        """

    def admit(self, layout: Layout, context: GateContext) -> Admitted:
        """Sort the records.

        Raises:
            EnvelopeRefused: if nothing can be used, whatever the records are.
        """


def read(body: bytes, media_type: str) -> PushBody:
    """The push in a body.

    Raises:
        MalformedBodyError: if it is not what its media type says.
    """
    if media_type == arrow_stream.MEDIA_TYPE:
        return ArrowBody(body)
    return JsonBody(body)


class JsonBody:
    """One JSON object: the envelope, with one record per client under `clients`."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._push = json_columns.decode(body)
        self._tree = parsing.parse(body) if self._push is None else {}

    def check_envelope(self, federation: Federation, phase: Phase) -> Envelope:
        """The envelope; one that is wrong is read again with care, for what is wrong."""
        if self._push is not None:
            with suppress(EnvelopeRefused):
                told = json_columns.envelope_of(self._push)
                return gate.check_envelope(told, federation, phase)
        return gate.check_envelope(_without_clients(self._careful()), federation, phase)

    def admit(self, layout: Layout, context: GateContext) -> Admitted:
        """Sort the records: all in columns, or one by one if any of them is in doubt."""
        batch = self._good_batch(layout, context)
        return self._with_care(layout, context) if batch is None else Admitted(batch, [])

    def _good_batch(self, layout: Layout, context: GateContext) -> pa.RecordBatch | None:
        if self._push is None or not 1 <= len(self._push.clients) <= MAX_CLIENTS:
            return None
        batch = json_columns.batch_from(self._push, self._body, layout)
        if batch is None or screening.doubtful(batch, layout, context).any():
            return None
        return batch

    def _careful(self) -> dict[str, Any]:
        self._tree = self._tree or parsing.parse(self._body)
        return self._tree

    def _with_care(self, layout: Layout, context: GateContext) -> Admitted:
        tree = self._careful()
        gate.check_envelope(_without_clients(tree), context.federation, context.phase)
        raws = _clients(tree)
        weigh = len(self._body) > MAX_RECORD_BYTES
        accepted, refused = _sort(enumerate(raws), context, weigh=weigh)
        with _room():
            return Admitted(_batch(accepted.values(), layout), refused)


class ArrowBody:
    """An Arrow IPC stream: one column per field, and the envelope as JSON in the schema."""

    def __init__(self, body: bytes) -> None:
        stream = arrow_stream.read(body)
        self._envelope = parsing.parse(stream.envelope)
        self._batch = stream.batch
        if "clients" in self._envelope:
            raise MalformedBodyError("In an Arrow stream the records are columns, not `clients`.")

    def check_envelope(self, federation: Federation, phase: Phase) -> Envelope:
        """The envelope."""
        return gate.check_envelope(self._envelope, federation, phase)

    def admit(self, layout: Layout, context: GateContext) -> Admitted:
        """Sort the records: those in doubt one by one, the others in columns."""
        with _room():
            columns = arrow_columns.bring_in(self._batch, layout)
        if columns.unusable:
            raise EnvelopeRefused(tuple(columns.unusable))
        if not columns.batch.num_rows:  # none were sent, or nothing but nulls
            raise EnvelopeRefused((_no_records(),))
        doubt = screening.doubtful(columns.batch, layout, context)
        doubt[list(columns.wrong)] = True
        if not doubt.any():
            return Admitted(columns.batch, [])
        return _settle_doubts(columns, doubt, context)


def _settle_doubts(
    columns: arrow_columns.Columns, doubt: screening.Mask, context: GateContext
) -> Admitted:
    positions = np.flatnonzero(doubt).tolist()
    trees = trees_of(columns.batch.take(pa.array(positions)))
    wrong = [
        Refused(position, columns.wrong[position], sha256_of(tree))
        for position, tree in zip(positions, trees, strict=True)
        if position in columns.wrong
    ]
    open_ones = (
        (position, tree)
        for position, tree in zip(positions, trees, strict=True)
        if position not in columns.wrong
    )
    _, refused = _sort(open_ones, context, weigh=True)
    refused = sorted([*wrong, *refused], key=lambda one: one.index)
    out = np.zeros(len(doubt), dtype=np.bool_)
    out[[one.index for one in refused]] = True
    return Admitted(columns.batch.filter(pa.array(~out)), refused)


def _sort(
    raws: Iterable[tuple[int, Any]], context: GateContext, *, weigh: bool
) -> tuple[dict[str, ClientRecord], list[Refused]]:
    accepted: dict[str, ClientRecord] = {}
    refused: list[Refused] = []
    for index, raw in raws:
        checked = (_too_large(raw, index) if weigh else None) or gate.check_record(
            raw, index, context
        )
        if isinstance(checked, ClientRecord) and checked.client in accepted:
            message = "This client has a record in this push already; send one."
            checked = FieldError(f"clients.{index}.client", "duplicate_client", message)
        if isinstance(checked, ClientRecord):
            accepted[checked.client] = checked
        else:
            refused.append(Refused(index, checked, sha256_of(raw)))
    return accepted, refused


def _batch(records: Iterable[ClientRecord], layout: Layout) -> pa.RecordBatch:
    trees: list[Tree] = [
        record.model_dump(mode="json", exclude_none=True, exclude_unset=True) for record in records
    ]
    return batch_of_trees(trees, layout)


def _without_clients(tree: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in tree.items() if name != "clients"}


def _clients(tree: dict[str, Any]) -> list[Any]:
    clients = tree.get("clients")
    if isinstance(clients, Unusable):
        raise EnvelopeRefused((FieldError("clients", clients.code, clients.message),))
    if not isinstance(clients, list) or not clients:
        raise EnvelopeRefused((_no_records(),))
    if len(clients) > MAX_CLIENTS:
        message = f"A push has at most {MAX_CLIENTS} records; send the round in chunks."
        raise EnvelopeRefused((FieldError("clients", "too_many", message),))
    return clients


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except TooManyCountsError as error:
        message = "The counts take too much room side by side; send the round in smaller chunks."
        raise EnvelopeRefused((FieldError("clients", "too_many", message),)) from error


def _no_records() -> FieldError:
    return FieldError("clients", "missing", "Send a list with one record per client.")


def _too_large(raw: object, index: int) -> FieldError | None:
    if len(_canonical(raw)) <= MAX_RECORD_BYTES:
        return None
    message = f"A record is at most {MAX_RECORD_BYTES} bytes; send fewer features or bins."
    return FieldError(f"clients.{index}", "record_too_large", message)


def sha256_of(raw: object) -> str:
    """SHA-256 of a record, to recognise it by."""
    return hashlib.sha256(_canonical(raw)).hexdigest()


def _canonical(raw: object) -> bytes:
    text = json.dumps(
        raw, sort_keys=True, separators=(",", ":"), default=lambda unusable: unusable.code
    )
    return text.encode()
