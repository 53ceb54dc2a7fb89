"""A round's client records side by side: one array a column, one row a client.

What the round's chunks say is put together as in `reports.py`, and mostly faster: chunks without a
client in common are laid one below the other, and only others are joined field by field.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from app.rounds.blocks import unpack
from app.rounds.columns import ROWS, batch_of_trees, numbers_of
from app.rounds.layout import Column, Kind, Layout
from app.rounds.reports import ClientReport, Conflict, join, tree_of
from app.rounds.tables import ReportBlock

Pseudonyms = NDArray[np.bytes_]
PSEUDONYM = np.dtype("S34")


@dataclass(frozen=True, eq=False)
class Counted:
    """Counts of shape (clients, size), zero for clients that are not `told`.

    A matrix lies row by row, in so many `rows`; 0 is no matrix.
    """

    counts: NDArray[np.float64]
    told: NDArray[np.bool_]
    rows: int = 0


@dataclass(frozen=True, eq=False)
class Records:
    """The records of a round, by the wire format's columns, ordered by pseudonym.

    Texts are "" and numbers NaN where a client told nothing.
    """

    clients: Pseudonyms
    texts: Mapping[str, NDArray[np.str_]]
    numbers: Mapping[str, NDArray[np.float64]]
    counts: Mapping[str, Counted]


@dataclass(frozen=True)
class Mine:
    """Which clients are asked for: those from one pseudonym on, and before another."""

    first: bytes
    beyond: bytes

    def among(self, clients: Pseudonyms) -> NDArray[np.bool_]:
        """Which of these clients they are."""
        mine: NDArray[np.bool_] = (clients >= self.first) & (clients < self.beyond)
        return mine

    def rows(self, ordered: Pseudonyms) -> slice:
        """Where they are among ordered clients."""
        first, beyond = np.searchsorted(ordered, np.array([self.first, self.beyond], PSEUDONYM))
        return slice(int(first), int(beyond))


def read(
    blocks: Iterable[ReportBlock],
    mine: Mine | None = None,
    only: Collection[str] | None = None,
) -> Records:
    """The records in the blocks of one round, of all clients or of some, or some columns alone."""
    return read_and_compare(blocks, mine, only)[0]


def read_and_compare(
    blocks: Iterable[ReportBlock],
    mine: Mine | None = None,
    only: Collection[str] | None = None,
) -> tuple[Records, list[Conflict]]:
    """The records in the blocks of one round, and where its chunks disagree."""
    kept = sorted((block for block in blocks if block.data is not None), key=lambda one: one.chunk)
    batches = _of(mine, (unpack(block.data) for block in kept if block.data is not None))
    conflicts: list[Conflict] = []
    if len(batches) > 1 and _share_clients(batches):
        reports, conflicts = join(kept)
        batches = _of(mine, [_joined(reports, batches)])
    return _side_by_side(_chosen(batches, only)), conflicts


def pseudonyms(names: Iterable[str]) -> Pseudonyms:
    """Pseudonyms as an array that can be searched and sorted."""
    return np.array([name.encode() for name in names], dtype=PSEUDONYM)


def _of(mine: Mine | None, batches: Iterable[pa.RecordBatch]) -> list[pa.RecordBatch]:
    if mine is None:
        return list(batches)
    return [batch.filter(pa.array(mine.among(_clients(batch)))) for batch in batches]


def _chosen(
    batches: Sequence[pa.RecordBatch], only: Collection[str] | None
) -> Sequence[pa.RecordBatch]:
    if only is None:
        return batches
    names = {"client", *only}
    return [
        batch.select([name for name in batch.schema.names if name in names]) for batch in batches
    ]


def _share_clients(batches: Sequence[pa.RecordBatch]) -> bool:
    clients = np.sort(np.concatenate([_clients(batch) for batch in batches]))
    return bool((clients[1:] == clients[:-1]).any())


def _joined(reports: list[ClientReport], batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    layout = Layout(
        (field.name, _column(field)) for batch in reversed(batches) for field in batch.schema
    )
    return batch_of_trees([tree_of(report) for report in reports], layout)


def _column(field: pa.Field) -> Column:
    if pa.types.is_fixed_size_list(field.type):
        matrix = ROWS in (field.metadata or {})
        rows = int(field.metadata[ROWS]) if matrix else 1
        return Column(field.name, Kind.COUNTS, rows, field.type.list_size // rows, matrix)
    if pa.types.is_string(field.type):
        return Column(field.name, Kind.TEXT)
    return Column(field.name, Kind.WHOLE if pa.types.is_integer(field.type) else Kind.NUMBER)


def _side_by_side(batches: Sequence[pa.RecordBatch]) -> Records:
    clients = np.concatenate([np.empty(0, PSEUDONYM), *map(_clients, batches)])
    order = np.argsort(clients, kind="stable")
    fields = {field.name: field for batch in reversed(batches) for field in batch.schema}
    texts, numbers, counts = {}, {}, {}
    for name, field in fields.items():
        if pa.types.is_fixed_size_list(field.type):
            counts[name] = _counted(batches, field, order)
        elif not pa.types.is_string(field.type):
            numbers[name] = np.concatenate([_numbers(batch, name) for batch in batches])[order]
        elif name != "client":
            texts[name] = np.concatenate([_texts(batch, name) for batch in batches])[order]
    return Records(clients[order], texts, numbers, counts)


def _clients(batch: pa.RecordBatch) -> Pseudonyms:
    """The pseudonyms of a batch, which are all of one length."""
    array = batch.column("client")
    _, offsets, letters = array.buffers()
    ends = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]
    if not len(array) or ends[-1] - ends[0] != PSEUDONYM.itemsize * len(array):
        return pseudonyms(array.to_pylist())
    return np.frombuffer(letters, np.uint8)[ends[0] : ends[-1]].view(PSEUDONYM)


def _texts(batch: pa.RecordBatch, name: str) -> NDArray[np.str_]:
    if name not in batch.schema.names:
        return np.full(batch.num_rows, "")
    return np.array(batch.column(name).fill_null("").to_pylist(), dtype=np.str_)


def _numbers(batch: pa.RecordBatch, name: str) -> NDArray[np.float64]:
    if name not in batch.schema.names:
        return np.full(batch.num_rows, np.nan)
    array = batch.column(name).cast(pa.float64())
    return np.asarray(array.to_numpy(zero_copy_only=False), dtype=np.float64)


def _counted(
    batches: Sequence[pa.RecordBatch], field: pa.Field, order: NDArray[np.intp]
) -> Counted:
    size = field.type.list_size
    rows, told = [], []
    for batch in batches:
        there = np.zeros(batch.num_rows, dtype=np.bool_)
        counts = np.zeros((batch.num_rows, size))
        if field.name in batch.schema.names:
            column = batch.column(field.name)
            there = np.asarray(column.is_valid())
            counts[there] = numbers_of(column)[there]
        rows.append(counts)
        told.append(there)
    lines = int((field.metadata or {}).get(ROWS, 0))
    return Counted(np.concatenate(rows)[order], np.concatenate(told)[order], lines)
