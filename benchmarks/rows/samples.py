"""Rows for tests on samples: KS on 10,000 pairs, and every column of two tables.

scipy is given fewer pairs, one after another, as it takes them. Evidently judges the DataFrame that
ours is given; its preset runs one test a column, ours two. "2 threads" says where ours used both
cores; scipy and Evidently use one each.
"""

import tracemalloc
import warnings
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
import scipy.stats
from numpy.typing import NDArray

from benchmarks.harness import Case, Row, at_most, faster
from detectors.two_sample.columns import compare_columns
from detectors.two_sample.ks_many import ks_many

SEED, COLUMNS = 20_261_121, 50
PAIRS, VALUES, SCIPY_PAIRS = 10_000, 1_000, 200
MEGABYTE = 1e6
FloatArray = NDArray[np.float64]
Tables = tuple[FloatArray, FloatArray]


def _pairs(*, ties: bool) -> tuple[FloatArray, FloatArray]:
    """One reference and 10,000 currents; with ties some 60 distinct values."""
    rng = np.random.default_rng(SEED)
    reference, currents = rng.normal(size=VALUES), rng.normal(size=(PAIRS, VALUES))
    return (reference.round(1), currents.round(1)) if ties else (reference, currents)


def _ks_pairs(goal: float, *, ties: bool) -> Iterable[Row]:
    reference, currents = _pairs(ties=ties)

    def peer() -> None:
        for current in currents[:SCIPY_PAIRS]:
            scipy.stats.ks_2samp(reference, current)

    for threads in (1, 2):
        yield faster(
            f"ks: {PAIRS:,} pairs of {VALUES:,}, exact, {'with' if ties else 'no'} ties, "
            f"{threads} thread(s), against scipy.stats.ks_2samp",
            partial(ks_many, reference, currents, threads=threads),
            peer,
            goal=goal,
            unit="us",
            per=PAIRS,
            peer_per=SCIPY_PAIRS,
        )


def _tables(rows: int) -> Tables:
    """Two tables whose columns lie together, as in a DataFrame; ten of fifty columns shifted."""
    rng = np.random.default_rng(SEED)
    reference, current = (rng.normal(size=(COLUMNS, rows)) for _ in range(2))
    current[:10] += 0.05
    return reference.T, current.T


def _against_scipy(rows: int) -> Iterable[Row]:
    reference, current = _tables(rows)

    def peer() -> None:
        for x, y in zip(reference.T, current.T, strict=True):
            scipy.stats.ks_2samp(x, y)
            scipy.stats.wasserstein_distance(x, y)

    for threads in (1, 2):
        yield faster(
            f"columns: {COLUMNS} x {rows:,}, KS and Wasserstein, {threads} thread(s), against a "
            "loop of scipy's ks_2samp and wasserstein_distance (no p-value)",
            partial(compare_columns, reference, current, threads=threads),
            peer,
            goal=10,
            repeats=3,
        )


def _against_evidently(rows: int) -> Iterable[Row]:
    reference, current = _tables(rows)
    for method in ("wasserstein", "ks"):
        for threads in (1, 2):
            yield faster(
                f"columns: {COLUMNS} x {rows:,}, KS and Wasserstein, {threads} thread(s), against "
                f"Evidently 0.7 DataDriftPreset, {method} alone",
                partial(compare_columns, reference, current, threads=threads),
                _evidently(reference, current, method),
                goal=150,
                repeats=2,
            )


def _evidently(reference: FloatArray, current: FloatArray, method: str) -> Callable[[], None]:
    import pandas as pd  # noqa: PLC0415 - with Evidently 8 s to import, so only where measured
    from evidently import Report  # noqa: PLC0415
    from evidently.presets import DataDriftPreset  # noqa: PLC0415

    names = [f"column_{k}" for k in range(COLUMNS)]
    frames = [pd.DataFrame(table, columns=names) for table in (current, reference)]

    def run() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            Report([DataDriftPreset(num_method=method)]).run(*frames).dict()

    return run


def _memory(rows: int) -> Iterable[Row]:
    reference, current = _tables(rows)
    compare_columns(reference, current)
    tracemalloc.start()
    compare_columns(reference, current)
    peak = tracemalloc.get_traced_memory()[1] / MEGABYTE
    tracemalloc.stop()
    table = (reference.nbytes + current.nbytes) / MEGABYTE
    yield at_most(f"columns: {COLUMNS} x {rows:,}, memory beside the tables", peak, table, "MB")


SIZES = (10_000, 100_000)
CASES = [
    Case("ks pairs", partial(_ks_pairs, 40, ties=False)),
    Case("ks pairs with ties", partial(_ks_pairs, 20, ties=True)),
    *(Case(f"columns {rows} scipy", partial(_against_scipy, rows)) for rows in SIZES),
    *(Case(f"columns {rows} evidently", partial(_against_evidently, rows)) for rows in SIZES),
    *(Case(f"columns {rows} memory", partial(_memory, rows)) for rows in SIZES),
]
