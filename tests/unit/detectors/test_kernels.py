"""Compiled loops beside what they compute, written as their definitions say.

Where river, scipy or a plain class is the reference, the test is elsewhere: the table of
docs/adr/0010-kernels-in-numba.md says where, for each kernel.
"""

from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import kernels
from detectors.catalogue import create_block
from detectors.kernels.bins import largest_gaps
from detectors.kernels.chebyshev import series
from detectors.kernels.ks import outside_share
from detectors.kernels.merged import compare_rows, order_statistics
from detectors.kernels.projection_counts import add_counts
from detectors.kernels.within import all_within
from detectors.sequential.blocks.block import Signal

WARNING, DRIFT = int(Signal.WARNING), int(Signal.DRIFT)
ROOT = Path(__file__).parents[3]
Reference = Callable[[np.ndarray], int]


def restarted(judge: Reference, values: np.ndarray) -> list[int]:
    """What `judge` says of all values since the last drift, value by value."""
    signals, start = [], 0
    for now in range(1, values.size + 1):
        signals.append(judge(values[start:now]))
        if signals[-1] & DRIFT:
            start = now
    return signals


def cusum(values: np.ndarray, k: float = 0.5, h: float = 4.0) -> int:
    """Each side is a sum of departures above the least that it has been."""
    walks = (np.concatenate(([0.0], np.cumsum(side * values - k))) for side in (1, -1))
    return DRIFT * any(walk[-1] - walk.min() > h for walk in walks)


def ddm(outcomes: np.ndarray, warm_start: int = 20) -> int:
    n = np.arange(1, outcomes.size + 1)[warm_start:]
    rate = np.cumsum(outcomes)[warm_start:] / n
    error = np.sqrt(rate * (1 - rate) / n)
    if n.size == 0:
        return 0
    best = np.argmin(rate + error)
    above = rate[-1] + error[-1] - rate[best]
    return DRIFT if above > 3 * error[best] else WARNING * bool(above > 2 * error[best])


def eddm(outcomes: np.ndarray, warm_start: int = 10) -> int:
    """Drifts alone: a warning lasts until an error takes it back."""
    times = np.flatnonzero(outcomes) + 1
    gaps = np.diff(times, prepend=0)
    if not outcomes[-1] or times.size <= warm_start:
        return 0
    levels = [
        gaps[:errors].mean() + 2 * (gaps[:errors].std(ddof=1) if errors > 1 else 0.0)
        for errors in range(1, times.size + 1)
        if times[errors - 1] > warm_start
    ]
    return DRIFT * bool(levels[-1] / max(levels) < 0.9)


def hddm_a(values: np.ndarray, drift: float = 0.01, warning: float = 0.05) -> int:
    n = np.arange(1, values.size + 1)
    mean = np.cumsum(values) / n
    cut = int(np.argmin(mean + np.sqrt(np.log(1 / drift) / (2 * n))))
    share = 1 / n[cut] - 1 / n[-1]
    drifted, warned = (
        share > 0 and mean[-1] - mean[cut] >= np.sqrt(share * np.log(2 / level) / 2)
        for level in (drift, warning)
    )
    return DRIFT if drifted else WARNING * bool(warned)


def weighted(values: np.ndarray, weight: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """Exponentially weighted means up to each value, and their weights' squares."""
    age = np.arange(values.size)
    shares = weight * (1 - weight) ** (age[:, np.newaxis] - age)
    first = (1 - weight) ** (age + 1)
    means = np.tril(shares) @ values + first * values[0]
    return means, (np.tril(shares) ** 2).sum(axis=1) + first**2


def hddm_w(values: np.ndarray, drift: float = 0.01, warning: float = 0.05) -> int:
    means, squares = weighted(values)
    cut = int(np.argmin(means + np.sqrt(squares * np.log(1 / drift) / 2)))
    if cut == values.size - 1:
        return 0
    after, after_squares = (each[-1] for each in weighted(values[cut + 1 :]))
    drifted, warned = (
        after - means[cut] > np.sqrt((squares[cut] + after_squares) * np.log(1 / level) / 2)
        for level in (drift, warning)
    )
    return DRIFT if drifted else WARNING * bool(warned)


HDDM = {"drift_confidence": 0.01, "warning_confidence": 0.05}
DEFINED: list[tuple[str, dict[str, Any], Reference]] = [
    ("cusum", {"k": 0.5, "h": 4.0}, cusum),
    ("ddm", {"warm_start": 20}, ddm),
    ("eddm", {"warm_start": 10}, eddm),
    ("hddm-a", HDDM, hddm_a),
    ("hddm-w", HDDM, hddm_w),
]


def moving(name: str, seed: int) -> np.ndarray:
    """Values whose level moves every hundred: 0 and 1, or any numbers from 0 to 1, or normal."""
    rng = np.random.default_rng(seed)
    level = np.repeat(rng.uniform(0.1, 0.9, size=4), 100)
    if name == "cusum":
        return rng.normal(2 * level - 1)
    if name.startswith("hddm"):
        return rng.beta(8 * level, 8 * (1 - level))
    return (rng.random(level.size) < level).astype(np.float64)


@pytest.mark.parametrize(
    ("name", "parameters", "reference"), DEFINED, ids=[each[0] for each in DEFINED]
)
def test_signals_are_those_of_the_definition(
    name: str, parameters: dict[str, Any], reference: Reference
) -> None:
    values = np.stack([moving(name, seed) for seed in range(12)], axis=1)
    signals = create_block(name, 12, **parameters).run(values)
    kept = DRIFT if name in {"cusum", "eddm"} else DRIFT | WARNING
    for stream in range(12):
        assert (signals[:, stream] & kept).tolist() == restarted(reference, values[:, stream])
    assert (signals & DRIFT).any()


@pytest.mark.parametrize("seed", range(5))
def test_sprt_decides_by_the_ratio_of_likelihoods(seed: int) -> None:
    values = np.random.default_rng(seed).normal(0.5, size=300)
    normal = scipy.stats.norm
    block, ratio = create_block("sprt", 1, alpha=0.05, beta=0.1), 0.0
    evidence = normal.logpdf(values, 1.0) - normal.logpdf(values, 0.0)
    for value, added in zip(values, evidence, strict=True):
        ratio += added
        rejected, accepted = ratio >= np.log(0.9 / 0.05), ratio <= np.log(0.1 / 0.95)
        assert bool(block.update([value])[0] & DRIFT) == rejected
        ratio = 0.0 if rejected or accepted else ratio


numbers = st.lists(st.integers(-6, 6).map(float), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(x=numbers, y=numbers)
def test_rows_walked_as_one_give_the_gap_the_area_and_the_order(
    x: list[float], y: list[float]
) -> None:
    rows = [np.array([[*sorted(each), np.inf]]) for each in (x, y)]
    gap, area = np.zeros(1, dtype=np.int64), np.zeros(1)
    compare_rows(*rows, len(y), len(x), gap, area)
    points = np.unique(x + y)
    f, g = ((np.array(each)[:, np.newaxis] <= points).mean(axis=0) for each in (x, y))
    steps = len(x) * len(y)
    assert gap[0] / steps == pytest.approx(np.abs(f - g).max(), rel=1e-12, abs=1e-15)
    expected = np.abs(f - g)[:-1] @ np.diff(points)
    assert area[0] / steps == pytest.approx(expected, rel=1e-12, abs=1e-13)
    found = np.zeros(len(x) + len(y))
    order_statistics(rows[0][0], rows[1][0], np.arange(found.size), found)
    assert found.tolist() == sorted(x + y)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (3, 2), (4, 4), (6, 3), (5, 4), (7, 5)])
