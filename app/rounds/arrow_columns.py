"""Client records from an Arrow stream's columns: each named by its field's path.

Texts may come from dictionaries, numbers in any width, counts as lists of any kind; a matrix is a
list of its numbers row by row. What is null was not sent.
"""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from app.core.errors import FieldError
from app.core.validation import field_of
from app.rounds.arrow_stream import is_counts, is_number, is_text
from app.rounds.columns import TYPES, assemble, lists_among, require_room
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
    columns = Columns(sent)
    by_name = dict(zip(sent.schema.names, sent.columns, strict=True))
    told = {name for name, array in by_name.items() if array.null_count < len(array)}
    require_room(told & layout.keys(), sent.num_rows, layout)
    arrays: dict[str, pa.Array] = {}
    for name, array in by_name.items():
        column = layout.get(name)
        if column is None:
            columns.unusable.append(_unknown(name))
        elif not _fits(column, array.type):
            columns.unusable.append(_wrong_type(column))
        elif name in told:
            arrays[name] = _converted(column, array, columns)
    if not columns.unusable:
        columns.batch = assemble(arrays, layout)
    return columns


def _fits(column: Column, kind: pa.DataType) -> bool:
    if column.kind is Kind.TEXT:
        return is_text(kind)
    if column.kind is Kind.WHOLE:
        return bool(pa.types.is_integer(kind)) and not pa.types.is_uint64(kind)
    return is_number(kind) if column.kind is Kind.NUMBER else is_counts(kind)


def _converted(column: Column, array: pa.Array, columns: Columns) -> pa.Array:
    if column.kind is Kind.COUNTS:
        return _counts(column, array, columns)
    kind = TYPES[column.kind]
    # Whole numbers were let through by their type; of others, float64 may round the last digit.
    return array if array.type == kind else array.cast(kind, safe=column.kind is not Kind.NUMBER)


def _counts(column: Column, array: pa.Array, columns: Columns) -> pa.FixedSizeListArray:
    """Lists of the column's size; one of another size, or with nulls, makes its record wrong."""
    lengths = _lengths(array)
    right = lengths == column.size
    _note(columns, ~right & (lengths >= 0), _wrong_length(column))
    values = (array if right.all() else array.filter(pa.array(right))).flatten()
    if values.null_count:
        gaps = np.zeros(len(right), dtype=np.bool_)
        gaps[right] = np.asarray(values.is_null()).reshape(-1, column.size).any(axis=1)
        _note(columns, gaps, _gap(column))
        values = values.fill_null(0)
    numbers = _plain(values).to_numpy().reshape(-1, column.size)
    return lists_among(numbers, right)


def _lengths(array: pa.Array) -> NDArray[np.int64]:
    """How many values each list has; -1 for one that is null."""
    if pa.types.is_fixed_size_list(array.type) and array.null_count == 0:
        return np.full(len(array), array.type.list_size)
    lengths = pc.list_value_length(array).cast(pa.int64()).fill_null(-1)
    return np.asarray(lengths)


def _plain(values: pa.Array) -> pa.Array:
    """Integers as they are, since they are finite and whole; anything else as float64."""
    exact = pa.types.is_integer(values.type) and not pa.types.is_uint64(values.type)
    return values if exact else values.cast(pa.float64(), safe=False)


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
