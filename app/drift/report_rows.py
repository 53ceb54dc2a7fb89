"""Rows that have the pooled counts of a distribution: what row-based metrics can be given.

Only each column by itself is real. Which values stand in one row, and in what order, means nothing.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from app.drift.report_data import Distribution, Summary

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 5_000


def expand(distribution: Distribution, rows: int) -> NDArray[np.float64] | NDArray[np.str_]:
    """`rows` values with the distribution's shares: mid-points of bins, or names of categories.

    Nothing is drawn: shares become whole rows by largest remainders (ties to the first bin), so a
    bin's share is off by less than 1 / rows.

    >>> from app.drift.report_data import Bins
    >>> expand(Distribution(Bins(("a", "b")), (2.0, 1.0)), 4).tolist()
    ['a', 'a', 'a', 'b']
    """
    bins = distribution.bins
    values = np.asarray(bins.names if bins.mid_points is None else bins.mid_points)
    return np.repeat(values, _largest_remainders(np.asarray(distribution.shares), rows))


def frame(summary: Summary, columns: list[str]) -> "pd.DataFrame":
    """One column a subject; as many rows as examples, `MOST_ROWS` at most and one at least."""
    import pandas as pd  # noqa: PLC0415 - slow to import, and only for reports

    rows = max(1, min(summary.n, MOST_ROWS))
    return pd.DataFrame({name: expand(summary.distributions[name], rows) for name in columns})


def _largest_remainders(shares: NDArray[np.float64], rows: int) -> NDArray[np.int64]:
    exact = shares * rows
    whole = np.floor(exact).astype(np.int64)
    left = rows - int(whole.sum())
    whole[np.argsort(whole - exact, kind="stable")[:left]] += 1
    return whole
