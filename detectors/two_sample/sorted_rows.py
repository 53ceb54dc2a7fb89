"""Many samples sorted at once, checked at their ends, in the form that the kernels walk."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from detectors.arrays import LARGEST, FloatArray, finite
from detectors.errors import BadParameterError


def sorted_rows(rows: FloatArray, name: str, first: int = 0) -> FloatArray:
    """Return (k, n) rows sorted, each with an infinity after its values: (k, n + 1).

    Raises what `finite` does, with `first` + k in the name's braces for row k. A sorted row shows
    at its ends whether a value is out of range, since NaN sorts last; only then is it looked for.
    """
    padded = np.empty((rows.shape[0], rows.shape[1] + 1))
    padded[:, :-1] = rows
    padded[:, -1] = np.inf
    padded[:, :-1].sort(axis=1)
    within = (padded[:, 0] >= -LARGEST) & (padded[:, -2] <= LARGEST)
    if not within.all():
        row = int(np.argmin(within))
        finite(rows[row], name.format(first + row))
    return padded


def over_threads(work: Callable[[slice], None], parts: Iterable[slice], threads: int) -> None:
    """Do `work` for every part; numpy's sort and the kernels let threads run side by side."""
    if threads < 1:
        raise BadParameterError("threads", threads, "1 or more")
    if threads == 1:
        for part in parts:
            work(part)
        return
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(work, parts):
            pass


def slices(size: int, step: int) -> list[slice]:
    """Cut 0 to `size` into slices of at most `step`."""
    return [slice(start, min(start + step, size)) for start in range(0, size, step)]
