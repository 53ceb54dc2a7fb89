"""Rows for Kolmogorov-Smirnov on many pairs of histograms, against vectorised numpy."""

from collections.abc import Iterable
from functools import partial

import numpy as np

from benchmarks.harness import Case, Row, faster
from detectors.arrays import FloatArray
from detectors.two_sample.ks_histograms import ks_histograms

PAIRS, SEED = 100_000, 20_261_121


def _in_numpy(reference: FloatArray, current: FloatArray) -> FloatArray:
    """As one writes it: counts of shape (pairs, bins)."""
    f = np.cumsum(reference, axis=1) / reference.sum(axis=1, keepdims=True)
    g = np.cumsum(current, axis=1) / current.sum(axis=1, keepdims=True)
    return np.asarray(np.abs(f - g)[:, :-1].max(axis=1), dtype=np.float64)


def _statistics(bins: int) -> Iterable[Row]:
    reference, current = np.random.default_rng(SEED).poisson(50, size=(2, bins, PAIRS)) + 1.0
    rows = [np.ascontiguousarray(counts.T) for counts in (reference, current)]
    if not np.allclose(ks_histograms(reference, current).statistics, _in_numpy(*rows), rtol=1e-9):
        raise AssertionError("the statistics differ from numpy's")
    yield faster(
        f"KS on {bins}-bin histograms: D of {PAIRS:,} pairs, checks included, bin-major against "
        "vectorised numpy, pair-major",
        partial(ks_histograms, reference, current),
        partial(_in_numpy, *rows),
        goal=20,
        unit="ns",
        repeats=7,
        per=PAIRS,
    )
    yield faster(
        f"KS on {bins}-bin histograms: the same against numpy on the same bin-major counts",
        partial(ks_histograms, reference, current),
        lambda: _in_numpy_bin_major(reference, current),
        goal=1,
        unit="ns",
        repeats=7,
        per=PAIRS,
    )


def _in_numpy_bin_major(reference: FloatArray, current: FloatArray) -> FloatArray:
    f = np.cumsum(reference, axis=0) / reference.sum(axis=0)
    g = np.cumsum(current, axis=0) / current.sum(axis=0)
    return np.asarray(np.abs(f - g)[:-1].max(axis=0), dtype=np.float64)


CASES = [Case(f"KS histograms, {bins} bins", partial(_statistics, bins)) for bins in (20, 50, 200)]
