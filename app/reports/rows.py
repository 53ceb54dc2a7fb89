"""Rows that have the pooled counts of a distribution: what row-based metrics can be given.

Of `frame`, only each column by itself is real: which values stand in one row means nothing. Of
`pairs` a whole row is, since a confusion matrix counts truth and prediction together.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from app.reports.summaries import Distribution, Summary

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 5_000


def expand(distribution: Distribution, rows: int) -> NDArray[np.float64] | NDArray[np.str_]:
    """`rows` values with the distribution's shares: mid-points of bins, or names of categories.

    Nothing is drawn: shares become whole rows by largest remainders (ties to the first bin), so a
    bin's share is off by less than 1 / rows.

    >>> from app.reports.summaries import Bins
    >>> expand(Distribution(Bins(("a", "b")), (2.0, 1.0)), 4).tolist()
    ['a', 'a', 'a', 'b']
    """
    bins = distribution.bins
    values = np.asarray(bins.names if bins.mid_points is None else bins.mid_points)
    return np.repeat(values, _largest_remainders(np.asarray(distribution.shares), rows))


def rows_of(summary: Summary) -> int:
    """How many rows are rebuilt: as many as examples, `MOST_ROWS` at most and one at least."""
    return max(1, min(summary.n, MOST_ROWS))


def frame(summary: Summary, columns: list[str]) -> "pd.DataFrame":
    """One column a subject, of `rows_of` rows."""
    import pandas as pd  # noqa: PLC0415 - slow to import, and only for reports

    rows = rows_of(summary)
    return pd.DataFrame({name: expand(summary.distributions[name], rows) for name in columns})


def pairs(
    summary: Summary, labels: Sequence[str], truth: str, called: str
) -> "pd.DataFrame | None":
    """Rows of a truth and what it was called, with the shares of the confusion matrix.

    None where there is no matrix on these labels, or where one of them never came true.
    """
    import pandas as pd  # noqa: PLC0415

    counts = np.maximum(np.asarray(summary.confusion or ()), 0.0)
    if counts.shape != (len(labels), len(labels)) or not len(labels):
        return None
    if counts.sum() <= 0:
        return None
    times = _largest_remainders(counts.ravel() / counts.sum(), rows_of(summary))
    if not times.reshape(counts.shape).sum(axis=1).all():
        return None
    names = np.asarray(labels)
    return pd.DataFrame(
        {
            truth: np.repeat(np.repeat(names, len(labels)), times),
            called: np.repeat(np.tile(names, len(labels)), times),
        }
    )


def _largest_remainders(shares: NDArray[np.float64], rows: int) -> NDArray[np.int64]:
    exact = shares * rows
    whole = np.floor(exact).astype(np.int64)
    left = rows - int(whole.sum())
    whole[np.argsort(whole - exact, kind="stable")[:left]] += 1
    return whole