def test_the_share_of_paths_is_that_of_all_orders(n: int, m: int) -> None:
    steps = np.full((n + m, 1), -n)
    orders = list(combinations(range(n + m), n))
    paths = np.repeat(steps, len(orders), axis=1)
    for order, places in enumerate(orders):
        paths[list(places), order] = m
    widest = np.abs(np.cumsum(paths, axis=0)).max(axis=0)
    for gap in range(1, n * m + 1):
        expected = np.mean(widest >= gap)
        assert outside_share(n, m, m, n, gap) == pytest.approx(expected, rel=1e-12, abs=1e-15)


@settings(max_examples=30, deadline=None)
@given(bins=st.integers(2, 13), start=st.integers(0, 40), seed=st.integers(0, 2**16))
def test_gaps_between_bins_are_those_of_cumulated_shares(bins: int, start: int, seed: int) -> None:
    reference, current = np.random.default_rng(seed).poisson(3, size=(2, bins, 60)) * 1.0
    reference[0] += 1
    current[0] += 1
    reference[1, start], current[1, -1] = -1.0, np.nan
    gaps, totals = np.full(60, 7.0), np.zeros((2, 60))
    bad = largest_gaps(reference, current, gaps, totals, 1.0, start, 60)
    f, g = (np.cumsum(each, axis=0) / each.sum(axis=0) for each in (reference, current))
    good = slice(start + 1, 59)
    assert gaps[good] == pytest.approx(np.abs(f - g).max(axis=0)[good], rel=1e-9, abs=1e-15)
    assert totals[0, good].tolist() == reference.sum(axis=0)[good].tolist()
    assert (bad, gaps[:start].tolist()) == (2, [7.0] * start)


@given(st.lists(st.floats(), max_size=20))
def test_values_are_within_where_numpy_says_so(values: list[float]) -> None:
    array = np.array(values, dtype=np.float64)
    assert all_within(array) == bool(np.all(np.abs(array) <= 1e100))


@given(places=st.integers(0, 200), terms=st.integers(2, 60), seed=st.integers(0, 2**20))
def test_a_chebyshev_series_is_numpys_to_the_last_bit(places: int, terms: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    at, coefficients, values = rng.uniform(-1, 1, places), rng.normal(size=terms), np.empty(places)
    series(at, coefficients, values)
    assert np.array_equal(values, np.polynomial.chebyshev.chebval(at, coefficients))


@given(st.lists(st.lists(st.integers(-1, 5), min_size=3, max_size=3), min_size=1, max_size=9))
def test_counts_of_clients_are_added_and_checked(counts: list[list[int]]) -> None:
    array, total = np.array(counts, dtype=np.int32), np.zeros(3)
    assert add_counts(array, 0, len(counts), total) == (array.min() >= 0)
    assert total.tolist() == array.sum(axis=0).tolist()


def test_the_table_names_every_kernel_and_tests_that_there_are() -> None:
    text = (ROOT / "docs/adr/0010-kernels-in-numba.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `") and line.count("|") == 4]
    table = {row.split("`")[1]: row.split("|")[3].split("`")[1::2] for row in rows}
    folder = Path(str(kernels.__file__)).parent
    assert set(table) == {path.stem for path in folder.glob("*.py")} - {"__init__"}
    for named in table.values():
        assert named
        assert all((ROOT / "tests/unit/detectors" / test).is_file() for test in named)
