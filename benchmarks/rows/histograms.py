"""Rows for Kolmogorov-Smirnov on many pairs of histograms, against vectorised numpy.

Both sides get the same counts of the same type. Peers check nothing, ours does.
"""

from collections.abc import Iterable
from functools import partial

import numpy as np
from numpy.typing import DTypeLike

from benchmarks.harness import Case, Row, faster
from detectors.arrays import Counts, FloatArray
from detectors.two_sample.ks_histograms import ks_histograms

PAIRS, SEED = 100_000, 20_261_121


def _in_numpy(reference: Counts, current: Counts) -> FloatArray:
    """As one writes it: counts of shape (pairs, bins)."""
    f = np.cumsum(reference, axis=1) / reference.sum(axis=1, keepdims=True)
    g = np.cumsum(current, axis=1) / current.sum(axis=1, keepdims=True)
    return np.asarray(np.abs(f - g)[:, :-1].max(axis=1), dtype=np.float64)


def _a_bin_at_a_time(reference: Counts, current: Counts) -> FloatArray:
    """As fast as numpy goes: counts of shape (bins, pairs), nothing larger than a row is made."""
    n, m = (side.sum(axis=0, dtype=np.float64) for side in (reference, current))
    apart, gap, widest = (np.zeros(n.size) for _ in range(3))
    product = np.empty(n.size)
    for p, q in zip(reference[:-1], current[:-1], strict=True):
        np.multiply(p, m, out=product)
        gap += product
        np.multiply(q, n, out=product)
        gap -= product
        np.abs(gap, out=apart)
        np.maximum(widest, apart, out=widest)
    return np.asarray(widest / (n * m), dtype=np.float64)


def _statistics(bins: int, dtype: DTypeLike) -> Iterable[Row]:
    counts = np.random.default_rng(SEED).poisson(50, size=(2, bins, PAIRS)) + 1
    reference, current = (np.ascontiguousarray(side, dtype=dtype) for side in counts)
    rows = [np.ascontiguousarray(side.T) for side in (reference, current)]
    ours = partial(ks_histograms, reference, current)
    for name, peer, goal in (
        ("vectorised numpy, pair-major", partial(_in_numpy, *rows), 20),
        ("numpy a bin at a time, in place", partial(_a_bin_at_a_time, reference, current), 1),
    ):
        if not np.allclose(ours().statistics, peer(), rtol=1e-9):
            raise AssertionError(f"the statistics differ from those of {name}")
        yield faster(
            f"KS on {bins}-bin histograms, {np.dtype(dtype)} counts: D of {PAIRS:,} pairs, checks "
            f"included, against {name}",
            ours,
            peer,
            goal=goal,
            unit="ns",
            repeats=7,
            per=PAIRS,
        )
    yield faster(
        f"KS on {bins}-bin histograms, {np.dtype(dtype)} counts: against adding up the same counts "
        "in numpy, which is one of two readings",
        ours,
        partial(_totals, reference, current),
        goal=0.5,
        unit="ns",
        repeats=7,
        per=PAIRS,
    )


def _totals(reference: Counts, current: Counts) -> None:
    """What has to be known before the first gap is."""
    for side in (reference, current):
        side.sum(axis=0, dtype=np.float64)


CASES = [
    Case(f"KS histograms, {bins} bins, {np.dtype(dtype)}", partial(_statistics, bins, dtype))
    for bins in (20, 50, 200)
    for dtype in (np.float64, np.int32)
]
