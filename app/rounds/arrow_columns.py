"""Client records from an Arrow stream's columns: each named by its field's path.

Texts may come from dictionaries, numbers in any width, counts as lists of any kind; a matrix is a
list of its numbers row by row. What is null was not sent.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from app.core.errors import FieldError
from app.core.validation import field_of
from app.rounds.arrow_stream import KEPT, is_counts, is_number, is_text, types_of
from app.rounds.columns import TYPES, field_in, lists_among, require_room
from app.rounds.layout import COHORT, Column, Kind, Layout


@dataclass
class Columns:
    """Columns in a layout's types, and what could not be brought into them."""

    batch: pa.RecordBatch
    unusable: list[FieldError] = field(default_factory=list)  # columns that no record can have
    wrong: dict[int, FieldError] = field(default_factory=dict)  # by record


def bring_in(sent: pa.RecordBatch, layout: Layout) -> Columns:
    """The columns of a stream, in the types of a layout.

    Raises:
        TooManyCountsError: if they would take too much room.
    """
    fit = _fit(types_of(sent.schema), layout)
    columns = Columns(sent, list(fit.unusable))
    if fit.unusable:
        return columns
    told = [
        (target, array)
        for target, array in zip(fit.targets, sent.columns, strict=True)
        if array.null_count < len(array)
    ]
    require_room([target.column.name for target, _ in told], sent.num_rows, layout)
    arrays = [_converted(target, array, columns) for target, array in told]
    schema = fit.schema if len(told) == len(fit.targets) else _schema(one for one, _ in told)
    columns.batch = pa.RecordBatch.from_arrays(arrays, schema=schema)
    return columns


@dataclass(frozen=True)
class _Target:
    """Where one column of a stream goes."""

    column: Column
    field: pa.Field
    as_is: bool  # it has the type already


@dataclass(frozen=True)
class _Fit:
    """How streams of one schema go into a layout: what cannot, or a target for each column."""

    unusable: tuple[FieldError, ...]
    targets: tuple[_Target, ...]
    schema: pa.Schema


@lru_cache(maxsize=KEPT)
def _fit(types: bytes, layout: Layout) -> _Fit:
    unusable: list[FieldError] = []
    targets: list[_Target] = []
    for sent in pa.ipc.read_schema(pa.py_buffer(types)):
        column = layout.get(sent.name)
        if column is None:
            unusable.append(_unknown(sent.name))
        elif not _fits(column, sent.type):
            unusable.append(_wrong_type(column))
        else:
            kind = _kind(column, sent.type)
            targets.append(_Target(column, field_in(column, kind), sent.type == kind))
    return _Fit(tuple(unusable), tuple(targets), _schema(targets))


def _schema(targets: Iterable[_Target]) -> pa.Schema:
    return pa.schema([target.field for target in targets])


def _fits(column: Column, kind: pa.DataType) -> bool:
    if column.kind is Kind.TEXT:
        return is_text(kind)
    if column.kind is Kind.WHOLE:
        return _is_exact(kind)
    return is_number(kind) if column.kind is Kind.NUMBER else is_counts(kind)


def _kind(column: Column, sent: pa.DataType) -> pa.DataType:
    """The type that a column of a stream gets; counts that are integers stay as narrow as sent."""
    if column.kind is not Kind.COUNTS:
        return TYPES[column.kind]
    exact = _is_exact(sent.value_type)
    return pa.list_(sent.value_type if exact else pa.float64(), column.size)


def _is_exact(kind: pa.DataType) -> bool:
    """Whether these are integers that 63 bits hold: finite and whole whatever they are."""
    return bool(pa.types.is_integer(kind)) and not pa.types.is_uint64(kind)


def _converted(target: _Target, array: pa.Array, columns: Columns) -> pa.Array:
    if target.column.kind is Kind.COUNTS:
        whole = target.as_is and not array.null_count and not array.values.null_count
        return array if whole else _counts(target, array, columns)
    # Whole numbers were let through by their type; of others, float64 may round the last digit.
    safe = target.column.kind is not Kind.NUMBER
    return array if target.as_is else array.cast(target.field.type, safe=safe)


def _counts(target: _Target, array: pa.Array, columns: Columns) -> pa.FixedSizeListArray:
    """Lists of the column's size; one of another size, or with nulls, makes its record wrong."""
    column = target.column
    lengths = _lengths(array)
    right = lengths == column.size
    _note(columns, ~right & (lengths >= 0), _wrong_length(column))
    values = (array if right.all() else array.filter(pa.array(right))).flatten()
    if values.null_count:
        gaps = np.zeros(len(right), dtype=np.bool_)
        gaps[right] = np.asarray(values.is_null()).reshape(-1, column.size).any(axis=1)
        _note(columns, gaps, _gap(column))
        values = values.fill_null(0)
    numbers = values.cast(target.field.type.value_type, safe=False).to_numpy()
    return lists_among(numbers.reshape(-1, column.size), right)


def _lengths(array: pa.Array) -> NDArray[np.int64]:
    """How many values each list has; -1 for one that is null."""
    lengths = pc.list_value_length(array).cast(pa.int64()).fill_null(-1)
    return np.asarray(lengths)


def _note(columns: Columns, wrong: NDArray[np.bool_], error: FieldError) -> None:
    for position in np.flatnonzero(wrong).tolist():
        at = f"clients.{position}.{error.field}"
        columns.wrong.setdefault(position, FieldError(at, error.code, error.message))


def _wrong_length(column: Column) -> FieldError:
    message = f"The bin spec asks for {column.size} counts here, and another number was sent."
    return FieldError(column.name, "wrong_bin_count", message)


def _gap(column: Column) -> FieldError:
    return FieldError(column.name, "null_count", "A count is missing; a bin without examples is 0.")


def _unknown(name: str) -> FieldError:
    at = field_of(("clients", *Column(name, Kind.TEXT).path))
    if name.startswith(COHORT):
        message = "This tag is not on the federation's allow-list."
        return FieldError(at, "unknown_cohort_tag", message)
    message = "No field of a record has this column's name, or the bin spec does not name it."
    return FieldError(at, "extra_forbidden", message)


def _wrong_type(column: Column) -> FieldError:
    expected = {
        Kind.TEXT: "texts",
        Kind.WHOLE: "integers of at most 63 bits",
        Kind.NUMBER: "numbers",
        Kind.COUNTS: f"lists of {column.size} numbers",
    }
    message = f"This column holds {expected[column.kind]}."
    return FieldError(f"clients.{column.name}", "wrong_type", message)
