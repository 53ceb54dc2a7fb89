"""Client records as columns, and back: the form in which they are checked in bulk and stored.

A batch is an Arrow record batch in a layout's names: text as `string`, whole numbers as `int64`,
numbers as `float64`, counts as fixed-size lists (a matrix row by row, its number of rows in the
field's metadata). Columns that no record has are left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from app.rounds.layout import Column, Kind, Layout

Tree = dict[str, Any]
Values = list[Any]
ROWS = b"rows"
# All counts of a batch, sent or not, since a column has room for every record: 128 MiB. A body of 8
# MiB cannot tell so many; a few wide counts among many records could take a thousand times more.
MAX_COUNTS = 2**24
TYPES = {Kind.TEXT: pa.string(), Kind.WHOLE: pa.int64(), Kind.NUMBER: pa.float64()}


class WrongLengthError(ValueError):
    """A list of counts has not the length that the layout asks for."""


class TooManyCountsError(ValueError):
    """The records' counts would take too much room as columns."""


def require_room(names: Iterable[str], records: int, layout: Layout) -> None:
    """See that these columns of so many records may be made.

    Raises:
        TooManyCountsError: if their counts are more than `MAX_COUNTS`.
    """
    if records * sum(layout[name].size for name in names) > MAX_COUNTS:
        raise TooManyCountsError


def batch_of(values: Mapping[str, Values], layout: Layout) -> pa.RecordBatch:
    """A batch of Python values by column; None is what a record has not.

    Raises:
        WrongLengthError: if counts do not fit the layout.
        TooManyCountsError: if they are too many.
    """
    told = [name for name, told in values.items() if told.count(None) < len(told)]
    require_room(told, max(map(len, values.values()), default=0), layout)
    return assemble({name: array_of(layout[name], values[name]) for name in told}, layout)


def batch_of_trees(trees: Sequence[Tree], layout: Layout) -> pa.RecordBatch:
    """A batch of records in the form of the wire format's tree."""
    paths = {name: column.path for name, column in layout.items()}
    return batch_of(
        {name: [_at(tree, path) for tree in trees] for name, path in paths.items()}, layout
    )


def assemble(arrays: Mapping[str, pa.Array], layout: Layout) -> pa.RecordBatch:
    """Columns put side by side, each with what reading it back takes."""
    fields = [field_in(layout[name], array.type) for name, array in arrays.items()]
    return pa.RecordBatch.from_arrays(list(arrays.values()), schema=pa.schema(fields))


def field_in(column: Column, kind: pa.DataType) -> pa.Field:
    """The field of a column of this type in a batch."""
    metadata = {ROWS: str(column.rows).encode()} if column.matrix else None
    return pa.field(column.name, kind, metadata=metadata)


def trees_of(batch: pa.RecordBatch) -> list[Tree]:
    """The records of a batch as trees, without what they have not."""
    trees: list[Tree] = [{} for _ in range(batch.num_rows)]
    for field, array in zip(batch.schema, batch.columns, strict=True):
        path = Column(field.name, Kind.TEXT).path
        for tree, value in zip(trees, _python(array, field), strict=True):
            if value is not None:
                _put(tree, path, value)
    return trees


def array_of(column: Column, values: Values) -> pa.Array:
    """One column from Python values.

    Raises:
        WrongLengthError: if counts do not fit the column.
    """
    if column.kind is not Kind.COUNTS:
        return pa.array(values, TYPES[column.kind])
    there = np.array([value is not None for value in values])
    return lists_among(numbers_in(column, [value for value in values if value is not None]), there)


def lists_of(
    numbers: NDArray[Any], missing: NDArray[np.bool_] | None = None
) -> pa.FixedSizeListArray:
    """Counts of shape (records, size) as a column; those of records that are missing are null."""
    mask = None if missing is None else pa.array(missing)
    flat = pa.array(numbers.ravel())
    return pa.FixedSizeListArray.from_arrays(flat, numbers.shape[1], mask=mask)


def lists_among(numbers: NDArray[Any], there: NDArray[np.bool_]) -> pa.FixedSizeListArray:
    """Counts of the records that are there, as a column of all; those of the others are null."""
    if there.all():
        return lists_of(numbers)
    whole = np.zeros((len(there), numbers.shape[1]), numbers.dtype)
    whole[there] = numbers
    return lists_of(whole, missing=~there)


def numbers_of(array: pa.FixedSizeListArray) -> NDArray[Any]:
    """The counts of a column, shape (records, size); what stands in null rows means nothing."""
    size = array.type.list_size
    values = array.values.slice(array.offset * size, len(array) * size)
    numbers: NDArray[Any] = values.to_numpy(zero_copy_only=False)
    return numbers.reshape(len(array), size)


def numbers_in(column: Column, told: Values) -> NDArray[np.float64]:
    """Counts of shape (records, size) from Python lists.

    Raises:
        WrongLengthError: if they do not fit the column.
    """
    rows: Iterable[Sequence[float]] = told
    if column.matrix:
        _require(column, map(len, told), column.rows)
        rows = list(chain.from_iterable(told))
    _require(column, map(len, rows), column.columns)
    count = len(told) * column.size
    numbers = np.fromiter(chain.from_iterable(rows), np.float64, count)
    return numbers.reshape(len(told), column.size)


def _require(column: Column, lengths: Iterable[int], expected: int) -> None:
    if not set(lengths) <= {expected}:
        raise WrongLengthError(column.name)


def _python(array: pa.Array, field: pa.Field) -> Values:
    if not pa.types.is_fixed_size_list(field.type):
        return list(array.to_pylist())
    numbers = numbers_of(array).astype(np.float64)
    rows = (field.metadata or {}).get(ROWS)
    if rows is not None:
        numbers = numbers.reshape(len(array), int(rows), array.type.list_size // int(rows))
    values: Values = numbers.tolist()
    if array.null_count == 0:
        return values
    valid = array.is_valid().to_pylist()
    return [value if there else None for value, there in zip(values, valid, strict=True)]


def _at(tree: Mapping[str, Any], path: Sequence[str]) -> Any:  # noqa: ANN401 - any field's value
    value: Any = tree
    for step in path:
        value = value.get(step) if value is not None else None
    return value


def _put(tree: Tree, path: Sequence[str], value: object) -> None:
    *parents, last = path
    for step in parents:
        tree = tree.setdefault(step, {})
    tree[last] = value
