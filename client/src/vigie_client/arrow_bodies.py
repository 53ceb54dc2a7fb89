"""A round's records as an Arrow IPC stream: one column for each field, the envelope in the schema.

Only what every service knows becomes a column. There, a column of another name or type costs the
whole push, where in JSON it costs the record that has it; so records with anything odd go as JSON.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vigie_client.canonical import canonical

MEDIA_TYPE = "application/vnd.apache.arrow.stream"

_ENVELOPE = b"vigie"
_TEXTS = {"client", "status", "error_code"}
_METRICS = {"loss_sum", "loss_sumsq", "correct_count"}
_NUMBERS = {
    *(f"{block}.{name}" for block in ("metrics", "canary.metrics") for name in _METRICS),
    *(f"update.{name}" for name in ("norm", "cosine", "mean_norm")),
    *(f"resources.{name}" for name in ("train_ms", "evaluate_ms", "peak_mb", "energy_wh")),
    "canary.evaluate_ms",
}
_COUNTS = {"label_counts", "prediction_counts", "score_histogram", "canary.score_histogram"}
_SQUARES = {"confusion", "canary.confusion", "canary.crossed", "canary.agreement"}
_TAGGED, _NAMED = "cohorts.", "features."
_NEVER_NULL = {"client", "num_examples", "status", "cohorts", "features"}
_BLOCKS = {"cohorts", "features", "metrics", "update", "resources", "canary", "canary.metrics"}
_EXACT = 2**53  # beyond it, whole numbers have no float64 of their own
# Records between two moments in which other threads, training above all, may go on: under 1 ms.
_AT_A_TIME = 64

Values = list[Any]
Numbers = npt.NDArray[Any]


class NotColumnsError(ValueError):
    """These records have no form as columns that a service is sure to take."""


def stream(envelope: Mapping[str, Any], records: Sequence[Any]) -> bytes:
    """Return the envelope and its client records as one Arrow IPC stream.

    Equal contents give equal bytes. Counts that are whole are 32-bit integers, all other numbers
    float64; a matrix is one list, row by row; what a record has not is null. Raises
    ``NotColumnsError`` for records that are to go as JSON, and ``ValueError`` for an envelope that
    cannot be sent.
    """
    columns = _gathered(records)
    _refuse_gaps(columns)
    arrays = {name: _maker(name)(columns[name]) for name in sorted(columns)}
    batch = pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))
    batch = batch.replace_schema_metadata({_ENVELOPE: canonical(dict(envelope))})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


def _gathered(records: Sequence[Any]) -> dict[str, Values]:
    columns: dict[str, Values] = {}
    for position, record in enumerate(records):
        if position % _AT_A_TIME == 0:
            time.sleep(0)  # lets go of the interpreter
        if not isinstance(record, dict):
            raise NotColumnsError("a record is no dict")
        for name, value in _leaves(record):
            if name not in columns:
                _maker(name)  # before all the others are looked at
                columns[name] = [None] * len(records)
            columns[name][position] = value
    return columns


def _leaves(block: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in block.items():
        name = f"{prefix}{key}"
        if value is None:
            if name.partition(".")[0] in _NEVER_NULL:
                raise NotColumnsError(f"{name} is null")
            continue
        if name in _BLOCKS and isinstance(value, dict):
            yield from _leaves(value, f"{name}.")
        else:
            yield name, value


def _refuse_gaps(columns: Mapping[str, Values]) -> None:
    """See that a name which the service may not know stands in every record that counts."""
    if not {"client", "num_examples"} <= columns.keys():
        raise NotColumnsError("records without client or num_examples")
    names = columns.get("status") or [None] * len(columns["client"])
    counting = [position for position, status in enumerate(names) if status in {None, "ok"}]
    for name, values in columns.items():
        partly = name.startswith((_TAGGED, _NAMED)) and None in (values[at] for at in counting)
        if partly or (name in {"client", "num_examples"} and None in values):
            raise NotColumnsError(f"{name} is not in every record")


def _maker(name: str) -> Callable[[Values], pa.Array]:
    """What makes the column of this name."""
    if name in _TEXTS or name.startswith(_TAGGED):
        return _texts
    if name == "num_examples":
        return _wholes
    if name in _NUMBERS:
        return _scalars
    if name in _COUNTS or name.startswith(_NAMED):
        return partial(_lists, flat=_flat_row)
    if name in _SQUARES:
        return partial(_lists, flat=_flat_square)
    if name == "projections":
        return partial(_lists, flat=_flat_matrix)
    raise NotColumnsError(f"{name} is no field of a record")


def _texts(values: Values) -> pa.Array:
    if not set(map(type, values)) <= {str, type(None)}:
        raise NotColumnsError("not all of them are texts")
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError as error:
        raise NotColumnsError("a text that UTF-8 cannot hold") from error


def _wholes(values: Values) -> pa.Array:
    return pa.array(_numbers(values, {int}))


def _scalars(values: Values) -> pa.Array:
    missing = np.array([value is None for value in values])
    numbers = np.zeros(len(values))
    numbers[~missing] = _numbers([value for value in values if value is not None], {int, float})
    return pa.array(numbers, mask=missing)


def _lists(values: Values, flat: Callable[[Any], tuple[int, Iterable[Any]]]) -> pa.Array:
    """Counts as lists of one length; in the rows of records that have none stand zeros."""
    missing = np.array([value is None for value in values])
    parts, sizes = [], set()
    for start in range(0, len(values), _AT_A_TIME):
        time.sleep(0)  # as above
        rows = [flat(value) for value in values[start : start + _AT_A_TIME] if value is not None]
        sizes |= {size for size, _ in rows}
        parts.append(_numbers(list(chain.from_iterable(row for _, row in rows)), {int, float}))
    if len(sizes) != 1:
        raise NotColumnsError("lists of several lengths")
    (size,) = sizes
    told = _narrow(np.concatenate([part for part in parts if len(part)]))
    numbers = np.zeros((len(values), size), told.dtype)
    numbers[~missing] = told.reshape(-1, size)
    mask = pa.array(missing) if missing.any() else None
    return pa.FixedSizeListArray.from_arrays(pa.array(numbers.ravel()), size, mask=mask)


def _flat_row(value: object) -> tuple[int, Iterable[Any]]:
    if not isinstance(value, (list, tuple)) or not value:
        raise NotColumnsError("counts that are no list")
    return len(value), value


def _flat_square(value: object) -> tuple[int, Iterable[Any]]:
    size, numbers = _flat_matrix(value)
    if isinstance(value, (list, tuple)) and size != len(value) ** 2:
        raise NotColumnsError("a matrix that is not square")
    return size, numbers


def _flat_matrix(value: object) -> tuple[int, Iterable[Any]]:
    _, rows = _flat_row(value)
    lengths, flat = zip(*(_flat_row(row) for row in rows), strict=True)
    if len(set(lengths)) != 1:
        raise NotColumnsError("a matrix with rows of several lengths")
    return sum(lengths), chain.from_iterable(flat)


def _numbers(values: Values, kinds: set[type]) -> Numbers:
    """Return int64 where all are whole, else float64."""
    found = set(map(type, values))
    if not found <= kinds:
        raise NotColumnsError("not all of them are numbers")
    try:
        numbers = np.fromiter(values, np.float64 if float in found else np.int64, len(values))
    except OverflowError as error:
        raise NotColumnsError("an integer of more than 63 bits") from error
    if not (np.abs(numbers) <= _EXACT).all():  # NaN is not, either
        raise NotColumnsError("a number that is not finite, or too large")
    return numbers


def _narrow(counts: Numbers) -> Numbers:
    limits = np.iinfo(np.int32)
    small = counts.size == 0 or (counts.min() >= limits.min and counts.max() <= limits.max)
    return counts.astype(np.int32 if counts.dtype == np.int64 and small else np.float64)
