"""Client records as they are stored: a chunk's columns as one packed Arrow IPC stream.

Measured against rows, arrays and Parquet in `benchmarks/storage.py`; see ADR 0006.
"""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from app.rounds.columns import lists_of, numbers_of

# In the caller's thread: handing a chunk's buffers to others takes longer than packing them.
_WRITING = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
_READING = pa.ipc.IpcReadOptions(use_threads=False)
_LIMITS = {np.dtype(kind): np.iinfo(kind) for kind in (np.uint8, np.int16, np.int32)}


def pack(batch: pa.RecordBatch) -> bytes:
    """The batch as bytes; whole counts in as few bits as they need, of 8, 16 or 32."""
    sink = pa.BufferOutputStream()
    small = _narrowed(batch)
    with pa.ipc.new_stream(sink, small.schema, options=_WRITING) as writer:
        writer.write_batch(small)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


def unpack(data: bytes) -> pa.RecordBatch:
    """The batch in bytes that `pack` made."""
    with pa.ipc.open_stream(data, options=_READING) as reader:
        return reader.read_next_batch()


def without(batch: pa.RecordBatch, clients: set[str]) -> pa.RecordBatch:
    """The batch without these clients' records."""
    kept = [client not in clients for client in batch.column("client").to_pylist()]
    return batch.filter(pa.array(kept, pa.bool_()))


def _narrowed(batch: pa.RecordBatch) -> pa.RecordBatch:
    arrays = [_narrow(array) for array in batch.columns]
    fields = [
        field.with_type(array.type) for field, array in zip(batch.schema, arrays, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def _narrow(array: pa.Array) -> pa.Array:
    if not pa.types.is_fixed_size_list(array.type) or not len(array):
        return array
    numbers = numbers_of(array)
    kind = _narrowest(numbers)
    if kind is None or kind == numbers.dtype:
        return array
    missing = np.asarray(array.is_null()) if array.null_count else None
    return lists_of(numbers.astype(kind), missing=missing)


def _narrowest(numbers: NDArray[Any]) -> np.dtype[Any] | None:
    """The smallest type of integers that holds them all; None if 32 bits do not."""
    low, high = numbers.min(), numbers.max()
    if numbers.dtype.kind == "f" and (numbers != np.trunc(numbers)).any():
        return None
    fitting = (kind for kind, most in _LIMITS.items() if most.min <= low and high <= most.max)
    return next(fitting, None)  # NaN is within no limits
